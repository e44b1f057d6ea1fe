"""Trains the model that we ship: `python tools/identity_weights.py` writes data/weights.json and its SHA-256 into weights.py.

Some minutes on one core; the same population, Splink and DuckDB give the same file.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import msgspec
import splink

from jiankang.foundation.identity import Normaliser
from jiankang.foundation.identity.training.model import Effort, train
from jiankang.foundation.identity.training.tables import Packed, connect, load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
IDENTITY = ROOT / "src" / "jiankang" / "foundation" / "identity"
TODAY = "20261123"
PROVINCE = 1e-7
"""26 million registrations of 10 million people, as `tools/region` makes them: 35 million pairs of 3.4e14 are one person."""


def records(seed: int, persons: int) -> Iterator[Packed]:
    """What sources wrote about a made-up population."""
    sys.path.insert(0, str(ROOT / "tools"))
    from region.population import NATURAL, registrations

    normaliser = Normaliser(TODAY)
    for number, row in enumerate(registrations(seed=seed, count=persons, mix=NATURAL)):
        yield Packed(number, msgspec.msgpack.encode(normaliser.row(row._asdict())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--persons", type=int, default=120_000)
    parser.add_argument("--random-pairs", type=float, default=2e7)
    parser.add_argument("--prior", type=float, default=PROVINCE, help="that two registrations are one person")
    parser.add_argument("--out", type=Path, help="write here, and leave the shipped model as it is")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        db = connect(Path(room), threads=1)
        count = load(db, records(given.seed, given.persons))
        made = (
            f"Splink {splink.__version__} and DuckDB {duckdb.__version__} on {count} registrations of {given.persons} "
            f"made-up people (tools/region, natural mix, seed {given.seed}), with the prior of a province of 10 million"
        )
        effort = Effort(random_pairs=given.random_pairs, learning_pairs=2e6, seed=given.seed, prior=given.prior)
        content = train(db, made=made, say=print, effort=effort)
        db.close()
    if given.out:
        given.out.write_bytes(content)
        return
    (IDENTITY / "data" / "weights.json").write_bytes(content)
    code = (IDENTITY / "weights.py").read_text("utf-8")
    digest = hashlib.sha256(content).hexdigest()
    (IDENTITY / "weights.py").write_text(re.sub(r'SHIPPED = "\w+"', f'SHIPPED = "{digest}"', code), "utf-8")


if __name__ == "__main__":
    main()
