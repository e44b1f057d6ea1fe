"""Search at scale: what each common shape costs in PostgreSQL and in ours, and whether its plan holds.

    python bench/search.py --resources 200000

Fills a database with clones (bench/multiplier.py), then measures each search alone, one at a time, on one connection.
`floor` is psycopg running the very statement that the search ends in. `--folder` keeps the databases for another time.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, quote

import filling
import multiplier
import processes
from jiankang.fhir.search import default_registry
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.search import search
from jiankang.foundation.record.search.running import Runner
from jiankang.foundation.record.store import Record
from multiplier import Family, clone_id
from region.people import Person, person
from region.registering import identity
from scale import Filled, filled

LOINC, SNOMED, CVX = "http://loinc.org", "http://snomed.info/sct", "http://hl7.org/fhir/sid/cvx"
SYSTOLIC, HEIGHT, GLUCOSE, HBA1C = "8480-6", "8302-2", "14771-0", "4548-4"

Make = Callable[[random.Random], str]


class Somebody:
    """People of a filled database, chosen by chance."""

    def __init__(self, families: list[Family], clones: int) -> None:
        self.families, self.clones = families, clones

    def _chosen(self, rng: random.Random) -> tuple[Family, int, Person]:
        clone, position = rng.randrange(self.clones), rng.randrange(len(self.families))
        number = filling.number_of(clone, position, len(self.families))
        return self.families[position], clone + 1, person(number, multiplier.SEED)

    def id(self, rng: random.Random) -> str:
        family, clone, _ = self._chosen(rng)
        return clone_id(family.names[0][1], clone)

    def document(self, rng: random.Random) -> str:
        return quote("|".join(identity(self._chosen(rng)[2])))

    def name(self, rng: random.Random) -> str:
        who = self._chosen(rng)[2]
        return quote(who.family.text + "".join(part.text for part in who.given))


def searches(who: Somebody) -> list[tuple[str, str, Make]]:
    """Name, type, and a function from chance to the query."""
    return [
        ("identifier", "Patient", lambda r: f"identifier={who.document(r)}"),
        ("name prefix", "Patient", lambda r: f"name={who.name(r)}&_count=20"),
        ("patient + code, newest 20", "Observation", lambda r: f"patient={who.id(r)}&code={LOINC}|{HEIGHT}&_sort=-date&_count=20"),
        ("patient, newest 20", "Observation", lambda r: f"patient={who.id(r)}&_sort=-date&_count=20"),
        ("patient + category + date", "Observation", lambda r: f"patient={who.id(r)}&category=vital-signs&date=ge2025&_count=20"),
        ("chain, one patient", "Observation", lambda r: f"subject:Patient.identifier={who.document(r)}&_count=20"),
        ("chain, name", "Observation", lambda r: f"patient.name={who.name(r)}&_count=20"),
        ("chain, half of all", "Observation", lambda _: "patient.gender=male&_count=20"),
        ("chain + code", "Observation", lambda r: f"patient.name={who.name(r)}&code={LOINC}|{HEIGHT}&_count=20"),
        ("two hops", "Observation", lambda _: f"patient.organization.name={quote('加乐镇')}&_count=20"),
        ("_has", "Patient", lambda _: f"_has:Immunization:patient:vaccine-code={CVX}|85&_count=20"),
        ("_has, common", "Patient", lambda _: f"_has:Observation:patient:code={LOINC}|{HEIGHT}&_count=20"),
        ("common code, newest 20", "Observation", lambda _: f"code={LOINC}|{HEIGHT}&_sort=-date&_count=20"),
        ("all, newest 20", "Observation", lambda _: "_sort=-date&_count=20"),
        ("all, by family", "Patient", lambda _: "_sort=family&_count=20"),
        ("value over 11", "Observation", lambda _: "value-quantity=gt11||mmol/L&_count=20"),
        ("code + value", "Observation", lambda _: f"code-value-quantity={LOINC}|{GLUCOSE}$gt9&_count=20"),
        ("component + value", "Observation", lambda _: f"component-code-value-quantity={LOINC}|{SYSTOLIC}$gt170&_count=20"),
        ("day", "Observation", lambda r: f"date=2025-03-{r.randrange(10, 28)}&_count=20"),
        ("content word", "Observation", lambda _: f"_content={quote('糖化血红蛋白')}&_count=20"),
        ("rare code, newest 20", "Condition", lambda _: f"code={SNOMED}|38362002&_sort=-onset-date&_count=20"),
        ("include", "Observation", lambda r: f"patient={who.id(r)}&_count=20&_include=Observation:subject"),
        ("revinclude", "Patient", lambda r: f"_id={who.id(r)}&_revinclude=Observation:subject"),
        ("count of a code", "Observation", lambda _: f"code={LOINC}|{HBA1C}&_summary=count"),
    ]  # fmt: skip


async def measure(record: Record, type_name: str, make: object, rounds: int) -> tuple[float, float, float, int]:
    """Median microseconds of a search, CPU microseconds of ours, of the bare statement, and how many were found."""
    rng = random.Random(3)
    took, cpu, bare, found = [], [], [], 0
    registry = default_registry()
    async with record.pool.connection() as db:
        for round_ in range(rounds):
            params = parse_qsl(make(rng), keep_blank_values=True)
            statements: list = []
            keep = Runner.fetch

            async def fetch(self, text, values, keep=keep, statements=statements):
                statements.append((text, values))
                return await keep(self, text, values)

            Runner.fetch = fetch
            started, worked = time.perf_counter(), time.process_time()
            try:
                result = await search(
                    db,
                    LOCAL_OPERATOR,
                    type_name,
                    params,
                    registry=registry,
                    base_url="http://x/fhir",
                    secret=b"s" * 16,
                    payload=record.payload,
                )
            finally:
                Runner.fetch = keep
            ended, done = time.perf_counter(), time.process_time()
            found += len(result.matches) if result.matches or result.total is None else result.total
            if round_ < rounds // 5:
                continue
            took.append(ended - started)
            cpu.append(done - worked)
            text, values = statements[-1]
            cursor = db.cursor(binary=True)
            started = time.perf_counter()
            await cursor.execute(text, values)
            await cursor.fetchall()
            bare.append(time.perf_counter() - started)
    return (
        statistics.median(took) * 1e6,
        statistics.mean(cpu) * 1e6,
        statistics.median(bare) * 1e6,
        found // rounds,
    )


async def measured(large: Filled, families: list[Family], rounds: int, only: str) -> None:
    """Print a line for each search."""
    async with Record.open(large.url, connections=2) as record:
        print(f"{'search':28} {'found':>7} {'µs':>8} {'our CPU':>8} {'floor':>8} {'ratio':>6}")
        for name, type_name, make in searches(Somebody(families, large.clones)):
            if only not in name:
                continue
            took, cpu, bare, found = await measure(record, type_name, make, rounds)
            print(f"{name:28} {found:7} {took:8.0f} {cpu:8.0f} {bare:8.0f} {bare / took:6.2f}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--resources", type=int, default=200_000)
    arguments.add_argument("--rounds", type=int, default=100)
    arguments.add_argument("--only", default="", help="searches whose name holds this")
    arguments.add_argument("--folder", type=Path, help="keep the database here, and use it when it is there")
    given = arguments.parse_args()
    families = multiplier.families()
    with tempfile.TemporaryDirectory(prefix="jiankang-search-") as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        with processes.postgres(folder, shared_buffers="1GB") as url:
            large = filled(url, f"r{given.resources}", given.resources, families)
            asyncio.run(measured(large, families, given.rounds, given.only))


if __name__ == "__main__":
    main()
