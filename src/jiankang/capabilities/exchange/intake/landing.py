"""What letters say is written into the record: read, merged with what is known, judged, stored; all of it or nothing.

Everything one transaction does is done once, whoever dies meanwhile: the letters are held by it, and their state changes
with what they change.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange import merging
from jiankang.capabilities.exchange.intake import records
from jiankang.capabilities.exchange.intake.keeping import plain
from jiankang.capabilities.exchange.model import Complaint, Format, Letter, Reading, Sender, Unreadable
from jiankang.capabilities.exchange.naming import identify
from jiankang.foundation.access import Actor, resource_key
from jiankang.foundation.identity import say_one
from jiankang.foundation.record import Change, Prepared, prepare
from jiankang.foundation.record.judging import judged, prepared
from jiankang.kernel.clock import instant
from jiankang.kernel.errors import Conflict, Problem

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.intake.records import Row
    from jiankang.foundation.record import Stored, Transaction
    from jiankang.foundation.record.wire.server import Server

Json = dict[str, Any]
ACTOR = Actor("exchange")
_log = logging.getLogger("jiankang.exchange")


@dataclass(slots=True)
class Landing:
    """One letter on its way into the record."""

    row: Row
    letter: Letter
    sender: Sender
    reading: Reading
    made: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What orders letters of the same moment."""
        return f"{self.row.sender}:{self.row.key}"


class Troubled(Exception):  # noqa: N818 - read as a sentence
    """Something is wrong with a letter; alone, it is the one."""

    def __init__(self, complaints: Sequence[Complaint], landing: Landing | None = None) -> None:
        super().__init__("; ".join(one.text for one in complaints))
        self.complaints = tuple(complaints)
        self.landing = landing


def letter_of(row: Row) -> Letter:
    """The letter that lies in the inbox."""
    return Letter(row.format, row.body, row.received, row.key, row.kind, row.media_type, row.number, row.context)


def read(format_: Format, letter: Letter, sender: Sender) -> Reading:
    """What a letter says. Raises Troubled for whatever is the matter: a mapping's bug must not end the worker."""
    try:
        reading = format_.read(letter, sender)
    except Unreadable as problem:
        raise Troubled(problem.complaints) from None
    except Problem as problem:
        raise Troubled([Complaint(one.text, ", ".join(one.expression), fatal=True) for one in problem.issues]) from None
    except Exception as error:  # noqa: BLE001
        _log.exception("letter %s could not be read", letter.number)
        raise Troubled([Complaint(f"its mapping failed ({type(error).__name__})", code="207", fatal=True)]) from None
    fatal = [one for one in reading.complaints if one.fatal]
    if fatal:
        raise Troubled(fatal)
    return reading


async def write(server: Server, tx: Transaction, landings: Sequence[Landing]) -> None:
    """Write what the letters say, in the transaction; `made` of each tells what. Raises Troubled, Problem."""
    told = _by_target(landings)
    originals = {("Binary", _binary_id(one)): one for one in landings}
    known = await records.known(tx.db, sorted(resource_key(*name) for name in told))
    current = await tx.lock([*told, *originals, *(("Provenance", _provenance_id(one)) for one in landings)])
    changes: list[Prepared] = []
    stamps: list[tuple[int, int, Mapping[str, str]]] = []
    await _refreshed(server)
    for name, tellings in told.items():
        version, kept = known[resource_key(*name)]
        one = _merged(name, tellings, current[name], merging.Known(dict(kept), version), stamps)
        if one is not None:
            changes.append(_ready(server, one, tellings))
    await _judge(server, tx, changes, told)
    written = {(one.type, str(one.id)) for one in changes}
    for landing in landings:
        named = [(telling.type, telling.id) for telling in landing.reading.tellings]
        targets = [f"{type_}/{id_}" for type_, id_ in dict.fromkeys(named) if (type_, id_) in written]
        patient = landing.reading.patient
        if patient and f"Patient/{patient}" not in targets and ("Patient", patient) in told:
            targets.append(f"Patient/{patient}")
        landing.made = targets
        changes += _papers(server, landing, targets, current)
    await tx.apply([Change("PUT", one.type, one.id, one) for one in changes])
    await records.tell_known(tx.db, stamps)
    for landing in landings:
        await _join(tx, landing)


Target = tuple[str, str]


def _by_target(landings: Sequence[Landing]) -> dict[Target, list[tuple[Landing, Any]]]:
    told: dict[Target, list[tuple[Landing, Any]]] = {}
    for landing in landings:
        for telling in landing.reading.tellings:
            told.setdefault((telling.type, telling.id), []).append((landing, telling))
    return told


