"""A case as a row of the report card 传染病报告卡. Pure.

Columns by the norm of 2026 (传染病信息报告管理规范); what the record does not know stays empty, for people to fill in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.tables.diseases import matching

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.tables.diseases.matching import Disease

Json = Mapping[str, Any]
COLUMNS = (
    "卡片编号", "报卡类别", "患者姓名", "家长姓名", "证件类型", "证件号码", "性别", "出生日期", "实足年龄", "年龄单位",
    "工作单位", "联系电话", "病人属于", "现住址国标", "现住详细地址", "人群分类", "病例分类1", "病例分类2", "发病日期",
    "诊断时间", "死亡日期", "疾病类别", "疾病名称", "疾病代码", "ICD-10", "订正前病名", "报告单位", "报告医生", "填卡日期",
    "报告时限(小时)", "应报时间", "备注", "记录编号",
)  # fmt: skip
_SEXES = {"male": "1", "female": "2", "other": "9"}
_DOCUMENTS = (
    ("urn:oid:2.16.156.10011.1.3", "01"), ("urn:jiankang:passport:", "03"), ("http://hl7.org/fhir/sid/passport-", "03"),
)  # fmt: skip
"""Systems of documents and their codes of WS 364 CV02.01.101."""
_CHILD_YEARS = 14


@dataclass(frozen=True, slots=True)
class Case:
    """A case with what the record knows around it."""

    condition: Json
    disease: Disease
    patient: Json
    encounter: Json = field(default_factory=dict)
    facility: str = ""
    doctor: str = ""
    before: str = ""
    """The disease that was reported of it before; empty: nothing was."""


def card(case: Case, today: date, county: str, zone: str = "+08:00") -> list[str]:
    """The row of a case."""
    patient, disease = case.patient, case.disease
    document, number = _document(patient)
    diagnosed = _diagnosed(case, zone)
    age, unit = _age(str(patient.get("birthDate", "")), diagnosed)
    division = _division(patient)
    code = matching.icd(case.condition)
    due = (
        _moment(diagnosed, zone) + timedelta(hours=disease.hours) if len(diagnosed) > 10 else None
    )  # a day alone has no hour to count from
    said = {
        "报卡类别": "2" if case.before else "1", "患者姓名": _name(patient), "证件类型": document, "证件号码": number,
        "家长姓名": _guardian(patient) if unit != "岁" or int(age or 99) <= _CHILD_YEARS else "",
        "性别": _SEXES.get(str(patient.get("gender")), "0"), "出生日期": str(patient.get("birthDate", "")),
        "实足年龄": age, "年龄单位": unit, "联系电话": _phone(patient), "病人属于": _belongs(division, county, document),
        "现住址国标": division, "现住详细地址": _address(patient), "病例分类1": matching.classified(case.condition),
        "病例分类2": matching.acute(code), "发病日期": str(case.condition.get("onsetDateTime", ""))[:10],
        "诊断时间": diagnosed[:16].replace("T", " "), "死亡日期": str(patient.get("deceasedDateTime", ""))[:10],
        "疾病类别": f"{disease.class_}类", "疾病名称": disease.name, "疾病代码": disease.card, "ICD-10": code,
        "订正前病名": case.before if case.before != disease.name else "", "报告单位": case.facility,
        "报告医生": case.doctor, "填卡日期": today.isoformat(), "报告时限(小时)": str(disease.hours),
        "应报时间": f"{due:%Y-%m-%d %H:%M}" if due else "", "记录编号": str(case.condition.get("id", "")),
    }  # fmt: skip
    return [said.get(column, "") for column in COLUMNS]


def _name(person: Json) -> str:
    names = sorted(person.get("name", []), key=lambda one: one.get("use") in {"old", "maiden", "nickname"})
    for one in names:
        text = one.get("text") or f"{one.get('family', '')}{''.join(one.get('given', []))}"
        if text:
            return str(text)
    return ""


def _document(patient: Json) -> tuple[str, str]:
    for system, kind in _DOCUMENTS:
        for one in patient.get("identifier", []):
            if str(one.get("system", "")).startswith(system) and one.get("value"):
                return kind, str(one["value"])
    return "", ""


def _guardian(patient: Json) -> str:
    return next((found for one in patient.get("contact", []) if (found := _name({"name": [one.get("name", {})]}))), "")


def _phone(patient: Json) -> str:
    numbers = (one for one in patient.get("telecom", []) if one.get("system") in {"phone", "sms"})
    return str(next((one["value"] for one in numbers if one.get("value")), ""))


def _home(patient: Json) -> Json:
    found = [one for one in patient.get("address", []) if one.get("use") != "old"]
    return found[0] if found else {}


def _address(patient: Json) -> str:
    home = _home(patient)
    parts = (home.get("state"), home.get("city"), home.get("district"), *home.get("line", []))
    return str(home.get("text") or "".join(str(one) for one in parts if one))


def _division(patient: Json) -> str:
    for one in _home(patient).get("extension", []):
        if str(one.get("url", "")).endswith("division"):
            return str(one.get("valueCoding", {}).get("code", ""))
    return ""


def _belongs(division: str, county: str, document: str) -> str:
    """病人属于: 1 this county, 2 this city, 3 this province, 4 another one, 6 a foreigner; empty where nobody knows."""
    if document == "03":
        return "6"
    if len(division) < 6 or len(county) < 6:
        return ""
    same = next((kind for length, kind in ((6, "1"), (4, "2"), (2, "3")) if division[:length] == county[:length]), "4")
    return "3" if same == "2" and county[2:4] == "90" else same


def _diagnosed(case: Case, zone: str) -> str:
    """When it was diagnosed, by the clocks of `zone`."""
    written = str(case.condition.get("recordedDate") or case.encounter.get("period", {}).get("start") or "")
    return _moment(written, zone).isoformat() if "T" in written else written


def _moment(written: str, zone: str) -> datetime:
    return datetime.fromisoformat(written).astimezone(datetime.fromisoformat(f"2000-01-01T00:00{zone}").tzinfo)


def _age(born: str, when: str) -> tuple[str, str]:
    """Completed years; months below one year, days below one month."""
    if len(born) != 10 or len(when) < 10:
        return "", ""
    birth, then = date.fromisoformat(born), date.fromisoformat(when[:10])
    if then < birth:
        return "", ""
    months = (then.year - birth.year) * 12 + then.month - birth.month - (then.day < birth.day)
    if months >= 12:
        return str(months // 12), "岁"
    return (str(months), "月") if months else (str((then - birth).days), "天")
