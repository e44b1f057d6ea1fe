"""The guide as Markdown: one page for each profile, one each for extensions and codes, and the first page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from guides.words import HL7, Json, both, laid_out, spaced

if TYPE_CHECKING:
    from guides.building import Guide
    from guides.structures import Sheet

_SHOWN_VALUE = ("fixed", "pattern")
_TAG = re.compile(r"^\[[ABC]\](?: .*?\[[ABC]\])*")
NOTE = "<!-- 由 tools/guide.py 生成，请改 ig/cn-hainan。Written by tools/guide.py: change ig/cn-hainan instead. -->\n\n"


def pages(guide: Guide) -> dict[str, str]:
    """Every page by its file name."""
    made = {
        "README.md": _first(guide),
        "extensions.md": _extensions(guide),
        "codes.md": _codes(guide),
        "search.md": _searches(guide),
    }
    for sheet in _profiles(guide):
        made[f"{sheet.resource['id']}.md"] = _profile(guide, sheet)
    return {name: NOTE + text.rstrip() + "\n" for name, text in made.items()}


def _profiles(guide: Guide) -> list[Sheet]:
    return [each for each in guide.sheets if each.resource["type"] != "Extension"]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *([_cell(each) for each in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


# ---- the first page


def _first(guide: Guide) -> str:
    table = guide.words.table
    sources = "".join(f"- `{key}` {told}\n" for key, told in table["sources"].items())
    listed = _table(
        ("剖面 Profile", "资源 Resource", "用途 For", "来源 Source"),
        (
            (f"[{both(sheet.source)}]({sheet.resource['id']}.md)", f"`{sheet.resource['type']}`", _norm(sheet), _tag(guide, sheet.source.get("source", "")))
            for sheet in _profiles(guide)
        ),
    )  # fmt: skip
    counted = f"{len(_profiles(guide))} profiles, {len(guide.sheets) - len(_profiles(guide))} extensions"
    return f"""# {both(table["title"])}

{table["description"]["zh"]}。{table["description"]["en"]}. FHIR R4 (4.0.1), package `{guide.words.id}` {guide.words.version}: {counted},
{len(guide.of("ValueSet"))} value sets, {len(guide.of("CodeSystem"))} code systems, {len(guide.of("ConceptMap"))} concept maps, {len(guide.of("SearchParameter"))} search parameters, {len(guide.examples.right)} examples.

**给谁用** 接入本平台的医院、卫生院、疾控、厂商，以及平台各房间的开发者。
**For whom** Hospitals, health centres, CDCs and vendors who connect, and whoever builds on the platform.

## 用法 How to use it

```
jiankang package install cn-hainan          # 随平台提供，不需联网 comes with the platform, no network
```

资源写上 `meta.profile` 即按剖面检查；也可用 `$validate`。A resource that claims a profile in `meta.profile` is held to it;
`$validate?profile=…` asks without writing. 编码系统随平台提供，包里只有自己的。The Chinese code systems come with the platform
(`src/jiankang/foundation/terminology/systems`); the package has only its own.

## 剖面 Profiles

{listed}
其他 Also: [扩展 extensions](extensions.md) · [值集、编码、对照 value sets, codes, maps](codes.md) · [检索参数 search parameters](search.md) · 源文件 sources: `ig/cn-hainan`

## 来源标记 What the tags mean

| 标记 Tag | 含义 |
| --- | --- |
| [A] | 见到了材料 seen in stored material |
| [B] | 已知的标准，原文未见，认证前请核对 a known norm whose text was not at hand: compare before certification |
| [C] | 本平台的提案，不属任何标准 this platform's proposal, of no norm |

{sources}
数据元标识（DE…）取自公开软件中的用法，未与标准原文核对；没有标识处即没有查到。Data element identifiers (DE…) are as public
software uses them, not compared with the standard; where none is shown none was found.

## 没有的 Not here

