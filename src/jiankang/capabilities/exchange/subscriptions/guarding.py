"""Decides about every Subscription that is written, in the transaction that writes it: taken on, or refused with the reason."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.subscriptions import records
from jiankang.capabilities.exchange.subscriptions.model import (
    ACTIVE,
    EMAIL,
    FAILED,
    GREETING,
    REST_HOOK,
    Json,
    Wish,
    keep_wish,
)
from jiankang.capabilities.exchange.subscriptions.people import spelled_out
from jiankang.capabilities.exchange.subscriptions.wishes import mail_address, read_wish
from jiankang.foundation.access import Actor, AllOf, keep, restore
from jiankang.foundation.identity.notifying import activate, check_endpoint, check_host, is_for_persons, wrong
from jiankang.kernel.errors import Invalid, NotSupported
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jiankang.foundation.record.store import Coming, Guard, Prepared, Transaction
    from jiankang.foundation.record.wire.server import Server

_DONE = frozenset({"off", "entered-in-error"})


class Deciding:
    """The guard of Subscription: one for all channels. Those for persons are `persons`' business."""

    def __init__(self, server: Server, persons: Guard | None) -> None:
        self.server = server
        self.persons = persons

    async def __call__(self, tx: Transaction, writes: Sequence[Coming]) -> None:
        """Take on what can be served, and let go what is not asked for any more. Raises Unprocessable, Invalid."""
        if self.persons is not None:
            await self.persons(tx, writes)
        gone = [one.id for one in writes if not _asks(one)]
        if gone:
            await records.drop(tx.db, gone)
        for one in writes:
            if _asks(one) and one.change.prepared is not None:
                await self._decide(tx, one.id, one.change.prepared)

    async def _decide(self, tx: Transaction, id_: str, prepared: Prepared) -> None:
        resource = prepared.resource
        kept = await records.kept(tx.db, id_)
        if resource.get("status") == "error":  # whoever was given up keeps the place to go on from
            if kept is not None:
                await records.stand(tx.db, id_, FAILED)
            return
        wish = read_wish(resource)
        self._check_reach(wish)
        actor = _on_behalf(tx.actor, kept)
        ends = datetime.fromisoformat(resource["end"]) if resource.get("end") else None
        state = self._state(wish, kept, resource)
        if state == ACTIVE and resource.get("status") != "active":
            activate(prepared)
        kept_actor = keep(actor)
        alike = sha256(encode([keep_wish(wish)["filters"], wish.topic, kept_actor])).hexdigest()
        needs = await self._needs(tx, actor, wish)
        await records.put(tx.db, id_, wish, kept_actor, alike=alike, needs=needs, state=state, ends=ends)

    def _state(self, wish: Wish, kept: records.Kept | None, resource: Json) -> str:
        """Whoever asks for a topic is greeted before they are served; the others are served at once."""
        if not wish.topic or wish.channel != REST_HOOK:
            return ACTIVE
        greeted = kept is not None and resource.get("status") == "active" and _same_place(kept.wish, wish)
        if not greeted and resource.get("status") == "active":
            raise wrong(
                "a subscription to a topic is `requested`: it is active when its endpoint was reached",
                "Subscription.status",
            )
        return ACTIVE if greeted else GREETING

    def _check_reach(self, wish: Wish) -> None:
        settings = self.server.settings
        if wish.channel == REST_HOOK:
            check_endpoint(settings, wish.endpoint)
        elif wish.channel == EMAIL:
            if not settings.smtp_url:
                raise wrong(
                    "no mail is sent: who runs this server has to set JIANKANG_SMTP_URL", "Subscription.channel.type"
                )
            check_host(settings, mail_address(wish.endpoint).rpartition("@")[2])

    async def _needs(self, tx: Transaction, actor: Actor, wish: Wish) -> list[int] | None:
        """Facts of which a resource has one if it is told of. Raises Unprocessable for searches that cannot be carried out."""
        needed: set[int] = set()
        known = True
        for one in wish.filters:
            query = await spelled_out(self.server, tx.db, actor, one.query)
            try:
                await self.server.match_ids(tx.db, actor, one.type, query, 1)
            except (Invalid, NotSupported) as problem:
                raise wrong("; ".join(issue.text for issue in problem.issues), "Subscription.criteria") from None
            keys = self.server.condition(one.type, query).needed() if _lasting(one.query, query) else None
            known = known and keys is not None
            needed |= keys or set()
        return sorted(needed) if known else None


def _asks(write: Coming) -> bool:
    """Whether what is written asks to be told of something by us."""
    prepared = write.change.prepared
    if prepared is None or prepared.resource.get("status") in _DONE:
        return False
    return not is_for_persons(prepared.resource)


def _on_behalf(actor: Actor, kept: records.Kept | None) -> Actor:
    """For whom it is looked: who subscribed; where another one writes, only what both may see."""
    if kept is None or kept.actor["id"] == actor.id:
        return actor
    before = restore(kept.actor)
    if keep(actor)["sees"] == kept.actor["sees"]:
        return before
    return Actor(before.id, AllOf((before.restriction, actor.restriction)), before.write_restriction)


def _same_place(before: Wish, now: Wish) -> bool:
    return (before.channel, before.endpoint, before.topic) == (now.channel, now.endpoint, now.topic)


def _lasting(given: Sequence[tuple[str, str]], meant: Sequence[tuple[str, str]]) -> bool:
    """Whether a search means the same facts for ever: who a person's registrations are changes."""
    return list(given) == list(meant)
