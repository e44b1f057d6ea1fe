"""The person made of their registrations: a Patient that is worked out whenever it is asked for, and never stored.

So it is never out of date, an unmerge leaves nothing behind, and whoever may not see one of the registrations does not
see what only that one says. `survivorship` is the table of how each element is chosen; the answer names, for each
element, the rule and the registration it was taken from.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jiankang.foundation.identity.normalise.patients import CITIZEN_SYSTEM
from jiankang.foundation.record.codec import split_text
from jiankang.foundation.record.store import Stored
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from psycopg import AsyncConnection

    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.store import Record as TheRecord

Json = dict[str, Any]
PREFIX = "person-"
GOLDEN = {"system": "urn:jiankang:codes:identity", "code": "golden", "display": "Made of all registrations of a person"}
SURVIVORSHIP = "urn:jiankang:StructureDefinition:survivorship"
_ID = re.compile(r"person-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BEGAN = 1_577_836_800  # 2020-01-01: versions are seconds since

_SOURCES = """
SELECT r.rid, r.id, r.version, r.updated, r.keys, r.body
FROM identity_record AS i JOIN resource AS r ON r.rid = i.rid
WHERE i.person = %s AND NOT r.deleted AND {allowed} ORDER BY r.updated DESC, r.rid
"""
_MOVED = "SELECT max(at) FROM identity_change WHERE before = %s"
_FOLLOWED = """
SELECT DISTINCT i.person::text FROM identity_change AS c JOIN identity_record AS i ON i.rid = c.rid
JOIN resource AS r ON r.rid = i.rid WHERE c.before = %s AND {allowed} ORDER BY 1
"""


def is_person(id_: str) -> bool:
    """Whether an id is one of those that persons have."""
    return id_.startswith(PREFIX)


def person_id(person: str) -> str:
    """The id of the Patient made for a person."""
    return f"{PREFIX}{person}"


def person_of(id_: str) -> str | None:
    """The person that an id names; None when it names none."""
    return id_.removeprefix(PREFIX) if _ID.fullmatch(id_) else None


@dataclass(frozen=True, slots=True)
class Source:
    """A registration of a person, as its source wrote it."""

    rid: int
    id: str
    version: int
    updated: datetime
    resource: Json

    @property
    def reference(self) -> str:
        """Patient/id."""
        return f"Patient/{self.id}"

    @property
    def active(self) -> bool:
        """Whether the source still uses it."""
        return self.resource.get("active") is not False


async def sources(record: TheRecord, db: AsyncConnection[Any], actor: Actor, person: str) -> list[Source]:
    """The registrations of a person that the actor may see, the latest first."""
    allowed, values = actor.restriction.sql("r")
    cursor = db.cursor(binary=True)
    await cursor.execute(_SOURCES.format(allowed=allowed), (person, *values))
    found = []
    for rid, id_, version, updated, _, body in await cursor.fetchall():
        stored = Stored("Patient", id_, version, updated, False, "PUT", await record.payload(body), rid)
        found.append(Source(rid, id_, version, updated, decode(stored.json)))
    return found


async def golden(record: TheRecord, db: AsyncConnection[Any], actor: Actor, person: str) -> Stored | None:
    """The Patient of a person as far as the actor may see it; None when there never was such a person, or not for them.

    A person whose registrations all went to others is inactive and says by whom it was replaced.
    """
    ones = await sources(record, db, actor, person)
    row = await (await db.execute(_MOVED, (person,))).fetchone()
    moved: datetime | None = row[0] if row else None
    if ones:
        resource = compose(ones)
    else:
        allowed, values = actor.restriction.sql("r")
        rows = await (await db.execute(_FOLLOWED.format(allowed=allowed), (person, *values))).fetchall()
        if not rows:
            return None
        resource = replaced([followed for (followed,) in rows])
    updated = max([one.updated for one in ones] + ([moved] if moved else []))
    return as_stored(person, resource, updated)


def as_stored(person: str, resource: Json, updated: datetime) -> Stored:
    """A person's Patient in the form that answers are made of."""
    moment = updated.astimezone(UTC)
    version = max(1, int(moment.timestamp()) - _BEGAN)
    meta = {"tag": [GOLDEN]}
    text = encode({"resourceType": "Patient", "meta": meta, **resource})
    return Stored("Patient", person_id(person), version, moment, False, "PUT", split_text(text))


def replaced(by: Sequence[str]) -> Json:
    """What is left of a person whose registrations went to other persons."""
    link = [{"other": {"reference": f"Patient/{person_id(one)}"}, "type": "replaced-by"} for one in by]
    return {"active": False, "link": link}


# -- survivorship ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """How an element of the person is chosen, in words."""

    code: str
    zh: str
    en: str


ALL = Rule("all", "合并所有来源的值,最近更新的在前", "the values of all registrations, the latest first")
VERIFIED = Rule(
    "verified",
    "有有效身份证号的登记优先,其次多数,再次最近更新",
    "registrations with a valid citizen's number first, then what most say, then the latest",
)
LATEST = Rule("latest", "最近更新的登记", "the latest registration that says so")
EVER = Rule("ever", "任一登记为真即为真,以最近更新为准", "true if any registration says so")

