"""`jiankang exchange …`: what is covered, what a message would become, who may send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jiankang.capabilities.exchange.hl7v2 import Hl7v2
from jiankang.capabilities.exchange.hl7v2.mapping.structures import coverage
from jiankang.capabilities.exchange.hl7v2.out import records as out_records
from jiankang.capabilities.exchange.hl7v2.out.making import TYPES
from jiankang.capabilities.exchange.intake.senders import STATES, Senders
from jiankang.capabilities.exchange.merging import Known, merge
from jiankang.capabilities.exchange.model import Letter, Sender, Unreadable
from jiankang.foundation.record.store import Record
from jiankang.kernel.clock import system_clock
from jiankang.kernel.errors import Conflict, Invalid
from jiankang.kernel.jsontext import encode

Say = Callable[[str], None]


def cli_coverage(say: Say, *, missing: bool, as_json: bool) -> int:
    """Print how much of HL7's official tables the maps cover, by message structure; the exit code."""
    found = coverage()
    if as_json:
        rows = [
            {
                "structure": one.structure.name, "messages": list(one.structure.events), "rows": one.rows,
                "mapped": one.mapped, "kept": one.kept, "missing": list(one.missing),
            }
            for one in found
        ]  # fmt: skip
        say(encode(rows).decode())
        return 0
    say(f"{'structure':<10} {'rows':>5} {'mapped':>7} {'kept':>6} {'covered':>8}  messages")
    for one in found:
        messages = ", ".join(one.structure.events[:4]) + (" …" if len(one.structure.events) > 4 else "")
        say(
            f"{one.structure.name:<10} {one.rows:>5} {one.mapped / one.rows:>7.0%} {one.kept / one.rows:>6.0%} "
            f"{one.share:>8.1%}  {messages}"
        )
        if missing:
            for row in one.missing:
                say(f"{'':<11}{row}")
    total = sum(one.rows for one in found)
    covered = sum(one.mapped + one.kept for one in found)
    say(f"{'all':<10} {total:>5} {'':>7} {'':>6} {covered / total:>8.1%}")
    say(
        "rows: fields that HL7's v2-to-FHIR tables give a place; kept: in the original, for a reason that the map gives"
    )
    return 0


def cli_read(paths: Sequence[Path], say: Say, *, fates: bool) -> int:
    """Print what messages would become, or what becomes of each field; nothing is written. The exit code."""
    if not paths:
        raise Invalid("name the files of the messages: jiankang exchange read message.hl7")
    failed = 0
    for path in paths:
        letter = Letter("hl7v2", path.read_bytes(), system_clock())
        sender = Sender("shell", "shell")
        try:
            _show(letter, sender, say, fates=fates)
        except Unreadable as problem:
            failed += 1
            for one in problem.complaints:
                say(f"{path.name}: {one.place}: {one.text}")
    return 1 if failed else 0


def _show(letter: Letter, sender: Sender, say: Say, *, fates: bool) -> None:
    if fates:
        for fate in Hl7v2().fates(letter, sender):
            say(f"{fate.place:<12} {fate.fate:<8} {fate.value[:40]:<42} {fate.where}")
        return
    reading = Hl7v2().read(letter, sender)
    found: dict[tuple[str, str], tuple[dict[str, Any] | None, Known]] = {}
    for one in sorted(reading.tellings, key=lambda one: one.at):
        resource, known = found.get((one.type, one.id), (None, Known()))
        found[one.type, one.id] = merge(resource, known, one, letter.key), known
    for resource, _ in found.values():
        say(encode(resource).decode())
    for complaint in reading.complaints:
        say(f"# {complaint.place}: {complaint.text}")


def cli_senders(database_url: str, say: Say) -> int:
    """Print the connected systems; the exit code."""

    async def work() -> None:
        async with Record.open(database_url, connections=1) as record:
            for one in await Senders(record).all():
                say(f"{one.sender.id:<20} {one.state:<10} {one.sender.name:<28} {', '.join(one.names)}")

    asyncio.run(work())
    return 0


def cli_add_sender(database_url: str, sender: Sender, names: Sequence[str], state: str, say: Say) -> int:
    """Register a system; the exit code. Raises Conflict when its id or one of its names is taken."""
    if state not in STATES:
        raise Invalid(f"{state} is none of {', '.join(STATES)}")

    async def work() -> None:
        async with Record.open(database_url, connections=1) as record:
            await Senders(record).add(sender, names=names, state=state)

    asyncio.run(work())
    say(f"{sender.id} is {state}")
    return 0


def cli_add_receiver(database_url: str, receiver: out_records.Receiver, say: Say) -> int:
    """Tell a system of changes from now on; the exit code. Raises Invalid, Conflict."""
    unknown = set(receiver.kinds) - set(TYPES.values())
    if unknown or not receiver.kinds:
        raise Invalid(f"what can be told are {', '.join(sorted(set(TYPES.values())))}")

    async def work() -> None:
        async with Record.open(database_url, connections=1) as record, record.pool.connection() as db:
            if not await out_records.add(db, receiver):
                raise Conflict(f"there is a receiver {receiver.id} already")

    asyncio.run(work())
    say(f"{receiver.id} is told of {', '.join(receiver.kinds)} at {receiver.host}:{receiver.port}")
    return 0
