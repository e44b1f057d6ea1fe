"""The model is learned by Splink, says what Splink says, and agrees with the truth that the population knows."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from jiankang.foundation.identity import shell
from jiankang.foundation.identity.compare import level_sql
from jiankang.foundation.identity.levels import FIELDS, FREQUENCIES, MISSING
from jiankang.foundation.identity.model import Record
from jiankang.foundation.identity.normalise import Normaliser
from jiankang.foundation.identity.score import score_pair, score_sql
from jiankang.foundation.identity.training import estimating, floors, tables, thresholds
from jiankang.foundation.identity.training.model import Effort, train
from jiankang.foundation.identity.training.pairing import find_pairs, score_pairs
from jiankang.foundation.identity.training.splinking import linker, settings
from jiankang.foundation.identity.weights import Weights, first_weights, read_weights, shipped_document
from jiankang.kernel.errors import Invalid, Unavailable, Unprocessable

if TYPE_CHECKING:
    from splink import Linker

ROOT = Path(__file__).resolve().parents[3]
PERSONS = 5_000
EFFORT = Effort(random_pairs=4e5, learning_pairs=1e5)


class Trained:
    """A small population with its truth, and the model that was learned from it without the truth."""

    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(ROOT / "tools"))
        try:
            from region.population import NATURAL, registrations
        finally:
            sys.path.remove(str(ROOT / "tools"))
        rows = list(registrations(seed=5, count=PERSONS, mix=NATURAL))
        normaliser = Normaliser("20261123")
        self.records = [normaliser.row(row._asdict()) for row in rows]
        self.persons = [row.person_id for row in rows]
        self.said: list[str] = []
        self.db = tables.connect(folder, memory="1GB", threads=1)
        packed = (tables.Packed(number, msgspec.msgpack.encode(one)) for number, one in enumerate(self.records))
        tables.load(self.db, packed)
        self.content = train(self.db, made="a test", say=self.said.append, effort=EFFORT)
        self.document: dict[str, Any] = msgspec.json.decode(self.content)
        self.weights: Weights = read_weights(self.content)

    def truth(self) -> dict[str, dict[str, float]]:
        """How often each level really occurs among pairs of one person."""
        pairs = [(a, b) for a, b in self.same_person() if not self.records[a].newborn and not self.records[b].newborn]
        columns = ", ".join(f"{level_sql(field, 'duckdb')} AS level_{field.name}" for field in FIELDS)
        self.put_pairs("true_pair", pairs)
        joined = "true_pair JOIN record AS l ON l.id = a JOIN record AS r ON r.id = b"
        rows = self.db.execute(f"SELECT {columns} FROM {joined}").fetchall()
        found = {}
        for number, field in enumerate(FIELDS):
            names = [field.levels[row[number]].name for row in rows]
            known = [name for name in names if name != MISSING]
            found[field.name] = {level.name: known.count(level.name) / max(1, len(known)) for level in field.levels}
        return found

    def same_person(self) -> list[tuple[int, int]]:
        groups: dict[str, list[int]] = {}
        for number, person in enumerate(self.persons):
            groups.setdefault(person, []).append(number)
        return [(a, b) for ones in groups.values() for a in ones for b in ones if a < b]

    def put_pairs(self, name: str, pairs: list[tuple[int, int]]) -> None:
        self.db.execute(f"CREATE OR REPLACE TABLE {name} (a BIGINT, b BIGINT)")
        text = ", ".join(f"({a}, {b})" for a, b in pairs)
        self.db.execute(f"INSERT INTO {name} VALUES {text}")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    one = Trained(tmp_path_factory.mktemp("training"))
    yield one
    one.db.close()


def test_what_is_learned_without_the_truth_is_near_the_truth(trained):
    truth = trained.truth()
    for field in ("citizen", "documents", "name", "birth", "sex", "phone", "address"):
        for level, true in truth[field].items():
            if true >= 0.002 and level != MISSING:
                learned = trained.document["fields"][field][level]["m"]
                assert learned == pytest.approx(true, rel=0.5, abs=0.004), (field, level)


def test_the_prior_is_near_the_truth(trained):
    records = len(trained.records)
    true = len(trained.same_person()) / (records * (records - 1) / 2)
    assert trained.document["prior"] == pytest.approx(true, rel=0.1)


class Bare:
    """A model of registrations that have no telephones, mothers and places among twins."""

    def __init__(self, records: list[Record], folder: Path) -> None:
        self.said: list[str] = []
        bare = (msgspec.structs.replace(one, mother="", order="", phones=(), phone="") for one in records)
        with tables.connect(folder, memory="1GB", threads=1) as db:
            tables.load(db, [tables.Packed(number, msgspec.msgpack.encode(one)) for number, one in enumerate(bare)])
            effort = Effort(random_pairs=4e5, learning_pairs=5e4)
            self.content = train(db, made="a test", say=self.said.append, effort=effort)


@pytest.fixture(scope="module")
def bare(trained, tmp_path_factory):
    return Bare(trained.records[:5_000], tmp_path_factory.mktemp("bare"))


def test_the_same_registrations_give_the_same_model(trained, bare, tmp_path):
    assert Bare(trained.records[:5_000], tmp_path).content == bare.content


def test_a_field_that_the_registrations_do_not_have_is_taken_from_the_shipped_model_and_named(bare):
    document = msgspec.json.decode(bare.content)
    assert set(document["borrowed"]) >= {"phone", "mother", "order"}
    assert document["fields"]["mother"]["same"] == shipped_document()["fields"]["mother"]["same"]
    assert any(words.startswith("too few pairs show") and "phone, mother, order" in words for words in bare.said)


def test_a_rule_that_brings_too_few_pairs_teaches_nothing(bare):
    assert sum(words.startswith("nothing learned from pairs with") for words in bare.said) == 2


def test_splink_gives_pairs_the_same_weight(trained):
    wanted = settings(trained.document["fields"], prior=trained.document["prior"])
    wanted["blocking_rules_to_generate_predictions"] = [
        "l.anchor = r.anchor AND l.anchor <> ''", "l.sound = r.sound AND l.sound <> ''", "l.phone = r.phone AND l.phone <> ''",
    ]  # fmt: skip
    mine = linker(trained.db, "known", wanted)
    lend_frequencies(trained, mine)
    found = mine.inference.predict()
    score = score_sql(
        trained.weights, f"{found.physical_name} AS p JOIN record AS l ON l.id = id_l JOIN record AS r ON r.id = id_r"
    )
    pairs, worst = trained.db.execute(
        f"SELECT count(*), max(abs(bits - match_weight)) FROM ({score}) JOIN {found.physical_name} USING (id_l, id_r)"
    ).fetchall()[0]
    assert pairs > 12_000
    assert worst <= 1e-6


def lend_frequencies(trained: Trained, mine: Linker) -> None:
    tables.put_frequencies(trained.db, trained.weights)
    for column in FREQUENCIES:
        floor = trained.weights.frequencies[column].floor
        trained.db.execute(
            f"CREATE OR REPLACE TABLE lent_{column} AS SELECT {column}, pow(2, coalesce(bits, {floor!r})) AS tf_{column} "
            f"FROM (SELECT DISTINCT {column} FROM known) LEFT JOIN frequency_{column} ON value = {column}"
        )
        mine.table_management.register_term_frequency_lookup(mine._db_api.register(f"lent_{column}"), column)


def test_20000_pairs_score_online_as_in_the_batch(trained):
    rng = random.Random(7)
    count = len(trained.records)
    pairs = [(rng.randrange(count), rng.randrange(count)) for _ in range(12_000)] + trained.same_person()[:8_000]
    trained.put_pairs("asked_pair", pairs)
    tables.put_frequencies(trained.db, trained.weights)
    text = score_sql(trained.weights, "asked_pair JOIN record AS l ON l.id = a JOIN record AS r ON r.id = b")
    rows = trained.db.execute(text).fetchall()
    assert len(rows) == 20_000
    for a, b, *levels, bits in rows:
        online = score_pair(trained.records[a], trained.records[b], trained.weights)
        assert online.levels == tuple(levels)
        assert abs(online.bits - bits) <= 1e-6


def test_every_level_of_the_model_is_learned_or_has_a_floor_with_a_reason(trained):
    for field in FIELDS:
        for level in field.levels:
            if level.name != MISSING:
                given = trained.document["fields"][field.name][level.name]
                least = floors.floor(field.name, level.name)
                assert 0 < given["m"] <= 1
                assert 0 < given["u"] <= 1
                for kind in ("m", "u"):
                    if f"{field.name}/{level.name}/{kind}" in trained.document["floored"]:
                        assert given[kind] == getattr(least, kind)
                        assert least.why


def test_floors_are_of_levels_that_there_are():
    there = {(field.name, level.name) for field in FIELDS for level in field.levels} - {
        (f.name, MISSING) for f in FIELDS
    }
    assert {(field, level) for field, ones in floors.FLOORS.items() for level in ones} <= there


def test_a_level_that_was_not_met_and_has_no_floor_is_refused(trained):
    men = {"m": {"sex": {"same": 0.99, "differs": 0.01}}, "u": {"sex": {"same": 1.0, "differs": None}}}
    assert estimating._floored(_whole(trained, "m", men["m"]), "m", [])["sex"]["same"] == 0.99
    with pytest.raises(Unprocessable, match="no pair showed the level differs of sex"):
        estimating._floored(_whole(trained, "u", men["u"]), "u", [])


def _whole(trained: Trained, kind: str, instead: dict[str, Any]) -> dict[str, Any]:
    learned = {f: {name: one[kind] for name, one in ones.items()} for f, ones in trained.document["fields"].items()}
    return {**learned, **instead}


def test_too_few_registrations_are_refused(trained, tmp_path):
    with tables.connect(tmp_path, memory="1GB", threads=1) as db:
        tables.load(db, [tables.Packed(n, msgspec.msgpack.encode(one)) for n, one in enumerate(trained.records[:200])])
        with pytest.raises(Unprocessable, match="nothing to learn from"):
            train(db, made="a test", say=lambda _: None, effort=EFFORT)


def test_a_model_whose_agreement_says_less_than_difference_is_refused(trained):
    document = msgspec.json.decode(trained.content)
    document["fields"]["phone"]["same"]["m"], document["fields"]["phone"]["differs"]["m"] = 1e-6, 1.0
    with pytest.raises(Unprocessable, match="phone: same"):
        thresholds.contradictions(read_weights(msgspec.json.encode(document)))


def test_levels_that_weigh_more_than_closer_ones_are_told(trained):
    document = msgspec.json.decode(trained.content)
    document["fields"]["birth"]["same-year"]["m"] = 0.99
    assert any(
        words.startswith("birth: same-year weighs")
        for words in thresholds.contradictions(read_weights(msgspec.json.encode(document)))
    )


def test_every_field_has_chains_of_levels_that_there_are():
    assert set(thresholds.CHAINS) == {field.name for field in FIELDS}
    for field in FIELDS:
        named = {level for chain in thresholds.CHAINS[field.name] for level in chain}
        assert named == {level.name for level in field.levels} - {MISSING}


def test_thresholds_are_where_the_scores_say(trained):
    find_pairs(trained.db)
    score_pairs(trained.db, trained.weights)
    scores = [bits for (bits,) in trained.db.execute("SELECT bits FROM scored").fetchall()]
    chances = [(bits, 1 / (1 + 2 ** -max(-500.0, bits))) for bits in scores]
    certain, possible = thresholds.choose(trained.db)
    above = [chance for bits, chance in chances if bits >= certain]
    assert sum(1 - chance for chance in above) <= thresholds.WRONG * len(above)
    missed = sum(chance for bits, chance in chances if bits < possible)
    assert missed <= thresholds.MISSED * sum(chance for _, chance in chances)
    assert (certain, possible) == (trained.weights.certain, trained.weights.possible)


def test_the_model_that_we_ship_is_trained_and_holds_together():
    shipped = first_weights()
    assert shipped.version.startswith("splink-")
    assert thresholds.contradictions(shipped) == []
    assert len(shipped.frequencies["hanzi"].bits) > 500


def test_the_server_needs_nothing_of_training():
    code = "import sys, jiankang.serving, jiankang.main; print([m for m in ('splink', 'duckdb', 'pyarrow', 'sqlglot') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_splink_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(shell, "_NEEDED", ("duckdb", "splink_that_nobody_has"))
    with pytest.raises(Unavailable, match=r"splink_that_nobody_has not installed: `pip install 'jiankang\[train\]'`"):
        shell.require_training()


def test_the_spark_form_of_the_score_is_spark_sql(trained):
    import sqlglot

    text = score_sql(trained.weights, "pair JOIN record AS l ON l.id = a JOIN record AS r ON r.id = b", "spark")
    tree = sqlglot.parse_one(text, read="spark")
    functions = {one.sql_name().lower() for one in tree.find_all(sqlglot.exp.Func)}
    assert "levenshtein" in functions
    assert {column.name for column in tree.selects} >= {f"level_{field.name}" for field in FIELDS}


def test_a_model_that_is_not_json_is_refused():
    with pytest.raises(Invalid):
        read_weights(b"{")


def test_records_come_back_from_their_tables_as_they_were(trained):
    from jiankang.foundation.identity.training.pairing import records

    found = records(trained.db, set(range(500)))
    for number, one in found.items():
        assert one == msgspec.structs.replace(trained.records[number], written="", findings=())
    assert isinstance(found[0], Record)
