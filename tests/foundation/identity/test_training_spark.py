"""Learning, comparing and clustering on Spark, where PySpark and a Java are installed: the same as on one machine and online."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jiankang.foundation.identity.levels import FIELDS, LISTS
from jiankang.foundation.identity.model import Record
from jiankang.foundation.identity.normalise import Normaliser
from jiankang.foundation.identity.score import score_pair, score_sql
from jiankang.foundation.identity.training import tables
from jiankang.foundation.identity.training.batch import match
from jiankang.foundation.identity.training.clustering import cluster
from jiankang.foundation.identity.training.model import Effort, train
from jiankang.foundation.identity.training.spark import Connection, connect
from jiankang.foundation.identity.weights import first_weights

pyspark = pytest.importorskip("pyspark", reason="PySpark is not installed: uv pip install pyspark")
ROOT = Path(__file__).resolve().parents[3]
COLUMNS = tuple(name for name in Record.__struct_fields__ if name not in {"written", "findings", "newborn", "unknown"})
NAMES = ("wang wei", "wang xiaoming", "aleksei ivanov petrovich", "clodagh sieber", "li na")


@pytest.fixture(scope="module")
def session(tmp_path_factory: Any) -> Any:
    if shutil.which("java") is None:
        pytest.skip("Spark needs a Java")
    one = connect(tmp_path_factory.mktemp("spark"), "local[1]")
    yield one.session
    one.close()


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


# -- the whole job --------------------------------------------------------------------------------------------------


def registrations(count: int, mix: str) -> list[tables.Packed]:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import region.population as made
    finally:
        sys.path.remove(str(ROOT / "tools"))
    normaliser = Normaliser("20261123")
    rows = made.registrations(seed=9, count=count, mix=getattr(made, mix))
    return [
        tables.Packed(number, msgspec.msgpack.encode(normaliser.row(row._asdict()))) for number, row in enumerate(rows)
    ]


@pytest.fixture
def on_both(session: Any, tmp_path: Path) -> Any:
    """A DuckDB and a Spark session that are asked in the same words."""
    return {
        "duckdb": tables.connect(tmp_path, memory="1GB", threads=1),
        "spark": Connection(session, tmp_path),
    }


def test_the_batch_finds_the_same_pairs_verdicts_and_persons_on_spark(on_both: Any):
    packed, weights = registrations(300, "HARD"), first_weights()
    found: dict[str, Any] = {}
    for name, db in on_both.items():
        tables.load(db, iter(packed))
        match(db, weights, say=lambda _: None)
        judged = sorted(db.execute("SELECT id_l, id_r, verdict, reasons, bits FROM judged").fetchall())
        count = cluster(db, weights)
        found[name] = judged, count, dict(db.execute("SELECT id, person FROM person").fetchall())
    (ours, count, persons), (theirs, their_count, their_persons) = found.values()
    assert len(ours) > 500
    assert [tuple(one[:3]) for one in ours] == [tuple(one[:3]) for one in theirs]
    assert [list(one[3]) for one in ours] == [list(one[3]) for one in theirs]
    assert max(abs(one[4] - other[4]) for one, other in zip(ours, theirs, strict=True)) <= 1e-6
    assert (count, persons) == (their_count, their_persons)


def test_training_learns_the_same_model_on_spark(on_both: Any):
    """m comes of the same pairs; u of random ones, which each engine draws by itself."""
    packed = registrations(3_000, "NATURAL")
    effort = Effort(random_pairs=2e5, learning_pairs=5e4)
    models = []
    for db in on_both.values():
        tables.load(db, iter(packed))
        models.append(json.loads(train(db, made="here", say=lambda _: None, effort=effort)))
    ours, theirs = models
    assert ours["frequencies"] == theirs["frequencies"]
    assert ours["prior"] == pytest.approx(theirs["prior"], rel=1e-6)
    assert ours["thresholds"]["certain"] == theirs["thresholds"]["certain"]
    for field, levels in ours["fields"].items():
        for level, ours_ in levels.items():
            others = theirs["fields"][field][level]
            assert ours_["m"] == pytest.approx(others["m"], rel=0.02), (field, level)
            if min(ours_["u"], others["u"]) > 1e-2:  # seen often enough among so few random pairs
                assert ours_["u"] == pytest.approx(others["u"], rel=0.25), (field, level)
