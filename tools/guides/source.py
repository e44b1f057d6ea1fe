"""Reads YAML whose every table knows the line of each of its keys, so that what is wrong can be pointed at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


class SourceError(Exception):
    """A source says what cannot be: told with file and line."""

    def __init__(self, text: str, place: str = "") -> None:
        super().__init__(f"{place}: {text}" if place else text)


class Table(dict[str, Any]):
    """A mapping of a source; scalars are strings as written."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__()
        self.file, self.line = file, line
        self.lines: dict[str, int] = {}

    def place(self, key: str | None = None) -> str:
        """File and line of the table, or of one of its keys."""
        return f"{self.file}:{self.lines.get(key or '', self.line)}"

    def error(self, text: str, key: str | None = None) -> SourceError:
        """What to raise when the table, or what it says under `key`, is wrong."""
        return SourceError(text, self.place(key))

    def need(self, key: str) -> Any:
        """What must be there."""
        if key not in self:
            raise self.error(f"`{key}` is missing")
        return self[key]

    def only(self, *known: str) -> None:
        """Nothing but these keys may be there."""
        for key in self:
            if key not in known:
                raise self.error(f"`{key}` is not known here; known are {', '.join(sorted(known))}", key)


def read(path: Path, root: Path) -> Table:
    """The table that a file holds."""
    name = path.relative_to(root).as_posix()
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}" if mark is not None else name
        raise SourceError(f"this is not YAML: {getattr(error, 'problem', None) or error}", place) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"this cannot be read: {error}", name) from None
    if not isinstance(node, yaml.MappingNode):
        raise SourceError("a table is expected", name)
    try:
        return _table(node, name)
    except RecursionError:
        raise SourceError("something here contains itself", name) from None


def _plain(node: yaml.Node, file: str) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_plain(each, file) for each in node.value]
    return _table(node, file) if isinstance(node, yaml.MappingNode) else node.value


def _table(node: yaml.MappingNode, file: str) -> Table:
    table = Table(file, node.start_mark.line + 1)
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in table:
            raise SourceError(f"`{name}` stands twice", f"{file}:{line}")
        table[name] = _plain(value, file)
        table.lines[name] = line
    return table
