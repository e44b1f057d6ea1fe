"""One measured line each: ours and its floor in turns, on the same machine, in the same minutes."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import psycopg
import uvloop

import client
import extraction
import fhirpath
import inputs
import processes
from client import Result
from jiankang.fhir.path import compile_path
from jiankang.fhir.search import Registry
from jiankang.kernel.jsontext import decode, encode


@dataclass
class Side:
    """What one of the two programs did: a rate per second, percentiles in ms, or a plain figure."""

    value: float
    p50: float | None = None
    p99: float | None = None
    failed: int = 0
    answer_bytes: float = 0


@dataclass
class Figure:
    """A line of the table. `aim` is a least value, or with `most` a greatest; None where nothing is promised."""

    name: str
    unit: str
    aim: float | None
    ours: Side
    floor: Side | None = None
    most: bool = False
    notes: list[str] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """Ours in parts of the floor (of two costs, how many times the floor's): the median of the rounds."""
        if self.ratios:
            return statistics.median(self.ratios)
        return self.ours.value / self.floor.value if self.floor and self.floor.value else None

    @property
    def met(self) -> bool:
        if self.aim is None:
            return True
        return self.ours.value <= self.aim if self.most else self.ours.value >= self.aim


@dataclass
class Ground:
    """What the figures stand on: a PostgreSQL server, loaded databases, inputs, and how long to measure."""

    server_url: str
    scratch: Path
    bundles: Path
    quick: bool
    ours_url: str = ""
    floor_url: str = ""
    files: list[Path] = field(default_factory=list)
    samples: inputs.Samples = field(default_factory=inputs.Samples)

    @property
    def rounds(self) -> int:
        return 4 if self.quick else 8

    @property
    def seconds(self) -> float:
        return 0.8 if self.quick else 2


def prepared(server_url: str, scratch: Path, *, quick: bool) -> Ground:
    """Load the input into a database of ours and into one of the floor's."""
    ground = Ground(server_url, scratch, inputs.folder(quick, scratch / "bundles"), quick)
    ground.ours_url = processes.new_database(server_url, "ours")
    run_ours("load", str(ground.bundles), "--database-url", ground.ours_url)
    ground.files = inputs.exported(ground.ours_url, scratch / "ndjson")
    ground.samples = inputs.samples(inputs.lines_of(ground.files))
    ground.floor_url = processes.new_database(server_url, "floor", migrated=False)
    with processes.floor(ground.floor_url):
        inputs.fill_floor(ground.floor_url, inputs.lines_of(ground.files))
    return ground


def run_ours(*arguments: str, **settings: str) -> str:
    """A command of `jiankang`; what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "jiankang.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **{f"JIANKANG_{name.upper()}": value for name, value in settings.items()}},
    )
    if done.returncode:
        raise SystemExit(f"jiankang {' '.join(arguments)}: {done.stderr[-2000:]}")
    return done.stderr


Make = Callable[[int], bytes]


def in_turns(
    name: str,
    aim: float,
    ground: Ground,
    ours: Make,
    floor: Make,
    *,
    clients: int = 16,
    urls: tuple[str, str] | None = None,
) -> Figure:
    """Requests for some seconds each in turns, ours and the floor's."""
    ours_url, floor_url = urls or (ground.ours_url, ground.floor_url)
    with processes.ours(ours_url) as one, processes.floor(floor_url) as two:
        sides = ((one, ours, Result(0)), (two, floor, Result(0)))
        for program, make, _ in sides:
            uvloop.run(client.run(program.port, make, clients=clients, seconds=1))
        ratios = []
        for round_ in range(ground.rounds):
            rates = {}
            for program, make, total in sides if round_ % 2 == 0 else reversed(sides):
                result = uvloop.run(client.run(program.port, make, clients=clients, seconds=ground.seconds))
                rates[program] = result.rate
                add(total, result)
            ratios.append(rates[one] / rates[two])
    return Figure(name, "/s", aim, side(sides[0][2]), side(sides[1][2]), ratios=ratios)


def add(total: Result, more: Result) -> None:
    total.seconds += more.seconds
    total.latencies += more.latencies
    total.received_bytes += more.received_bytes
    for status, count in more.statuses.items():
        total.statuses[status] = total.statuses.get(status, 0) + count


def side(result: Result, each: float = 1) -> Side:
    failed = sum(count for status, count in result.statuses.items() if status >= 400)
    size = result.received_bytes / max(1, sum(result.statuses.values()))
    return Side(result.rate * each, result.percentile(0.5), result.percentile(0.99), failed, size)


# -- the lines of the table ------------------------------------------------------------------------------------------


def bundles(ground: Ground) -> Figure:
    """Transaction bundles, posted one after another by four clients."""
    found = inputs.bundles(ground.bundles)
    urls = (
        processes.new_database(ground.server_url, "ours_bundles"),
        processes.new_database(ground.server_url, "floor_bundles", migrated=False),
    )
    each = sum(count for count, _ in found) / len(found)
    ours = [client.post("/fhir", raw) for _, raw in found]
    floor = [client.post("/bundle", raw) for _, raw in found]
    indexed = [client.post("/indexed", raw) for _, raw in found]
    with processes.ours(urls[0]) as one, processes.floor(urls[1]) as two:
        sides = ((one, ours, Result(0)), (two, floor, Result(0)), (two, indexed, Result(0)))
        for program, made, _ in sides:  # first alone: others refer to it; then half of them, to warm up
            uvloop.run(client.run(program.port, lambda n, made=made: made[n], clients=1, count=1))
            uvloop.run(client.run(program.port, lambda n, made=made: made[n + 1], clients=4, count=len(found) // 2))
        for round_ in range(1 if ground.quick else 3):
            for program, made, total in sides if round_ % 2 == 0 else reversed(sides):
                add(
                    total,
                    uvloop.run(client.run(program.port, lambda n, made=made: made[n], clients=4, count=len(made))),
                )
    figure = Figure(
        f"{inputs.source()} bundles over HTTP", "resources/s", 3000, side(sides[0][2], each), side(sides[1][2], each)
    )
    narrow = side(sides[2][2], each)
    figure.notes = [
        f"{len(found)} bundles of {each:.0f} resources, 4 clients; percentiles are of whole bundles",
        "the floor decodes each resource and inserts all bodies of a bundle in one statement; ratio aim ≥ 0.5",
        f"a floor that also indexes each code, reference and date it meets: {narrow.value:,.0f}/s, ours in parts of it {figure.ours.value / narrow.value:.2f}",
    ]
    return figure


def load(ground: Ground) -> Figure:
    """NDJSON by `jiankang load`, two processes."""
    folder = ground.scratch / "ndjson"
    rates = []
    for _ in range(2):
        url = processes.new_database(ground.server_url, "ours_load")
        said = run_ours("load", str(folder), "--database-url", url)
        mine_rate = float(said.split("/s)")[-2].rsplit("(", 1)[1])
        bare = processes.new_database(ground.server_url, "floor_load", migrated=False)
        command = [sys.executable, str(processes.BENCH / "floors" / "loading.py"), "--database-url", bare, str(folder)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rates.append((mine_rate, float(told.rsplit("(", 1)[1].split("/s")[0])))
    mine, bare = (max(one) for one in zip(*rates, strict=True))
    figure = Figure("load of NDJSON, 2 processes", "resources/s", 5000, Side(mine), Side(bare))
    figure.notes = [
        "best of 2; start of processes, dictionary, indexes and VACUUM included; the floor decodes the lines and copies bodies alone",
        *(["short input: the start of the processes weighs, the whole input says more"] if ground.quick else []),
        f"PostgreSQL alone, copying the very rows of ours into all indexes with 2 connections: {rows_alone(ground):,.0f}/s",
    ]
    return figure


def validated(ground: Ground) -> Figure:
    """The same load with full validation, and with the shape alone, in turns."""
    rates: dict[str, list[float]] = {"flag": [], "shape": []}
    for _ in range(1 if ground.quick else 3):
        for policy, found in rates.items():
            url = processes.new_database(ground.server_url, f"ours_{policy}")
            said = run_ours("load", str(ground.scratch / "ndjson"), "--database-url", url, validation=policy)
            found.append(float(said.split("/s)")[-2].rsplit("(", 1)[1]))
    full, shape = (max(found) for found in rates.values())
    figure = Figure("load of NDJSON, validated in full", "resources/s", None, Side(full), Side(shape))
    figure.notes = ["best of 3; here the floor is ours with JIANKANG_VALIDATION=shape; ratio aim ≥ 0.75"]
    return figure


_TABLES = ("resource", "idx", "str", "span", "quantity", "change", "vocabulary")
_PIECES = 16


def rows_alone(ground: Ground) -> float:
    """Resources per second at which PostgreSQL takes the rows that a load made, in transactions of some thousands."""
    url = processes.new_database(ground.server_url, "rows_alone")
    with psycopg.connect(ground.ours_url) as db:
        count = db.execute("SELECT count(*) FROM resource").fetchone()[0]
        pieces = [[copied_out(db, table, piece) for table in _TABLES] for piece in range(_PIECES)]
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda half: copy_in(url, pieces[half::2]), range(2)))
    return float(count / (time.perf_counter() - started))


def copied_out(db: psycopg.Connection, table: str, piece: int) -> tuple[str, bytes]:
    """A part of a table's rows and the statement that takes them in again."""
    query = """SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = ''"""
    columns = db.execute(query, (table,)).fetchone()[0]
    key = "entry" if table == "vocabulary" else "rid"
    chosen = f"SELECT {columns} FROM {table} WHERE ({key} >> 8) & {_PIECES - 1} = {piece}"
    with db.cursor().copy(f"COPY ({chosen}) TO STDOUT (FORMAT BINARY)") as copy:
        return f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)", b"".join(bytes(part) for part in copy)


def copy_in(url: str, pieces: list[list[tuple[str, bytes]]]) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        for piece in pieces:
            with db.transaction():
                for statement, data in piece:
                    with db.cursor().copy(statement) as copy:
                        copy.write(data)


def create(ground: Ground) -> Figure:
    """New Observations into copies of the loaded databases."""
    made = ground.samples.creates
    ours = [client.post("/fhir/Observation", raw) for raw in made]
    floor = [client.post("/doc", raw) for raw in made]
    urls = processes.copied(ground.ours_url, "ours_create"), processes.copied(ground.floor_url, "floor_create")
    return in_turns(
        "create Observation, 16 clients", 1200, ground, lambda n: ours[n % len(ours)], lambda n: floor[n % len(floor)],
        urls=urls,
    )  # fmt: skip


def read(ground: Ground) -> Figure:
    ids = ground.samples.reads
    ours = [client.get(f"/fhir/{type_name}/{id_}") for type_name, id_ in ids]
    floor = [client.get(f"/doc/{id_}") for _, id_ in ids]
    return in_turns(
        "read by id, 16 clients", 6000, ground, lambda n: ours[n % len(ours)], lambda n: floor[n % len(floor)]
    )


def asked(name: str, ground: Ground, questions: list[tuple[str, str]]) -> Figure:
    """Searches by eight clients: (our path, the floor's path). Both must find as much."""
    with processes.ours(ground.ours_url) as one, processes.floor(ground.floor_url) as two:
        for mine, bare in questions[:25]:
            counts = [entries(program.port, path) for program, path in ((one, mine), (two, bare))]
            if counts[0] != counts[1]:
                raise SystemExit(f"{name}: {mine} finds {counts[0]}, the floor's {bare} {counts[1]}")
    ours = [client.get(mine) for mine, _ in questions]
    floor = [client.get(bare) for _, bare in questions]
    return in_turns(name, 2000, ground, lambda n: ours[n % len(ours)], lambda n: floor[n % len(floor)], clients=8)


def entries(port: int, path: str) -> int:
    """How many resources a search's answer holds."""
    with urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return len(json.loads(answer.read()).get("entry", ()))


def q(text: str) -> str:
    return quote(text, safe=":/|")


def newest(ground: Ground) -> Figure:
    questions = [
        (
            f"/fhir/Observation?patient={who}&code={q(f'{system}|{code}')}&_sort=-date&_count=20",
            f"/code?patient={who}&code={q(f'{system}|{code}')}",
        )
        for who, system, code in ground.samples.codes
    ]
    figure = asked("Observation of a patient and code, newest 20", ground, questions)
    figure.notes = ["p99 aim ≤ 20 ms"]
    return figure


def name_prefix(ground: Ground) -> Figure:
    questions = [(f"/fhir/Patient?name={q(name)}&_count=20", f"/name?q={q(name)}") for name in ground.samples.names]
    return asked("Patient by name prefix", ground, questions)


def identifier(ground: Ground) -> Figure:
    questions = [
        (f"/fhir/Patient?identifier={q(f'{system}|{value}')}", f"/identifier?system={q(system)}&value={q(value)}")
        for system, value in ground.samples.identifiers
    ]
    return asked("Patient by identifier", ground, questions)


def chained(ground: Ground) -> Figure:
    questions = [
        (
            f"/fhir/Observation?subject:Patient.identifier={q(f'{system}|{value}')}&_count=20",
            f"/chain?system={q(system)}&value={q(value)}",
        )
        for system, value in ground.samples.identifiers
    ]
    return asked("Observation by the patient's identifier (chained)", ground, questions)


def disk(ground: Ground) -> Figure:
    """Bytes per resource of a database that was loaded and vacuumed, without what an empty one has."""
    empty = processes.new_database(ground.server_url, "ours_empty")
    bare = processes.new_database(ground.server_url, "floor_empty", migrated=False)
    ours, count = size(ground.ours_url, "resource")
    floor, docs = size(ground.floor_url, "doc")
    figure = Figure("disk of a resource, with indexes and history", "bytes", 2500, Side(0), Side(0), most=True)
    figure.ours = Side((ours - size(empty, None)[0]) / count)
    figure.floor = Side((floor - size(bare, None)[0]) / docs)
    figure.notes = [
        f"{count} resources, {ours / 1e6:.0f} MB with PostgreSQL's own catalogues; WAL not counted",
        "the floor keeps bodies as they are, without compression, and the four narrow indexes",
    ]
    return figure


def size(url: str, table: str | None) -> tuple[int, int]:
    with psycopg.connect(url, autocommit=True) as db:
        if table:
            db.execute("VACUUM ANALYZE")
        count = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] if table else 0
        return db.execute("SELECT pg_database_size(current_database())").fetchone()[0], count