SURVIVORSHIP_RULES: dict[str, Rule] = {
    "identifier": ALL, "name": VERIFIED, "telecom": ALL, "gender": VERIFIED, "birthDate": VERIFIED, "deceased": EVER,
    "address": ALL, "maritalStatus": LATEST, "multipleBirth": LATEST, "photo": LATEST, "contact": LATEST, "communication": ALL,
    "generalPractitioner": LATEST, "managingOrganization": LATEST,
}  # fmt: skip
"""Each element of Patient with its rule; `active` is true while a registration is, `link` names them all."""


def compose(ones: Sequence[Source]) -> Json:
    """The Patient of a person from their registrations, the latest first.

    Registrations that their source took out of use say nothing as long as there are others.
    """
    speaking = [one for one in ones if one.active] or list(ones)
    resource: Json = {"active": any(one.active for one in ones)}
    told: list[Json] = []
    for element, rule in SURVIVORSHIP_RULES.items():
        for name, value, by in _chosen(element, rule, speaking):
            resource[name] = value
            told.append(_told(name, rule, by))
    resource["link"] = [{"other": {"reference": one.reference}, "type": "seealso"} for one in ones]
    resource["extension"] = told
    return resource


def _told(name: str, rule: Rule, by: Collection[Source]) -> Json:
    parts: list[Json] = [{"url": "element", "valueCode": name}, {"url": "rule", "valueCode": rule.code}]
    parts += [{"url": "source", "valueReference": {"reference": one.reference}} for one in by]
    return {"url": SURVIVORSHIP, "extension": parts}


def _chosen(element: str, rule: Rule, ones: Sequence[Source]) -> list[tuple[str, Any, list[Source]]]:
    match rule.code:
        case "all":
            return _all(element, ones)
        case "verified":
            return _verified(element, ones)
        case "ever":
            return _deceased(ones)
        case _:
            return _latest(element, ones)


def _members(element: str, resource: Json) -> list[str]:
    """The members that hold an element: itself, or those of a choice."""
    return [name for name in resource if name == element or (name.startswith(element) and name[len(element)].isupper())]


def _latest(element: str, ones: Sequence[Source]) -> list[tuple[str, Any, list[Source]]]:
    for one in ones:
        if names := _members(element, one.resource):
            return [(names[0], one.resource[names[0]], [one])]
    return []


def _all(element: str, ones: Sequence[Source]) -> list[tuple[str, Any, list[Source]]]:
    values: dict[bytes, Any] = {}
    by: list[Source] = []
    for one in ones:
        found = one.resource.get(element)
        for value in found if isinstance(found, list) else []:
            seen = encode(_sameness(element, value))
            if seen not in values:
                values[seen] = value
                if one not in by:
                    by.append(one)
    return [(element, list(values.values()), by)] if values else []


_SAME: dict[str, Callable[[Json], Any]] = {
    "identifier": lambda one: [one.get("system"), one.get("value")],
    "telecom": lambda one: [one.get("system"), re.sub(r"[\s-]", "", str(one.get("value")))],
    "communication": lambda one: one.get("language"),
}


def _sameness(element: str, value: Any) -> Any:
    """What makes two values the same for a reader."""
    same = _SAME.get(element)
    return same(value) if same is not None and isinstance(value, dict) else value


def _verified(element: str, ones: Sequence[Source]) -> list[tuple[str, Any, list[Source]]]:
    said = [(one, value) for one in ones if (value := one.resource.get(element))]
    if not said:
        return []
    weighty = [each for each in said if _has_citizen_id(each[0].resource)] or said
    counted = Counter(encode(_first(value)) for _, value in weighty)
    most = max(counted.values())
    _, chosen = next(each for each in weighty if counted[encode(_first(each[1]))] == most)
    by = [one for one, value in said if _first(value) == _first(chosen)]
    if element != "name":
        return [(element, chosen, by)]
    names = {encode(_sound(name)): name for _, value in reversed(said) for name in value}
    ordered = {encode(_sound(name)): name for name in chosen} | {
        key: {**name, "use": "old"} if name.get("use", "official") in {"official", "usual"} else name
        for key, name in reversed(names.items())
        if key not in {encode(_sound(each)) for each in chosen}
    }
    return [(element, list(ordered.values()), by)]


def _sound(name: Json) -> Any:
    return name.get("text") or [name.get("family"), name.get("given")]


def _first(value: Any) -> Any:
    return _sound(value[0]) if isinstance(value, list) and value and isinstance(value[0], dict) else value


def _has_citizen_id(resource: Json) -> bool:
    return any(each.get("system") == CITIZEN_SYSTEM for each in resource.get("identifier", ()))


def _deceased(ones: Sequence[Source]) -> list[tuple[str, Any, list[Source]]]:
    dated = [one for one in ones if one.resource.get("deceasedDateTime")]
    if dated:
        return [("deceasedDateTime", dated[0].resource["deceasedDateTime"], dated[:1])]
    true = [one for one in ones if one.resource.get("deceasedBoolean") is True]
    if true:
        return [("deceasedBoolean", True, true)]
    false = [one for one in ones if one.resource.get("deceasedBoolean") is False]
    return [("deceasedBoolean", False, false[:1])] if false else []


__all__ = [
    "GOLDEN", "PREFIX", "SURVIVORSHIP_RULES", "Rule", "Source", "as_stored", "compose", "golden", "is_person", "person_id",
    "person_of", "replaced", "sources",
]  # fmt: skip