def _merged(
    name: Target,
    tellings: Sequence[tuple[Landing, Any]],
    stored: Stored | None,
    known: merging.Known,
    stamps: list[tuple[int, int, Mapping[str, str]]],
) -> Json | None:
    """The resource with all that is told of it; None when nothing is new. What is known goes into `stamps`."""
    there = stored is not None and not stored.deleted
    if stored is None or stored.deleted:
        known.stamps.clear()
    elif known.version != stored.version:
        merging.written_by_others(known, stored.version, f"{stored.updated:%Y%m%d%H%M%S.%f}")
    before = _without_server_meta(stored.resource) if stored is not None and there else None
    resource = before
    for landing, telling in tellings:
        resource = merging.merge(resource, known, telling, landing.key)
    changed = resource != before
    version = (stored.version if stored is not None else 0) + changed
    stamps.append((resource_key(*name), version, known.stamps))
    return resource if changed else None


def _without_server_meta(resource: Json) -> Json:
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in {"versionId", "lastUpdated"}}
    copy = {name: value for name, value in resource.items() if name != "meta"}
    return {**copy, "meta": meta} if meta else copy


def _ready(server: Server, resource: Json, tellings: Sequence[tuple[Landing, Any]]) -> Prepared:
    try:
        return prepared(server.judge, resource, type_name=resource["resourceType"], id_=resource["id"])
    except Problem as problem:
        raise Troubled(_complaints(problem, resource), tellings[-1][0]) from None


def _complaints(problem: Problem, resource: Json) -> list[Complaint]:
    name = str(resource["resourceType"])
    return [Complaint(one.text, ", ".join(one.expression) or name, "207", fatal=True) for one in problem.issues]


async def _refreshed(server: Server) -> None:
    if server.judge is not None:
        await server.judge.refresh()


async def _judge(server: Server, tx: Transaction, ready: Sequence[Prepared], told: Mapping[Target, Any]) -> None:
    """Judge all that is to be written, by the policy of its type."""
    refused = await judged(server.judge, ready, db=tx.db)
    for place, problem in refused.items():
        one = ready[place]
        raise Troubled(_complaints(problem, one.resource), told[one.type, str(one.id)][-1][0])


# -- the original and where things come from ----------------------------------------------------------------------


def _binary_id(landing: Landing) -> str:
    return identify("Binary", landing.row.sender, landing.row.format, landing.row.key)


def _arrived_id(landing: Landing) -> str:
    """The id of what arrived, where somebody mended it."""
    return identify("Binary", landing.row.sender, landing.row.format, landing.row.key, "arrived")


def _provenance_id(landing: Landing) -> str:
    return identify("Provenance", landing.row.sender, landing.row.format, landing.row.key)


def _papers(
    server: Server, landing: Landing, targets: Sequence[str], current: Mapping[Target, Stored | None]
) -> list[Prepared]:
    """The original as a Binary, and the Provenance that links all that was made of it to it."""
    binary, provenance = _binary_id(landing), _provenance_id(landing)
    papers: list[Json] = []
    if current[("Binary", binary)] is None:
        papers.append(_binary(landing, binary, landing.letter.body))
    if landing.row.original is not None:
        papers.append(_binary(landing, _arrived_id(landing), landing.row.original))
    before = current[("Provenance", provenance)]
    if before is not None and not before.deleted:
        earlier = [one["reference"] for one in before.resource.get("target", [])]
        if set(targets) <= set(earlier):
            return [prepare(one) for one in papers]
        targets = list(dict.fromkeys([*earlier, *targets]))
    if targets:
        papers.append(_provenance(server, landing, provenance, binary, targets))
    return [prepare(one) for one in papers]


def _binary(landing: Landing, id_: str, body: bytes) -> Json:
    resource: Json = {"resourceType": "Binary", "id": id_, "contentType": landing.letter.media_type}
    if landing.reading.patient:
        resource["securityContext"] = {"reference": f"Patient/{landing.reading.patient}"}
    return {**resource, "data": b64encode(body).decode()}


def _provenance(server: Server, landing: Landing, id_: str, binary: str, targets: Sequence[str]) -> Json:
    """http://hl7.org/fhir/R4/provenance.html: who sent it, what it was made of, who turned it into FHIR."""
    sender = landing.sender
    who: Json = {"identifier": {"system": "urn:jiankang:sender", "value": sender.id}, "display": sender.name}
    if sender.facility:
        who["reference"] = f"Organization/{sender.facility}"
    kinds = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    entities: list[Json] = [
        {
            "role": "source",
            "what": {
                "reference": f"Binary/{binary}",
                "identifier": {"system": f"urn:jiankang:sender:{sender.id}:letter", "value": landing.row.key},
            },
        }
    ]
    if landing.row.original is not None:
        entities.append({"role": "revision", "what": {"reference": f"Binary/{_arrived_id(landing)}"}})
    return {
        "resourceType": "Provenance",
        "id": id_,
        "target": [{"reference": one} for one in targets],
        **({"occurredDateTime": landing.reading.recorded} if landing.reading.recorded else {}),
        "recorded": instant(server.record.clock()),
        "activity": {"text": landing.letter.kind or landing.letter.format},
        "agent": [
            {"type": {"coding": [{"system": kinds, "code": "author"}]}, "who": who},
            {"type": {"coding": [{"system": kinds, "code": "assembler"}]}, "who": {"display": "Jiankang"}},
        ],
        "entity": entities,
    }


