"""Subscriptions by criteria with the channel rest-hook, to a receiver over HTTP."""

from __future__ import annotations

import asyncio
import hmac
import re
from datetime import timedelta
from hashlib import sha256
from typing import Any

import psycopg
import pytest

from jiankang.capabilities.exchange.subscriptions import Couriers, Patience, couriers
from jiankang.capabilities.exchange.subscriptions.signing import secret_of
from jiankang.fhir.xml import from_xml
from jiankang.foundation.access import LOCAL_OPERATOR, Actor, InCompartment, Labelled, Not
from jiankang.foundation.record.feed import renumber
from jiankang.foundation.record.store import Change
from jiankang.kernel.errors import Problem
from jiankang.main import LOGS


def test_whoever_subscribed_is_sent_each_resource_that_fits_from_then_on(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.patient("before", gender="female"))
        await room.put(
            server, room.subscription(receiver.url, "Patient?gender=female", header=["Authorization: Bearer t"])
        )
        assert (await room.read(server))["status"] == "active"
        await room.put(server, room.patient("a", "吴多益", gender="female"))
        await room.put(server, room.patient("b", "邢小明", gender="male"))
        await room.put(server, room.patient("c", "林大海", gender="female"))
        await room.tell(server)
        assert [(method, path) for method, path, *_ in receiver.came] == [
            ("PUT", "/hook/Patient/a"), ("PUT", "/hook/Patient/c"),
        ]  # fmt: skip
        headers = receiver.came[0][2]
        assert headers["Authorization"] == "Bearer t"
        assert headers["Content-Type"] == "application/fhir+json;charset=utf-8"
        assert receiver.bodies()[0] == await room.read(server, "Patient", "a")

    run(story)


def test_an_endpoint_may_have_a_query(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(f"{receiver.url}/?from=jk"))
        await room.put(server, room.patient("a"))
        await room.tell(server)
        assert [path for _, path, *_ in receiver.came] == ["/hook/Patient/a?from=jk"]

    run(story)


def test_without_a_payload_nothing_is_said_but_that_something_happened(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url, payload=None))
        await room.put(server, room.patient("a"))
        await room.tell(server)
        assert [(method, path, body) for method, path, _, body in receiver.came] == [("POST", "/hook", b"")]

    run(story)


def test_a_payload_comes_as_xml_where_that_was_asked_for(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url, payload="application/fhir+xml"))
        await room.put(server, room.patient("a"))
        await room.tell(server)
        assert from_xml(receiver.came[0][3]) == await room.read(server, "Patient", "a")

    run(story)


