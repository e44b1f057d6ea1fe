"""Subscriptions to topics, as in the R5 backport: http://hl7.org/fhir/uv/subscriptions-backport/."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jiankang.capabilities.exchange.subscriptions.topics import TOPICS, topic_or_none
from jiankang.foundation.access import LOCAL_OPERATOR, Actor, InCompartment, Not
from jiankang.foundation.record.store import Change
from jiankang.kernel.errors import Problem

ADMIT, DISCHARGE = "patient-admit", "patient-discharge"


def encounter(id_: str, status: str, patient: str = "a", **more: Any) -> dict[str, Any]:
    coded = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
    return {
        "resourceType": "Encounter", "id": id_, "status": status, "class": coded,
        "subject": {"reference": f"Patient/{patient}"}, **more,
    }  # fmt: skip


def parameters(bundle: dict[str, Any]) -> dict[str, Any]:
    """The status of a notification; its events as dictionaries."""
    found: dict[str, Any] = {"events": []}
    for one in bundle["entry"][0]["resource"]["parameter"]:
        if one["name"] == "notification-event":
            found["events"].append({p["name"]: next(v for k, v in p.items() if k != "name") for p in one["part"]})
        else:
            found[one["name"]] = next(v for k, v in one.items() if k != "name")
    return found


def kinds(bundles: list[dict[str, Any]]) -> list[str]:
    return [parameters(one)["type"] for one in bundles]


async def greeted(server: Any, room: Any, receiver: Any, subscription: dict[str, Any], **more: Any) -> None:
    """Have a subscription taken on and its endpoint greeted."""
    await room.put(server, subscription, **more)
    await room.tell(server)
    assert kinds(receiver.bodies()) == ["handshake"]


def test_a_subscription_is_active_when_its_endpoint_was_greeted(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.topic(receiver.url, ADMIT))
        assert (await room.read(server))["status"] == "requested"
        await room.tell(server)
        after = await room.read(server)
        assert after["status"] == "active"
        assert {**after, "status": "requested", "meta": None} == {**room.topic(receiver.url, ADMIT), "meta": None}
        assert after["meta"]["profile"] == room.topic(receiver.url, ADMIT)["meta"]["profile"]
        (bundle,) = receiver.bodies()
        assert (bundle["type"], parameters(bundle)["type"], parameters(bundle)["status"]) == (
            "history", "handshake", "requested",
        )  # fmt: skip
        assert parameters(bundle)["topic"] == "urn:jiankang:SubscriptionTopic:patient-admit"

    run(story)


def test_an_endpoint_that_cannot_be_greeted_is_not_served(run, room, receiver):
    async def story(server: Any) -> None:
        receiver.status = 404
        await room.put(server, room.topic(receiver.url, ADMIT))
        assert await room.tell(server) == 1
        after = await room.read(server)
        assert (after["status"], after["error"]) == ("error", "the endpoint answered 404 Not Found")
        with pytest.raises(Problem, match="requested"):
            await room.put(server, {**room.topic(receiver.url + "/b", ADMIT), "id": "t", "status": "active"})

    run(story)


def test_patients_that_come_and_leave_are_told_once_each_though_all_came_together(run, room, receiver):
    async def story(server: Any) -> None:
        await greeted(server, room, receiver, room.topic(receiver.url, ADMIT))
        await greeted(server, room, receiver, {**room.topic(receiver.url, DISCHARGE), "id": "t"})
        await room.put(server, room.patient("a"))
        for status in ("planned", "in-progress", "in-progress", "finished", "finished"):
            await room.put(server, encounter("e", status))
        await room.tell(server)
        told = receiver.bodies()
        assert kinds(told) == ["event-notification"] * 2
        found = {parameters(one)["topic"].rpartition(":")[2]: one for one in told}
        assert {name: one["entry"][1]["resource"]["status"] for name, one in found.items()} == {
            ADMIT: "in-progress", DISCHARGE: "finished",
        }  # fmt: skip
        assert found[ADMIT]["entry"][1]["resource"]["meta"]["versionId"] == "2"

    run(story)


def test_filters_narrow_a_topic_and_hold_together(run, room, receiver):
    async def story(server: Any) -> None:
        filters = ("Encounter?patient=Patient/a", "Encounter?class=IMP")
        await greeted(server, room, receiver, room.topic(receiver.url, ADMIT, *filters))
        await room.put(server, room.patient("a"), room.patient("b"))
        other = {"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}}
        await room.put(server, encounter("f1", "in-progress"), encounter("f2", "in-progress", "b"))
        await room.put(server, encounter("f3", "in-progress", **other))
        await room.tell(server)
        assert [one["entry"][1]["fullUrl"].rpartition("/")[2] for one in receiver.bodies()] == ["f1"]

    run(story)


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
def test_a_notification_holds_as_much_as_was_asked_for_and_is_valid(run, room, receiver, content):
    async def story(server: Any) -> None:
        await greeted(server, room, receiver, room.topic(receiver.url, ADMIT, content=content))
        await room.put(server, room.patient("a"))
        await room.put(server, encounter(f"c-{content}", "in-progress"))
        await room.tell(server)
        (bundle,) = receiver.bodies()
        (event,) = parameters(bundle)["events"]
        assert event["event-number"] == "1"
        assert ("focus" in event) == (content != "empty")
        assert ("topic" in parameters(bundle)) == (content != "empty")
        assert len(bundle["entry"]) == (1 if content == "empty" else 2)
        assert ("resource" in bundle["entry"][-1] and len(bundle["entry"]) == 2) == (content == "full-resource")
        status, outcome = await room.ask(server, "POST", "Bundle/$validate", bundle)
        assert status == 200
        assert [one for one in outcome["issue"] if one["severity"] in {"error", "fatal"}] == []

    run(story)


def test_events_have_numbers_without_gaps_and_come_several_together(run, room, receiver):
    async def story(server: Any) -> None:
        await greeted(server, room, receiver, room.topic(receiver.url, "any-change:Patient", max_count=4))
        await room.put(server, *(room.patient(f"n{number}", str(number)) for number in range(6)))
        await room.tell(server)
        await room.put(server, *(room.patient(f"n{number}", "again") for number in range(3)))
        await room.tell(server)
        told = receiver.bodies()
        assert [len(parameters(one)["events"]) for one in told] == [4, 2, 3]
        numbers = [event["event-number"] for one in told for event in parameters(one)["events"]]
        assert numbers == [str(number) for number in range(1, 10)]
        assert parameters(told[-1])["events-since-subscription-start"] == "9"

    run(story)


def test_a_deletion_is_told_to_who_asked_for_any_change(run, room, receiver):
    async def story(server: Any) -> None:
        await greeted(server, room, receiver, room.topic(receiver.url, "any-change", "Patient"))
        await room.put(server, room.patient("d"))
        await server.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("DELETE", "Patient", "d")]))
        await room.tell(server)
        *_, last = receiver.bodies()
        assert last["entry"][1]["request"] == {"method": "DELETE", "url": "Patient/d"}
        assert "resource" not in last["entry"][1]

    run(story)


def test_of_what_a_subscriber_may_not_see_it_is_not_even_told_that_it_happened(run, room, receiver):
    async def story(server: Any) -> None:
        blind = Actor("somebody", Not(InCompartment("Patient", ["secret"])))
        await greeted(server, room, receiver, room.topic(receiver.url, ADMIT), actor=blind)
        await room.put(server, room.patient("secret"), room.patient("a"))
        await room.put(server, encounter("hidden", "in-progress", "secret"), encounter("shown", "in-progress"))
        await room.put(server, encounter("moved", "in-progress"))
        await room.match(server)
        await room.put(server, encounter("moved", "in-progress", "secret"))
        await room.tell(server)
        told = receiver.bodies()
        assert [e["fullUrl"].rpartition("/")[2] for one in told for e in one["entry"][1:]] == ["shown"]
        numbers = [event["event-number"] for one in told for event in parameters(one)["events"]]
        assert numbers == ["1", "2"]  # the second is said without what it was
        _, answer = await room.ask(server, "GET", "Subscription/s/$events", actor=blind)
        assert len(answer["entry"]) == 2

    run(story)


def test_a_quiet_subscription_is_told_that_it_still_lives(run, room, receiver, rows):
    async def story(server: Any) -> None:
        await greeted(server, room, receiver, room.topic(receiver.url, ADMIT, heartbeat_period=5))
        await room.tell(server)
        assert receiver.came == []
        rows("UPDATE subscriber SET beat = now()")
        await room.tell(server)
        (bundle,) = receiver.bodies()
        assert (parameters(bundle)["type"], parameters(bundle)["status"]) == ("heartbeat", "active")
        assert (await room.ask(server, "POST", "Bundle/$validate", bundle))[0] == 200
        await room.tell(server)
        assert receiver.came == []

    run(story)


def test_how_subscriptions_stand_is_told_all_together(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.topic(receiver.url, ADMIT), {**room.topic(receiver.url, DISCHARGE), "id": "t"})
        await room.tell(server)
        _, answer = await room.ask(server, "GET", "Subscription/$status?id=s,t")
        assert [parameters({"entry": [one]})["status"] for one in answer["entry"]] == ["active", "active"]
        body = {"resourceType": "Parameters", "parameter": [{"name": "id", "valueId": "t"}]}
        _, answer = await room.ask(server, "POST", "Subscription/$status", body)
        assert [parameters({"entry": [one]})["type"] for one in answer["entry"]] == ["query-status"]
        for wanted, count in (("active", 2), ("error", 0), ("error,active", 2)):
            _, answer = await room.ask(server, "GET", f"Subscription/$status?status={wanted}")
            assert answer["total"] == count

    run(story)


REFUSED = [
    (("no-such-topic",), "no topic"),
    (("any-change",), "needs filters"),
    ((ADMIT, "Patient?gender=male"), "not about Patient"),
    ((ADMIT, "Encounter?nonsense=1"), "nonsense"),
    ((ADMIT, "Encounter?_sort=date"), "_sort"),
    (("any-change:Subscription",), "nobody is told"),
    (("any-change", "Subscription?status=active"), "nobody is told"),
]


def test_a_topic_that_cannot_be_served_is_refused_with_the_reason(run, room, receiver):
    async def story(server: Any) -> None:
        for given, said in REFUSED:
            with pytest.raises(Problem, match=said):
                await room.put(server, room.topic(receiver.url, *given))
        with pytest.raises(Problem, match="content"):
            await room.put(server, room.topic(receiver.url, ADMIT, content="everything"))

    run(story)


def test_a_slow_endpoint_is_given_the_time_that_was_asked_for_and_no_more(run, room, receiver):
    async def story(server: Any) -> None:
        await greeted(server, room, receiver, room.topic(receiver.url, ADMIT, timeout=1))
        receiver.seconds = 1.5
        await room.put(server, room.patient("a"))
        await room.put(server, encounter("slow", "in-progress"))
        began = asyncio.get_running_loop().time()
        await room.tell(server, failures=1)
        assert asyncio.get_running_loop().time() - began < 1.5
        assert (await room.read(server))["error"] == "the endpoint cannot be reached: TimeoutError"

    run(story)


def test_every_topic_has_an_address_of_its_own_and_names_what_it_is_about():
    for url, topic in TOPICS.items():
        assert topic_or_none(f"{url}|1.0") is topic
        assert topic.title
        assert topic.title_zh
    assert topic_or_none("urn:jiankang:SubscriptionTopic:any-change:Nothing") is None
