"""The score in Spark SQL, where PySpark and a Java are installed: the same levels and bits as online."""

from __future__ import annotations

import random
import shutil
from typing import Any

import pytest

from jiankang.foundation.identity.levels import FIELDS, LISTS
from jiankang.foundation.identity.model import Record
from jiankang.foundation.identity.score import score_pair, score_sql
from jiankang.foundation.identity.training.spark import prepare
from jiankang.foundation.identity.weights import first_weights

pyspark = pytest.importorskip("pyspark", reason="PySpark is not installed: uv pip install pyspark")
COLUMNS = tuple(name for name in Record.__struct_fields__ if name not in {"written", "findings", "newborn", "unknown"})
NAMES = ("wang wei", "wang xiaoming", "aleksei ivanov petrovich", "clodagh sieber", "li na")


@pytest.fixture(scope="module")
def session():
    if shutil.which("java") is None:
        pytest.skip("Spark needs a Java")
    from pyspark.sql import SparkSession

    settings = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "4", "spark.driver.memory": "2g"}
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    one = builder.getOrCreate()
    prepare(one)
    yield one
    one.stop()


def mistyped(rng: random.Random, text: str) -> str:
    letters = list(text)
    for _ in range(rng.choice((0, 0, 1, 2, 4))):
        place = rng.randrange(1, len(letters))
        letters[place - 1], letters[place] = letters[place], rng.choice((letters[place - 1], "x"))
    return "".join(letters)


def some_record(rng: random.Random) -> Record:
    name = mistyped(rng, rng.choice(NAMES))
    number = mistyped(rng, "469023195503120014")
    return Record(
        hanzi=rng.choice(("", "王伟", "王玮")), surname=name.split()[0], given=name.split()[-1], name=name, sound=name,
        names=(name, rng.choice(NAMES)), words=tuple(name.split()), sex=rng.choice("MF"), born=mistyped(rng, "19800506"),
        citizen=rng.choice((number, "")), citizen_written=number, documents=(mistyped(rng, "PPN:RUS:1234"),),
        kinds=("PPN:RUS",), travel=mistyped(rng, "RUS751234567"), phones=(mistyped(rng, "8613712340678"),),
        phone=mistyped(rng, "8613712340678"), county="469023", place=mistyped(rng, "datang"), house=rng.choice(("12", "")),
        mother=rng.choice(("", "mei wang xiao")), order=rng.choice(("", "1", "2")),
    )  # fmt: skip


def test_spark_finds_the_same_levels_and_bits(session: Any):
    rng, weights = random.Random(3), first_weights()
    records = [some_record(rng) for _ in range(2_000)]
    pairs = [(rng.randrange(2_000), rng.randrange(2_000)) for _ in range(20_000)]
    typed = ", ".join(f"`{name}` {'array<string>' if name in LISTS else 'string'}" for name in COLUMNS)
    rows = [
        (number, *(list(one) if isinstance(one, tuple) else one for one in (getattr(record, name) for name in COLUMNS)))
        for number, record in enumerate(records)
    ]
    session.createDataFrame(rows, f"id long, {typed}").createOrReplaceTempView("record")
    session.createDataFrame(pairs, "a long, b long").createOrReplaceTempView("pair")
    for column, known in weights.frequencies.items():
        shares = session.createDataFrame(list(known.bits.items()), "value string, bits double")
        shares.createOrReplaceTempView(f"frequency_{column}")
    text = score_sql(weights, "pair JOIN record AS l ON l.id = a JOIN record AS r ON r.id = b", "spark")
    found = session.sql(text).collect()
    assert len(found) == 20_000
    for a, b, *levels, bits in found:
        online = score_pair(records[a], records[b], weights)
        assert online.levels == tuple(levels), (records[a], records[b])
        assert abs(online.bits - bits) <= 1e-6
    name = next(number for number, field in enumerate(FIELDS) if field.name == "name")
    assert {row[2 + name] for row in found} >= {FIELDS[name].level("near"), FIELDS[name].level("alike")}
