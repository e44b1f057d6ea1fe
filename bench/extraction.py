"""How fast search values are found, by type, with and without words: `python bench/extraction.py [bundles]`.

The input is Synthea's bundles in ../shared; caches are warm after the first of three rounds. Each figure is one core.
"""

from __future__ import annotations

import bz2
import sys
import time
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from jiankang.fhir.search import Registry
from jiankang.fhir.search.text import content_names, content_words, narrative_words

ROUNDS = 3
SYNTHEA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "synthea"


def resources(bundles: int) -> list[dict[str, Any]]:
    """The resources of the first bundles, references between them resolved as the store's transaction does."""
    decoder = msgspec.json.Decoder(float_hook=Decimal)
    found: list[dict[str, Any]] = []
    for path in sorted(SYNTHEA.glob("*.json.bz2"))[:bundles]:
        text = bz2.decompress(path.read_bytes())
        entries = decoder.decode(text)["entry"]
        names = {
            entry["fullUrl"].encode(): f"{entry['resource']['resourceType']}/{entry['resource']['id']}".encode()
            for entry in entries
        }
        for full_url, name in names.items():
            text = text.replace(b'"reference": "' + full_url + b'"', b'"reference": "' + name + b'"')
        found += [entry["resource"] for entry in decoder.decode(text)["entry"]]
    return found


def seconds(work: Any, inputs: list[Any]) -> float:
    """The least time of some rounds over all inputs."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for one in inputs:
            work(one)
        best = min(best, time.perf_counter() - begun)
    return best


def main() -> None:
    """Print the figures."""
    if not SYNTHEA.is_dir():
        print(f"nothing to measure: {SYNTHEA} is not there")
        return
    found = resources(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
    cold = Registry()
    begun = time.perf_counter()
    for one in found:
        cold.extract(one)
    first = time.perf_counter() - begun
    all_seconds = seconds(cold.extract, found)
    names = content_names()
    text_seconds = seconds(lambda one: (narrative_words(one), content_words(one, names)), found)
    print(f"{len(found)} resources; first round, compiling and filling caches: {len(found) / first:,.0f}/s")
    print(f"all values and words: {len(found) / all_seconds:,.0f}/s; of that words: {text_seconds / all_seconds:.0%}")
    by_type: dict[str, list[Any]] = defaultdict(list)
    for one in found:
        by_type[one["resourceType"]].append(one)
    for kind, some in sorted(by_type.items(), key=lambda pair: -len(pair[1])):
        print(f"  {kind:28} {len(some):6}  {seconds(cold.extract, some) / len(some) * 1e6:7.1f} us each")


if __name__ == "__main__":
    main()
