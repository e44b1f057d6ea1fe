"""Builds our implementation guide: the package that comes with the platform, and docs/cn-hainan.

    python tools/guide.py            # write both
    python tools/guide.py --package  # the package only, as `make setup` does
    python tools/guide.py --check    # only say whether the sources are right

Sources: ig/cn-hainan. A wrong source stops the build with its file and line.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from guides import SourceError, archive, build, check, pages  # noqa: E402 - the source tree may not be installed yet
from jiankang.fhir.guides import BUILT  # noqa: E402

SOURCE = ROOT / "ig" / "cn-hainan"
DOCS = ROOT / "docs" / "cn-hainan"


def main() -> int:
    """Build, or say what is wrong and where."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--package", action="store_true", help="write the package only")
    wanted = parser.parse_args()
    began = time.perf_counter()
    try:
        guide = build(SOURCE, ROOT)
        check(guide.examples, guide.validator, f"{SOURCE.relative_to(ROOT)}/examples")
    except SourceError as error:
        print(f"guide: {error}", file=sys.stderr)
        return 1
    told = (
        f"{len(guide.resources)} resources, {len(guide.examples.right)} examples in {time.perf_counter() - began:.1f} s"
    )
    if not wanted.check:
        BUILT.mkdir(parents=True, exist_ok=True)
        (BUILT / f"{guide.words.id}.tgz").write_bytes(archive(guide))
    if not wanted.check and not wanted.package:
        _write_pages(pages(guide))
    print(f"guide: {guide.words.id} {guide.words.version}, {told}")
    return 0


def _write_pages(texts: dict[str, str]) -> None:
    DOCS.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (DOCS / name).write_text(text, encoding="utf-8")
    for path in DOCS.glob("*.md"):
        if path.name not in texts:
            path.unlink()


if __name__ == "__main__":
    raise SystemExit(main())
