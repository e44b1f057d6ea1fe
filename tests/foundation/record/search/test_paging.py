"""Pages hold still: nothing twice, nothing lost, nothing that came later; and links cannot be made up."""

from __future__ import annotations

import pytest

from jiankang.foundation.access import Actor, TypeIn
from jiankang.kernel.errors import Invalid


def observation(id_, who, day, **more):
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "urn:c", "code": "x"}]},
        "subject": {"reference": who},
        "effectiveDateTime": f"2020-01-{day:02d}",
        **more,
    }


def patients(count):
    return [
        {"resourceType": "Patient", "id": f"p{n:02d}", "name": [{"family": f"Name{n % 5}"}], "gender": "male"}
        for n in range(count)
    ]


@pytest.fixture
async def many(rig):
    await rig.put(*patients(23))
    await rig.put(*(observation(f"o{n:02d}", f"Patient/p{n % 4:02d}", n % 9 + 1) for n in range(40)))
    return rig


SEARCHES = [
    ("Observation", ""),
    ("Observation", "code=urn:c|x"),
    ("Observation", "_sort=-date"),
    ("Observation", "_sort=date"),
    ("Observation", "_sort=_lastUpdated"),
    ("Observation", "_sort=status,-date,_id"),
    ("Observation", "patient.gender=male"),
    ("Observation", "patient.name=name"),
    ("Observation", "date=ge2020"),
    ("Observation", "subject=Patient/p00,Patient/p01,Patient/p02,Patient/p03"),
    ("Observation", "code:not=nothing"),
    ("Patient", "name=name"),
    ("Patient", "_sort=family"),
    ("Patient", "_sort=-family"),
    ("Patient", "_sort=family,_id"),
    ("Patient", "_content=name0,name1,name2,name3,name4"),
]


@pytest.mark.parametrize(("type_name", "query"), SEARCHES)
async def test_pages_under_writes_neither_lose_nor_repeat_nor_show_what_came_later(many, type_name, query):
    before = await many.found(type_name, f"{query}&_count=1000")
    late = iter(range(1000))

    async def write():
        n = next(late)
        await many.put(
            observation(f"late{n}", "Patient/p01", n % 20 + 1),
            {"resourceType": "Patient", "id": f"late{n}", "name": [{"family": f"Name{n % 5}"}], "gender": "male"},
        )

    ids = await many.all_pages(type_name, f"{query}&_count=7", between=write)
    assert len(ids) == len(set(ids))
    assert set(ids) == before


async def test_previous_and_first_lead_back(many):
    first = await many.search("Observation", "_sort=-date&_count=10")
    second = await many.follow(first.links["next"])
    third = await many.follow(second.links["next"])
    assert "previous" not in first.links
    back = await many.follow(third.links["previous"])
    assert [one.id for one in back.matches] == [one.id for one in second.matches]
    again = await many.follow(back.links["previous"])
    assert [one.id for one in again.matches] == [one.id for one in first.matches]
    start = await many.follow(third.links["first"])
    assert [one.id for one in start.matches] == [one.id for one in first.matches]


async def test_a_link_serves_only_the_query_and_the_actor_it_was_made_for(many):
    first = await many.search("Observation", "_sort=-date&_count=10")
    link = first.links["next"]
    with pytest.raises(Invalid, match="page links"):
        await many.follow(link.replace("_count=10", "_count=20"))
    with pytest.raises(Invalid, match="page links"):
        await many.follow(link, actor=Actor("somebody-else", TypeIn(frozenset({"Observation"}))))
    broken = link[:-6] + ("AAAAAA" if link[-6:] != "AAAAAA" else "BBBBBB")
    with pytest.raises(Invalid, match="page links"):
        await many.follow(broken)


async def test_the_total_is_exact_when_asked_and_absent_when_not(many):
    assert (await many.search("Observation", "_count=5")).total is None
    assert (await many.search("Observation", "_count=5&_total=accurate")).total == 40
    assert (await many.search("Observation", "_count=5&_total=estimate")).total == 40
    assert (await many.search("Observation", "_count=0")).total == 40
    assert (await many.search("Observation", "_count=0")).matches == []
    assert (await many.search("Observation", "_count=1000")).total == 40


DATES = ["2020-01-05", "ge2020-01-05", "lt2020-01-03", "le2020-01-03", "sa2020-01-06", "eb2020-01-03", "ne2020-01-02"]


@pytest.mark.parametrize("sort", ["", "_sort=date", "_sort=-date"])
@pytest.mark.parametrize("date", DATES)
async def test_bounds_on_the_date_cut_the_range_that_is_read_and_nothing_else(many, date, sort):
    """Timings with several events are found by each of them, though they are kept under their first."""
    repeated = observation("timed", "Patient/p00", 1)
    del repeated["effectiveDateTime"]
    repeated["effectiveTiming"] = {"event": ["2020-01-01", "2020-01-05T10:00:00Z", "2020-01-09"]}
    undated = observation("undated", "Patient/p00", 1)
    del undated["effectiveDateTime"]
    await many.put(repeated, undated)
    everything = (await many.search("Observation", f"date={date}&_count=1000&_sort=status")).matches
    expected = {one.id for one in everything if "urn:c" in one.json.decode()}
    found = await many.all_pages("Observation", f"code=urn:c|x&date={date}&{sort}&_count=7")
    assert sorted(found) == sorted(expected)
    assert "timed" in expected
    assert "undated" not in expected
