"""Implementation guides that come with the platform, as FHIR packages (https://hl7.org/fhir/packages.html).

`tools/guide.py` builds them from `ig/` when the house is set up; they need no network.
"""

from __future__ import annotations

from pathlib import Path

BUILT = Path(__file__).parent / "built"


def own_packages() -> dict[str, Path]:
    """Packages that come along by name (`cn-hainan`): their .tgz files. Empty where `make setup` was not run."""
    return {path.stem: path for path in sorted(BUILT.glob("*.tgz"))}
