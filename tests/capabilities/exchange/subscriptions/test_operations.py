"""The operations of Subscription: the secret, telling again, how it stands."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any

from jiankang.capabilities.exchange.subscriptions import Couriers
from jiankang.foundation.access import Actor, InCompartment, Not, TypeIn


def parameter(answer: dict[str, Any], name: str) -> Any:
    found = next(one for one in answer["parameter"] if one["name"] == name)
    return next(value for key, value in found.items() if key.startswith("value"))


def test_who_subscribed_is_given_the_secret_once_and_can_have_another(run, room, receiver):
    async def story(server: Any) -> None:
        creator = Actor("his")
        await room.put(server, room.subscription(receiver.url), actor=creator)
        assert (await room.ask(server, "GET", "Subscription/s/$secret"))[0] == 403
        assert (await room.ask(server, "HEAD", "Subscription/s/$secret", actor=creator))[0] == 405
        status, answer = await room.ask(server, "GET", "Subscription/s/$secret", actor=creator)
        assert status == 200
        first = parameter(answer, "secret")
        assert (await room.ask(server, "GET", "Subscription/s/$secret", actor=creator))[0] == 410
        second = parameter((await room.ask(server, "POST", "Subscription/s/$secret", actor=creator))[1], "secret")
        assert first != second
        await room.put(server, room.patient("a"))
        await room.tell(server)
        _, _, headers, body = receiver.came[0]
        assert headers["X-Jiankang-Signature"] == "sha256=" + hmac.new(second.encode(), body, sha256).hexdigest()

    run(story)


def test_what_the_actor_may_not_know_of_is_not_found(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        stranger = Actor("stranger", Not(TypeIn(frozenset({"Subscription"}))))
        for method, name in (("GET", "secret"), ("POST", "redeliver"), ("GET", "status"), ("GET", "events")):
            assert (await room.ask(server, method, f"Subscription/s/${name}", actor=stranger))[0] == 404
        assert (await room.ask(server, "GET", "Subscription/$status", actor=stranger))[1]["total"] == 0

    run(story)


def test_who_was_given_up_is_served_again_from_where_it_was(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        receiver.status = 500
        await room.put(server, room.patient("a", "吴多益"))
        await room.tell(server, failures=2)
        _, answer = await room.ask(server, "GET", "Subscription/s/$status")
        assert parameter(answer["entry"][0]["resource"], "status") == "error"
        await room.put(server, room.patient("b", "邢小明"))
        receiver.status = 200
        status, answer = await room.ask(server, "POST", "Subscription/s/$redeliver")
        assert (status, parameter(answer, "told"), (await room.read(server))["status"]) == (202, 0, "active")
        assert "error" not in await room.read(server)
        await room.tell(server)
        assert receiver.names() == ["吴多益", "邢小明"]

    run(story)


def test_events_are_told_again_from_the_one_that_is_named(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        for name in "abc":
            await room.put(server, room.patient(name, name))
            await room.tell(server)
        assert receiver.names() == ["a", "b", "c"]
        assert (await room.ask(server, "POST", "Subscription/s/$redeliver?from=2"))[0] == 202
        await room.tell(server)
        assert receiver.names() == ["b", "c"]
        assert (await room.ask(server, "POST", "Subscription/s/$redeliver?from=x"))[0] == 400

    run(story)


def test_events_that_are_kept_no_longer_are_passed_over(run, room, receiver, rows):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        await room.put(server, room.patient("a"))
        await room.tell(server)
        rows("UPDATE subscriber_event SET at = now() - interval '31 days'")
        async with Couriers(server):
            await room.until(lambda: rows("SELECT count(*) FROM subscriber_event") == [(0,)])
        receiver.came = []
        await room.ask(server, "POST", "Subscription/s/$redeliver?from=1")
        assert await room.tell(server) == 1
        assert (receiver.came, rows("SELECT told, holder FROM subscriber")) == ([], [(1, None)])

    run(story)


def test_events_are_read_as_far_as_both_may_see_them(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        await room.put(server, room.patient("secret", "吴多益"))
        await room.put(server, room.patient("open", "邢小明"))
        await room.match(server)
        stranger = Actor("stranger", Not(InCompartment("Patient", ["secret"])))
        _, whole = await room.ask(server, "GET", "Subscription/s/$events")
        _, part = await room.ask(server, "GET", "Subscription/s/$events", actor=stranger)
        names = [[e["resource"]["name"][0]["text"] for e in one["entry"][1:]] for one in (whole, part)]
        assert names == [["吴多益", "邢小明"], ["邢小明"]]
        _, some = await room.ask(server, "GET", "Subscription/s/$events?eventsSinceNumber=2&content=id-only")
        assert [one["fullUrl"] for one in some["entry"][1:]] == ["http://jiankang.example/fhir/Patient/open"]
        assert "resource" not in some["entry"][1]

    run(story)


def test_the_answer_to_who_subscribes_says_that_it_is_served(run, room, receiver):
    async def story(server: Any) -> None:
        status, answer = await room.ask(server, "PUT", "Subscription/s", room.subscription(receiver.url))
        assert (status in {200, 201}, answer["status"]) == (True, "active")
        version = answer["meta"]["versionId"]
        status, answer = await room.ask(server, "PUT", "Subscription/s", room.subscription("http://elsewhere.test/"))
        assert status == 422
        assert answer["issue"][0]["expression"] == ["Subscription.channel.endpoint"]
        assert (await room.read(server))["meta"]["versionId"] == version

    run(story)


def test_the_capability_statement_names_the_topics_and_the_operations(run, room):
    async def story(server: Any) -> None:
        _, statement = await room.ask(server, "GET", "metadata")
        said = next(one for one in statement["rest"][0]["resource"] if one["type"] == "Subscription")
        topics = {one["valueCanonical"] for one in said["extension"]}
        assert "urn:jiankang:SubscriptionTopic:patient-admit" in topics
        operations = {one["name"] for one in said["operation"]}
        assert {"status", "events", "get-ws-binding-token", "redeliver", "secret"} <= operations
        status, outcome = await room.ask(server, "POST", "CapabilityStatement/$validate", statement)
        assert status == 200
        assert [one for one in outcome["issue"] if one["severity"] in {"error", "fatal"}] == []
        assert statement["rest"][0]["extension"][0]["valueUri"] == "wss://health.example/subscriptions/socket"

    run(story, base_url="https://health.example/fhir")
