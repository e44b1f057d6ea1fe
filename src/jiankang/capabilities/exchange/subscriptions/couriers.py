"""Tells subscribers: in order, at least once, again and again until it is taken, or until they are given up.

A subscriber that is due is held by one courier for a while; how far it was told is committed after its endpoint took it.
If a process dies meanwhile, another one takes the subscriber on when that while is over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Self

from jiankang.capabilities.exchange.subscriptions import records
from jiankang.capabilities.exchange.subscriptions.channels import Channels
from jiankang.capabilities.exchange.subscriptions.matching import Matcher
from jiankang.capabilities.exchange.subscriptions.model import ACTIVE, FAILED, FAILING, GREETING, Subscriber
from jiankang.capabilities.exchange.subscriptions.notifications import HANDSHAKE, HEARTBEAT, notification
from jiankang.capabilities.exchange.subscriptions.telling import NOTHING, base_url, bundle_parcel, parcel
from jiankang.foundation.access import restore
from jiankang.foundation.identity.notifying import FIRST_WAIT, GIVE_UP, mark, wait_after
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Problem
from jiankang.kernel.ids import new_uuid7
from jiankang.kernel.tasks import end_tasks

if TYPE_CHECKING:
    from jiankang.foundation.record.wire.server import Server

POLL_SECONDS = 0.5
HELD_SECONDS = 20.0
"""So long, and as long as its endpoint may take to answer, a subscriber is held: then another process may have it."""
AT_ONCE = 50
COURIERS = 12
"""Every other one serves only those who were well the last time: so who does not answer keeps nobody else waiting."""
KEPT = timedelta(days=30)
_GREETINGS = 1
"""An endpoint that does not take the first handshake is not served: the backport wants it so."""
_NOTED_SECONDS = 0.5
"""How far a subscriber was told is noted so often: what came since then comes again after a crash."""
_TROUBLE_SECONDS = 2.0
_TIDY_SECONDS = 3600.0
_log = logging.getLogger("jiankang.exchange")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one waits for subscribers."""

    first_wait: timedelta = FIRST_WAIT
    failures: int = GIVE_UP
    greetings: int = _GREETINGS
    held_seconds: float = HELD_SECONDS


