"""Who is told of what: the same as a search finds, for all kinds of criteria and for many subscribers at once."""

from __future__ import annotations

from typing import Any

from jiankang.capabilities.exchange.subscriptions import Couriers, standing

CRITERIA = (
    "Observation",
    "Observation?code=http://loinc.org|8310-5",
    "Observation?code=8310-5",
    "Observation?code=http://loinc.org|8310-5,http://loinc.org|8867-4&status=final",
    "Observation?code:not=http://loinc.org|8310-5",
    "Observation?subject=Patient/m1",
    "Observation?patient=m1,m2&status=final",
    "Observation?subject:Patient.gender=female",
    "Observation?date=ge2026-11-02",
    "Observation?value-quantity=gt38",
    "Observation?value-quantity:missing=true",
    "Observation?_tag=urn:t|x",
    "Observation?_id=m-1,m-4",
    "Observation?identifier=urn:lab|7",
    "Observation?identifier=urn:lab|7&code=nothing",
    "Observation?_filter=status eq preliminary",
    "Patient?gender=female",
    "Patient?name=吴",
    "Patient?_has:Observation:patient:status=preliminary",
)


def observation(number: int) -> dict[str, Any]:
    code, patient = ("8310-5", "8867-4", "2708-6")[number % 3], f"m{number % 4}"
    one: dict[str, Any] = {
        "resourceType": "Observation", "id": f"m-{number}", "status": ("final", "preliminary")[number % 5 == 0],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": f"2026-11-0{1 + number % 3}", "identifier": [{"system": "urn:lab", "value": str(number)}],
    }  # fmt: skip
    if number % 2:
        one["valueQuantity"] = {
            "value": 36 + number % 4,
            "unit": "Cel",
            "system": "http://unitsofmeasure.org",
            "code": "Cel",
        }
    return one | ({"meta": {"tag": [{"system": "urn:t", "code": "x"}]}} if number % 4 == 2 else {})


def test_each_subscriber_is_told_of_exactly_what_its_search_finds(run, room, receiver, rows):
    async def story(server: Any) -> None:
        wanted = {f"c{number}": criteria for number, criteria in enumerate(CRITERIA)}
        await room.put(server, *({**room.subscription(receiver.url, c), "id": id_} for id_, c in wanted.items()))
        people = [room.patient(f"m{n}", "吴邢林符"[n], gender=("male", "female")[n % 2]) for n in range(4)]
        await room.put(server, *people, *(observation(number) for number in range(24)))
        await room.match(server)
        for id_, criteria in wanted.items():
            told = {one for (one,) in rows("SELECT resource FROM subscriber_event WHERE subscriber = %s", id_)}
            path, _, query = criteria.partition("?")
            _, bundle = await room.ask(server, "GET", f"{path}?{query}&_count=100")
            assert told == {entry["resource"]["id"] for entry in bundle.get("entry", [])}, criteria
        asked_in_vain = rows("SELECT id FROM subscriber WHERE events = 0")
        assert asked_in_vain == [("c14",)]

    run(story)


def test_who_waits_for_a_fact_that_is_missing_is_not_even_asked_for(run, room, receiver, rows, monkeypatch):
    async def story(server: Any) -> None:
        many = [
            {**room.subscription(receiver.url, f"Observation?subject=Patient/p{n}&date=gt2020"), "id": f"q{n}"}
            for n in range(30)
        ]
        await room.put(server, *many)
        asked: list[str] = []
        real = type(server).match_ids

        async def counted(self: Any, db: Any, actor: Any, type_name: str, *more: Any) -> list[str]:
            asked.append(type_name)
            return await real(self, db, actor, type_name, *more)

        monkeypatch.setattr(type(server), "match_ids", counted)
        await room.put(server, {**observation(1), "id": "z", "subject": {"reference": "Patient/p7"}})
        await room.match(server)
        assert asked == ["Observation"]
        assert rows("SELECT subscriber FROM subscriber_event") == [("q7",)]

    run(story)


def test_criteria_that_cannot_be_evaluated_any_more_stop_one_subscriber_only(run, room, receiver, rows):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url), {**room.subscription(receiver.url + "2"), "id": "t"})
        rows(
            "UPDATE subscriber SET alike = 'x', wish = jsonb_set(wish, '{filters,0,query}', '[[\"gone\", \"1\"]]') WHERE id = 's'"
        )
        await room.put(server, room.patient("a"))
        await room.tell(server)
        after = await room.read(server)
        assert (after["status"], "gone" in after["error"]) == ("error", True)
        assert [path for _, path, *_ in receiver.came] == ["/hook2/Patient/a"]

    run(story)


def test_how_subscribers_stand_is_told_with_the_age_of_what_waits(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url), {**room.subscription(receiver.url + "2"), "id": "t"})
        receiver.refuses = lambda path: path.startswith("/hook/")
        await room.put(server, room.patient("a"))
        await room.match(server)
        couriers = Couriers(server)
        while await couriers.tell_one("x"):
            pass
        async with server.record.pool.connection() as db:
            first, second = await standing(db)
        assert (first.id, first.state, first.failures, first.told, first.events) == ("s", "active", 1, 0, 1)
        assert first.error == "the endpoint answered 503 Service Unavailable"
        assert first.oldest is not None
        assert first.due > first.oldest
        assert (second.id, second.told, second.oldest) == ("t", 1, None)

    run(story)