def test_the_signature_verifies_with_the_subscribers_secret(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        await room.put(server, room.patient("a"))
        await room.tell(server)
        _, _, headers, body = receiver.came[0]
        secret = secret_of(server.secret, "s", 1)
        assert headers["X-Jiankang-Signature"] == "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()
        assert headers["X-Jiankang-Event"] == "1"
        assert len({secret, secret_of(server.secret, "t", 1), secret_of(server.secret, "s", 2)}) == 3

    run(story)


def test_what_could_not_be_told_is_told_later_in_order(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        receiver.status = 503
        await room.put(server, room.patient("a", "吴多益"))
        assert await room.tell(server, failures=3) == 3
        await room.put(server, room.patient("b", "邢小明"))
        receiver.status = 200
        await room.put(server, {**room.subscription(receiver.url), "status": "requested"})
        await room.tell(server)
        assert receiver.names() == ["吴多益", "邢小明"]

    run(story)


def test_who_cannot_be_reached_for_long_is_given_up_and_nothing_is_lost(run, room, receiver, rows):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        receiver.close()
        await room.put(server, room.patient("a", "吴多益"))
        await room.tell(server, failures=2)
        resource = await room.read(server)
        assert (resource["status"], resource["error"]) == ("error", "the endpoint cannot be reached: ConnectError")
        await room.put(server, room.patient("b", "邢小明"))
        assert await room.tell(server) == 0
        assert rows("SELECT state, events, told FROM subscriber") == [("failed", 2, 0)]

    run(story)


def test_one_event_that_is_refused_keeps_its_place_and_no_other_subscriber_waits(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url), {**room.subscription(receiver.url + "2"), "id": "t"})
        receiver.refuses = lambda path: path == "/hook/Patient/b"
        for name in "abc":
            await room.put(server, room.patient(name, name))
        await room.tell(server, failures=4)
        assert sorted(path for _, path, *_ in receiver.came) == [
            "/hook/Patient/a", "/hook2/Patient/a", "/hook2/Patient/b", "/hook2/Patient/c",
        ]  # fmt: skip

    run(story)


def test_a_subscriber_is_told_only_what_it_may_see(run, room, receiver):
    async def story(server: Any) -> None:
        blind = Actor("somebody", Not(InCompartment("Patient", ["secret"])))
        await room.put(server, room.subscription(receiver.url), actor=blind)
        await room.put(server, room.patient("secret", "吴多益"), room.patient("open", "邢小明"))
        await room.tell(server)
        assert receiver.names() == ["邢小明"]
        await room.put(server, {**room.subscription(receiver.url), "reason": "changed by the operator"})
        await room.put(
            server, room.patient("secret", "吴多益", gender="male"), room.patient("open", "邢小明", gender="male")
        )
        await room.tell(server)
        assert receiver.names() == ["邢小明"]

    run(story)


def test_nobody_gets_more_by_changing_anothers_subscription(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        blind = Actor("somebody", Not(InCompartment("Patient", ["secret"])))
        await room.put(server, room.subscription(receiver.url + "/mine"), actor=blind)
        await room.put(server, room.patient("secret", "吴多益"), room.patient("open", "邢小明"))
        await room.tell(server)
        assert [path for _, path, *_ in receiver.came] == ["/hook/mine/Patient/open"]

    run(story)


def test_what_nobody_may_see_any_more_is_not_sent(run, room, receiver, rows):
    async def story(server: Any) -> None:
        label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
        blind = Actor("somebody", Not(Labelled("_security", label["system"], label["code"])))
        await room.put(server, room.subscription(receiver.url), actor=blind)
        await room.put(server, room.patient("a", "吴多益"), room.patient("b", "邢小明"))
        await room.match(server)
        await room.put(server, {**room.patient("a", "吴多益"), "meta": {"security": [label]}})
        await room.tell(server)
        assert receiver.names() == ["邢小明"]
        assert rows("SELECT events, told FROM subscriber") == [(2, 2)]

    run(story)


REFUSED = [
    ("Patient", {"endpoint": "http://169.254.169.254/latest"}, "JIANKANG_NOTIFY_HOSTS"),
    ("Patient", {"endpoint": "ftp://127.0.0.1/"}, "http"),
    ("Patient", {"endpoint": "http://127.0.0.1:port/"}, "http"),
    ("Patient", {"endpoint": None}, "http"),
    ("Patient", {"endpoint": "http://127.0.0.1@evil.test/"}, "http"),
    ("Patient", {"endpoint": "http://evil.test\\@127.0.0.1/"}, "http"),
    ("Patient", {"endpoint": "http://[::1]/"}, "::1"),
    ("Patient", {"endpoint": "http://127.0.0.1.evil.test/"}, "evil.test"),
    ("Patient", {"payload": "text/plain"}, "application/fhir"),
    ("Patient", {"header": ["Host: elsewhere.example"]}, "Host"),
    ("Patient", {"header": ["no colon"]}, "Name: value"),
    ("Patient", {"type": "sms"}, "sms"),
    ("Observation", {"type": "message"}, "message"),
    ("Patient?nonsense=1", {}, "nonsense"),
    ("Patient?_sort=name", {}, "_sort"),
    ("Patient?_include=Patient:organization", {}, "_include"),
    ("Nobody?name=a", {}, "Nobody"),
    ("name=a", {}, "no search of one resource type"),
    ("https://example.org/topic", {}, "no topic"),
    ("Patient", {"type": "email", "endpoint": "mailto:a@b.example"}, "JIANKANG_SMTP_URL"),
]


def test_what_cannot_be_served_is_refused_with_the_reason(run, room, receiver, rows):
    async def story(server: Any) -> None:
        for criteria, change, said in REFUSED:
            with pytest.raises(Problem, match=re.escape(said)):
                await room.put(server, room.subscription(**{"endpoint": receiver.url, "criteria": criteria, **change}))
        assert rows("SELECT * FROM subscriber") == []

    run(story)


def test_a_subscription_that_is_off_or_gone_is_told_nothing(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url), {**room.subscription(receiver.url), "id": "t"})
        await room.put(server, {**room.subscription(receiver.url), "status": "off"})
        await server.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("DELETE", "Subscription", "t")]))
        await room.put(server, room.patient("a"))
        await room.tell(server)
        assert receiver.came == []

    run(story)


def test_a_subscription_that_has_ended_is_switched_off(run, room, receiver, rows):
    async def story(server: Any) -> None:
        await room.put(server, {**room.subscription(receiver.url), "end": "2020-01-01T00:00:00Z"})
        await room.put(server, room.patient("a"))
        await room.tell(server)
        assert (await room.read(server))["status"] == "off"
        assert receiver.came == []
        assert rows("SELECT * FROM subscriber") == []

    run(story)


