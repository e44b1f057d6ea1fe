"""The channel email, to a mail server over SMTP."""

from __future__ import annotations

import email
import email.policy
import json
import socket
from typing import Any

import pytest
from aiosmtpd.controller import Controller


class Postbox:
    """A mail server that keeps what it takes."""

    def __init__(self) -> None:
        self.refuses = False
        self.mails: list[Any] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.controller = Controller(self, hostname="127.0.0.1", port=port)
        self.controller.start()
        self.url = f"smtp://127.0.0.1:{port}"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - the name that is called
        if self.refuses:
            return "451 try again later"
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"


@pytest.fixture
def postbox():
    one = Postbox()
    yield one
    one.controller.stop()


def by_mail(room: Any, payload: str | None) -> Any:
    return room.subscription("mailto:duty@cdc.example", type="email", payload=payload, header=["Subject: 新登记"])


def test_a_mail_says_that_there_is_news_and_nothing_else(run, room, postbox):
    async def story(server: Any) -> None:
        await room.put(server, by_mail(room, None))
        await room.put(server, room.patient("a", "吴多益"))
        await room.tell(server)
        (mail,) = postbox.mails
        assert (mail["To"], mail["From"], mail["Subject"]) == ("duty@cdc.example", "jk@region.example", "新登记")
        assert not mail.is_multipart()
        assert "吴多益" not in mail.as_string()
        assert "第 1 号" in mail.get_content()

    run(story, smtp_url=postbox.url, mail_from="jk@region.example")


def test_the_resource_is_attached_where_a_payload_was_asked_for(run, room, postbox):
    async def story(server: Any) -> None:
        await room.put(server, by_mail(room, "application/fhir+json"))
        await room.put(server, room.patient("a", "吴多益"))
        await room.tell(server)
        (attached,) = postbox.mails[0].iter_attachments()
        assert attached.get_content_type() == "application/fhir+json"
        assert json.loads(attached.get_content()) == await room.read(server, "Patient", "a")

    run(story, smtp_url=postbox.url)


def test_a_mail_that_is_not_taken_is_sent_again(run, room, postbox):
    async def story(server: Any) -> None:
        await room.put(server, by_mail(room, None))
        await room.put(server, room.patient("a"))
        postbox.refuses = True
        await room.tell(server, failures=2)
        assert (await room.read(server))["error"] == "the mail server answered 451"
        postbox.refuses = False
        await room.ask(server, "POST", "Subscription/s/$redeliver")
        await room.tell(server)
        assert len(postbox.mails) == 1

    run(story, smtp_url=postbox.url)


def test_a_password_is_not_sent_without_encryption(run, room, postbox):
    async def story(server: Any) -> None:
        await room.put(server, by_mail(room, None))
        await room.put(server, room.patient("a"))
        await room.tell(server, failures=1)
        assert "no encryption" in (await room.read(server))["error"]
        assert postbox.mails == []

    run(story, smtp_url=postbox.url.replace("://", "://user:password@"))


def test_a_mail_tells_of_a_topic_with_as_much_attached_as_was_asked_for(run, room, postbox):
    async def story(server: Any) -> None:
        for id_, payload in (("s", "text/plain"), ("t", "text/plain;attach=application/fhir+json")):
            one = room.topic("mailto:duty@cdc.example", "any-change", "Patient", content="id-only")
            one["channel"] |= {"type": "email", "payload": payload}
            await room.put(server, {**one, "id": id_})
        await room.put(server, room.patient("a", "吴多益"))
        await room.tell(server)
        attached = [[json.loads(part.get_content()) for part in mail.iter_attachments()] for mail in postbox.mails]
        assert sorted(map(len, attached)) == [0, 1]
        (bundle,) = next(filter(None, attached))
        assert [entry["fullUrl"].rpartition("/")[2] for entry in bundle["entry"][1:]] == ["a"]
        assert "吴多益" not in json.dumps(bundle, ensure_ascii=False)

    run(story, smtp_url=postbox.url)
