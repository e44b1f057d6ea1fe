"""Finds out who is to be told of what, as the feed brings it: one process at a time, each change exactly once.

Who wishes the same and may see the same is asked for once, of all changes of a type together, and only where a
change carries a fact that a resource must have to fit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.subscriptions import records
from jiankang.capabilities.exchange.subscriptions.model import Candidate, Fit, Json
from jiankang.capabilities.exchange.subscriptions.people import spelled_out
from jiankang.capabilities.exchange.subscriptions.topics import Trigger, topic_or_none
from jiankang.foundation.access import Actor, restore
from jiankang.foundation.record.feed import FeedEntry, State, deliver, follow, states
from jiankang.kernel.errors import Gone, NotFound, Problem, Unavailable

if TYPE_CHECKING:
    from jiankang.foundation.record.wire.server import Server

READER = "exchange.subscriptions"
_ENGINE = Actor("subscriptions")
States = Mapping[tuple[str, str], State]


class Matcher:
    """The reader of the feed that gives subscribers their events."""

    def __init__(self, server: Server, news: Callable[[], None] = lambda: None) -> None:
        self.server = server
        self.news = news

    async def follow(self) -> None:
        """Read for ever."""
        await follow(self.server.record, READER, self._take, done=self.news)

    async def catch_up(self) -> None:
        """Read what there is."""
        while await deliver(self.server.record, READER, self._take):
            pass

    async def _take(self, db: Any, entries: Sequence[FeedEntry]) -> None:
        types = await records.types_heard(db)
        heard = [one for one in entries if one.type in types]
        if heard:
            now = await states(db, heard)
            keys = {key for state in now.values() for key in state.keys}
            found = await records.candidates(db, sorted({one.type for one in heard}), sorted(keys))
            looking = _Looking(self.server, db, heard, now)
            fits = [fit for one in found for fit in await self._ask(looking, one)]
            await records.add(db, fits)
        await records.passed(db, entries[-1].xid)

    async def _ask(self, looking: _Looking, candidate: Candidate) -> list[Fit]:
        """What a candidate is to be told. One that cannot be found out about must not keep all others waiting."""
        try:
            return await looking.fits(candidate)
        except Unavailable:
            raise
        except Problem as problem:
            await records.fail(looking.db, candidate.ids, f"the criteria cannot be evaluated any more: {problem}")
            return []


class _Looking:
    """One look at changes that came together."""

    def __init__(self, server: Server, db: Any, entries: Sequence[FeedEntry], now: States) -> None:
        self.server = server
        self.db = db
        self.now = now
        self._versions: dict[tuple[str, str, int], Json | None] = {}
        self._by_type: dict[str, list[int]] = {}
        self._by_key: dict[int, list[int]] = {}
        self._entries = entries
        for number, one in enumerate(entries):
            self._by_type.setdefault(one.type, []).append(number)
            state = now.get((one.type, one.id))
            for key in () if state is None else state.keys:
                self._by_key.setdefault(key, []).append(number)

    async def fits(self, candidate: Candidate) -> list[Fit]:
        """The changes that a candidate is to be told of, for each subscriber."""
        actor = restore(candidate.actor)
        found: list[Fit] = []
        for type_name in candidate.wish.types:
            seen = [one for one in self._possible(candidate, type_name) if self._may_see(actor, one)]
            if not seen:
                continue
            query = await spelled_out(self.server, self.db, actor, candidate.wish.query(type_name))
            topic = topic_or_none(candidate.wish.topic) if candidate.wish.topic else None
            trigger = None if topic is None else topic.trigger(type_name)
            fitting = await self._fitting(actor, type_name, query, seen, told_of_deletions=trigger is not None)
            if trigger is None:
                found += [self._as_it_is(id_, one) for one in _last(fitting) for id_ in candidate.ids]
            else:
                happened = [one for one in fitting if await self._happened(trigger, one)]
                found += [_as_it_was(id_, one) for one in happened for id_ in candidate.ids]
        return found

    def _possible(self, candidate: Candidate, type_name: str) -> list[FeedEntry]:
        """Those of a type that came after a candidate subscribed and carry a fact that it waits for, in order."""
        numbers: Collection[int] = self._by_type.get(type_name, ())
        if candidate.needs is not None:
            numbers = sorted({number for key in candidate.needs for number in self._by_key.get(key, ())})
        found = [self._entries[number] for number in numbers]
        return [one for one in found if one.type == type_name and one.xid >= candidate.since]

    def _may_see(self, actor: Actor, entry: FeedEntry) -> bool:
        state = self.now.get((entry.type, entry.id))
        return state is not None and actor.restriction.permits(entry.type, state.keys)

    async def _fitting(
        self,
        actor: Actor,
        type_name: str,
        query: Sequence[tuple[str, str]],
        seen: Sequence[FeedEntry],
        *,
        told_of_deletions: bool,
    ) -> list[FeedEntry]:
        """Those whose resource fits a search now; what is gone fits none but the empty one."""
        standing = {one.id for one in seen if not self.now[one.type, one.id].deleted}
        ids = await self._meant(actor, type_name, query, standing) if query else set(standing)
        if told_of_deletions and not query:
            ids |= {one.id for one in seen} - standing
        return [one for one in seen if one.id in ids]

    async def _meant(
        self, actor: Actor, type_name: str, query: Sequence[tuple[str, str]], ids: Collection[str]
    ) -> set[str]:
        """Those that a search means: by their facts where these tell, else by the database."""
        condition = self.server.condition(type_name, query)
        told = {one: condition.fits(self.now[type_name, one].keys) for one in ids}
        meant = {one for one, fits in told.items() if fits}
        if unknown := sorted(one for one, fits in told.items() if fits is None):
            asked = [*query, ("_id", ",".join(unknown))]
            async with self.db.transaction():  # a search that fails must not undo the others
                meant |= set(await self.server.match_ids(self.db, actor, type_name, asked, len(unknown)))
        return meant

    async def _happened(self, trigger: Trigger, entry: FeedEntry) -> bool:
        if not trigger.becomes:
            return True
        before = await self._version(entry.type, entry.id, entry.version - 1)
        return trigger.happened(before, await self._version(entry.type, entry.id, entry.version))

    async def _version(self, type_name: str, id_: str, version: int) -> Json | None:
        name = (type_name, id_, version)
        if name not in self._versions:
            self._versions[name] = await self._read(*name) if version else None
        return self._versions[name]

    async def _read(self, type_name: str, id_: str, version: int) -> Json | None:
        try:
            return (await self.server.record.vread(_ENGINE, type_name, id_, version)).resource
        except (NotFound, Gone):
            return None

    def _as_it_is(self, subscriber: str, entry: FeedEntry) -> Fit:
        """By criteria one is told of a resource as it fits: as it is by now."""
        version = self.now[entry.type, entry.id].version
        return Fit(subscriber, entry.type, entry.id, version, entry.method, entry.updated, (entry.xid, entry.seq))


def _as_it_was(subscriber: str, entry: FeedEntry) -> Fit:
    """By topics one is told of each time that something happened."""
    return Fit(subscriber, entry.type, entry.id, entry.version, entry.method, entry.updated, (entry.xid, entry.seq))


def _last(entries: Sequence[FeedEntry]) -> list[FeedEntry]:
    """The last of several changes of one resource that came together."""
    return list({one.id: one for one in entries}.values())