def test_what_changed_several_times_meanwhile_comes_once_as_it_is(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        for name in ("甲", "乙", "丙"):
            await room.put(server, room.patient("a", name))
        await room.tell(server)
        assert receiver.names() == ["丙"]
        await room.put(server, room.patient("a", "丁"))
        await room.tell(server)
        assert receiver.names() == ["丁"]

    run(story)


def test_a_person_named_in_the_criteria_stands_for_their_registrations(run, room, receiver, rows):
    async def story(server: Any) -> None:
        await room.put(server, room.patient("a"), room.patient("b", "邢小明"))
        person = rows("SELECT person::text FROM identity_record WHERE id = 'a'")[0][0]
        await room.put(server, room.subscription(receiver.url, f"Observation?subject=Patient/person-{person}"))
        for id_ in "ab":
            seen = {"resourceType": "Observation", "id": f"o{id_}", "status": "final", "code": {"text": "体温"}}
            await room.put(server, {**seen, "subject": {"reference": f"Patient/{id_}"}})
        await room.tell(server)
        assert [one["id"] for one in receiver.bodies()] == ["oa"]

    run(story)


def test_a_process_that_dies_while_telling_is_replaced_and_nothing_is_lost(run, room, receiver, rows):
    async def dying(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        await room.put(server, room.patient("a", "吴多益"), room.patient("b", "邢小明"))
        await room.match(server)
        telling_them = Couriers(server)
        receiver.refuses = lambda path: path.endswith("/b")
        telling = asyncio.create_task(telling_them.tell_one("dying"))
        await room.until(lambda: receiver.came)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)

    async def another(server: Any) -> None:
        receiver.refuses = lambda _: False
        rows("UPDATE subscriber SET holder = 'dying', held = now() + interval '300 ms', due = now()")
        assert await room.tell(server) == 0
        await asyncio.sleep(0.4)
        assert await room.tell(server) == 1
        names = receiver.names()
        assert names in (["吴多益", "邢小明"], ["吴多益", "吴多益", "邢小明"])

    run(dying)
    run(another)


def test_in_the_background_everything_comes_in_order_though_the_receiver_is_down_for_a_while(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        receiver.status = 500
        async with Couriers(server, Patience(first_wait=timedelta(milliseconds=50))):
            for number in range(20):
                await room.put(server, room.patient(f"p{number}", str(number)))
                if number == 10:
                    receiver.status = 200
            await room.until(lambda: len(receiver.came) == 20)
        assert receiver.names() == [str(number) for number in range(20)]

    run(story)


def test_endpoints_that_do_not_answer_keep_nobody_else_waiting(run, room, receiver):
    async def story(server: Any) -> None:
        slow = [{**room.subscription(f"{receiver.url}/slow{n}"), "id": f"slow{n}"} for n in range(12)]
        await room.put(server, *slow, room.subscription(receiver.url, "Patient?gender=male"))
        receiver.slow = "/slow"
        async with Couriers(server, Patience(first_wait=timedelta(milliseconds=1))):
            await room.put(server, room.patient("a", gender="female"))
            await room.until(lambda: receiver.asked >= 24)  # each was tried, and those that may be are again
            await room.put(server, room.patient("b", gender="male"))
            await room.until(lambda: receiver.came, seconds=0.5)
        assert [path for _, path, *_ in receiver.came] == ["/hook/Patient/b"]

    run(story)


def test_two_processes_tell_each_subscriber_each_event_once(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, *({**room.subscription(f"{receiver.url}/{n}"), "id": f"s{n}"} for n in range(5)))
        async with Couriers(server), Couriers(server):
            for number in range(10):
                await room.put(server, room.patient(f"p{number}", str(number)))
            await room.until(lambda: len(receiver.came) >= 50)
            await asyncio.sleep(0.1)
        for n in range(5):
            paths = [path for _, path, *_ in receiver.came if path.startswith(f"/hook/{n}/")]
            assert paths == [f"/hook/{n}/Patient/p{number}" for number in range(10)]

    run(story)


def test_nobody_misses_a_change_after_a_dump_is_restored_into_a_younger_server(run_apart, room, receiver, database_url):
    async def before(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        await room.put(server, room.patient("a", "吴多益"))

    async def after(server: Any) -> None:
        await room.tell(server)
        assert receiver.names() == ["吴多益"]
        await room.put(server, room.patient("b", "邢小明"))
        await room.tell(server)
        assert receiver.names() == ["邢小明"]

    run_apart(before)
    late = 1 << 40  # transaction numbers of the server that the dump comes from
    with psycopg.connect(database_url) as db:
        for table, column in (("change", "xid"), ("feed_reader", "xid"), ("subscriber", "since")):
            db.execute(f"UPDATE {table} SET {column} = ({column}::text::bigint + {late})::text::xid8")
    assert renumber(database_url, LOGS[0])
    run_apart(after)


def test_a_notification_that_cannot_be_made_is_no_secret(run, room, receiver, monkeypatch):
    async def broken(*_: Any) -> Any:
        raise KeyError("a bug")

    async def story(server: Any) -> None:
        await room.put(server, room.subscription(receiver.url))
        await room.put(server, room.patient("a"))
        with monkeypatch.context() as patched:
            patched.setattr(couriers, "parcel", broken)
            assert await room.tell(server, failures=3) == 3
        assert (await room.read(server))["error"] == "the notification could not be made: KeyError"
        await room.ask(server, "POST", "Subscription/s/$redeliver")
        await room.tell(server)
        assert len(receiver.came) == 1

    run(story)
