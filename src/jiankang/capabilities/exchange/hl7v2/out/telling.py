"""Tells connected systems of changes by HL7 v2 over MLLP: each in the order of changes, at least once, until it is answered."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Self

from jiankang.capabilities.exchange.hl7v2.mllp import Outlet, Unanswered, client_tls
from jiankang.capabilities.exchange.hl7v2.out import records
from jiankang.capabilities.exchange.hl7v2.out.making import TYPES, Changed, Envelope, message
from jiankang.capabilities.exchange.hl7v2.wire import Malformed, Message
from jiankang.capabilities.exchange.intake import records as inbox
from jiankang.foundation.access import Actor
from jiankang.foundation.record.feed import follow
from jiankang.kernel.errors import Problem
from jiankang.kernel.tasks import end_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jiankang.capabilities.exchange.hl7v2.out.records import Receiver
    from jiankang.foundation.record.feed import FeedEntry
    from jiankang.foundation.record.wire.server import Server

Json = dict[str, Any]
READER = "hl7v2-out"
LEASE_SECONDS = 60.0
MOST_WAIT_SECONDS = 300.0
POLL_SECONDS = 0.5
ALERT_AFTER = 5
_log = logging.getLogger("jiankang.exchange.out")


class Teller:
    """`async with Teller(server): …` finds out what is to be told, and tells it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.record = server.record
        self._outlets: dict[str, Outlet] = {}
        self._new = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(follow(self.record, READER, self.take_note, done=self._new.set)),
            asyncio.create_task(self._send_for_ever()),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        await end_tasks(*self._tasks)
        for outlet in self._outlets.values():
            await outlet.__aexit__()

    async def take_note(self, db: Any, entries: Sequence[FeedEntry]) -> None:
        """Make the messages that tell of changes, in the transaction that moves the reader of the feed on."""
        wanted = [one for one in entries if one.type in TYPES and one.method != "DELETE"]
        told = await records.receivers(db) if wanted else []
        rows = []
        for entry in wanted if told else ():
            for receiver in told:
                if TYPES[entry.type] in receiver.kinds:
                    made = await self._made(receiver, entry)
                    if made is not None:
                        rows.append((receiver.id, made[0], f"{entry.type}/{entry.id}", made[1]))
        await records.queue(db, rows)

    async def _made(self, receiver: Receiver, entry: FeedEntry) -> tuple[str, bytes] | None:
        """The message for a receiver; None for what it may not see, or knows of itself."""
        actor = Actor(f"receiver:{receiver.id}")
        resource = await self._read(actor, f"{entry.type}/{entry.id}")
        if resource is None:
            return None
        patient = resource if entry.type == "Patient" else await self._read(actor, _patient_of(resource))
        own = set((receiver.authorities or {}).values())
        if (
            patient is None
            or _is_numbered_by(resource, own)
            or (entry.type == "Patient" and _is_numbered_by(patient, own))
        ):
            return None
        changed = Changed(
            resource, entry.version, patient, await self._read(actor, resource.get("encounter", {}).get("reference", "")),
            await self._results(actor, resource), await self._stays(actor, resource),
        )  # fmt: skip
        named = {system: name for name, system in (receiver.authorities or {}).items()}
        control = self.record.new_id().replace("-", "")[:20]
        envelope = Envelope((receiver.application, receiver.facility), self.record.clock(), control, named)
        return message(changed, envelope)

    async def _results(self, actor: Actor, report: Json) -> list[Json]:
        found = [await self._read(actor, one.get("reference", "")) for one in report.get("result", [])]
        return [one for one in found if one is not None]

    async def _stays(self, actor: Actor, patient: Json) -> Json | None:
        for link in patient.get("link", []) if patient["resourceType"] == "Patient" else []:
            if link.get("type") == "replaced-by":
                return await self._read(actor, link.get("other", {}).get("reference", ""))
        return None

    async def _read(self, actor: Actor, reference: str) -> Json | None:
        type_name, _, id_ = reference.partition("/")
        if not id_ or not type_name.isalpha():
            return None
        stored = await self.record.current(actor, type_name, id_)
        return None if stored is None or stored.deleted else stored.resource

    # -- sending --------------------------------------------------------------------------------------------------

    async def _send_for_ever(self) -> None:
        while True:
            try:
                if not await self.send_some():
                    self._new.clear()
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._new.wait()
            except TimeoutError:
                continue
            except Problem as problem:
                _log.warning("messages wait: %s", problem)
                await asyncio.sleep(POLL_SECONDS)
            except Exception:  # noqa: BLE001 - whatever it was, go on
                _log.exception("telling receivers")
                await asyncio.sleep(POLL_SECONDS)

    async def send_some(self) -> int:
        """Send the next message of each receiver; how many were sent or refused."""
        async with self.record.pool.connection() as db:
            told = await records.receivers(db)
        return sum(await asyncio.gather(*(self._send_next(one) for one in told)))

    async def _send_next(self, receiver: Receiver) -> int:
        async with self.record.pool.connection() as db:
            taken = await records.lease(db, receiver.id, LEASE_SECONDS)
        if taken is None:
            return 0
        number, kind, body, tries = taken
        try:
            answer = await self._outlet(receiver).send(body)
        except Unanswered as problem:
            await self._postpone(receiver, number, tries, str(problem))
            return 0
        code, text = _read_answer(answer)
        good = code in {"AA", "CA"}
        async with self.record.pool.connection() as db:
            await records.answered(db, number, "sent" if good else "refused", answer, "" if good else text)
            if not good:
                await inbox.alert(db, receiver.id, "out", f"{kind} was refused ({code}): {text}"[:300], None)
        return 1

    async def _postpone(self, receiver: Receiver, number: int, tries: int, problem: str) -> None:
        wait = min(2.0 ** min(tries, 12), MOST_WAIT_SECONDS)
        async with self.record.pool.connection() as db:
            await records.later(db, number, wait, problem)
            if tries == ALERT_AFTER:
                await inbox.alert(db, receiver.id, "out", f"{receiver.name} does not answer: messages to it wait", None)

    def _outlet(self, receiver: Receiver) -> Outlet:
        found = self._outlets.get(receiver.id)
        if found is None or (found.host, found.port) != (receiver.host, receiver.port):
            tls = client_tls(receiver.trusted) if receiver.trusted else None
            found = self._outlets[receiver.id] = Outlet(receiver.host, receiver.port, tls=tls)
        return found


def _patient_of(resource: Json) -> str:
    if resource["resourceType"] == "Appointment":
        actors = [one.get("actor", {}).get("reference", "") for one in resource.get("participant", [])]
        return next((one for one in actors if one.startswith("Patient/")), "")
    return str(resource.get("subject", {}).get("reference", ""))


def _is_numbered_by(resource: Json, systems: set[str]) -> bool:
    """Whether one of its numbers is of these systems: then the receiver told us of it."""
    mine = [one.get("system", "") for one in resource.get("identifier", [])]
    return any(system in systems or any(system.startswith(f"{own}:") for own in systems) for system in mine)


def _read_answer(answer: bytes) -> tuple[str, str]:
    """The code of an acknowledgement, and what it says is wrong."""
    try:
        found = Message(answer)
    except Malformed as problem:
        return "AR", str(problem)
    acknowledged = found.first("MSA")
    if acknowledged is None:
        return "AR", "the answer has no MSA"
    error = found.first("ERR")
    said = acknowledged[3].c() or ("" if error is None else error[8].all or error[3].c(2))
    return acknowledged[1].c(), said or "no reason was given"
