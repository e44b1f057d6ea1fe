"""Pairs of registrations in DuckDB: brought together by keys as online, scored by the same weights, judged by the same rules.

The rules look at levels and at little else; so pairs are put together by all that rules look at, and one of each kind is
judged in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jiankang.foundation.identity.blocking import KINDS
from jiankang.foundation.identity.levels import NAMES
from jiankang.foundation.identity.model import Record
from jiankang.foundation.identity.rules import judge, vetoes
from jiankang.foundation.identity.score import Score, score_sql
from jiankang.foundation.identity.training.splinking import dialect_of
from jiankang.foundation.identity.training.tables import COLUMNS, put_frequencies

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import duckdb

    from jiankang.foundation.identity.compare import Levels
    from jiankang.foundation.identity.weights import Weights

_MOST = "CASE kind " + " ".join(f"WHEN '{kind.letter}' THEN {kind.limit}" for kind in KINDS.values()) + " END"
_GROUPS = f"""
CREATE OR REPLACE TEMP TABLE shared AS
SELECT list(id ORDER BY id) AS ids, {_MOST} AS most FROM key GROUP BY kind, key HAVING count(*) > 1
"""
_PAIRS = """
CREATE OR REPLACE TABLE pair AS
SELECT a, b FROM (SELECT a, unnest(ids) AS b FROM (SELECT unnest(ids[1:most + 1]) AS a, ids FROM shared))
WHERE a < b GROUP BY ALL
"""
_LIMITED = """
CREATE OR REPLACE TABLE limited AS SELECT DISTINCT unnest(ids) AS id FROM shared WHERE array_length(ids) > most + 1
"""
_LEVELS = ", ".join(f"level_{name}" for name in NAMES)
_SEEN_BY_RULES = {
    "kind_of_one": "list_has_any(list_filter(l.kinds, lambda k: k <> 'EHC'), r.kinds)",
    "document_of_one": "list_has_any(list_filter(l.documents, lambda d: NOT starts_with(d, 'EHC')), r.documents)",
    "surname": "l.surname = r.surname",
    "letters": "l.name = r.name",
    "characters": "l.hanzi <> r.hanzi AND l.hanzi <> '' AND r.hanzi <> ''",
    "newborn": "l.newborn OR r.newborn",
    "unknown": "l.unknown OR r.unknown",
    "limited": "left_limited.id IS NOT NULL OR right_limited.id IS NOT NULL",
}
"""What `rules.judge` looks at besides levels and bits."""
_FLAGS = ", ".join(_SEEN_BY_RULES)
_FLAGGED = f"""
CREATE OR REPLACE TABLE flagged AS
SELECT scored.*, {", ".join(f"({sql}) AS {name}" for name, sql in _SEEN_BY_RULES.items())}
FROM scored JOIN record AS l ON l.id = id_l JOIN record AS r ON r.id = id_r
LEFT JOIN limited AS left_limited ON left_limited.id = id_l LEFT JOIN limited AS right_limited ON right_limited.id = id_r
"""
_SORTS = f"""
CREATE OR REPLACE TABLE sort AS SELECT row_number() OVER (ORDER BY min({{'l': id_l, 'r': id_r}})) AS sort, min({{'l': id_l, 'r': id_r}}) AS example, {_LEVELS}, {_FLAGS}
FROM flagged GROUP BY ALL
"""
_ANSWERS = pa.schema([("sort", pa.int64()), ("place", pa.int32()), ("verdict", pa.string()), ("reasons", pa.list_(pa.string()))])  # fmt: skip
_SEVERAL = 1_000
_FAR = 1e6


def find_pairs(db: duckdb.DuckDBPyConnection) -> int:
    """Fill `pair` with all pairs that share a key, and `limited` with records whose keys had more than are compared."""
    db.execute(_GROUPS)
    db.execute(_PAIRS)
    db.execute(_LIMITED)
    db.execute("DROP TABLE shared")
    return count(db, "pair")


def score_pairs(db: duckdb.DuckDBPyConnection, weights: Weights) -> None:
    """Fill `scored` with levels and bits of all pairs."""
    put_frequencies(db, weights)
    said = score_sql(
        weights, "pair JOIN record AS l ON l.id = pair.a JOIN record AS r ON r.id = pair.b", dialect_of(db)
    )
    db.execute(f"CREATE OR REPLACE TABLE scored AS {said}")


def count(db: duckdb.DuckDBPyConnection, table: str) -> int:
    """The rows of a table."""
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def judge_pairs(db: duckdb.DuckDBPyConnection, weights: Weights) -> None:
    """Fill `judged` (id_l, id_r, bits, verdict, reasons) with what the rules say of all pairs that are not nobody's."""
    steps = (-_FAR, weights.possible, weights.certain)
    found: dict[str, list[Any]] = {"sort": [], "place": [], "verdict": [], "reasons": []}
    for sort, left, right, limited, levels in _sorts(db):
        for place, bits in enumerate(steps):
            answer = judge(left, right, Score(bits, levels), weights, limited=limited)
            for name, value in zip(found, (sort, place, answer.verdict.value, list(answer.reasons)), strict=True):
                found[name].append(value)
    put(db, "answer", pa.table(found, _ANSWERS))
    db.execute(
        f"CREATE OR REPLACE TABLE judged AS SELECT id_l, id_r, bits, verdict, reasons FROM flagged JOIN sort "
        f"USING ({_LEVELS}, {_FLAGS}) JOIN answer ON answer.sort = sort.sort AND answer.place = CASE "
        "WHEN bits >= $certain THEN 2 WHEN bits >= $possible THEN 1 ELSE 0 END WHERE verdict <> 'none'",
        {"certain": weights.certain, "possible": weights.possible},
    )


def find_vetoed(db: duckdb.DuckDBPyConnection) -> None:
    """Fill `vetoed` (id_l, id_r) with the pairs of `scored` that have something against each other."""
    against = [sort for sort, left, right, _, levels in _sorts(db) if vetoes(left, right, levels)]
    put(db, "answer", pa.table({"sort": pa.array(against, pa.int64())}))
    db.execute(
        f"CREATE OR REPLACE TABLE vetoed AS SELECT id_l, id_r FROM flagged JOIN sort USING ({_LEVELS}, {_FLAGS}) "
        "JOIN answer ON answer.sort = sort.sort"
    )


def _sorts(db: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, Record, Record, bool, Levels]]:
    """A pair of each sort that is in `scored`, with its levels."""
    db.execute(_FLAGGED)
    db.execute(_SORTS)
    sorts = db.execute(f"SELECT sort, example.l, example.r, limited, {_LEVELS} FROM sort").fetchall()
    for start in range(0, len(sorts), _SEVERAL):
        some = sorts[start : start + _SEVERAL]
        known = records(db, {id_ for one in some for id_ in one[1:3]})
        for sort, left, right, limited, *levels in some:
            yield sort, known[left], known[right], limited, tuple(levels)


def put(db: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """Make a table of this name."""
    db.register("arrived", table)
    db.execute(f"CREATE OR REPLACE TABLE {name} AS FROM arrived")
    db.unregister("arrived")


def records(db: duckdb.DuckDBPyConnection, ids: Collection[int]) -> dict[int, Record]:
    """Comparable records again, without what is not compared."""
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    rows = db.execute(f"SELECT id, {columns} FROM record WHERE id IN (SELECT unnest(?))", [list(ids)]).fetchall()
    return {id_: Record(**dict(zip(COLUMNS, map(_untabled, values), strict=True))) for id_, *values in rows}


def _untabled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
