"""What search asks of terminology: the codes that `:in`, `:not-in`, `:below` and `:above` stand for.

http://hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from psycopg import AsyncConnection

from jiankang.kernel.errors import NotSupported

Pair = tuple[str, str]


class CodeSets(Protocol):
    """The sets of codes that token modifiers stand for. Each raises NotFound for what is not known, TooCostly for too many."""

    async def codes_in(self, value_set: str) -> list[Pair]:
        """System and code of all that a value set holds, inactive ones too; `value_set` is url or url|version."""
        ...

    async def descendants(self, system: str, code: str) -> list[Pair]:
        """The code and all that it subsumes: what `:below` matches."""
        ...

    async def ancestors(self, system: str, code: str) -> list[Pair]:
        """The code and all that subsume it: what `:above` matches."""
        ...


Meaning = Callable[[AsyncConnection[Any]], CodeSets]
"""Terminology as a search sees it: through the connection, and in the transaction, that the search itself runs in."""


def no_terminology(_: AsyncConnection[Any]) -> CodeSets:
    """For a record without a terminology room: raises NotSupported."""
    raise NotSupported(":in, :not-in, :above and :below need terminology, which this server was started without")
