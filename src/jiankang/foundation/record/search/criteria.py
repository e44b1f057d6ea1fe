"""What a search asks for, as values: the small algebra between the query text and SQL.

Every criterion is about one resource. Keys are those of `jiankang.foundation.record.indexing`; intervals are
[lo, hi). Criteria are immutable and hashable, so that what is known of them (how many rows) can be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Keys:
    """Has at least one of these `idx` keys. `unique` says that few rows share one (an identifier, say)."""

    hashes: tuple[int, ...]
    param: str = ""
    unique: bool = False
    targets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """A value whose keys must be looked up in the vocabulary first: by code, by system, by its text, or by its beginning."""

    type: str
    param: str
    code: str | None = None
    system: str | None = None
    text: str | None = None
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Meant:
    """A token whose codes terminology tells: those `in` a value set (`url`), `below` or `above` a code of a system (`url`)."""

    type: str
    param: str
    relation: str
    url: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """In one of the compartments `facts`; `hashes` are the reference keys by which such resources are found."""

    facts: tuple[int, ...]
    hashes: tuple[int, ...]
    owners: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """Has a string under `hash` that starts with, is exactly, or contains `norm` (folded); `raw` is the text as given."""

    hash: int
    mode: str
    norm: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Has a date or period under `hash` that compares so with [lo, hi), microseconds since 1970."""

    hash: int
    op: str
    lo: int
    hi: int
    param: str = ""


@dataclass(frozen=True, slots=True)
class Amount:
    """Has a number or quantity under `hash` that compares so with [lo, hi), or with lo where the comparison is exact.

    `unit` restricts to a unit's key as written, `canon` to a canonical one (then the canonical values are compared).
    """

    hash: int
    op: str
    lo: float
    hi: float
    unit: int | None = None
    canon: int | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """Has a position (degrees, under two hashes) within `metres` of the one given, over a sphere."""

    latitudes: int
    longitudes: int
    latitude: float
    longitude: float
    metres: float


@dataclass(frozen=True, slots=True)
class Ids:
    """Is one of these resources: (rid, id)."""

    rids: tuple[int, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Updated:
    """Was last changed in an interval that compares so with [lo, hi); the instant of change is one millisecond."""

    op: str
    lo: datetime
    hi: datetime


@dataclass(frozen=True, slots=True)
class Missing:
    """Has (or, `missing`, lacks) any value for the search parameter with this number."""

    number: int
    missing: bool


@dataclass(frozen=True, slots=True)
class Words:
    """Contains all of these words."""

    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OfType:
    """Is of one of these types (their codes)."""

    types: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """Refers, through any of `constants` (one for each reference parameter), to a `target` for which `inner` holds."""

    constants: tuple[int, ...]
    target: int
    inner: Criterion
    single: bool = False


@dataclass(frozen=True, slots=True)
class Has:
    """Is referred to, through `constant`, by a resource of type `source` for which `inner` holds."""

    constant: int
    source: int
    inner: Criterion


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold."""

    parts: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Criterion


Criterion = (
    Keys
    | Lookup
    | Meant
    | Member
    | Text
    | Span
    | Amount
    | Ids
    | Updated
    | Missing
    | Words
    | OfType
    | Chain
    | Has
    | Near
    | Every
    | Some
    | Not
)

NOTHING = Some(())
"""What no resource fulfils."""


def both(parts: list[Criterion]) -> Criterion:
    """All of `parts`, without a wrapper where there is only one."""
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def either(parts: list[Criterion]) -> Criterion:
    """Any of `parts`; equality keys and ids of one parameter become one criterion."""
    if len(parts) == 1:
        return parts[0]
    if parts and all(isinstance(part, Keys) for part in parts):
        keys = [part for part in parts if isinstance(part, Keys)]
        if len({part.param for part in keys}) == 1:
            return Keys(
                tuple(dict.fromkeys(h for part in keys for h in part.hashes)),
                keys[0].param,
                all(part.unique for part in keys),
                tuple(t for part in keys for t in part.targets) if all(part.targets for part in keys) else (),
            )
    if parts and all(isinstance(part, Ids) for part in parts):
        ids = [part for part in parts if isinstance(part, Ids)]
        return Ids(tuple(r for part in ids for r in part.rids), tuple(i for part in ids for i in part.ids))
    return Some(tuple(parts))
