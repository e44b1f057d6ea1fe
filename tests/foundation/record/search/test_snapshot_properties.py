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


@pytest.mark.parametrize("narrowed", ["", "status=final,amended&", "patient.name=a&"])
async def test_pages_hold_still_under_inserts_deletes_and_updates(rig, narrowed):
    rng = random.Random(narrowed)
    await rig.put(*({"resourceType": "Patient", "id": f"p{n}", "name": [{"family": f"A{n}"}]} for n in range(3)))
    await rig.put(*(observation(rng, f"o{n:02d}") for n in range(30)))
    for sort in SORTS:
        await _hold_still(rig, rng, narrowed, sort)


async def _hold_still(rig, rng, narrowed, sort):
    start = await rig.find("Observation", f"{narrowed}_count=1000")
    gone, late = set(), set()

    async def write():
        """One new resource, one deleted, and one written again with the same values (its time of change alone moves)."""
        late.add(f"late{rng.getrandbits(60)}")
        await rig.put(*(observation(rng, one) for one in late))
        victim = rng.choice([one for one in start if one not in gone])
        gone.add(victim)
        await rig.delete("Observation", victim)
        if "_lastUpdated" not in sort:
            again = rng.choice([one for one in start if one not in gone])
            (row,) = (await rig.search("Observation", f"_id={again}")).matches
            await rig.put({key: value for key, value in row.resource.items() if key != "meta"})

    query = f"{narrowed}{f'_sort={sort}&' if sort else ''}_count=6"
    ids = await rig.all_pages("Observation", query, between=write)
    assert len(ids) == len(set(ids)), f"{query}: one comes twice"
    assert not late & set(ids), f"{query}: shows what was made later"
    assert set(start) - gone <= set(ids) <= set(start), f"{query}: misses what stayed"
