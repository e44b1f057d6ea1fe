"""What a resource becomes when letters tell of it, in whatever order they arrive.

Each element has a stamp: when its sender knew it. A telling changes the elements whose stamps are not newer than its
own, so letters that arrive late, twice or the wrong way round lead to one state. Lists that several letters fill
(`GATHERED`) are united by what tells their items apart; structures that they complete (`COMPLETED`) by their members.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.model import Telling

Json = dict[str, Any]

FLOOR = "*"
"""The stamp of what is known because somebody else than a letter wrote the resource as a whole."""
_INDEX = "\x1e"


@dataclass(slots=True)
class Known:
    """When each element of a resource was known: element, `element.member` or `element/item` → stamp."""

    stamps: dict[str, str] = field(default_factory=dict)
    version: int = 0
    """The version that letters made last; another one was made by somebody else."""


def stamp(telling: Telling, key: str) -> str:
    """The stamp of a telling: letters of the same moment are ordered by their keys."""
    return f"{telling.at}|{key}"


def merge(resource: Json | None, known: Known, telling: Telling, key: str) -> Json:
    """The resource with what the telling says; `known` is brought up to date. The resource given is not changed."""
    merged: Json = dict(resource) if resource is not None else {"resourceType": telling.type, "id": telling.id}
    mark = stamp(telling, key)
    for slot, told in _by_slot(telling.type, telling.says).items():
        how = _key_of_items(telling.type, slot)
        if how is not None:
            _gather(merged, known, slot, told.get(slot), mark, how)
        elif (telling.type, slot) in COMPLETED and (told.get(slot) is None or isinstance(told[slot], dict)):
            _complete(merged, known, slot, told.get(slot), mark)
        elif _is_news(merged, known, slot, mark, _names(telling.type, slot)):
            _replace(merged, _names(telling.type, slot), told)
            known.stamps[slot] = mark
    settle = SETTLED.get(telling.type)
    if settle is not None:
        settle(merged)
    return merged


def written_by_others(known: Known, version: int, moment: str) -> None:
    """Take note that somebody else than a letter made `version`, at `moment` (in the form of `Telling.at`)."""
    if known.version != version:
        known.stamps = {FLOOR: f"{moment}|"}
        known.version = version


def _is_news(resource: Json, known: Known, slot: str, mark: str, names: tuple[str, ...]) -> bool:
    """Whether a telling of this stamp may set the element: nothing newer is known of it."""
    before = known.stamps.get(slot)
    if before is not None:
        return mark >= before.split(_INDEX)[0]
    floor = known.stamps.get(FLOOR, "")
    return mark >= floor or not any(name in resource for name in names)


def _replace(resource: Json, names: tuple[str, ...], told: Mapping[str, Any]) -> None:
    for name in names:
        resource.pop(name, None)
    for name, value in told.items():
        if value is not None and value not in ([], {}, ""):
            resource[name] = value


def _complete(resource: Json, known: Known, slot: str, told: Json | None, mark: str) -> None:
    """Set the members that are told of; None takes all away."""
    before = dict(resource.get(slot, {}))
    for member in told if told is not None else list(before):
        if _is_news(before, known, f"{slot}.{member}", mark, (member,)):
            _replace(before, (member,), {member: None if told is None else told[member]})
            known.stamps[f"{slot}.{member}"] = mark
    _put(resource, slot, before)


def _gather(
    resource: Json, known: Known, slot: str, told: list[Json] | None, mark: str, how: Callable[[Json], str]
) -> None:
    """Unite a list with what is told of it; None takes away all that is older."""
    items: dict[str, Json] = {}
    for item in resource.get(slot, []):
        items.setdefault(_free_key(items, how(item)), item)
    if told is None:
        for key in [key for key in items if mark >= _stamp_of(known, slot, key)]:
            del items[key]
        known.stamps[slot] = max(mark, known.stamps.get(slot, ""))
        _put(resource, slot, list(items.values()))
        return
    given: dict[str, Json] = {}
    for item in told:
        given.setdefault(_free_key(given, how(item)), item)
    for index, (key, item) in enumerate(given.items()):
        if (mark >= _stamp_of(known, slot, key) or key not in items) and mark >= known.stamps.get(slot, ""):
            items[key] = item
            known.stamps[f"{slot}/{key}"] = f"{mark}{_INDEX}{index:04d}"
    ordered = sorted(items, key=lambda key: (known.stamps.get(f"{slot}/{key}", ""), key))
    _put(resource, slot, [items[key] for key in ordered])


def _stamp_of(known: Known, slot: str, key: str) -> str:
    found = known.stamps.get(f"{slot}/{key}")
    return known.stamps.get(FLOOR, "") if found is None else found.split(_INDEX)[0]


def _free_key(taken: Mapping[str, Json], key: str) -> str:
    """The key, numbered where the same item comes twice."""
    if key not in taken:
        return key
    number = 2
    while f"{key}#{number}" in taken:
        number += 1
    return f"{key}#{number}"


def _put(resource: Json, slot: str, value: Any) -> None:
    if value:
        resource[slot] = value
    else:
        resource.pop(slot, None)


# -- what belongs together ----------------------------------------------------------------------------------------


def _by_slot(type_name: str, says: Mapping[str, Any]) -> dict[str, Json]:
    """What is said, by element: the names of a choice and an element with its `_` companion are one."""
    slots: dict[str, Json] = {}
    for name, value in says.items():
        slots.setdefault(_slot(type_name, name), {})[name] = value
    return slots


@lru_cache(maxsize=4096)
def _slot(type_name: str, name: str) -> str:
    element = load().types[type_name].elements.get(name.removeprefix("_"))
    return name.removeprefix("_") if element is None else element.name


@lru_cache(maxsize=4096)
def _names(type_name: str, slot: str) -> tuple[str, ...]:
    element = next((one for one in load().types[type_name].children if one.name == slot), None)
    names = [slot] if element is None else list(element.json_names)
    return tuple(names + [f"_{name}" for name in names])


def _identifier(item: Json) -> str:
    kind = next((one.get("code", "") for one in item.get("type", {}).get("coding", [])), "")
    return f"{item.get('system', '')}|{kind}" if item.get("system") else f"|{kind}|{item.get('value', '')}"


def _reference(item: Json) -> str:
    return str(item.get("reference") or item.get("identifier", {}).get("value") or item.get("display", ""))


def _codes(value: Json | None) -> str:
    coding = (value or {}).get("coding") or [{}]
    return str(coding[0].get("code") or (value or {}).get("text", ""))


def _participant(item: Json) -> str:
    kinds = ",".join(_codes(kind) for kind in item.get("type", []))
    return f"{kinds}|{_reference(item.get('individual') or item.get('actor') or {})}"


def _location(item: Json) -> str:
    return f"{_reference(item.get('location', {}))}|{item.get('period', {}).get('start', '')}"


def _condition(item: Json) -> str:
    return _reference(item.get("condition", {}))


def _link(item: Json) -> str:
    return _reference(item.get("other", {}))


def _extension(item: Json) -> str:
    return str(item.get("url", ""))


_EVERYWHERE: Mapping[str, Callable[[Json], str]] = {"identifier": _identifier, "extension": _extension}
GATHERED: Mapping[tuple[str, str], Callable[[Json], str]] = {
    ("Patient", "link"): _link,
    ("Patient", "generalPractitioner"): _reference,
    ("Encounter", "participant"): _participant,
    ("Encounter", "location"): _location,
    ("Encounter", "diagnosis"): _condition,
    ("Encounter", "account"): _reference,
    ("Encounter", "basedOn"): _reference,
    ("Appointment", "participant"): _participant,
    ("DiagnosticReport", "result"): _reference,
    ("DiagnosticReport", "specimen"): _reference,
    ("DiagnosticReport", "basedOn"): _reference,
    ("DiagnosticReport", "imagingStudy"): _reference,
    ("ServiceRequest", "specimen"): _reference,
    ("ServiceRequest", "supportingInfo"): _reference,
    ("Observation", "hasMember"): _reference,
    ("Account", "subject"): _reference,
    ("CareTeam", "participant"): lambda item: _reference(item.get("member", {})),
}
"""Lists that several letters fill, and what tells their items apart."""

COMPLETED = frozenset(
    {
        ("Encounter", "period"),
        ("Encounter", "hospitalization"),
        ("Account", "servicePeriod"),
        ("Coverage", "period"),
        ("Specimen", "collection"),
        ("EpisodeOfCare", "period"),
        ("Composition", "custodian"),
    }
)
"""Structures whose members are told by different letters: an admission the start of the period, a discharge its end."""


def _key_of_items(type_name: str, slot: str) -> Callable[[Json], str] | None:
    return GATHERED.get((type_name, slot)) or _EVERYWHERE.get(slot)


# -- what follows from what was gathered --------------------------------------------------------------------------


def _settle_encounter(encounter: Json) -> None:
    """A patient is in one place at a time: each place ends when the next begins."""
    places = encounter.get("location", [])
    dated = sorted((one for one in places if one.get("period", {}).get("start")), key=_begins)
    if len(dated) < 2:
        return
    settled = {}
    for one, following in pairwise(dated):
        start, end = _begins(one), _begins(following)
        if start <= end:
            settled[id(one)] = {**one, "status": "completed", "period": {**one["period"], "end": end}}
    ordered = [*(one for one in places if not one.get("period", {}).get("start")), *dated]
    encounter["location"] = [settled.get(id(one), one) for one in ordered]


def _begins(place: Json) -> str:
    return str(place["period"]["start"])


SETTLED: Mapping[str, Callable[[Json], None]] = {"Encounter": _settle_encounter}
