"""From registrations to a model: m, u, the prior and the shares of names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jiankang.foundation.identity.compare import level_sql
from jiankang.foundation.identity.levels import FIELDS, FREQUENCIES, MISSING
from jiankang.foundation.identity.training.floors import floor
from jiankang.foundation.identity.training.splinking import CLEAR, dialect_of, estimate_m, estimate_prior, estimate_u
from jiankang.foundation.identity.weights import shipped_document
from jiankang.kernel.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import duckdb

    from jiankang.foundation.identity.training.splinking import Chances, Say

LISTED = 5
"""A name that fewer people have is not listed: its share is that of all such names."""

_FEWEST = 1_000
_FEWEST_PAIRS = 500
_LOOKED_AT = 50_000
_ANCHOR = """CASE WHEN citizen <> '' THEN citizen
    ELSE coalesce(list_filter(documents, lambda d: NOT starts_with(d, 'EHC'))[1], '') END"""
_KNOWN = f"CREATE OR REPLACE TABLE known AS SELECT *, {_ANCHOR} AS anchor FROM record WHERE NOT newborn AND NOT unknown"
_ONCE = """CREATE OR REPLACE TABLE once AS SELECT * FROM known
WHERE anchor = '' OR id IN (SELECT min(id) FROM known WHERE anchor <> '' GROUP BY anchor)"""
_APART = """CREATE OR REPLACE TABLE apart AS SELECT * FROM once
WHERE id IN (SELECT coalesce(min(id) FILTER (anchor <> ''), min(id)) FROM once GROUP BY sound, born)"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was learned; `floored` names the levels (field/level/m or u) whose floor was taken, `borrowed` the fields of the shipped model."""

    prior: float
    m: Mapping[str, Mapping[str, float]]
    u: Mapping[str, Mapping[str, float]]
    frequencies: Mapping[str, Mapping[str, float]]
    floors: Mapping[str, float]
    floored: tuple[str, ...]
    borrowed: tuple[str, ...]
    records: int


def estimate(db: duckdb.DuckDBPyConnection, *, random_pairs: float, learning_pairs: float, seed: int, say: Say) -> Estimate:  # fmt: skip
    """Learn from the table `record`. Raises Unprocessable if there is too little, or a level was not met and has no floor."""
    db.execute(_KNOWN)
    db.execute(_ONCE)
    db.execute(_APART)
    records, people = _count(db, "known"), _count(db, "apart")
    if records - people < _FEWEST:
        raise Unprocessable(
            f"there is nothing to learn from: of {records} registrations only {records - people} are somebody's second"
        )
    say(f"{records} registrations, {people} of them of different people by document, name and birth date")
    strange = _strange(db)
    if strange:
        say(f"too few pairs show {', '.join(strange)}: taken from the shipped model")
    u = _borrowed(estimate_u(db, "apart", pairs=random_pairs, seed=seed), "u", strange)
    say(f"u learned from {random_pairs:.0f} random pairs")
    prior = estimate_prior(db, "known")
    say(f"one of {1 / prior:.0f} random pairs is of one person")
    m = _borrowed(estimate_m(db, "known", u, prior=prior, pairs=learning_pairs, say=say), "m", strange)
    floored: list[str] = []
    shares = {column: _shares(db, column) for column in FREQUENCIES}
    return Estimate(
        prior, _floored(m, "m", floored), _floored(u, "u", floored),
        {column: listed for column, (listed, _) in shares.items()}, {column: rest for column, (_, rest) in shares.items()},
        tuple(floored), strange, records,
    )  # fmt: skip


def _count(db: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _strange(db: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Fields that are known for both in too few pairs by document, or by name and birth date, to learn from."""
    pairs = " UNION ALL ".join(
        f"(SELECT l.id AS a, r.id AS b FROM known AS l JOIN known AS r ON l.id < r.id AND {rule} LIMIT {_LOOKED_AT})"
        for rule in CLEAR
    )
    known = ", ".join(
        f"count(*) FILTER ({level_sql(field, dialect_of(db))} <> {field.level(MISSING)})" for field in FIELDS
    )
    counts = db.execute(
        f"SELECT {known} FROM ({pairs}) JOIN known AS l ON l.id = a JOIN known AS r ON r.id = b"
    ).fetchall()[0]
    return tuple(field.name for field, count in zip(FIELDS, counts, strict=True) if count < _FEWEST_PAIRS)


def _borrowed(learned: Chances, kind: str, fields: Collection[str]) -> Chances:
    """The same with these fields as the shipped model has them."""
    shipped = shipped_document()["fields"]
    return {**learned, **{name: {level: shipped[name][level][kind] for level in learned[name]} for name in fields}}


def _floored(learned: Chances, kind: str, said: list[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for field in FIELDS:
        for level in field.levels:
            if level.name == MISSING:
                continue
            value = learned.get(field.name, {}).get(level.name)
            least = getattr(floor(field.name, level.name), kind)
            if value is None and not least:
                raise Unprocessable(
                    f"no pair showed the level {level.name} of {field.name} ({kind}), and there is no floor for it: "
                    "train with more registrations"
                )
            if value is None or value < least:
                said.append(f"{field.name}/{level.name}/{kind}")
            found.setdefault(field.name, {})[level.name] = min(1.0, max(value or 0.0, least))
    return found


def _shares(db: duckdb.DuckDBPyConnection, column: str) -> tuple[dict[str, float], float]:
    """The shares of frequent values among people, and the mean share of the others (Good and Turing's estimate)."""
    total = max(1, _count(db, f"apart WHERE {column} <> ''"))
    counted = f"SELECT {column} AS value, count(*) AS n FROM apart WHERE {column} <> '' GROUP BY ALL"
    listed = db.execute(f"SELECT value, n FROM ({counted}) WHERE n >= {LISTED} ORDER BY n DESC, value").fetchall()
    rare, borne = db.execute(
        f"SELECT count(*) FILTER (n < {LISTED}), coalesce(sum(n) FILTER (n BETWEEN 2 AND {LISTED}), 0) FROM ({counted})"
    ).fetchall()[0]
    expected = float(borne) / rare if rare else 0.0
    return {value: n / total for value, n in listed}, max(expected, 0.1) / total
