"""Who is this, asked of an index of a million people: straight of the index, over HTTP, and while registering.

    python bench/identity.py --people 1000000 --seconds 8

People are of tools/region (natural mix, by seed): the first registration of each is in the index, later ones of the same
people, with their errors, are asked about. The floor asks PostgreSQL for as many keys and rows, and does nothing with them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import struct
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

import psycopg

import client
import processes
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.identity import Normaliser, first_weights, index, keys
from jiankang.foundation.identity.catching_up import SHAPE
from jiankang.foundation.identity.deciding import certain_persons, decide, judged
from jiankang.foundation.identity.room import identity_of
from jiankang.foundation.record.indexing import resource_key
from jiankang.foundation.record.store import Change, Record, prepare
from jiankang.kernel.database import open_pool

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from region.population.chunk import SIZE
from region.population.mixes import NATURAL
from region.population.patients import patient
from region.population.row import Registration
from region.population.stream import chunk_rows

TODAY = "20261123"
STORED = 10_000
ONCE = replace(NATURAL, registered=(1.0,), newborns=0.0)
_NOBODY = uuid.UUID(int=7 << 76)


def parted(seed: int, number: int, count: int) -> tuple[list[Registration], list[Registration]]:
    """Of one chunk of people: the first registration of each, and the later ones."""
    first: dict[str, Registration] = {}
    later = []
    for row in map(Registration._make, chunk_rows(seed, number, NATURAL, count)):
        if row.person_id in first:
            later.append(row)
        else:
            first[row.person_id] = row
    return list(first.values()), later


def fill_chunk(task: tuple[str, int, int, int]) -> int:
    """Put the people of one chunk into the index tables."""
    url, seed, number, count = task
    normaliser = Normaliser(TODAY)
    records, pairs = [], []
    for row in map(Registration._make, chunk_rows(seed, number, ONCE, count)):
        record = normaliser.row(row._asdict())
        rid = resource_key("Patient", row.record_id)
        person = uuid.uuid5(_NOBODY, row.person_id).bytes
        packed, id_ = index.pack(record), row.record_id.encode()
        records.append(
            struct.pack(">hiqi", 5, 8, rid, 16) + person + struct.pack(">i", len(id_)) + id_
            + struct.pack(">i?i", 1, record.matchable, len(packed)) + packed
        )  # fmt: skip
        pairs += [struct.pack(">hiqiq", 2, 8, key.value, 8, rid) for key in keys(record)]
    with psycopg.connect(url, autocommit=True) as db:
        for table, lines in (("identity_record", records), ("identity_key", pairs)):
            with db.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(b"PGCOPY\n\xff\r\n\x00" + bytes(8) + b"".join(lines) + b"\xff\xff")
    return len(records)


def fill(url: str, seed: int, people: int) -> None:
    """The index of so many people; the keys are sorted once at the end."""
    begun = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("ALTER TABLE identity_key DROP CONSTRAINT identity_key_pkey")
    chunks = [(url, seed, n, min(SIZE, people - n * SIZE)) for n in range((people + SIZE - 1) // SIZE)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        done = 0
        for count in pool.imap_unordered(fill_chunk, chunks):
            done += count
            if sys.stderr.isatty():
                print(f"\r   {done:,} people", end="", file=sys.stderr, flush=True)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SET maintenance_work_mem = '1GB'")
        db.execute("ALTER TABLE identity_key ADD PRIMARY KEY (key, rid)")
        db.execute("INSERT INTO identity_shape (version) VALUES (%s)", (SHAPE,))  # nothing to catch up with
        db.execute("VACUUM (ANALYZE) identity_key, identity_record")
        size = db.execute(
            "SELECT pg_total_relation_size('identity_key') + pg_total_relation_size('identity_record')"
        ).fetchone()[0]
    print(f"index of {done:,} people: {time.perf_counter() - begun:.0f} s, {size / done:,.0f} bytes each")


async def ask_index(url: str, rows: list[Registration], seconds: float, *, floor: bool) -> list[float]:
    """Seconds of each match of one record, one after another."""
    normaliser, weights = Normaliser(TODAY), first_weights()
    patients = [patient(row) for row in rows]
    taken = []
    async with open_pool(url, 1, 1) as pool, pool.connection() as db:
        end = time.perf_counter() + seconds
        for number, one in enumerate(patients * 100):
            begun = time.perf_counter()
            if floor:
                wanted = floor_keys[number % len(floor_keys)]
                cursor = db.cursor(binary=True)
                await cursor.execute(
                    "SELECT r.record FROM identity_key AS k JOIN identity_record AS r USING (rid) WHERE k.key = ANY(%s::bigint[])",
                    (wanted,),
                )
                await cursor.fetchall()
            else:
                record = normaliser.patient(one)
                found = (await index.find(db, [keys(record)]))[0]
                likely = judged(record, found.candidates, weights, limited=found.limited)
                people = await index.members(db, certain_persons(likely))
                decide(record, likely, people, weights)
            taken.append(time.perf_counter() - begun)
            if time.perf_counter() > end:
                break
    return taken[len(taken) // 10 :]


floor_keys: list[list[int]] = []


def measure(task: tuple[str, int, int, float, bool]) -> list[float]:
    """In a process of its own: `ask_index` with the later registrations of some people."""
    url, seed, number, seconds, floor = task
    rows = parted(seed, number, SIZE)[1][:20_000]
    normaliser = Normaliser(TODAY)
    floor_keys[:] = [[key.value for key in keys(normaliser.row(row._asdict()))] for row in rows[:5_000]]
    return asyncio.run(ask_index(url, rows, seconds, floor=floor))


def report(name: str, seconds: list[float], rate: float, aim: str = "") -> None:
    ordered = sorted(1000 * one for one in seconds)
    p50, p95, p99 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.95, 0.99))
    print(f"{name:44} {rate:9,.0f}/s   p50 {p50:6.2f}  p95 {p95:6.2f}  p99 {p99:6.2f} ms   {aim}", flush=True)


def match(url: str, seed: int, people: int, seconds: float) -> None:
    spawn = multiprocessing.get_context("spawn")
    aim = "aim p95 ≤ 5 ms, ≥ 1,000/s" if people > 2_000_000 else "aim p95 ≤ 1.5 ms"
    last = max(0, people // SIZE - 1)
    for floor in (False, True):
        for count in (1, 2):
            with spawn.Pool(count) as pool:
                found = pool.map(measure, [(url, seed, min(n, last), seconds, floor) for n in range(count)])
            rate = sum(len(one) / sum(one) for one in found)
            name = f"{'floor' if floor else 'match of one record'}, {count} at a time"
            report(name, [one for each in found for one in each], rate, "" if floor or count > 1 else aim)


async def register(url: str, rows: list[Registration], batch: int) -> float:
    """Patients a second, written `batch` at a time."""
    async with Record.open(url, connections=2) as record:
        identity_of(record)
        begun = time.perf_counter()
        for at in range(0, len(rows), batch):
            changes = [Change("PUT", "Patient", row.record_id, prepare(patient(row))) for row in rows[at : at + batch]]
            await record.run(LOCAL_OPERATOR, lambda tx, changes=changes: tx.apply(changes))
        return len(rows) / (time.perf_counter() - begun)


async def plain(url: str, rows: list[Registration], batch: int) -> float:
    """The same without an index of persons."""
    async with Record.open(url, connections=2) as record:
        begun = time.perf_counter()
        for at in range(0, len(rows), batch):
            changes = [
                Change("PUT", "Patient", f"x{row.record_id}", prepare({**patient(row), "id": f"x{row.record_id}"}))
                for row in rows[at : at + batch]
            ]
            await record.run(LOCAL_OPERATOR, lambda tx, changes=changes: tx.apply(changes))
        return len(rows) / (time.perf_counter() - begun)


def asked(row: Registration) -> bytes:
    one = patient(row)
    del one["id"]
    body = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": one}]}
    return client.post("/fhir/Patient/$match", json.dumps(body).encode())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--seconds", type=float, default=8)
    given = options.parse_args()
    print(f"{os.cpu_count()} cores, load before the run {os.getloadavg()[0]:.1f}", flush=True)
    with processes.postgres(shared_buffers="2GB") as server:
        url = processes.new_database(server, "identity")
        fill(url, given.seed, given.people)
        match(url, given.seed, given.people, given.seconds)
        first, later = parted(given.seed, given.people // SIZE + 1, SIZE)  # people who are not there yet
        for batch, some in ((1, first[:2_000]), (200, first[2_000:STORED])):
            ours = asyncio.run(register(url, some, batch))
            bare = asyncio.run(plain(url, some, batch))
            cost = 1000 / ours - 1000 / bare
            print(
                f"registering, {batch:3} in a transaction {' ':9} {ours:9,.0f}/s   without the index {bare:,.0f}/s: "
                f"{cost:.2f} ms for each Patient"
            )
        stored = {row.person_id for row in first[:STORED]}
        questions = [asked(row) for row in later if row.person_id in stored]
        with processes.ours(url) as program:
            for busy, aim in ((1, "aim p95 ≤ 20 ms"), (8, "")):
                asyncio.run(client.run(program.port, lambda n: questions[n % len(questions)], clients=busy, seconds=1))
                result = asyncio.run(
                    client.run(
                        program.port, lambda n: questions[n % len(questions)], clients=busy, seconds=given.seconds
                    )
                )
                bad = {status: n for status, n in result.statuses.items() if status != 200}
                report(
                    f"$match over HTTP, {busy} at a time", [one / 1000 for one in result.latencies], result.rate, aim
                )
                if bad:
                    print(f"    refused: {bad}")
    print(f"largest process {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
