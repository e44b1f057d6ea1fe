"""Every promised figure beside its floor, measured in the same run: `make bench`, or python bench/run.py --quick.

The floor is a bare ASGI or SQL program (bench/floors/) that does the same work with none of FHIR. Machines are noisy and
the client shares the cores with what it measures, so the ratio is the promise and the rate the aim.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

import figures
import inputs
import processes

_HEAD = (
    f"{'work':50} {'unit':>11} {'ours':>8} {'p50':>7} {'p99':>7} {'floor':>8} {'p50':>7} {'p99':>7} {'ratio':>6}  aim"
)


def line(figure: figures.Figure) -> str:
    """A figure as a row of the table."""

    def percentiles(one: figures.Side | None) -> str:
        return f"{one.p50:7.2f} {one.p99:7.2f}" if one and one.p50 is not None else f"{'':7} {'':7}"

    def number(one: figures.Side | None) -> str:
        return f"{'':8}" if one is None else f"{one.value:8.2f}" if one.value < 100 else f"{one.value:8,.0f}"

    ratio = f"{figure.ratio:6.2f}" if figure.ratio else f"{'':6}"
    sign = "≤" if figure.most else "≥"
    aim = "" if figure.aim is None else f"{sign} {figure.aim:,g} {'met' if figure.met else 'MISSED'}"
    text = (
        f"{figure.name:50} {figure.unit:>11} {number(figure.ours)} {percentiles(figure.ours)} "
        f"{number(figure.floor)} {percentiles(figure.floor)} {ratio}  {aim}"
    )
    failed = [
        f"{who}: {one.failed} refused"
        for who, one in (("ours", figure.ours), ("floor", figure.floor))
        if one and one.failed
    ]
    return "\n".join([text, *(f"    {note}" for note in figure.notes + failed)])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="less input, shorter rounds")
    options.add_argument("--only", action="append", choices=sorted(figures.ALL), help="only this; may be repeated")
    options.add_argument("--json", type=Path, help="write the figures into this file as well")
    given = options.parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load before the run {load:.1f}, input {inputs.source()}", flush=True)
    found = []
    with inputs.scratch() as scratch, processes.postgres() as url:
        ground = figures.prepared(url, Path(scratch), quick=given.quick)
        print(_HEAD, flush=True)
        for name in given.only or figures.ALL:
            figure = figures.ALL[name](ground)
            found.append({"key": name, **dataclasses.asdict(figure), "ratio": figure.ratio, "met": figure.met})
            print(line(figure), flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if any(one["ours"]["failed"] for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
