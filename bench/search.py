"""Search at scale: what each common shape costs in PostgreSQL, in psycopg and in ours, and whether its plan holds.

    python bench/search.py --database postgresql://… --resources 200000

Loads a made-up population once (skipped when the database holds it), then measures each search alone, one at a time,
on one connection. `floor` is psycopg running the very statement that the search ends in.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from urllib.parse import parse_qsl

from jiankang.fhir.search import default_registry
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.search import search
from jiankang.foundation.record.search.running import Runner
from jiankang.foundation.record.store import Change, Record, prepare

CODES = [f"{n}-{n % 10}" for n in range(1000, 1400)]
FAMILIES = [
    "Wang",
    "Li",
    "Zhang",
    "Liu",
    "Chen",
    "Yang",
    "Zhao",
    "Huang",
    "Zhou",
    "Wu",
    "Xu",
    "Sun",
    "Hu",
    "Zhu",
    "Gao",
]
OBSERVATIONS = 19


def patient(n: int, rng: random.Random) -> dict:
    return {
        "resourceType": "Patient",
        "id": f"p{n}",
        "identifier": [{"system": "urn:mrn", "value": str(n)}],
        "name": [{"family": f"{rng.choice(FAMILIES)}{n % 997}", "given": [f"G{n % 89}"]}],
        "gender": "male" if n % 2 else "female",
        "birthDate": f"{1930 + n % 90}-0{1 + n % 9}-1{n % 10}",
        "managingOrganization": {"reference": f"Organization/o{n % 50}"},
    }


def observation(n: int, who: int, rng: random.Random) -> dict:
    code = CODES[int(rng.paretovariate(1.2)) % len(CODES)]
    return {
        "resourceType": "Observation",
        "id": f"b{n}",
        "status": "final" if n % 50 else "amended",
        "category": [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": f"Test {code}"}]},
        "subject": {"reference": f"Patient/p{who}"},
        "effectiveDateTime": f"20{10 + n % 15}-{1 + n % 12:02d}-{1 + n % 28:02d}T0{n % 10}:00:00Z",
        "valueQuantity": {
            "value": round(rng.gauss(100, 20), 1),
            "unit": "mmHg",
            "system": "http://unitsofmeasure.org",
            "code": "mm[Hg]",
        },
    }


async def load(record: Record, resources: int) -> None:
    async with record.pool.connection() as db:
        row = await (await db.execute("SELECT count(*) FROM resource")).fetchone()
    if row and row[0] >= resources:
        return
    rng = random.Random(7)
    started = time.perf_counter()
    batch: list[dict] = [
        {"resourceType": "Organization", "id": f"o{n}", "name": f"Hospital {n:03d}", "active": True} for n in range(50)
    ]
    written = 0
    for n in range(resources // (OBSERVATIONS + 1)):
        batch.append(patient(n, rng))
        batch += [observation(n * OBSERVATIONS + k, n, rng) for k in range(OBSERVATIONS)]
        if len(batch) >= 2000:
            changes = [Change("PUT", one["resourceType"], one["id"], prepare(one)) for one in batch]
            await record.run(LOCAL_OPERATOR, lambda tx, changes=changes: tx.apply(changes))
            written += len(batch)
            batch = []
    async with record.pool.connection() as db:
        for table in ("resource", "idx", "str", "span", "quantity", "vocabulary", "change"):
            await db.execute(f"VACUUM ANALYZE {table}")
    seconds = time.perf_counter() - started
    print(f"loaded {written} resources in {seconds:.0f} s ({written / seconds:.0f}/s)")


def searches(patients: int) -> list[tuple[str, str, object]]:
    """Name, type, and a function from a random generator to the query."""
    loinc = "http://loinc.org"
    return [
        ("identifier", "Patient", lambda r: f"identifier=urn:mrn|{r.randrange(patients)}"),
        ("name prefix", "Patient", lambda r: f"name={r.choice(FAMILIES)}{r.randrange(10, 99)}&_count=20"),
        (
            "patient + code, newest 20",
            "Observation",
            lambda r: f"patient=p{r.randrange(patients)}&code={loinc}|{CODES[2]}&_sort=-date&_count=20",
        ),
        ("patient, newest 20", "Observation", lambda r: f"patient=p{r.randrange(patients)}&_sort=-date&_count=20"),
        (
            "patient + category + date",
            "Observation",
            lambda r: f"patient=p{r.randrange(patients)}&category=vital-signs&date=ge2015&_count=20",
        ),
        ("chain, one patient", "Observation", lambda r: f"subject:Patient.identifier=urn:mrn|{r.randrange(patients)}&_count=20"),
        ("chain, name", "Observation", lambda r: f"patient.name={r.choice(FAMILIES)}{r.randrange(100, 900)}&_count=20"),
        ("chain, half of all", "Observation", lambda _: "patient.gender=male&_count=20"),
        ("chain + code", "Observation", lambda r: f"patient.name={r.choice(FAMILIES)}{r.randrange(100)}&code={loinc}|{CODES[3]}&_count=20"),
        ("two hops", "Observation", lambda r: f"patient.organization.name=Hospital 0{r.randrange(10, 50)}&_count=20"),
        ("_has", "Patient", lambda r: f"_has:Observation:patient:code={loinc}|{r.choice(CODES[50:99])}&_count=20"),
        ("common code, newest 20", "Observation", lambda _: f"code={loinc}|{CODES[1]}&_sort=-date&_count=20"),
        ("all, newest 20", "Observation", lambda _: "_sort=-date&_count=20"),
        ("all, by family", "Patient", lambda _: "_sort=family&_count=20"),
        ("value over 170", "Observation", lambda _: "value-quantity=gt170||mmHg&_count=20"),
        ("code + value", "Observation", lambda _: f"code-value-quantity={loinc}|{CODES[2]}$gt150&_count=20"),
        ("day", "Observation", lambda r: f"date=2015-03-{r.randrange(10, 28)}&_count=20"),
        ("content word", "Observation", lambda _: f"_content={CODES[99]}&_count=20"),
        ("rare status", "Observation", lambda _: "status=amended&_sort=-date&_count=20"),
        ("include", "Observation", lambda r: f"patient=p{r.randrange(patients)}&_count=20&_include=Observation:subject"),
        ("revinclude", "Patient", lambda r: f"_id=p{r.randrange(patients)}&_revinclude=Observation:subject"),
        ("count of a code", "Observation", lambda _: f"code={loinc}|{CODES[5]}&_summary=count"),
    ]  # fmt: skip


async def measure(record: Record, type_name: str, make: object, rounds: int) -> tuple[float, float, float, int]:
    """Median microseconds of a search, CPU microseconds of ours, of the bare statement, and how many were found."""
    rng = random.Random(3)
    took, cpu, bare, found = [], [], [], 0
    registry = default_registry()
    async with record.pool.connection() as db:
        for round_ in range(rounds):
            params = parse_qsl(make(rng))
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


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--database", required=True)
    arguments.add_argument("--resources", type=int, default=200_000)
    arguments.add_argument("--rounds", type=int, default=100)
    arguments.add_argument("--only", default="")
    given = arguments.parse_args()
    async with Record.open(given.database, connections=2) as record:
        await load(record, given.resources)
        print(f"{'search':28} {'found':>6} {'µs':>8} {'our CPU':>8} {'floor':>8} {'ratio':>6}")
        for name, type_name, make in searches(given.resources // (OBSERVATIONS + 1)):
            if given.only and given.only not in name:
                continue
            took, cpu, bare, found = await measure(record, type_name, make, given.rounds)
            print(f"{name:28} {found:6} {took:8.0f} {cpu:8.0f} {bare:8.0f} {bare / took:6.2f}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
