"""The same work at 100,000 resources and at millions: `make scale`, or python bench/scale.py --resources 200000.

Both databases are filled with clones of the generator's people (bench/multiplier.py), served by `jiankang serve` and asked
in turns. The cost ratio is how many times longer the same work takes in the larger one (the median of all turns); the aim is at most 1.3.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import uvloop
from psycopg import conninfo

import client
import figures
import filling
import multiplier
import processes
from client import Result
from jiankang.kernel.jsontext import encode
from multiplier import Family, clone_id
from region.people import Person, person
from region.registering import identity

AIM = 1.3
FREQUENT = "陈王李吴符林黄张"
"""Surnames of which both databases hold more than a page."""

_HEAD = (
    f"{'work':48} {'small/s':>8} {'p50':>7} {'p99':>7} {'large/s':>8} {'p50':>7} {'p99':>7} {'bytes':>13} {'cost':>6}"
)


@dataclass
class Questions:
    """Requests about resources from all over a database, by the kind of work."""

    reads: list[bytes] = field(default_factory=list)
    newest: list[bytes] = field(default_factory=list)
    surnames: list[bytes] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)
    identifiers: list[bytes] = field(default_factory=list)
    chained: list[bytes] = field(default_factory=list)
    creates: list[bytes] = field(default_factory=list)


def questions(families: list[Family], clones: int, count: int) -> Questions:
    """`count` of each, about clones chosen by chance."""
    rng = random.Random(4)
    asked = Questions()
    for _ in range(count):
        clone, position = rng.randrange(clones), rng.randrange(len(families))
        family = families[position]
        who = person(filling.number_of(clone, position, len(families)), multiplier.SEED)
        _ask(asked, rng, family, who, clone + 1)
    return asked


def _ask(asked: Questions, rng: random.Random, family: Family, who: Person, clone: int) -> None:
    type_name, id_ = rng.choice(family.names)
    patient = clone_id(family.names[0][1], clone)
    name = who.family.text + "".join(part.text for part in who.given)
    document = "|".join(identity(who))
    asked.reads.append(client.get(f"/fhir/{type_name}/{clone_id(id_, clone)}"))
    asked.surnames.append(client.get(f"/fhir/Patient?name={figures.q(rng.choice(FREQUENT))}&_count=20"))
    asked.names.append(client.get(f"/fhir/Patient?name={figures.q(name)}&_count=20"))
    asked.identifiers.append(client.get(f"/fhir/Patient?identifier={figures.q(document)}"))
    asked.chained.append(client.get(f"/fhir/Observation?subject:Patient.identifier={figures.q(document)}&_count=20"))
    seen = [one.prepared.resource for one in family.templates if one.prepared.type == "Observation"]
    if seen:
        chosen = rng.choice(seen)
        code = chosen["code"]["coding"][0]
        token = figures.q(f"{code['system']}|{code['code']}")
        asked.newest.append(client.get(f"/fhir/Observation?patient={patient}&code={token}&_sort=-date&_count=20"))
        fresh = {key: value for key, value in chosen.items() if key not in {"id", "encounter", "performer"}}
        fresh["subject"] = {"reference": f"Patient/{patient}"}
        asked.creates.append(client.post("/fhir/Observation", encode(fresh)))


@dataclass(frozen=True)
class Filled:
    """A database with so many clones of each template."""

    url: str
    resources: int
    clones: int


def filled(server_url: str, name: str, wanted: int, families: list[Family]) -> Filled:
    """A database of about `wanted` resources; filled unless it is there already."""
    url = conninfo.make_conninfo(server_url, dbname=name)
    size = sum(map(len, families))
    clones = max(1, round(wanted / size))
    with psycopg.connect(server_url, autocommit=True) as db:
        known = db.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if known is None:
        print(f"-- filling {name} with {clones * size:,} resources", flush=True)
        part = f"{name}_part"
        filling.fill(processes.new_database(server_url, part), families, clones, lambda text: print(text, flush=True))
        with psycopg.connect(server_url, autocommit=True) as db:
            db.execute(f'ALTER DATABASE "{part}" RENAME TO "{name}"')
    return Filled(url, clones * size, clones)


WORK: list[tuple[str, Callable[[Questions], list[bytes]], int]] = [
    ("read by id", lambda asked: asked.reads, 16),
    ("Observation of a patient and code, newest 20", lambda asked: asked.newest, 8),
    ("Patient by name prefix, a page of many", lambda asked: asked.surnames, 8),
    ("Patient by full name", lambda asked: asked.names, 8),
    ("Patient by identifier", lambda asked: asked.identifiers, 8),
    ("Observation by the patient's identifier", lambda asked: asked.chained, 8),
    ("create Observation", lambda asked: asked.creates, 16),
]


def compare(
    small: Filled, large: Filled, families: list[Family], rounds: int, seconds: float, only: str = ""
) -> list[float]:
    """Print a line for each kind of work whose name has `only` in it; the cost ratios."""
    count = 20_000
    asked = [questions(families, one.clones, count) for one in (small, large)]
    costs = []
    print(_HEAD, flush=True)
    with processes.ours(small.url) as one, processes.ours(large.url) as two:
        for name, of, clients in [work for work in WORK if only in work[0]]:
            sides = [(one, of(asked[0]), Result(0)), (two, of(asked[1]), Result(0))]
            for program, requests, _ in sides:
                uvloop.run(
                    client.run(program.port, lambda n, r=requests: r[-1 - n % len(r)], clients=clients, seconds=1)
                )
            at = 0
            ratios = []
            for round_ in range(rounds):
                done, rates = [], {}
                for program, requests, total in sides if round_ % 2 == 0 else reversed(sides):
                    make = lambda n, r=requests, at=at: r[(at + n) % len(r)]  # noqa: E731
                    result = uvloop.run(client.run(program.port, make, clients=clients, seconds=seconds))
                    done.append(sum(result.statuses.values()))
                    rates[program] = result.rate
                    figures.add(total, result)
                at += max(done)
                ratios.append(rates[one] / rates[two])
            costs.append(_line(name, *(figures.side(total) for _, _, total in sides), statistics.median(ratios)))
    return costs


def _line(name: str, small: figures.Side, large: figures.Side, cost: float) -> float:
    verdict = "met" if cost <= AIM else "MISSED"
    text = " ".join(f"{one.value:8,.0f} {one.p50:7.2f} {one.p99:7.2f}" for one in (small, large))
    refused = f"  refused: {small.failed}, {large.failed}" if small.failed or large.failed else ""
    sizes = f"{small.answer_bytes:6.0f} {large.answer_bytes:6.0f}"
    print(f"{name:48} {text} {sizes} {cost:6.2f}  ≤ {AIM} {verdict}{refused}", flush=True)
    return cost


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--resources", type=int, default=10_000_000, help="in the large database (default 10 million)")
    options.add_argument("--base", type=int, default=100_000, help="in the small database (default 100,000)")
    options.add_argument("--seconds", type=float, default=2, help="of each round (default 2)")
    options.add_argument("--rounds", type=int, default=8, help="of both in turns (default 8)")
    options.add_argument("--only", default="", help="work whose name has this in it")
    options.add_argument("--shared-buffers", default="2GB", help="PostgreSQL's cache (default 2GB)")
    options.add_argument("--folder", type=Path, help="keep the databases here, and use those that are there")
    given = options.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="jiankang-scale-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    print(f"{os.cpu_count()} cores, load before the run {os.getloadavg()[0]:.1f}", flush=True)
    try:
        families = multiplier.families()
        names = (f"r{given.base}", f"r{given.resources}")
        with processes.postgres(folder, shared_buffers=given.shared_buffers, fsync=False) as url:
            for name, wanted in zip(names, (given.base, given.resources), strict=True):
                filled(url, name, wanted, families)
        with processes.postgres(folder, shared_buffers=given.shared_buffers) as url:
            small, large = (
                filled(url, name, wanted, families)
                for name, wanted in zip(names, (given.base, given.resources), strict=True)
            )
            print(f"-- {small.resources:,} and {large.resources:,} resources")
            costs = compare(small, large, families, given.rounds, given.seconds, given.only)
            _sizes(large)
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if max(costs) > AIM else 0


def _sizes(large: Filled) -> None:
    total = 0
    for table, (own, indexes) in filling.table_sizes(large.url).items():
        total += own + indexes
        print(
            f"   {table:12} {own / large.resources:7.0f} bytes a resource, its indexes {indexes / large.resources:7.0f}"
        )
    print(f"   all          {total / large.resources:7.0f}; indexes were built at once, which makes them denser")


if __name__ == "__main__":
    sys.exit(main())
