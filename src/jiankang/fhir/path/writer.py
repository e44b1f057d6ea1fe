"""Writes Python source line by line."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Writer:
    """Collects statements, and the constants that they use by name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self.indent = 1
        self.loops = 0
        self.names = 0

    def line(self, text: str) -> None:
        """Add a statement."""
        self.lines.append("    " * self.indent + text)

    def new(self, prefix: str = "v") -> str:
        """A name not used so far."""
        self.names += 1
        return f"{prefix}{self.names}"

    def set(self, expression: str) -> str:
        """A new variable with the value of a Python expression."""
        name = self.new()
        self.line(f"{name} = {expression}")
        return name

    def constant(self, value: Any) -> str:
        """A name for a value that the code uses."""
        name = self.new("k")
        self.constants[name] = value
        return name

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Statements under a header."""
        self.line(header)
        self.indent += 1
        try:
            yield
        finally:
            self.indent -= 1

    def source(self, header: str) -> str:
        """The function with this header."""
        return "\n".join([header, *self.lines])


def build(source: str, expression: str, names: dict[str, Any]) -> Any:
    """The function `path` that the source defines."""
    code = compile(source, f"<fhirpath {expression[:80]}>", "exec")
    exec(code, names)  # noqa: S102 - our own source: texts of the expression come in as constants or by repr()
    return names["path"]
