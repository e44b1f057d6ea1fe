"""Make people of Chengmai and their records: `python tools/region/generate.py --people 60 --seed 1 --out DIR`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from region.writing import write_bundles, write_ndjson


def main(arguments: list[str] | None = None) -> int:
    """Write the files; the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=60, help="how many residents and visitors (default 60)")
    options.add_argument("--seed", type=int, default=1, help="another seed makes another region (default 1)")
    options.add_argument("--out", type=Path, required=True, help="folder to write into; made when missing")
    options.add_argument("--format", choices=["bundles", "ndjson"], default="bundles")
    given = options.parse_args(arguments)
    if given.people < 0:
        options.error("--people must not be negative")
    started = time.perf_counter()
    written = (write_ndjson if given.format == "ndjson" else write_bundles)(given.out, given.people, given.seed)
    seconds = time.perf_counter() - started
    print(
        f"{written} resources about {given.people} people in {given.out} ({written / seconds:,.0f}/s)", file=sys.stderr
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
