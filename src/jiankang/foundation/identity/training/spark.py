"""What a Spark session needs for the same levels: `score_sql(weights, pairs, "spark")` calls one function that Spark does not have.

Not the one in Splink's jar: it counts transpositions otherwise (commons-text), a quarter of similarities differ, and some
levels with them.
"""

from __future__ import annotations

from typing import Any

from rapidfuzz.distance import JaroWinkler


def jaro_winkler(one: str, other: str) -> float:
    """The Jaro-Winkler similarity of two texts, as the online scorer measures it."""
    return JaroWinkler.similarity(one, other)


def prepare(session: Any) -> None:
    """Register `jaro_winkler` in a SparkSession; executors need rapidfuzz."""
    session.udf.register("jaro_winkler", jaro_winkler, "double")
