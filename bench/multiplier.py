"""Millions of resources the quick way: families of template people prepared once, then cloned under new ids.

A family is a person's Patient and everything about them. Each clone gets a Patient of its own, prepared as any other;
its other resources are the template's with other ids. What the store keeps of them (numbers, keys, text) depends on ids
only by XOR with the numbers of the resources that they name: that is checked here for each template, and a test
compares clones with resources loaded the long way. How they are written fast is in `stencil.py`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jiankang.foundation.record.indexing import Rows, resource_key
from jiankang.foundation.record.store import Prepared, prepare

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from region.lives import life, resources
from region.naming import Naming
from region.people import person
from region.registering import registered

SEED = 20
TEMPLATES = 400
PREFIX = 8
"""How many characters of an id tell one clone from another."""
_OTHER = "0123abcd"


def clone_id(template_id: str, clone: int) -> str:
    """The id of a template's resource in one of its clones."""
    return f"{clone:0{PREFIX}x}{template_id[PREFIX:]}"


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys as they are with every named resource's number XORed out, and which number belongs to which key."""

    base: list[int]
    slots: list[tuple[int, int]]

    def of(self, rids: list[int]) -> list[int]:
        """The keys when the family's resources have these numbers."""
        found = self.base.copy()
        for position, slot in self.slots:
            found[position] ^= rids[slot]
        return found


@dataclass(frozen=True, slots=True)
class Template:
    """A resource of a family: its prepared form, its keys, and its payload cut at the ids that change."""

    prepared: Prepared
    keys: Keys
    facts: Keys
    of_patient: bool
    parts: list[bytes]


@dataclass(frozen=True, slots=True)
class Family:
    """A template person: the type and id of each resource (the Patient first), and the templates of the others."""

    names: list[tuple[str, str]]
    facility: str
    templates: list[Template]

    def __len__(self) -> int:
        return len(self.names)


def families(count: int = TEMPLATES) -> list[Family]:
    """Families of the first people of a region of their own."""
    return [family(number) for number in range(count)]


def family(number: int) -> Family:
    """The family of a template person."""
    found = resources(life(person(number, SEED), SEED, Naming(kept=True)))
    names = [(one["resourceType"], one["id"]) for one in found]
    others = [{**one, "id": _OTHER + one["id"][PREFIX:]} for one in _renamed(found)]
    rids = [resource_key(*name) for name in names]
    other_rids = [resource_key(type_name, _OTHER + id_[PREFIX:]) for type_name, id_ in names]
    templates = [
        _template(prepare(one), prepare(other), rids, other_rids, names)
        for one, other in zip(found[1:], others[1:], strict=True)
    ]
    return Family(names, found[0]["managingOrganization"]["reference"], templates)


def _renamed(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same resources as another clone's, by another way than cutting their text."""
    own = {f"{one['resourceType']}/{one['id']}": f"{one['resourceType']}/{_OTHER}{one['id'][PREFIX:]}" for one in found}

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: renamed(one) for name, one in value.items()}
        if isinstance(value, list):
            return [renamed(one) for one in value]
        return own.get(value, value) if isinstance(value, str) else value

    return [renamed(one) for one in found]


def _template(
    one: Prepared, other: Prepared, rids: list[int], other_rids: list[int], names: list[tuple[str, str]]
) -> Template:
    mine, theirs = one.rows, other.rows
    differing = [
        field.name
        for field in dataclasses.fields(Rows)
        if field.name not in {"keys", "facts", "patient"} and getattr(mine, field.name) != getattr(theirs, field.name)
    ]
    if differing or mine.patient not in {None, rids[0]}:
        raise ValueError(
            f"{one.type}: {', '.join(differing) or 'patient'} depends on ids in a way that is not known here"
        )
    return Template(
        one,
        _keys(mine.keys, theirs.keys, rids, other_rids),
        _keys(mine.facts, theirs.facts, rids, other_rids),
        mine.patient is not None,
        _parts(one.payload, names),
    )


def _keys(mine: list[int], theirs: list[int], rids: list[int], other_rids: list[int]) -> Keys:
    slot_of = {rid ^ other: slot for slot, (rid, other) in enumerate(zip(rids, other_rids, strict=True))}
    base, slots = [], []
    for position, (key, other) in enumerate(zip(mine, theirs, strict=True)):
        if key == other:
            base.append(key)
            continue
        slot = slot_of.get(key ^ other)
        if slot is None:
            raise ValueError("a key depends on an id by more than XOR")
        base.append(key ^ rids[slot])
        slots.append((position, slot))
    return Keys(base, slots)


def _parts(payload: bytes, names: list[tuple[str, str]]) -> list[bytes]:
    """The payload cut where the clone's prefix goes."""
    mark = b"\x00\x01"
    for _, id_ in names:
        payload = payload.replace(id_.encode(), mark + id_[PREFIX:].encode())
    return payload.split(mark)


def patient(family_: Family, clone: int, number: int) -> Prepared:
    """A clone's Patient: person `number`."""
    return prepare(registered(person(number, SEED), family_.facility), id_=clone_id(family_.names[0][1], clone))


def clones(family_: Family, clone: int, number: int) -> Iterator[Prepared]:
    """A clone's resources, ready to be written; its Patient is person `number`."""
    prefix = f"{clone:0{PREFIX}x}"
    ids = [prefix + id_[PREFIX:] for _, id_ in family_.names]
    rids = [resource_key(type_name, id_) for (type_name, _), id_ in zip(family_.names, ids, strict=True)]
    yield patient(family_, clone, number)
    joint = prefix.encode()
    for template, id_ in zip(family_.templates, ids[1:], strict=True):
        old = template.prepared
        rows = old.rows
        cloned = Rows(
            rows.at, template.keys.of(rids), template.facts.of(rids), rows.strings, rows.spans, rows.quantities,
            rows.words, rows.vocabulary, rows.present, rids[0] if template.of_patient else None,
        )  # fmt: skip
        yield Prepared(old.type, id_, {}, joint.join(template.parts), cloned)
