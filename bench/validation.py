"""How fast resources are validated in full, on one core, by type: `python bench/validation.py [bundles]`.

The input is Synthea's bundles in ../shared; rules are compiled in the first of three rounds. Beside it stands the check of
structure alone, and what starting and knowing all rules cost a process.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from extraction import SYNTHEA, resources, seconds


def memory() -> float:
    """Megabytes that this process alone has (PSS)."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main() -> None:
    """Print the figures."""
    if not SYNTHEA.is_dir():
        print(f"nothing to measure: {SYNTHEA} is not there")
        return
    began, before = time.perf_counter(), memory()
    from jiankang.fhir.structure import check
    from jiankang.fhir.validation import Validator

    validator = Validator()
    validator.validate({"resourceType": "Patient"})
    print(f"start: {time.perf_counter() - began:.2f} s, {memory() - before:.0f} MB")
    found = resources(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
    before = memory()
    whole = seconds(validator.validate, found)
    print(f"all rules of {len({one['resourceType'] for one in found})} types known: {memory() - before:.0f} MB more")
    print(
        f"full validation {len(found) / whole:,.0f} resources/s, structure alone {len(found) / seconds(check, found):,.0f}"
    )
    by_type: dict[str, list[Any]] = defaultdict(list)
    for one in found:
        by_type[one["resourceType"]].append(one)
    for name, some in sorted(by_type.items(), key=lambda item: -len(item[1])):
        print(f"   {name:24} {len(some):6} {len(some) / seconds(validator.validate, some):9,.0f} /s")


if __name__ == "__main__":
    main()
