"""Copies the front end's parts out of node_modules: Tabler's style sheet, made dark where the reader's screen is, and htmx."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
STATIC = ROOT / "src" / "jiankang" / "ui" / "static"
DARK = "[data-bs-theme=dark]"
_RULE = re.compile(r"([^{}@;]+)\{([^{}]*)\}")
_MAP = re.compile(r"/\*# sourceMappingURL=[^*]*\*/")


def darkened(css: str) -> str:
    """The same style sheet whose dark theme is also in force, on a screen, for who prefers dark (no script asks for it)."""

    def both(rule: re.Match[str]) -> str:
        selectors = [_for_root(each) for each in rule[1].split(",") if _for_root(each)]
        if not selectors:
            return rule[0]
        return f"{rule[0]}@media screen and (prefers-color-scheme:dark){{{','.join(selectors)}{{{rule[2]}}}}}"

    return _RULE.sub(both, _MAP.sub("", css))


def _for_root(selector: str) -> str:
    plain = selector.strip().removeprefix(":root")
    return f":root{plain.removeprefix(DARK)}" if plain.startswith(DARK) else ""


def main() -> None:
    STATIC.mkdir(parents=True, exist_ok=True)
    css = (MODULES / "@tabler" / "core" / "dist" / "css" / "tabler.min.css").read_text()
    (STATIC / "tabler.css").write_text(darkened(css))
    (STATIC / "htmx.js").write_bytes((MODULES / "htmx.org" / "dist" / "htmx.min.js").read_bytes())


if __name__ == "__main__":
    main()
