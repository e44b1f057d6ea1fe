"""Messages from the wire to the record: read, kept and acknowledged, landed. `python bench/exchange.py [--seconds 10]`.

The messages are the mix of tools/region (admissions, orders, results, prescriptions, vaccinations of fictitious people).
Floors: splitting the same texts by their delimiters; an MLLP door that answers and keeps nothing; inserting the same bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import served
from jiankang.capabilities.exchange.hl7v2 import Hl7v2
from jiankang.capabilities.exchange.hl7v2.mllp import Listener, Outlet
from jiankang.capabilities.exchange.hl7v2.wire import Message
from jiankang.capabilities.exchange.intake.senders import Senders
from jiankang.capabilities.exchange.model import Letter, Sender
from jiankang.foundation.record.store import Record
from jiankang.kernel.postgres import running_embedded
from region.messages import SENDERS, stream

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "hl7v2"


def tell(name: str, unit: str, ours: float, floor: float | None, aim: float, *, most: bool = False) -> None:
    met = ours <= aim if most else ours >= aim
    ratio = f"{ours / floor:6.2f}" if floor else f"{'':6}"
    other = f"{floor:10,.0f}" if floor else f"{'':10}"
    print(
        f"{name:54} {unit:>10} {ours:10,.1f} {other} {ratio}  {'≤' if most else '≥'} {aim:,g} {'met' if met else 'MISSED'}",
        flush=True,
    )


def rate(work: Any, things: list[Any], seconds: float) -> float:
    """Things a second, the best of three rounds."""
    best = 0.0
    for _ in range(3):
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds / 3:
            for thing in things:
                work(thing)
            count += len(things)
        best = max(best, count / (time.perf_counter() - started))
    return best


def split(raw: bytes) -> None:
    for line in raw.decode("utf-8", "replace").split("\r"):
        for field in line.split("|"):
            field.split("^")


def touch(raw: bytes) -> None:
    for segment in Message(raw):
        if segment.name in {"PID", "OBR", "OBX"}:
            for number in range(1, len(segment.fields)):
                segment[number].c()


def reading(raws: list[bytes], seconds: float) -> None:
    samples = [path.read_bytes() for path in sorted(SHARED.glob("*.hl7"))] if SHARED.is_dir() else raws
    named = "the 70 public samples" if SHARED.is_dir() else "our stream"
    tell(
        f"parse, PID, OBR and OBX to their components ({named})",
        "messages/s",
        rate(touch, samples, seconds),
        rate(split, samples, seconds),
        4_000,
    )
    now, language = datetime.now(UTC), Hl7v2()
    sender = Sender("bench", "bench", authorities=SENDERS[0].authorities)
    tell(
        "parse and map to FHIR (our stream)",
        "messages/s",
        rate(lambda raw: language.read(Letter("hl7v2", raw, now), sender), raws, seconds),
        rate(split, raws, seconds),
        1_000,
    )


async def sent(port: int, raws: list[bytes], lanes: int, per_second: float | None = None) -> tuple[float, list[float]]:
    """Messages a second, and the seconds that each waited for its acknowledgement."""
    waits: list[float] = []
    coming = iter(raws)
    begun = time.perf_counter()
    due = begun

    async def lane() -> None:
        nonlocal due
        async with Outlet("127.0.0.1", port) as outlet:
            for raw in coming:
                if per_second:
                    due = max(due + 1 / per_second, time.perf_counter())
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                started = time.perf_counter()
                await outlet.send(raw)
                waits.append(time.perf_counter() - started)

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return len(raws) / (time.perf_counter() - begun), waits


async def echoing(raws: list[bytes]) -> float:
    async def answer(raw: bytes, _: Any) -> bytes:
        return raw[:100]

    async with Listener("127.0.0.1", 0, answer) as listener:
        return (await sent(listener.port, raws, 32))[0]


async def register(url: str) -> None:
    async with Record.open(url, connections=1) as record:
        senders = Senders(record)
        for one in SENDERS:
            await senders.add(Sender(one.id, one.name, authorities=one.authorities), names=one.names, state="connected")


def landed(url: str, before: int, patience: float = 300) -> tuple[float, float, int]:
    """Wait until nothing waits: letters a second from the first received to the last landed, p95 of seconds until landed, dead."""
    deadline = time.monotonic() + patience
    with psycopg.connect(url, autocommit=True) as db:
        while db.execute("SELECT EXISTS (SELECT FROM exchange_letter WHERE state = 'waiting')").fetchone()[0]:
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        return db.execute(
            "SELECT count(*) FILTER (WHERE state = 'landed') / extract(epoch FROM max(landed) - min(received)), "
            "percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM landed - received)), "
            "count(*) FILTER (WHERE state = 'dead') FROM exchange_letter WHERE number > %s",
            (before,),
        ).fetchone()


def last(url: str) -> int:
    with psycopg.connect(url) as db:
        return db.execute("SELECT coalesce(max(number), 0) FROM exchange_letter").fetchone()[0]


def end_to_end(raws: list[bytes], seconds: float) -> None:
    """The doors and the record, with clients on the same cores."""
    with tempfile.TemporaryDirectory(prefix="jiankang-bench-") as folder:
        Path(folder).chmod(0o755)
        port = served.free_port()
        options = {"mllp_port": str(port), "workers": "1", "exchange_workers": "0", "log_level": "WARNING"}
        server = served.Served(Path(folder) / "data", options).start(120)
        try:
            url = running_embedded(server.data).dsn
            asyncio.run(register(url))
            third = len(raws) // 3
            floor = asyncio.run(echoing(raws[:third]))
            found, _ = asyncio.run(sent(port, raws[:third], 32))
            tell("MLLP in, on disk, acknowledged (32 senders)", "messages/s", found, floor, 1_000)
            _, waits = asyncio.run(sent(port, raws[third : third + int(200 * seconds)], 16, per_second=200))
            tell("the same at 200/s: p95", "ms", statistics.quantiles(waits, n=20)[-1] * 1000, None, 50, most=True)
        finally:
            server.stop()
        server.options["exchange_workers"] = "1"
        server.start(120)
        try:
            before = 0
            found, _, dead = landed(url := running_embedded(server.data).dsn, before)
            before = last(url)
            begun = time.perf_counter()
            asyncio.run(sent(port, raws[third * 2 :], 16))
            rate_, _, dead = landed(url, before)
            tell(f"MLLP in, landed with identity, searchable ({dead} dead)", "messages/s", float(rate_), None, 300)
            print(f"    {len(raws[third * 2 :])} messages in {time.perf_counter() - begun:.1f} s")
            before = last(url)
            some = raws[: int(100 * seconds)]
            asyncio.run(sent(port, [renewed(raw) for raw in some], 8, per_second=100))
            _, p95, _ = landed(url, before)
            tell("the same at 100/s: p95 until searchable", "s", float(p95), None, 2, most=True)
        finally:
            server.stop()


def renewed(raw: bytes) -> bytes:
    """The same message under another control id: news that says the same."""
    fields = raw.split(b"|")
    fields[9] = b"N" + fields[9]
    return b"|".join(fields)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=1_500)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--seconds", type=float, default=8.0)
    given = options.parse_args()
    raws = [one.raw for one in stream(given.seed, given.people) if not one.fault]
    print(
        f"{os.cpu_count()} cores, load before the run {os.getloadavg()[0]:.1f}, {len(raws)} messages about {given.people} people"
    )
    print(f"{'work':54} {'unit':>10} {'ours':>10} {'floor':>10} {'ratio':>6}  aim")
    reading(raws[:500], given.seconds)
    end_to_end(raws, given.seconds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