class Couriers:
    """The background tasks of a process: `async with Couriers(server): …`."""

    def __init__(self, server: Server, patience: Patience | None = None, *, couriers: int = COURIERS) -> None:
        self.server = server
        self.patience = patience or Patience()
        self.couriers = couriers
        self.channels = Channels(server)
        self.matcher = Matcher(server, self._wake)
        self._news = [asyncio.Event() for _ in range(couriers)]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.channels.open()
        works = [
            self._for_ever(self.matcher.follow, 0),
            self._for_ever(self._look_out, POLL_SECONDS),
            self._for_ever(self._tidy, _TIDY_SECONDS),
            *(self._for_ever(partial(self._carry, number, new_uuid7()), 0) for number in range(self.couriers)),
        ]
        self._tasks = [asyncio.create_task(work) for work in works]
        return self

    async def __aexit__(self, *_: object) -> None:
        await end_tasks(*self._tasks)
        await self.channels.close()

    def _wake(self) -> None:
        for one in self._news:
            one.set()

    async def _for_ever(self, work: Callable[[], Awaitable[None]], pause_seconds: float) -> None:
        """Do something again and again, whatever happens."""
        while True:
            try:
                await work()
                await asyncio.sleep(pause_seconds)
            except Problem as problem:
                _log.warning("subscribers wait: %s", problem)
                await asyncio.sleep(_TROUBLE_SECONDS)
            except Exception:  # noqa: BLE001 - one subscriber must not silence all others
                _log.exception("telling subscribers")
                await asyncio.sleep(_TROUBLE_SECONDS)

    async def _carry(self, number: int, holder: str) -> None:
        """Tell one subscriber after another, then wait for news."""
        news = self._news[number]
        news.clear()
        while await self.tell_one(holder, failing=number % 2 == 0):
            pass
        await news.wait()

    async def _look_out(self) -> None:
        """Wake the couriers for what is due now: tried again, or found out by another process."""
        with translated():
            async with self.server.record.pool.connection() as db:
                due = await records.any_due(db)
        if due:
            self._wake()

    async def _tidy(self) -> None:
        with translated():
            async with self.server.record.pool.connection() as db:
                await records.forget(db, KEPT)

    async def tell_one(self, holder: str, *, failing: bool = True) -> bool:
        """Tell one subscriber that is due what it was not told yet; whether there was one."""
        with translated():
            async with self.server.record.pool.connection() as db:
                one = await records.take(db, holder, self.patience.held_seconds, failing=failing)
        if one is None:
            return False
        ours = True
        try:
            ours = await self._serve(holder, one)
        except Problem:  # the record cannot be reached: no fault of the subscriber's
            raise
        except Exception as error:  # noqa: BLE001 - a bug is no reason to try for ever, nor to say nothing
            _log.exception("telling the subscriber %s", one.id)
            await self._noted(holder, one, one.told, f"the notification could not be made: {type(error).__name__}")
        finally:
            if ours:
                with translated():
                    async with self.server.record.pool.connection() as db:
                        await records.leave(db, holder, one.id)
        return True

    async def _serve(self, holder: str, one: Subscriber) -> bool:
        """Do what a subscriber is due for; whether it is still held afterwards."""
        if one.state == FAILING:
            await self._settle(one, "error", one.error)
        elif one.ended:
            await self._settle(one, "off")
        elif one.state == GREETING:
            await self._greet(holder, one)
        elif one.told < one.events:
            return await self._tell(holder, one)
        elif one.beating:
            await self._say(holder, one, HEARTBEAT)
        return True

    async def _settle(self, one: Subscriber, status: str, error: str = "") -> None:
        """Write into the Subscription how it stands; one that cannot be written is served no more."""
        if await mark(self.server, restore(one.actor), one.id, status, error):
            return
        async with self.server.record.pool.connection() as db:
            if status == "off":
                await records.drop(db, [one.id])
            else:
                await records.stand(db, one.id, FAILED)

    async def _greet(self, holder: str, one: Subscriber) -> None:
        if await self._say(holder, one, HANDSHAKE):
            await self._settle(one, "active")

    async def _say(self, holder: str, one: Subscriber, kind: str) -> bool:
        """Send a notification without events; whether it was taken."""
        known = one if kind == HANDSHAKE else replace(one, state=ACTIVE)
        told = notification(known, kind, base_url(self.server), now=self.server.record.clock())
        error = await self.channels.send(one, bundle_parcel(one, told), 0)
        return await self._noted(holder, one, one.told, error)

    async def _tell(self, holder: str, one: Subscriber) -> bool:
        """Tell a subscriber of some events, one after another, or by topic several together; whether it is still held."""
        async with self.server.record.pool.connection() as db:
            events = await records.events(db, one.id, one.told + 1, one.events, AT_ONCE)
        if not events:  # they are kept no longer
            await self._noted(holder, one, one.events, "", hold=False)
        step = one.wish.most_events if one.wish.topic else 1
        reached, error, noted = one.told, "", time.monotonic()
        try:
            for start in range(0, len(events), step):
                some = events[start : start + step]
                sending = await parcel(self.server, one, some)
                error = "" if sending is NOTHING else await self.channels.send(one, sending, some[-1].number)
                if error:
                    break
                reached = some[-1].number
                if time.monotonic() > noted + _NOTED_SECONDS:
                    if not await self._noted(holder, one, reached, ""):
                        return False  # somebody else has it by now
                    noted = time.monotonic()
        finally:  # also when this process is told to stop
            if reached > one.told:
                await self._noted(holder, one, reached, "", hold=bool(error))
        if error:
            await self._noted(holder, replace(one, failures=0) if reached > one.told else one, reached, error)
        return False

    async def _noted(self, holder: str, one: Subscriber, number: int, error: str, *, hold: bool = True) -> bool:
        """Note how an attempt ended; whether the next one may follow at once."""
        async with self.server.record.pool.connection() as db:
            if not error:
                return await records.told(db, holder, one, number, self.patience.held_seconds if hold else 0.0)
            wait = wait_after(one.failures + 1, self.patience.first_wait)
            await records.later(db, holder, one.id, error, wait)
        most = self.patience.greetings if one.state == GREETING else self.patience.failures
        if one.failures + 1 >= most:
            await self._settle(one, "error", error)
        return False
