"""Who is who among a million registrations, all at once: train, predict, cluster (DuckDB).

    python bench/batch.py --people 390000 --seed 21

People are of tools/region (natural mix); making them and making them comparable is not measured. Aim: 90 s, 4 GB.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from jiankang.foundation.identity import Normaliser, read_weights
from jiankang.foundation.identity.training.batch import match
from jiankang.foundation.identity.training.clustering import cluster
from jiankang.foundation.identity.training.model import train
from jiankang.foundation.identity.training.tables import Packed, connect, load

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from region.population import NATURAL, registrations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=390_000, help="of 2.57 registrations each")
    parser.add_argument("--seed", type=int, default=21)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        packed = Path(room) / "packed"
        count = write(packed, given.seed, given.people)
        times = [("", time.perf_counter())]

        def step(words: str) -> None:
            times.append((words, time.perf_counter()))
            print(f"{times[-1][1] - times[-2][1]:8.1f} s  {words}", flush=True)

        db = connect(Path(room))
        load(db, read(packed), workers=2)
        step(f"{count:,} registrations loaded, with their keys")
        weights = read_weights(train(db, made="a measurement", say=lambda _: None))
        step("trained")
        match(db, weights, say=lambda _: None)
        step("pairs found, scored and judged")
        persons = cluster(db, weights)
        step(f"{persons:,} persons (in truth {given.people:,})")
        db.close()
    used = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + 2 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    )
    print(f"{times[-1][1] - times[0][1]:8.1f} s  together (aim ≤ 90 s); at most {used / 2**20:.1f} GB (aim ≤ 4 GB)")


def write(path: Path, seed: int, people: int) -> int:
    """Comparable records as the index keeps them, one after another, each below its length."""
    normaliser = Normaliser("20261123")
    count = 0
    with path.open("wb") as file:
        for row in registrations(seed=seed, count=people, mix=NATURAL):
            content = msgspec.msgpack.encode(normaliser.row(row._asdict()))
            file.write(len(content).to_bytes(4, "big") + content)
            count += 1
    return count


def read(path: Path):
    """They again, with numbers."""
    with path.open("rb") as file:
        number = 0
        while head := file.read(4):
            yield Packed(number, file.read(int.from_bytes(head, "big")))
            number += 1


if __name__ == "__main__":
    main()
