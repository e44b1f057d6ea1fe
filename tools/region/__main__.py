"""`python -m tools.region people …` makes a population, `python -m tools.region records …` the records of a few people."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> int:
    """Hands over to the command that the first word names."""
    word, arguments = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if word == "people":
        from region.population.command import main as people

        return people(arguments)
    if word == "records":
        from region.generate import main as records

        return records(arguments)
    print(__doc__, file=sys.stderr)
    return 0 if word in {"-h", "--help"} else 2


if __name__ == "__main__":
    raise SystemExit(main())
