"""Any order, any writes in between: pages show each resource that stayed exactly once, and nothing that came later."""

from __future__ import annotations

import random

import pytest

SORTS = [
    "",
    "date",
    "-date",
    "code,-date",
    "-value-quantity",
    "_id",
    "-_lastUpdated",
    "subject:Patient.family",
    "status,date",
]


def observation(rng, id_):
    made = {
        "resourceType": "Observation",
        "id": id_,
        "status": rng.choice(["final", "amended"]),
        "code": {"coding": [{"system": "urn:c", "code": rng.choice("abc")}]},
        "subject": {"reference": f"Patient/p{rng.randrange(3)}"},
    }
    if rng.random() < 0.8:
        made["effectiveDateTime"] = f"2020-{rng.randrange(1, 13):02d}"
    if rng.random() < 0.8:
        made["valueQuantity"] = {"value": rng.randrange(5)}
    return made


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("narrowed", ["", "status=final,amended&", "patient.name=a&"])
async def test_pages_hold_still_under_inserts_deletes_and_updates(rig, sort, narrowed):
    rng = random.Random(f"{sort}{narrowed}")
    await rig.put(*({"resourceType": "Patient", "id": f"p{n}", "name": [{"family": f"A{n}"}]} for n in range(3)))
    await rig.put(*(observation(rng, f"o{n:02d}") for n in range(30)))
    start = await rig.find("Observation", f"{narrowed}_count=1000")
    gone, late = set(), iter(range(1000))

    async def write():
        """One new resource, one deleted, and one written again with the same values (its time of change alone moves)."""
        n = next(late)
        await rig.put(observation(rng, f"late{n}"))
        victim = rng.choice([one for one in start if one not in gone])
        gone.add(victim)
        await rig.delete("Observation", victim)
        if "_lastUpdated" not in sort:
            again = rng.choice([one for one in start if one not in gone])
            (row,) = (await rig.search("Observation", f"_id={again}")).matches
            await rig.put({key: value for key, value in row.resource.items() if key != "meta"})

    query = f"{narrowed}{f'_sort={sort}&' if sort else ''}_count=4"
    ids = await rig.all_pages("Observation", query, between=write)
    assert len(ids) == len(set(ids)), "none comes twice"
    assert not [one for one in ids if one.startswith("late")], "nothing that was made later"
    assert set(start) - gone <= set(ids) <= set(start), "nothing that stayed is missed"
