"""The same levels and bits from Python and from SQL; what levels mean."""

from __future__ import annotations

import random
from dataclasses import replace

import duckdb
import msgspec
import pytest

from jiankang.foundation.identity.compare import compare
from jiankang.foundation.identity.levels import FIELDS, LISTS, NAMES, field
from jiankang.foundation.identity.model import Record
from jiankang.foundation.identity.score import explain, probability, score_pair, score_sql, scorer
from jiankang.foundation.identity.weights import Frequencies, first_weights

WEIGHTS = replace(
    first_weights(),
    frequencies={
        "hanzi": Frequencies({"王伟": -9.25, "李娜": -12.5}, -17.0),
        "sound": Frequencies({"wang wei": -8.125}, -15.5),
    },
)
COMPARED = (
    "hanzi", "surname", "given", "name", "sound", "names", "words", "sex", "born", "citizen", "citizen_written", "documents", "kinds",
    "travel", "phones", "phone", "county", "town", "place", "house", "mother", "order",
)  # fmt: skip


def some_text(rng: random.Random, *seeds: str) -> str:
    """One of a few texts, often with an edit or two, sometimes nothing."""
    text = list(rng.choice([*seeds, "", *seeds]))
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 3))):
        place = rng.randrange(len(text) + 1)
        kind = rng.random()
        if kind < 0.3:
            text.insert(place, rng.choice("abcxyz019 "))
        elif text and kind < 0.6:
            text.pop(place - 1)
        elif len(text) > 1 and kind < 0.8:
            text[place - 2], text[place - 1] = text[place - 1], text[place - 2]
        elif text:
            text[place - 1] = rng.choice("abcxyz019")
    return "".join(text)


def some_record(rng: random.Random) -> Record:
    number = some_text(rng, "469023195503120014", "469023198811301233")
    phones = tuple(some_text(rng, "8613712340678", "8689867612345") for _ in range(rng.randrange(3)))
    names = tuple(some_text(rng, "wang wei", "li na", "anna schmidt") for _ in range(rng.randrange(4)))
    documents = tuple(
        some_text(rng, "PPN:RUS:751234567", "EHC:460000000012", "HKM:H12345678") for _ in range(rng.randrange(4))
    )
    return Record(
        hanzi=rng.choice(("", "王伟", "李娜", "阿卜杜拉", "王玮")),
        surname=some_text(rng, "wang", "li"), given=some_text(rng, "wei", "xiaoming", "na"),
        name=some_text(rng, "wang wei", "wang xiaoming", "aleksei ivanov petrovich"),
        sound=names[0] if names else "", names=names, words=tuple(rng.sample(("anna", "maria", "schmidt", "li"), rng.randrange(4))),
        sex=rng.choice(("M", "F", "")), born=rng.choice(("1980", "198005", "19800101", some_text(rng, "19800506", "19800605", "19900506"))),
        citizen=rng.choice((number, "", "469023195503120014")), citizen_written=number, documents=documents,
        kinds=tuple({text[:3] for text in documents}), travel=some_text(rng, "RUS751234567", "H12345678"),
        phones=phones, phone=phones[0] if phones else "", county=rng.choice(("469023", "460106", "")), town=rng.choice(("jinjiang", "laocheng", "")),
        place=some_text(rng, "datang", "guomaolu"), house=some_text(rng, "12", "12-3"),
        mother=some_text(rng, "mei wang xiao"), order=rng.choice(("", "1", "2")),
    )  # fmt: skip


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """20,000 pairs of random records with the levels and bits that DuckDB finds."""
    rng = random.Random(4)
    records = [some_record(rng) for _ in range(3000)]
    folder = tmp_path_factory.mktemp("identity")
    rows = [{"id": number, **{c: getattr(one, c) for c in COMPARED}} for number, one in enumerate(records)]
    (folder / "records.ndjson").write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    pairs = [(rng.randrange(3000), rng.randrange(3000)) for _ in range(20_000)]
    (folder / "pairs.ndjson").write_bytes(b"\n".join(msgspec.json.encode({"a": a, "b": b}) for a, b in pairs))
    columns = ", ".join(f"'{c}': '{'VARCHAR[]' if c in LISTS else 'VARCHAR'}'" for c in COMPARED)
    with duckdb.connect() as db:
        db.execute("SET threads = 1")
        db.execute(
            f"CREATE TABLE record AS FROM read_json('{folder}/records.ndjson', columns = {{'id': 'BIGINT', {columns}}})"
        )
        db.execute(
            f"CREATE TABLE pair AS FROM read_json('{folder}/pairs.ndjson', columns = {{'a': 'BIGINT', 'b': 'BIGINT'}})"
        )
        for column, known in WEIGHTS.frequencies.items():
            db.execute(f"CREATE TABLE frequency_{column} (value VARCHAR, bits DOUBLE)")
            db.executemany(f"INSERT INTO frequency_{column} VALUES (?, ?)", list(known.bits.items()))
        text = score_sql(WEIGHTS, "pair JOIN record AS l ON l.id = pair.a JOIN record AS r ON r.id = pair.b")
        rows = db.execute(text).fetchall()
    assert len(rows) == 20_000
    return records, rows


