"""What a registration says, as its source wrote it, in the order in which a steward compares it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.identity.normalise.documents import CITIZEN_KINDS
from jiankang.foundation.identity.normalise.numbers import compact, looks_like_one
from jiankang.foundation.identity.normalise.patients import written
from jiankang.foundation.identity.normalise.text import has_han
from jiankang.ui import N_

if TYPE_CHECKING:
    from collections.abc import Callable

    from jiankang.foundation.identity.model import Written, WrittenAddress, WrittenDocument, WrittenName

Json = dict[str, Any]
Said = dict[str, tuple[str, ...]]
MOST = 20
"""More values of one element than this are not shown."""
_LONGEST = 600

SEXES = {"male": N_("Male"), "female": N_("Female"), "other": N_("Other"), "unknown": N_("Not known")}
DOCUMENTS = {
    "PRC": N_("Foreigner's permanent residence card"), "HKM": N_("Mainland travel permit for Hong Kong and Macao residents"),
    "TWP": N_("Mainland travel permit for Taiwan residents"), "PPN": N_("Passport"), "BCT": N_("Birth certificate"),
    "EHC": N_("Electronic health card"), "": N_("Document"), "DOC": N_("Document"), "RIC": N_("Resident identity card"),
    "HMT": N_("Residence permit for Hong Kong, Macao and Taiwan residents"), "FPR": N_("Foreigner's permanent residence card"),
}  # fmt: skip
COMPARED = ("name", "birth", "sex", "citizen", "documents", "phone", "address", "mother", "order")
"""The fields that are scored, in the order of the NHS patient banner: who, then numbers, then where to find them."""
BESIDES = {
    "email": N_("Email"),
    "died": N_("Died"),
    "folders": N_("Record numbers"),
    "source": N_("Registered by"),
    "state": N_("State"),
}
"""What is shown and not scored."""


def read(patient: Json, say: Callable[[str], str]) -> Said:
    """What a Patient says of each of COMPARED and BESIDES; `say` translates a sentence."""
    one = written(patient)
    numbers = [each for each in one.documents if _is_citizens(each)]
    documents = [each for each in one.documents if not _is_citizens(each)]
    said = {
        "name": [_name(each) for each in one.names],
        "birth": [one.birth],
        "sex": [say(SEXES[one.sex])] if one.sex in SEXES else [one.sex],
        "citizen": [each.value for each in numbers],
        "documents": [_document(each, say) for each in documents],
        "phone": list(one.phones),
        "address": [_address(each) for each in one.addresses],
        "mother": [one.mother],
        "order": [one.order],
        "email": _emails(patient),
        "died": [_died(patient, say)],
        "folders": _folders(patient, one),
        "source": _source(patient),
        "state": [say(N_("Taken out of use by its source"))] if patient.get("active") is False else [],
    }
    return {field: _kept(texts) for field, texts in said.items()}


def _kept(texts: list[str]) -> tuple[str, ...]:
    found = dict.fromkeys(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…" for text in texts if text.strip())
    return tuple(found)[:MOST]


def _is_citizens(one: WrittenDocument) -> bool:
    return one.kind in CITIZEN_KINDS or (
        one.kind not in {"EHC", "DOC", "PPN"} and looks_like_one(compact(one.value).upper())
    )


def _name(one: WrittenName) -> str:
    """The family name first; in letters it is written large, with a comma (NHS CUI, patient name display)."""
    if not one.family or (one.text and has_han(one.text)):
        return one.text or one.given
    if has_han(one.family):
        return f"{one.family}{one.given}"
    return f"{one.family.upper()}, {one.given}" if one.given else one.family.upper()


def _document(one: WrittenDocument, say: Callable[[str], str]) -> str:
    kind = say(DOCUMENTS.get(one.kind, DOCUMENTS[""]))
    return " ".join(part for part in (kind, one.country, one.value) if part)


def _address(one: WrittenAddress) -> str:
    return " ".join(part for part in (one.text or one.district, one.code) if part)


def _objects(patient: Json, name: str) -> list[Json]:
    value = patient.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _emails(patient: Json) -> list[str]:
    return [str(each.get("value", "")) for each in _objects(patient, "telecom") if each.get("system") == "email"]


def _died(patient: Json, say: Callable[[str], str]) -> str:
    when = patient.get("deceasedDateTime")
    if isinstance(when, str):
        return when
    return say(N_("Yes, the day is not known")) if patient.get("deceasedBoolean") is True else ""


def _folders(patient: Json, one: Written) -> list[str]:
    """Numbers that say which folder, not who."""
    known = {each.value for each in one.documents}
    return [
        value
        for each in _objects(patient, "identifier")
        if isinstance(value := each.get("value"), str) and value not in known
    ]


def _source(patient: Json) -> list[str]:
    meta, by = patient.get("meta"), patient.get("managingOrganization")
    source = meta.get("source") if isinstance(meta, dict) else None
    name = (by.get("display") or by.get("reference")) if isinstance(by, dict) else None
    return [str(each) for each in (name, source) if each]
