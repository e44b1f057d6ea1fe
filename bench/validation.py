"""How fast resources are validated, by type, and what the definitions cost: `python bench/validation.py [bundles]`.

The input is Synthea's bundles in ../shared. Everything is on: shape, invariants, bindings, references, extensions, the
norm's own profiles where resources claim them, advice. Each figure is the best of three rounds on one core. The start is
measured in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from typing import Any

import extraction
from jiankang.fhir import structure
from jiankang.fhir.validation import Validator

START = """
import time, resource
began = time.perf_counter()
from jiankang.fhir.validation import validate
imported = time.perf_counter() - began
validate({"resourceType": "Observation", "status": "final", "code": {"text": "x"}})
first = time.perf_counter() - began - imported
print(f"{imported:.3f} {first:.3f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
"""


def rate(work: Any, inputs: list[Any]) -> float:
    """Inputs a second."""
    return len(inputs) / extraction.seconds(work, inputs)


def start() -> tuple[float, float, int]:
    """Seconds to import, seconds to the first answer, megabytes held."""
    told = subprocess.run([sys.executable, "-c", START], check=True, capture_output=True, text=True).stdout.split()
    return float(told[0]), float(told[1]), int(told[2])


def main() -> None:
    """Print the figures."""
    if not extraction.SYNTHEA.is_dir():
        print(f"nothing to measure: {extraction.SYNTHEA} is not there")
        return
    imported, first, megabytes = start()
    print(f"start: {imported:.3f} s to import, {first:.3f} s to the first answer, {megabytes} MB")
    found = extraction.resources(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
    validator = Validator()
    begun = time.perf_counter()
    for each in found:
        validator.validate(each)
    print(f"{len(found)} resources; the first round, compiling included, {time.perf_counter() - begun:.2f} s")
    print(f"shape alone {rate(structure.check, found):10,.0f}/s")
    print(f"everything  {rate(validator.validate, found):10,.0f}/s")
    advised = rate(lambda each: validator.validate(each, best_practice=True), found)
    print(f"with advice {advised:10,.0f}/s")
    by_type: dict[str, list[Any]] = defaultdict(list)
    for each in found:
        by_type[each["resourceType"]].append(each)
    for name, some in sorted(by_type.items(), key=lambda pair: -len(pair[1])):
        print(f"{name:28}{len(some):6}{rate(validator.validate, some):12,.0f}/s")


if __name__ == "__main__":
    main()