2小时与24小时时限、多数随访规则：由监测与公卫房间判断。附卡、慢阻肺随访、产后访视：原文未见。WS 365的数据集内标识(HDS…)：未见。
The limits of 2 and 24 hours and most follow-up rules are decided by the rooms for surveillance and programmes. Appendix
cards, COPD and postnatal visits, and the identifiers within WS 365 (HDS…): not seen.
"""


def _norm(sheet: Sheet) -> str:
    return str(sheet.source.get("norm", ""))


def _tag(guide: Guide, source: str) -> str:
    told = str(guide.words.table["sources"].get(source, ""))
    tags = sorted(set(re.findall(r"\[([ABC])\]", told)))
    return "/".join(tags)


# ---- a profile


def _profile(guide: Guide, sheet: Sheet) -> str:
    resource = sheet.resource
    parts = [
        f"# {both(sheet.source)}\n",
        f"`{resource['url']}` · {_base(guide, resource)} · {_norm(sheet)}\n",
        resource["purpose"].strip() + "\n",
        f"来源 Source: {guide.words.table['sources'][sheet.source.need('source')]}{_data_set(resource)}\n",
        "## 元素 Elements\n",
        _elements(guide, sheet),
        _rules(guide, sheet),
        _examples(guide, sheet),
    ]
    return "\n".join(part for part in parts if part)


def _data_set(resource: Json) -> str:
    sets = [f"{each['code']} {each['display']}" for each in resource.get("keyword", ())]
    return f" 数据集 Data set: {', '.join(sets)} [A]" if sets else ""


def _base(guide: Guide, resource: Json) -> str:
    base = resource["baseDefinition"]
    own = next((each for each in guide.sheets if each.resource["url"] == base), None)
    if own is None:
        return f"based on [{resource['type']}](http://hl7.org/fhir/R4/{resource['type'].lower()}.html)"
    return f"建立在 based on [{both(own.source)}]({own.resource['id']}.md)"


def _elements(guide: Guide, sheet: Sheet) -> str:
    shot = {each["id"]: each for each in sheet.resource["snapshot"]["element"]}
    rows = []
    for element in sheet.elements:
        if set(element) <= {"id", "path", "slicing"} or "." not in element["id"]:
            continue
        words: Json = sheet.tables.get(element["id"]) or {}
        full = shot[element["id"]]
        rows.append((
            f"`{element['id'].partition('.')[2]}`", f"{full.get('min', 0)}..{full.get('max', '*')}",
            "S" if full.get("mustSupport") else "", words.get("zh", ""), f"{words.get('en', '')} {_noted(words)}",
            _kind(guide, element), _bound(guide, element), str(words.get("de", "")),
            _tag(guide, words.get("source", sheet.source.get("source", ""))) if words.get("zh") else "",
        ))  # fmt: skip
    head = ("元素 Path", "基数", "S", "中文", "English", "类型 Type / value", "值集 Binding", "数据元 DE", "来源")
    return _table(head, rows) + "\nS: mustSupport，须能存取与显示 has to be kept and shown.\n"


def _noted(words: Json) -> str:
    return f"<br>{words['note']}" if "note" in words else ""


def _kind(guide: Guide, element: Json) -> str:
    told = []
    for each in element.get("type", ()):
        profiles = [_link(guide, url) for url in each.get("profile", ())]
        targets = [_link(guide, url) for url in each.get("targetProfile", ())]
        if profiles and each["code"] == "Extension":
            told += profiles
        else:
            told.append(each["code"] + (f" ({', '.join([*profiles, *targets])})" if profiles or targets else ""))
    for name, value in element.items():
        if name.startswith(_SHOWN_VALUE):
            told.append(f"= {_short(value)}")
    if "slicing" in element:
        sliced = ", ".join(f"{each['type']} {each['path']}" for each in element["slicing"]["discriminator"])
        told.append(f"切片 sliced by {sliced} ({element['slicing']['rules']})")
    return "<br>".join(told)


def _short(value: object) -> str:
    if isinstance(value, dict):
        coding = value["coding"][0] if "coding" in value else value
        return f"`{coding.get('system', '')}#{coding.get('code', '')}`"
    return f"`{value}`"


def _link(guide: Guide, url: str) -> str:
    for sheet in guide.sheets:
        if sheet.resource["url"] == url:
            name = sheet.resource["id"]
            extension = sheet.resource["type"] == "Extension"
            return f"[{sheet.source['zh']}]({f'extensions.md#{name}' if extension else f'{name}.md'})"
    return url.removeprefix(HL7) if url.startswith(HL7) else url


def _bound(guide: Guide, element: Json) -> str:
    binding = element.get("binding")
    if not binding:
        return ""
    url = binding["valueSet"]
    name = next(
        (f"[{each['title']}](codes.md#{each['id']})" for each in guide.of("ValueSet") if each["url"] == url), url
    )
    return f"{name} ({binding['strength']})"


def _rules(guide: Guide, sheet: Sheet) -> str:
    keys = [c["key"] for element in sheet.elements for c in element.get("constraint", ())]
    if not keys:
        return ""
    told = []
    for key in dict.fromkeys(keys):
        rule = guide.rules[key]
        note = f" {rule['note']}" if "note" in rule else ""
        level = "警告 warning" if rule.get("severity") == "warning" else "错误 error"
        where = [each["id"] for each in sheet.elements for c in each.get("constraint", ()) if c["key"] == key]
        expression = rule["expression"].strip("\n")
        told.append(
            f"**{key}** ({level}, {_tag(guide, rule.get('source', 'local'))}) {rule['zh']}。{rule['en']}.{note}\n"
            f"`{', '.join(where)}`\n\n```\n{expression}\n```\n"
        )
    return "## 规则 Invariants\n\n" + "\n".join(told)


def _examples(guide: Guide, sheet: Sheet) -> str:
    own = sheet.resource["url"]
    right = guide.examples.of(own)
    if not right:
        return ""
    first = laid_out(right[0])
    more = "".join(f"、`{each['id']}.json`" for each in right[1:])
    text = f"## 例子 Examples\n\n`ig/{guide.words.id}/examples/{right[0]['id']}.json`{more}\n\n"
    text += f"<details><summary>{right[0]['id']}</summary>\n\n```json\n{first}\n```\n\n</details>\n"
    wrong = [each for each in guide.examples.wrong if each.profile == sheet.resource["id"]]
    if wrong:
        text += "\n错误的例子，及应得的消息。Wrong ones, and the message they get:\n\n" + _table(
            ("错在哪里 What is wrong", "", "消息 Message", "位置 Where", "级别"),
            ((each.zh, each.en, f"`{each.message_id}`", f"`{each.place}`", each.severity) for each in wrong),
        )
    return text


# ---- extensions, codes, search


def _extensions(guide: Guide) -> str:
    rows: list[tuple[str, ...]] = []
    for sheet in guide.sheets:
        resource = sheet.resource
        if resource["type"] == "Extension":
            values = [each for each in sheet.elements if each["path"].endswith("value[x]") and "type" in each]
            parts = [_part(guide, sheet, each) for each in values]
            simple = parts[0][1:] if "parts" not in sheet.source else ("", "", "", "", sheet.source.get("rules", ""))
            title = f'<a id="{resource["id"]}"></a>{both(sheet.source)}'
            told = (f"`{resource['id']}`", title, ", ".join(spaced(sheet.source["on"])))
            rows.append((*told, *simple, _about(guide, sheet.source)))
            if "parts" in sheet.source:
                rows += [(f"· `{name}`", both(sheet.source["parts"][name]), "", *rest, "") for name, *rest in parts]
    head = ("ID", "扩展 Extension", "用于 On", "基数", "类型 Type", "值集 Binding", "数据元 DE", "规则", "说明 About")
    text = "# 扩展 Extensions\n\nR4没有对应元素的数据项。What R4 has no element for. "
    text += f"URL: `{guide.words.canonical}:StructureDefinition:ID`\n\n{_table(head, rows)}\n"
    return text + "\n".join(
        _rules(guide, each) for each in guide.sheets if each.resource["type"] == "Extension" and "rules" in each.source
    )


def _part(guide: Guide, sheet: Sheet, element: Json) -> tuple[str, ...]:
    """The name of a value, and how often, of what type, from which set, its data element, its rules."""
    holder = element["id"].removesuffix(".value[x]")
    name = holder.partition(":")[2]
    words = sheet.tables.get(holder, sheet.source)
    wanted = holder if name else element["id"]
    full = next(each for each in sheet.resource["snapshot"]["element"] if each["id"] == wanted)
    card = f"{full.get('min', 0)}..{full['max']}" if name else ""
    rules = "" if name else ", ".join(spaced(sheet.source.get("rules", "")))
    return name, card, _kind(guide, element), _bound(guide, element), str(words.get("de", "")), rules


def _about(guide: Guide, table: Json) -> str:
    """The note, and the tag and key of the source."""
    source = table.get("source", "local")
    return f"{table.get('note', '')} {_tag(guide, source)} (`{source}`)".strip()


def _said(guide: Guide, resource: Json) -> str:
    return _about(guide, guide.tables[resource["resourceType"], resource["id"]])


def _codes(guide: Guide) -> str:
    text = "# 值集、编码、对照 Value sets, codes, maps\n\n"
    text += "来源标记见[首页](README.md)。What the tags of sources mean is on the [first page](README.md).\n\n"
    text += f"## 值集 Value sets\n\nURL: `{guide.words.canonical}:ValueSet:ID`\n\n"
    rows = (
        (
            f'<a id="{each["id"]}"></a>`{each["id"]}`', each["title"],
            "<br>".join(_included(include) for include in each["compose"]["include"]), _said(guide, each),
        )
        for each in guide.of("ValueSet")
    )  # fmt: skip
    text += _table(("ID", "值集 Value set", "内容 Codes", "说明 About"), rows)
    for each in guide.of("CodeSystem"):
        text += f"\n## {each['title']}\n\n`{each['url']}` {each['version']}. {_said(guide, each)}\n\n"
        concepts = (
            (f"`{c['code']}`", c["display"], c["designation"][0]["value"], _properties(c)) for c in each["concept"]
        )
        text += _table(("代码 Code", "中文", "English", "数据元、LOINC"), concepts)
    for each in guide.of("ConceptMap"):
        text += f"\n## {each['title']}\n\n`{each['url']}`: {each['sourceUri']} → {each['targetUri']}. {_said(guide, each)}\n\n"
        text += _table(("从 From", "到 To", "关系 Equivalence", "说明"), _mapped(each))
    return text


def _properties(concept: Json) -> str:
    return ", ".join(each["valueString"] for each in concept.get("property", ()))


def _included(include: Json) -> str:
    codes = ", ".join(f"`{each['code']}`" for each in include.get("concept", ()))
    return f"`{include['system']}`" + (f": {codes}" if codes else " 全部 all")


def _mapped(resource: Json) -> Iterable[tuple[str, ...]]:
    for group in resource["group"]:
        for element in group["element"]:
            for target in element["target"]:
                to = f"`{target['code']}` {target.get('display', '')}" if "code" in target else ""
                yield (
                    f"`{element['code']}` {element.get('display', '')}",
                    to,
                    target["equivalence"],
                    target.get("comment", ""),
                )


def _searches(guide: Guide) -> str:
    text = "# 检索参数 Search parameters\n\n安装后平台在后台建索引，建完即可用。Indexed in the background after installation; "
    text += "until then they are refused, never answered in part.\n\n"
    rows = (
        (
            f"`{each['base'][0]}?{each['code']}=`", both(guide.tables["SearchParameter", each["id"]]), each["type"],
            f"`{each['expression']}`", _said(guide, each),
        )
        for each in guide.of("SearchParameter")
    )  # fmt: skip
    return text + _table(("参数 Parameter", "含义 Meaning", "类型", "FHIRPath", "说明 About"), rows)
