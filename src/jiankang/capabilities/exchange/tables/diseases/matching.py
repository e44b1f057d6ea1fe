"""Which notifiable disease a diagnosis is: 法定传染病病种, 42 diseases and their types as of 2026-04-01. Pure.

Law on the Prevention and Treatment of Infectious Diseases (2025), announcement no. 3 of 2026. ICD-10 ranges are ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

_CODE = re.compile(r"[A-Z]\d\d(\.\d{1,4})?")
_SYSTEM = re.compile(r"icd-?10|2\.16\.840\.1\.113883\.6\.(3|90)$", re.IGNORECASE)
_DOUBT = re.compile(r"^(疑似|可疑)|[?？]|待排$")
_PAST = ("陈旧性", "后遗症", "既往", "病史", "恢复期")
"""Words of a diagnosis that is not a case of today."""


@dataclass(frozen=True, slots=True)
class Disease:
    """A notifiable disease, or a type of one."""

    id: str
    parent: str
    name: str
    class_: str
    """甲, 乙 or 丙."""
    managed: str
    hours: int
    """Within how many hours it is to be reported."""
    ranges: tuple[tuple[str, str], ...]
    card: str
    """Its code on the report card of the older system; empty: none is known."""


@lru_cache(maxsize=1)
def diseases() -> tuple[Disease, ...]:
    """All of them."""
    lines = (files(__package__) / "notifiable.tsv").read_text("utf-8").splitlines()[1:]
    return tuple(_disease(*line.split("\t")) for line in lines)


def _disease(id_: str, parent: str, name: str, class_: str, managed: str, hours: str, codes: str, card: str) -> Disease:
    ranges = tuple(_range(part) for part in codes.split(";") if part)
    return Disease(id_, parent, name, class_, managed, int(hours), ranges, card)


def _range(written: str) -> tuple[str, str]:
    first, _, last = written.partition("-")
    return first, last or first


@lru_cache(maxsize=4096)
def of_code(code: str) -> Disease | None:
    """The disease of an ICD-10 code: the one whose range is narrowest; where several types share it, what they are types of."""
    best: list[Disease] = []
    narrow = (0, 0)
    for disease in diseases():
        for first, last in disease.ranges:
            if not first <= code[: len(first)] <= last:
                continue
            fit = (len(first), int(first == last))
            if fit > narrow:
                narrow, best = fit, []
            if fit == narrow:
                best.append(disease)
    types = [one for one in best if one.parent]
    if len(types) == 1:
        return types[0]
    return next((one for one in best if not one.parent), None) or _parent(types)


def _parent(types: list[Disease]) -> Disease | None:
    return next((one for one in diseases() if types and one.id == types[0].parent), None)


@lru_cache(maxsize=4096)
def of_words(text: str) -> Disease | None:
    """The disease that a diagnosis without a code names."""
    bare = _DOUBT.sub("", text.strip())
    return next((one for one in diseases() if one.name == bare), None)


def icd(condition: Mapping[str, Any]) -> str:
    """The ICD-10 code of a Condition; empty where it has none."""
    for coding in condition.get("code", {}).get("coding", []):
        code = str(coding.get("code", "")).upper()
        if _SYSTEM.search(str(coding.get("system", ""))) and (found := _CODE.match(code)):
            return found[0]
    return ""


def words(condition: Mapping[str, Any]) -> str:
    """The diagnosis in words."""
    concept = condition.get("code", {})
    return str(concept.get("text") or next((one.get("display", "") for one in concept.get("coding", [])), ""))


def of_condition(condition: Mapping[str, Any]) -> Disease | None:
    """The notifiable disease that a Condition is a case of; None for others, past ones and those that were refuted."""
    status = _codes(condition.get("verificationStatus"))
    if status & {"refuted", "entered-in-error"} or any(word in words(condition) for word in _PAST):
        return None
    code = icd(condition)
    return of_code(code) if code else of_words(words(condition))


def _codes(concept: Any) -> set[str]:
    return {str(one.get("code", "")) for one in (concept or {}).get("coding", [])}


def classified(condition: Mapping[str, Any]) -> str:
    """病例分类1 of the card: 3 疑似 while in doubt, 2 确诊 with evidence beside it, else 1 临床诊断."""
    status = _codes(condition.get("verificationStatus"))
    if status & {"unconfirmed", "provisional", "differential"} or re.match("疑似|可疑", words(condition)):
        return "3"
    return "2" if condition.get("evidence") else "1"


def acute(code: str) -> str:
    """病例分类2 of the card for hepatitis B, C and schistosomiasis: 1 急性, 2 慢性, 0 未分型; empty for others."""
    if code.startswith(("B16", "B17.1")):
        return "1"
    if code.startswith(("B18.0", "B18.1", "B18.2")):
        return "2"
    return "0" if code.startswith("B65") else ""