def start(ground: Ground) -> Figure:
    """From an empty folder to the first answer, the database and its schema made on the way."""
    taken: dict[str, list[float]] = {"ours": [], "floor": []}
    for number in range(3):
        for name, begin, path in (
            ("ours", processes.ours, "/fhir/Patient?_count=1"),
            ("floor", processes.floor, "/name?q=x"),
        ):
            folder = ground.scratch / f"{name}-{number}"
            with begin(None, folder) as program:
                uvloop.run(client.run(program.port, lambda _, path=path: client.get(path), clients=1, count=1))
                taken[name].append(time.perf_counter() - program.started)
            shutil.rmtree(folder, ignore_errors=True)
    sides = [Side(sorted(times)[len(times) // 2]) for times in taken.values()]
    figure = Figure("from nothing to the first answer", "s", 5, *sides, most=True)
    figure.notes = ["median; the floor is initdb, PostgreSQL and the bare program"]
    return figure


def memory(ground: Ground) -> Figure:
    """Memory of a server with its own PostgreSQL that answered some requests and then rests."""
    sides, notes = [], []
    for name, begin, path in (
        ("ours", processes.ours, "/fhir/Patient?_count=1"),
        ("floor", processes.floor, "/name?q=x"),
    ):
        folder = ground.scratch / f"{name}-memory"
        with begin(None, folder) as program:
            uvloop.run(client.run(program.port, lambda _, path=path: client.get(path), clients=4, count=200))
            time.sleep(3)
            parts = processes.memory_mb(program.pid)
        shutil.rmtree(folder, ignore_errors=True)
        sides.append(Side(sum(parts.values())))
        notes.append(f"{name}: Python {parts['python']:.0f} MB, PostgreSQL {parts['postgres']:.0f} MB")
    return Figure("memory of an idle server, 2 workers (PSS)", "MB", 250, *sides, most=True, notes=notes)


def extracting(ground: Ground) -> Figure:
    """Search values of resources, alone on one core (bench/extraction.py says it by type)."""
    found = [decode(line) for line in itertools.islice(inputs.lines_of(ground.files), 5_000)]
    seconds = extraction.seconds(Registry().extract, found)
    bare = extraction.seconds(decode, [encode(one) for one in found])
    figure = Figure("search values of a resource, 1 core", "resources/s", None, Side(len(found) / seconds))
    figure.notes = [f"decoding the JSON text, for comparison: {len(found) / bare:,.0f}/s"]
    return figure


def paths(_: Ground) -> Figure:
    """FHIRPath beside plain Python (bench/fhirpath.py says more)."""
    expression, type_name, resource, most = fhirpath.CASES[0]
    path = compile_path(expression, type_name=type_name)
    ours = fhirpath.measure(lambda: path.values(resource))
    bare = fhirpath.measure(lambda: resource.get("code"))
    return Figure(f"FHIRPath {expression}", "µs", most, Side(ours), Side(bare), most=True)


ALL: dict[str, Callable[[Ground], Figure]] = {
    "bundles": bundles, "load": load, "validated": validated, "create": create, "read": read, "newest": newest, "name": name_prefix,
    "identifier": identifier, "chained": chained, "disk": disk, "start": start, "memory": memory,
    "extraction": extracting, "fhirpath": paths,
}  # fmt: skip
