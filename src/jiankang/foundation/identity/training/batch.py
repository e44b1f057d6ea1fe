"""The nightly batch: all registrations are compared again with today's model, and what registration missed is asked.

It links nothing: whoever is registered has a person already, and two persons become one by registration or by a steward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pyarrow as pa

from jiankang.foundation.identity.training.pairing import find_pairs, judge_pairs, put, score_pairs

if TYPE_CHECKING:
    import duckdb

    from jiankang.foundation.identity.training.splinking import Say
    from jiankang.foundation.identity.weights import Weights

_PERSONS = "COPY (SELECT rid, person FROM identity_record) TO STDOUT (FORMAT BINARY)"
_NEVER = "SELECT low, high FROM identity_rule WHERE kind = 'never' AND ended IS NULL"
_CHUNK = 100_000
_PROPOSALS = """
WITH barred AS (
    SELECT DISTINCT least(l.person, h.person) AS one, greatest(l.person, h.person) AS other
    FROM never JOIN person AS l ON l.id = low JOIN person AS h ON h.id = high),
apart AS (
    SELECT id_l, id_r, bits, verdict, reasons, least(l.person, r.person) AS one, greatest(l.person, r.person) AS other
    FROM judged JOIN person AS l ON l.id = id_l JOIN person AS r ON r.id = id_r WHERE l.person <> r.person)
SELECT id_l, id_r, bits, verdict = 'certain', reasons FROM apart ANTI JOIN barred USING (one, other)
QUALIFY row_number() OVER (PARTITION BY one, other ORDER BY verdict = 'certain' DESC, bits DESC, id_l, id_r) = 1
ORDER BY verdict = 'certain' DESC, bits DESC, id_l, id_r
"""


class Proposal(NamedTuple):
    """Two registrations of different persons that may be of one, the best pair of both; `certain` if nothing speaks against it."""

    left: int
    right: int
    bits: float
    certain: bool
    reasons: tuple[str, ...]


def match(db: duckdb.DuckDBPyConnection, weights: Weights, *, say: Say) -> None:
    """Fill `judged` from the tables `record` and `key`."""
    say(f"{find_pairs(db)} pairs share a key")
    score_pairs(db, weights)
    judge_pairs(db, weights)
    counted = dict(db.execute("SELECT verdict, count(*) FROM judged GROUP BY ALL").fetchall())
    say(f"{counted.get('certain', 0)} pairs are certain, {counted.get('possible', 0)} possible")


def load_persons(db: duckdb.DuckDBPyConnection, url: str) -> None:
    """Fill `person` and `never` with who is linked to whom in the index at `url`, and what stewards said."""
    db.execute("CREATE OR REPLACE TABLE person (id BIGINT, person UUID)")
    with psycopg.connect(url) as source:
        with source.cursor() as cursor, cursor.copy(_PERSONS) as copy:
            copy.set_types(["int8", "uuid"])
            rows = copy.rows()
            while some := [row for _, row in zip(range(_CHUNK), rows, strict=False)]:
                ids, persons = zip(*some, strict=True)
                db.register("arrived", pa.table({"id": list(ids), "person": [str(one) for one in persons]}))
                db.execute("INSERT INTO person SELECT id, person::UUID FROM arrived")
                db.unregister("arrived")
        never = source.execute(_NEVER).fetchall()
    columns = [pa.array([pair[side] for pair in never], pa.int64()) for side in (0, 1)]
    put(db, "never", pa.table(columns, ["low", "high"]))


def proposals(db: duckdb.DuckDBPyConnection) -> list[Proposal]:
    """What `judged` says of registrations of different persons, one for two persons, the surest first."""
    return [
        Proposal(left, right, bits, certain, tuple(reasons))
        for left, right, bits, certain, reasons in db.execute(_PROPOSALS).fetchall()
    ]
