"""What the measured programs are fed: real Synthea bundles when they are there, else people of our generator."""

from __future__ import annotations

import bz2
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from jiankang.fhir.search import normalise_string
from jiankang.kernel.jsontext import encode
from processes import BENCH

ROOT = BENCH.parent
SYNTHEA = ROOT.parent / "shared" / "data" / "synthea"
GENERATOR = ROOT / "tools" / "region" / "generate.py"


def source() -> str:
    """Which input is used."""
    return "Synthea" if SYNTHEA.is_dir() else "tools/region"


def folder(quick: bool, made: Path) -> Path:
    """A folder of bundles: all, or about a quarter of them; made in `made` where needed."""
    if SYNTHEA.is_dir():
        if not quick:
            return SYNTHEA
        made.mkdir(parents=True, exist_ok=True)
        for path in sorted(SYNTHEA.glob("*.json.bz2"))[:16]:
            (made / path.name).symlink_to(path)
        return made
    people = "240" if quick else "900"
    subprocess.run([sys.executable, str(GENERATOR), "--people", people, "--out", str(made)], check=True)
    return made


def bundles(where: Path) -> list[tuple[int, bytes]]:
    """Each Bundle with how many resources it has; those that others refer to first."""
    found = []
    for path in sorted(where.iterdir()):
        raw = bz2.decompress(path.read_bytes()) if path.suffix == ".bz2" else path.read_bytes()
        found.append((len(msgspec.json.decode(raw)["entry"]), raw))
    return found


@dataclass
class Samples:
    """Questions whose answers are in the data, and observations to create anew."""

    reads: list[tuple[str, str]] = field(default_factory=list)
    codes: list[tuple[str, str, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    identifiers: list[tuple[str, str]] = field(default_factory=list)
    creates: list[bytes] = field(default_factory=list)


def samples(lines: Iterable[bytes], most: int = 3_000) -> Samples:
    """Samples from all over the resources."""
    rng = random.Random(1)
    found = Samples()
    for line in lines:
        one = msgspec.json.decode(line, type=dict)
        type_name = one["resourceType"]
        found.reads.append((type_name, one["id"]))
        if type_name == "Patient":
            found.names += [normalise_string(name["family"])[:4] for name in one.get("name", ()) if name.get("family")]
            found.identifiers += [(i["system"], i["value"]) for i in one.get("identifier", ()) if "system" in i]
        elif type_name == "Observation" and "effectiveDateTime" in one and one.get("code", {}).get("coding"):
            coding = one["code"]["coding"][0]
            found.codes.append((one["subject"]["reference"].removeprefix("Patient/"), coding["system"], coding["code"]))
            if len(found.creates) < most:
                found.creates.append(encode({k: v for k, v in one.items() if k not in ("id", "meta", "encounter")}))
    for some in (found.reads, found.codes, found.names, found.identifiers, found.creates):
        rng.shuffle(some)
        del some[most:]
    return found


def fill_floor(database_url: str, lines: Iterable[bytes]) -> None:
    """The same bodies and what the floor's questions need, by COPY."""
    tables: dict[str, list[tuple[Any, ...]]] = {"doc": [], "obs": [], "patient_name": [], "ident": []}
    for line in lines:
        one = msgspec.json.decode(line, type=dict)
        id_, type_name = one["id"], one["resourceType"]
        tables["doc"].append((id_, line.rstrip(b"\n")))
        if type_name == "Patient":
            for name in one.get("name", ()):
                texts = [name.get("family"), name.get("text"), *name.get("given", ())]
                tables["patient_name"] += [(normalise_string(text), id_) for text in texts if text]
            tables["ident"] += [(i.get("system", ""), i["value"], id_) for i in one.get("identifier", ())]
        elif type_name == "Observation" and one.get("subject"):
            patient = one["subject"]["reference"].removeprefix("Patient/")
            for coding in one["code"].get("coding", ()):
                tables["obs"].append(
                    (patient, f"{coding['system']}|{coding['code']}", one.get("effectiveDateTime", ""), id_)
                )
    with psycopg.connect(database_url, autocommit=True) as db:
        for table, rows in tables.items():
            with db.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            db.execute(f"VACUUM ANALYZE {table}")


def exported(database_url: str, out: Path) -> list[Path]:
    """The record as NDJSON files."""
    command = [sys.executable, "-m", "jiankang.cli", "export", "--out", str(out), "--database-url", database_url]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"export: {done.stderr[-2000:]}")
    return sorted(out.glob("*.ndjson"))


def lines_of(files: Iterable[Path]) -> Iterable[bytes]:
    """All lines."""
    for path in files:
        with path.open("rb") as source_:
            yield from source_


def scratch() -> tempfile.TemporaryDirectory:
    """A folder that is thrown away."""
    return tempfile.TemporaryDirectory(prefix="jiankang-bench-")
