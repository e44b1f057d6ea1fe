"""Why the normaliser and the rules judged as they did: codes with a sentence in Chinese and one in English."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """A sentence for people, in both languages of the house."""

    zh: str
    en: str


REASONS: dict[str, Reason] = {
    "text.hidden-marks": Reason(
        "已去除不可见字符(如方向标记)", "Invisible marks, such as direction marks, were taken out"
    ),
    "text.symbols": Reason("已去除表情或符号", "Emoji or symbols were taken out"),
    "name.empty": Reason("没有姓名", "There is no name"),
    "name.too-long": Reason(
        "姓名超过100个字符,不用于匹配", "The name is longer than 100 characters: not used for matching"
    ),
    "name.too-short": Reason("姓名只有一个字,不用于匹配", "The name is a single character: not used for matching"),
    "name.digits": Reason("姓名中有数字,已忽略", "Digits in the name were ignored"),
    "name.title": Reason("姓名后的称谓已去除", "A title after the name was taken off"),
    "name.unknown": Reason("无名氏:姓名未知,不用于匹配", "An unknown person: the name is not used for matching"),
    "name.withheld": Reason("姓名被部分隐去,不用于匹配", "Part of the name is withheld: not used for matching"),
    "name.newborn": Reason(
        "新生儿临时姓名,按父母姓名比对", "A newborn called after a parent: compared by the parent's name"
    ),
    "name.script": Reason(
        "姓名文字不能转写,只作相同比较", "The name's script is not transliterated: compared for equality only"
    ),
    "name.look-alikes": Reason(
        "姓名混用形近的外文字母,已归一", "Letters that look alike from several scripts were made one script"
    ),
    "citizen.fifteen": Reason("15位旧身份证号已换算为18位", "A 15-digit number was converted to 18 digits"),
    "citizen.placeholder": Reason(
        "身份证号是占位号码,不用于匹配", "The citizen's number is a filler: not used for matching"
    ),
    "citizen.shape": Reason("身份证号格式不对", "The citizen's number does not have the right form"),
    "citizen.date": Reason("身份证号中的出生日期不存在", "The birth date in the citizen's number does not exist"),
    "citizen.future": Reason("身份证号中的出生日期在未来", "The birth date in the citizen's number is in the future"),
    "citizen.check": Reason(
        "身份证号校验码不对(ISO 7064 MOD 11-2)",
        "The check character of the citizen's number is wrong (ISO 7064 MOD 11-2)",
    ),
    "citizen.province": Reason(
        "身份证号前两位不是已知省份,仍予接受", "The first two digits are no known province; the number is accepted"
    ),
    "citizen.division": Reason(
        "身份证号的地区码不是现行代码,仍予接受",
        "The division code of the number is not one of today; the number is accepted",
    ),
    "citizen.birth-differs": Reason("出生日期与身份证号不一致", "The birth date differs from the citizen's number"),
    "citizen.sex-differs": Reason("性别与身份证号不一致", "The sex differs from the citizen's number"),
    "citizen.two": Reason(
        "同一登记有两个不同的有效身份证号", "One registration has two different valid citizen's numbers"
    ),
    "document.placeholder": Reason(
        "证件号码是占位号码,不用于匹配", "The document's number is a filler: not used for matching"
    ),
    "document.shape": Reason("证件号码格式与证件类别不符", "The document's number does not have the form of its kind"),
    "document.check": Reason(
        "护照机读码校验位不对(ICAO 9303)", "A check digit of the machine-readable zone is wrong (ICAO 9303)"
    ),
    "document.date": Reason("证件号码中的日期不存在", "The date in the document's number does not exist"),
    "document.country-unknown": Reason("护照没有签发国", "The passport has no issuing country"),
    "document.kind-unknown": Reason(
        "不认识的证件类别,按号码原样比对", "A kind of document that is not known: compared as written"
    ),
    "document.kind-wrong": Reason(
        "号码像是另一类证件,已按其读取", "The number looks like another kind of document and was read as such"
    ),
    "birth.shape": Reason("出生日期格式不对", "The birth date does not have a form that can be read"),
    "birth.impossible": Reason("出生日期不存在", "There is no such day as the birth date"),
    "birth.exchanged": Reason(
        "出生日期的日与月写反,已更正", "Day and month of the birth date were exchanged and were put right"
    ),
    "birth.future": Reason("出生日期在未来", "The birth date is in the future"),
    "birth.placeholder": Reason(
        "出生日期是系统默认值,不用于匹配", "The birth date is a program's default: not used for matching"
    ),
    "birth.too-old": Reason(
        "按出生日期已超过125岁,不用于匹配", "By the birth date the person is older than 125: not used for matching"
    ),
    "birth.first-of-january": Reason(
        "出生日期为1月1日,可能是估计", "The birth date is a first of January: perhaps an estimate"
    ),
    "birth.from-citizen": Reason("出生日期取自身份证号", "The birth date was taken from the citizen's number"),
    "phone.shape": Reason("电话号码不能识别", "A telephone number cannot be read"),
    "phone.placeholder": Reason(
        "电话号码是占位号码,不用于匹配", "A telephone number is a filler: not used for matching"
    ),
    "address.too-long": Reason(
        "地址超过300个字符,不用于匹配", "The address is longer than 300 characters: not used for matching"
    ),
    "address.code": Reason("行政区划代码格式不对", "The division code does not have 6, 9 or 12 digits"),
    "record.nothing": Reason("没有可用于匹配的信息", "There is nothing to match on"),
    "veto.two-citizens": Reason("两个不同的有效身份证号", "Two different valid citizen's numbers"),
    "veto.two-documents": Reason(
        "同类证件号码不同且没有其他共同证件", "Documents of one kind with different numbers, and no document in common"
    ),
    "veto.other-name": Reason("证件号相同但姓名不同", "The same document with another name"),
    "veto.twins": Reason(
        "可能是双胞胎:出生日期、姓氏和住址或电话相同而名字不同",
        "Possible twins: same birth date, surname and address or telephone, another given name",
    ),
    "veto.order": Reason("同日出生的不同胎次", "Born the same day as different ones of a multiple birth"),
    "veto.newborn": Reason("新生儿临时姓名,须人工确认", "A newborn without a name of its own: a steward decides"),
    "veto.unknown": Reason("无名氏登记,须人工确认", "A person registered as unknown: a steward decides"),
    "veto.sex": Reason("性别不同", "The sexes differ"),
    "veto.birth-conflict": Reason(
        "登记内容与自己的身份证号矛盾", "A registration contradicts its own citizen's number"
    ),
    "veto.no-support": Reason("只有一项证据,须人工确认", "A single piece of evidence: a steward decides"),
    "veto.several": Reason("与多个不同的人都相符,须人工确认", "It fits several different people: a steward decides"),
    "veto.limit": Reason(
        "候选人过多,未全部比对,须人工确认", "Too many candidates, not all compared: a steward decides"
    ),
    "score.possible": Reason("得分不足以自动关联", "The score is not high enough to link without a person's eyes"),
    "link.missed": Reason(
        "定期比对认定为同一人,但已关联到不同的人",
        "The nightly comparison is sure, but they are linked to different persons",
    ),
    "link.elsewhere": Reason(
        "更新后与另一人相符,原有关联未变", "Since its update it fits another person; the links it has stay as they are"
    ),
    "link.differs": Reason(
        "更新后与已关联的登记都不相符", "Since its update it fits none of the registrations it is linked with"
    ),
    "visit.open": Reason(
        "就诊尚未结束,不自动改变关联", "A visit is open: links are not changed without a person's eyes"
    ),
    "source.replaced": Reason("来源称已由另一登记取代", "Its source says that another registration took its place"),
    "rule.never": Reason("专员认定为不同的人", "A steward said that they are never one person"),
    "rule.always": Reason("专员认定为同一人", "A steward said that they are always one person"),
}


MENDABLE = frozenset(
    {
        "name.empty", "name.too-long", "name.too-short", "citizen.shape", "citizen.date", "citizen.future", "citizen.check",
        "citizen.birth-differs", "citizen.sex-differs", "citizen.two", "document.shape", "document.check", "document.country-unknown",
        "birth.shape", "birth.impossible", "birth.future", "birth.too-old", "phone.shape", "address.too-long", "address.code",
        "record.nothing",
    }
)  # fmt: skip
"""Findings that whoever sent the registration can do something about."""


def reason(code: str) -> Reason:
    """The sentences of a code."""
    return REASONS[code]