async def _join(tx: Transaction, landing: Landing) -> None:
    """Link Patients that the source says are one; where the rules of stewards forbid it, the letter says so."""
    for joined in landing.reading.joined:
        actor = tx.actor
        tx.actor = Actor(f"sender:{landing.sender.id}")
        try:
            await say_one(tx, joined.stays, joined.gone, note=f"{landing.letter.kind} {landing.row.key}")
        except Conflict as problem:
            landing.reading.complaints.append(Complaint(f"they stay two persons: {problem}"))
        finally:
            tx.actor = actor


# -- many letters ---------------------------------------------------------------------------------------------------


class Lander:
    """Takes letters from the inbox and lands them."""

    def __init__(self, server: Server, formats: Mapping[str, Format], senders: Any) -> None:
        self.server = server
        self.formats = formats
        self.senders = senders

    async def land_some(self, limit: int) -> tuple[int, list[tuple[str, int, float]]]:
        """Land letters that wait: how many were taken, and of each its sender, 1 for dead, and how old it was (ms).

        Where one is in trouble the others land without it: then each is landed alone.
        """
        alone: list[int] = []

        async def work(tx: Transaction) -> list[tuple[str, int, float]]:
            alone.clear()
            rows = await records.claim(tx.db, limit)
            if not rows:
                return []
            try:
                async with tx.db.transaction():  # what troubles one must not undo that they are held
                    return await self._land(tx, rows)
            except Exception as error:
                if type(error).__module__.startswith("psycopg"):
                    raise
                alone.extend(row.number for row in rows)
                return []

        done = await self.server.record.run(ACTOR, work)
        for number in alone:
            done += await self.land_one(number)
        return max(len(done), len(alone)), done

    async def land_one(self, number: int) -> list[tuple[str, int, float]]:
        """Land one letter, whatever became of it before; what is wrong with it is written down beside it."""
        told: list[Complaint] = []

        async def work(tx: Transaction) -> list[tuple[str, int, float]]:
            told.clear()
            row = await records.claim_one(tx.db, number)
            if row is None:
                return []
            try:
                async with tx.db.transaction():
                    return await self._land(tx, [row])
            except Troubled as problem:
                told.extend(problem.complaints)
            except Problem as problem:
                if problem.status >= 500:
                    await records.later(tx.db, [number], 2.0 ** min(row.tries + 1, 8))
                    return []
                told.extend(Complaint(one.text, ", ".join(one.expression), fatal=True) for one in problem.issues)
            except Exception as error:
                if type(error).__module__.startswith("psycopg"):  # the store knows what to do about it
                    raise
                _log.exception("letter %s", number)
                told.append(Complaint(f"something went wrong on our side ({type(error).__name__})", fatal=True))
            await records.dead(tx.db, number, plain(told))
            await self._alert(tx, row)
            return [(row.sender, 1, 0.0)]

        return await self.server.record.run(ACTOR, work)

    async def _land(self, tx: Transaction, rows: Sequence[Row]) -> list[tuple[str, int, float]]:
        landings: list[Landing] = []
        trials: list[Landing] = []
        for count, row in enumerate(rows):
            if count % 8 == 7:
                await asyncio.sleep(0)
            known = await self.senders.get(row.sender)
            letter = letter_of(row)
            landing = Landing(row, letter, known.sender, read(self.formats[row.format], letter, known.sender))
            (trials if known.state == "testing" else landings).append(landing)
        await write(self.server, tx, landings)
        now = self.server.record.clock()
        ended = [
            (one.row.number, state, one.made, one.reading.patient, plain(one.reading.complaints))
            for state, ones in (("landed", landings), ("tested", trials))
            for one in ones
        ]
        await records.landed(tx.db, ended)
        await records.gaps(tx.db, _gaps([*landings, *trials]))
        return [(row.sender, 0, (now - row.received).total_seconds() * 1000) for row in rows]

    async def _alert(self, tx: Transaction, row: Row) -> None:
        among = 10
        lately = await records.dead_lately(tx.db, row.sender, among)
        if lately >= among // 2:
            text = f"{lately} of the last {among} letters cannot be used"
            await records.alert(tx.db, row.sender, "dead", text, row.number)


def _gaps(landings: Sequence[Landing]) -> dict[tuple[str, str, str], tuple[str, str, list[int]]]:
    found: dict[tuple[str, str, str], tuple[str, str, list[int]]] = {}
    for landing in landings:
        for gap in landing.reading.gaps:
            key = (landing.row.sender, gap.system, gap.code)
            found.setdefault(key, (gap.display, gap.place, []))[2].append(landing.row.number)
    return found
