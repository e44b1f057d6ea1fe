"""The restriction algebra: which rows of the record an actor may touch.

Every atom is decided by two facts of a resource: its type and its `keys` (64-bit keys of its index values, of the
compartments it is in and of its labels; see `docs/architecture.md`). So the function and the SQL cannot differ.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from jiankang.fhir.definitions import load
from jiankang.kernel.ids import key64

Fragment = tuple[str, tuple[object, ...]]


class Restriction(Protocol):
    """A predicate over resources, as function and as SQL."""

    def permits(self, type_name: str, keys: Collection[int]) -> bool:
        """Whether a resource of this type with these keys may be touched."""
        ...

    def sql(self, alias: str) -> Fragment:
        """The same as a boolean SQL expression over the `resource` row `alias`, with its bound parameters."""
        ...


@lru_cache(maxsize=65536)
def resource_key(type_name: str, id_: str) -> int:
    """The number (`rid`) by which the database knows Type/id. Its lowest three bits are 0 (see `record.indexing`)."""
    return key64(f"{type_name}/{id_}") & ~7


def compartment_key(compartment: str, rid: int) -> int:
    """The key that every resource in the compartment of `compartment`/rid carries in `keys`."""
    return rid ^ key64(f"@{compartment}")


def label_key(kind: str, system: str, code: str) -> int:
    """The key of a label; `kind` is `_security`, `_tag` or `facility`."""
    return key64(f"@{kind}\x1f{system}\x1f{code}")


@dataclass(frozen=True, slots=True)
class _Constant:
    value: bool

    def permits(self, type_name: str, keys: Collection[int]) -> bool:  # noqa: ARG002
        return self.value

    def sql(self, alias: str) -> Fragment:  # noqa: ARG002
        return ("TRUE" if self.value else "FALSE"), ()


EVERYTHING: Restriction = _Constant(True)
NOTHING: Restriction = _Constant(False)


@dataclass(frozen=True, slots=True)
class TypeIn:
    """Resources of the named types."""

    types: frozenset[str]

    def permits(self, type_name: str, keys: Collection[int]) -> bool:  # noqa: ARG002
        """Whether the type is one of these."""
        return type_name in self.types

    def sql(self, alias: str) -> Fragment:
        """Membership of the row's type code."""
        codes = sorted(load().type_code(name) for name in self.types)
        return f"{alias}.type = ANY(%s::smallint[])", (codes,)


@dataclass(frozen=True, slots=True)
class _AnyKey:
    """Resources that carry at least one of the keys."""

    keys: frozenset[int]

    def permits(self, type_name: str, keys: Collection[int]) -> bool:  # noqa: ARG002
        """Whether one of the keys is among the resource's."""
        return not self.keys.isdisjoint(keys)

    def sql(self, alias: str) -> Fragment:
        """Overlap of the row's keys."""
        return f"{alias}.keys && %s::bigint[]", (sorted(self.keys),)


def InCompartment(compartment: str, ids: Collection[str]) -> Restriction:  # noqa: N802 - reads as a noun
    """Resources in the compartment of any of these (`InCompartment("Patient", ["p1"])`).

    http://hl7.org/fhir/R4/compartmentdefinition.html
    """
    return _AnyKey(frozenset(compartment_key(compartment, resource_key(compartment, one)) for one in ids))


def Labelled(kind: str, system: str, code: str) -> Restriction:  # noqa: N802 - reads as a noun
    """Resources with a label; `kind` is `_security`, `_tag` or `facility` (http://hl7.org/fhir/R4/security-labels.html)."""
    return _AnyKey(frozenset((label_key(kind, system, code),)))


@dataclass(frozen=True, slots=True)
class Not:
    """The resources that `inner` does not permit."""

    inner: Restriction

    def permits(self, type_name: str, keys: Collection[int]) -> bool:
        """The contrary."""
        return not self.inner.permits(type_name, keys)

    def sql(self, alias: str) -> Fragment:
        """The contrary."""
        text, values = self.inner.sql(alias)
        return f"NOT ({text})", values


def _joined(parts: Sequence[Restriction], alias: str, word: str, empty: str) -> Fragment:
    if not parts:
        return empty, ()
    fragments = [part.sql(alias) for part in parts]
    return "(" + word.join(text for text, _ in fragments) + ")", tuple(v for _, values in fragments for v in values)


@dataclass(frozen=True, slots=True)
class AllOf:
    """The resources that every part permits."""

    parts: tuple[Restriction, ...]

    def permits(self, type_name: str, keys: Collection[int]) -> bool:
        """Whether every part permits."""
        return all(part.permits(type_name, keys) for part in self.parts)

    def sql(self, alias: str) -> Fragment:
        """The conjunction."""
        return _joined(self.parts, alias, " AND ", "TRUE")


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The resources that some part permits."""

    parts: tuple[Restriction, ...]

    def permits(self, type_name: str, keys: Collection[int]) -> bool:
        """Whether some part permits."""
        return any(part.permits(type_name, keys) for part in self.parts)

    def sql(self, alias: str) -> Fragment:
        """The disjunction."""
        return _joined(self.parts, alias, " OR ", "FALSE")
