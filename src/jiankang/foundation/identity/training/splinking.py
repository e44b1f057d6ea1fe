"""Our fields in Splink's words, and what Splink finds out about them: how often each level occurs among pairs of one and of two people.

Splink (https://moj-analytical-services.github.io/splink) estimates; nothing of it is needed for using a model.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from splink import DuckDBAPI, Linker

from jiankang.foundation.identity.levels import FIELDS, MISSING

if TYPE_CHECKING:
    import duckdb

    from jiankang.foundation.identity.conditions import Dialect
    from jiankang.foundation.identity.levels import Field, Level

Say = Callable[[str], None]
Chances = Mapping[str, Mapping[str, float | None]]
"""field → level → how often; None for a level that was not met."""

_COLUMN = re.compile(r"\b([lr])\.([a-z_]+)\b")

RULES = {
    "l.anchor = r.anchor AND (l.citizen <> '' OR l.travel <> '')": "a document in common",
    "l.sound = r.sound AND l.born = r.born AND l.sound <> '' AND length(l.born) = 8": "name and birth date in common",
    "l.sound = r.sound AND l.phone = r.phone AND l.sound <> '' AND l.phone <> ''": "name and telephone in common",
    "l.born = r.born AND l.phone = r.phone AND length(l.born) = 8 AND l.phone <> ''": "birth date and telephone in common",
}
"""Where pairs for learning m are sought, and in words. Splink learns nothing from a rule about fields whose columns are in it.

A telephone or a house alone is no such rule: most pairs found by it are relatives, and learning drifts towards taking
households for people.
"""

CLEAR = tuple(RULES)[:2]
_CLEAR_FINDS = 0.98
_FEWEST = 200


def settings(chances: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None, *, dialect: Dialect = "duckdb", prior: float = 1e-4) -> dict[str, Any]:  # fmt: skip
    """Splink's settings for the table `record`, whose comparisons are `levels.FIELDS`; `chances[field][level]` may hold m and u."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "id",
        "probability_two_random_records_match": prior,
        "comparisons": [_comparison(field, (chances or {}).get(field.name, {}), dialect) for field in FIELDS],
        "blocking_rules_to_generate_predictions": [],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
        "max_iterations": 60,
        "em_convergence": 1e-5,
    }


def _comparison(field: Field, chances: Mapping[str, Mapping[str, float]], dialect: Dialect) -> dict[str, Any]:
    return {
        "output_column_name": field.name,
        "comparison_levels": [
            _level(level, chances.get(level.name, {}), last=level is field.levels[-1], dialect=dialect)
            for level in field.levels
        ],
    }


def _level(level: Level, chances: Mapping[str, float], *, last: bool, dialect: Dialect) -> dict[str, Any]:
    mark = "`" if dialect == "spark" else '"'
    written = _COLUMN.sub(rf"{mark}\2_\1{mark}", level.condition.sql(dialect))
    found: dict[str, Any] = {"sql_condition": "ELSE" if last else written, "label_for_charts": level.name}
    if level.name == MISSING:
        return {**found, "is_null_level": True}
    if level.frequency:
        found |= {"tf_adjustment_column": level.frequency, "disable_tf_exact_match_detection": True}
    return {**found, **{f"{kind}_probability": value for kind, value in chances.items()}}


def linker(db: duckdb.DuckDBPyConnection, table: str, wanted: dict[str, Any]) -> Linker:
    """A Splink linker over a table of the database."""
    if dialect_of(db) == "spark":
        from splink import SparkAPI

        there: Any = db
        opened: Any = SparkAPI
        spark = opened(spark_session=there.session, break_lineage_method="persist")
        return Linker(
            spark.register(there.session.table(table)), wanted, log_level=logging.ERROR, validate_settings=False
        )
    api = DuckDBAPI(connection=db)
    return Linker(api.register(table), wanted, log_level=logging.ERROR, validate_settings=False)


def dialect_of(db: Any) -> Dialect:
    """Whose SQL a connection speaks: DuckDB's own, or that of a Spark session that answers like it."""
    found: Dialect = getattr(db, "dialect", "duckdb")
    return found


def estimate_u(db: duckdb.DuckDBPyConnection, table: str, *, pairs: float, seed: int) -> Chances:
    """How often each level occurs among pairs of two people, from random pairs of `table`, where everybody is there once."""
    mine = linker(db, table, settings(dialect=dialect_of(db)))
    mine.training.estimate_u_using_random_sampling(max_pairs=pairs, seed=seed, min_count_per_level=None, num_chunks=1)
    return _trained(mine, "u")


def estimate_prior(db: duckdb.DuckDBPyConnection, table: str) -> float:
    """How often two random records are of one person, counted by documents, and by names with birth dates."""
    mine = linker(db, table, settings(dialect=dialect_of(db)))
    mine.training.estimate_probability_two_random_records_match(list(CLEAR), recall=_CLEAR_FINDS)
    return float(mine.misc.save_model_to_json()["probability_two_random_records_match"])


def estimate_m(
    db: duckdb.DuckDBPyConnection, table: str, u: Chances, *, prior: float, pairs: float, say: Say
) -> Chances:
    """How often each level occurs among pairs of one person, by expectation maximisation with u held fast."""
    given = {
        field: {level: {"u": value} for level, value in ones.items() if value is not None} for field, ones in u.items()
    }
    mine = linker(db, table, settings(given, prior=prior, dialect=dialect_of(db)))
    for rule, words in RULES.items():
        found = f"SELECT count(*) FROM (FROM {table} AS l JOIN {table} AS r ON l.id < r.id AND {rule} LIMIT {_FEWEST})"
        if db.execute(found).fetchall()[0][0] < _FEWEST:
            say(f"nothing learned from pairs with {words}: they are fewer than {_FEWEST}")
            continue
        mine.training.estimate_parameters_using_expectation_maximisation(
            rule, estimate_without_term_frequencies=True, max_pairs=pairs
        )
        say(f"m learned from pairs with {words}")
    return _trained(mine, "m")


def _trained(mine: Linker, kind: str) -> Chances:
    """What was learned: the median over all rules, as Splink takes it."""
    found: dict[str, dict[str, float | None]] = {}
    for one in mine.misc.save_model_to_json()["comparisons"]:
        found[one["output_column_name"]] = {
            level["label_for_charts"]: level.get(f"{kind}_probability")
            for level in one["comparison_levels"]
            if not level.get("is_null_level")
        }
    return found