def test_duckdb_finds_the_same_levels(compared):
    records, rows = compared
    for a, b, *levels, _ in rows:
        assert compare(records[a], records[b]) == tuple(levels), (records[a], records[b])


def test_duckdb_finds_the_same_bits(compared):
    records, rows = compared
    worst = max(abs(score_pair(records[a], records[b], WEIGHTS).bits - bits) for a, b, *_, bits in rows)
    assert worst <= 1e-6


def test_random_pairs_reach_every_level(compared):
    _, rows = compared
    for number, one in enumerate(FIELDS):
        assert {row[2 + number] for row in rows} == set(range(len(one.levels))), one.name


def test_comparing_either_way_gives_the_same_levels(compared):
    records, rows = compared
    for a, b, *levels, _ in rows[:5000]:
        assert compare(records[b], records[a]) == tuple(levels)


def test_the_parts_of_an_explanation_add_up_to_the_score(compared):
    records, rows = compared
    for a, b, *_ in rows[:3000]:
        found = score_pair(records[a], records[b], WEIGHTS)
        parts = explain(records[a], found.levels, WEIGHTS)
        assert abs(WEIGHTS.prior + sum(part.bits for part in parts) - found.bits) < 1e-9
        assert all(part.zh and part.en for part in parts)


def test_many_candidates_score_as_one_by_one(compared):
    records, _ = compared
    together = scorer(WEIGHTS)(records[0], records[:200])
    assert together == [tuple(score_pair(records[0], one, WEIGHTS)) for one in records[:200]]


def test_a_rare_name_says_more_than_a_frequent_one():
    frequent, rare = (Record(hanzi=name, sound="x", names=("x",)) for name in ("王伟", "阿卜杜拉"))
    assert score_pair(rare, rare, WEIGHTS).bits - score_pair(frequent, frequent, WEIGHTS).bits == pytest.approx(
        17.0 - 9.25
    )


def test_fields_that_nobody_knows_say_nothing():
    nothing = score_pair(Record(), Record(), WEIGHTS)
    assert nothing.bits == WEIGHTS.prior
    assert [FIELDS[n].levels[level].name for n, level in enumerate(nothing.levels)] == ["missing"] * len(FIELDS)


@pytest.mark.parametrize(
    ("name", "one", "other", "level"),
    [
        ("birth", {"born": "19800506"}, {"born": "19800605"}, "exchanged"),
        ("birth", {"born": "19800506"}, {"born": "1980"}, "part"),
        ("birth", {"born": "19800506"}, {"born": "19800516"}, "near"),
        ("birth", {"born": "19800101"}, {"born": "19800101"}, "same-estimate"),
        ("name", {"sound": "a b", "name": "x", "words": ("anna", "schmidt")}, {"sound": "c d", "name": "y", "words": ("schmidt", "maria", "anna")}, "part"),
        ("name", {"sound": "a", "names": ("a", "b")}, {"sound": "b", "names": ("b",)}, "other-name"),
        ("name", {"sound": "a", "name": "wang xiaoming"}, {"sound": "b", "name": "wang xiaomin"}, "near"),
        ("name", {"sound": "a", "name": "clodagh sieber"}, {"sound": "b", "name": "clohagh sibeer"}, "alike"),
        ("name", {"sound": "a", "hanzi": "王", "name": "clodagh sieber"}, {"sound": "b", "hanzi": "李", "name": "clohagh sibeer"}, "differs"),
        ("citizen", {"citizen_written": "469023195503120014", "citizen": "469023195503120014"}, {"citizen_written": "469023195503120041"}, "near"),
        ("citizen", {"citizen_written": "469023195503120014", "citizen": "469023195503120014"}, {"citizen_written": "469023195503120030", "citizen": "469023195503120030"}, "both-valid"),
        ("documents", {"documents": ("PPN:RUS:1", "EHC:2"), "kinds": ("PPN:RUS", "EHC")}, {"documents": ("EHC:2",), "kinds": ("EHC",)}, "same"),
        ("documents", {"documents": ("PPN:RUS:1",), "kinds": ("PPN:RUS",)}, {"documents": ("PPN:KOR:1",), "kinds": ("PPN:KOR",)}, "missing"),
        ("address", {"place": "datang", "house": "12"}, {"place": "datang", "house": "13"}, "other-house"),
        ("address", {"place": "datang", "house": "12"}, {"place": "datang"}, "place"),
    ],
)  # fmt: skip
def test_levels_mean_what_their_words_say(name, one, other, level):
    found = compare(Record(**one), Record(**other))[NAMES.index(name)]
    assert field(name).levels[found].name == level


@pytest.mark.parametrize(("bits", "chance"), [(0.0, 0.5), (10.0, 1024 / 1025), (-5000.0, 0.0), (5000.0, 1.0)])
def test_bits_are_odds(bits, chance):
    assert probability(bits) == pytest.approx(chance)


def test_spark_gets_its_own_functions():
    text = score_sql(WEIGHTS, "pair", "spark")
    assert "arrays_overlap" in text
    assert "array_except" in text
    assert not [name for name in ("list_has", "jaro_winkler_similarity", "len(") if name in text]
    assert text.count("(") == text.count(")")
