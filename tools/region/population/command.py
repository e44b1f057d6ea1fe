"""Make a population: `python -m tools.region people --seed 7 --persons 1000000 --out FILE.csv.zst`."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from region.population.chunk import MOST
from region.population.mixes import MIXES, Mix
from region.population.output import FORMS, write

_ENDINGS = {".csv": "csv", ".ndjson": "ndjson"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file; the exit code."""
    options = argparse.ArgumentParser(prog="python -m tools.region people", description=__doc__)
    options.add_argument("--seed", type=int, default=1, help="another seed makes another population (default 1)")
    options.add_argument(
        "--persons", type=int, default=10_000, help=f"how many persons, at most {MOST:,} (default 10,000)"
    )
    options.add_argument(
        "--mix", choices=sorted(MIXES), default="natural", help="what they are made of (default natural)"
    )
    options.add_argument(
        "--faults", type=float, help="share of registrations written down wrongly, instead of the mix's"
    )
    options.add_argument(
        "--typing", type=float, help="of those, share by model A (typing); the others by model B (process)"
    )
    options.add_argument("--out", type=Path, required=True, help="FILE.csv or FILE.ndjson, with .zst to pack it")
    options.add_argument(
        "--form", choices=FORMS, help="rows as csv or ndjson, or FHIR Patients (default: as the name says)"
    )
    options.add_argument("--truth", type=Path, help="a CSV file for the persons themselves, with .zst to pack it")
    options.add_argument("--workers", type=int, default=1, help="processes to share the work (default 1)")
    given = options.parse_args(arguments)
    if not 0 <= given.persons <= MOST:
        options.error(f"--persons must be between 0 and {MOST:,}")
    form = given.form or _ENDINGS.get(Path(given.out.name.removesuffix(".zst")).suffix)
    if form is None:
        options.error("--out must end with .csv, .ndjson, .csv.zst or .ndjson.zst, or --form say what to write")
    mix = _changed(MIXES[given.mix], faults=given.faults, typing=given.typing)
    started = time.perf_counter()
    written = write(given.out, form, given.seed, given.persons, mix, given.workers, given.truth)
    seconds = time.perf_counter() - started
    print(
        f"{written:,} registrations of {given.persons:,} persons in {given.out}, {seconds:.1f} s ({written / seconds:,.0f}/s)",
        file=sys.stderr,
    )
    return 0


def _changed(mix: Mix, **shares: float | None) -> Mix:
    """The mix with other shares, where they are given."""
    return dataclasses.replace(
        mix, **cast("dict[str, Any]", {name: share for name, share in shares.items() if share is not None})
    )
