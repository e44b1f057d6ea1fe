"""Conditions of conditional interactions: what they match, and how parallel ones are kept apart.

http://hl7.org/fhir/R4/http.html#cond-update
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.kernel.errors import Invalid, PreconditionFailed
from jiankang.kernel.ids import key64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jiankang.foundation.record.store import Transaction
    from jiankang.foundation.record.wire.server import Server

_SHAPING = frozenset({"_format", "_pretty", "_summary", "_elements", "_count", "_sort", "_total"})


def claims(type_name: str, params: Sequence[tuple[str, str]]) -> list[int]:
    """The identities that a condition is about: each identifier it names, or the condition as a whole.

    Two conditions about one identifier share a claim, however else they differ, so they wait for each other.
    """
    named = [
        key64(f"claim:{type_name}.identifier|{one}")
        for name, value in params
        if name == "identifier"
        for one in value.split(",")
    ]
    whole = "&".join(sorted(f"{name}={value}" for name, value in params if name not in _SHAPING))
    return sorted(set(named)) or [key64(f"claim:{type_name}?{whole}")]


async def one_match(server: Server, tx: Transaction, type_name: str, params: Sequence[tuple[str, str]]) -> str | None:
    """The id that the condition means, None where nothing matches. Raises PreconditionFailed where several do."""
    found = await matches(server, tx, type_name, params, 2)
    if len(found) > 1:
        raise PreconditionFailed(
            f"the condition matches more than one {type_name}: add a parameter that tells them apart",
            code="multiple-matches",
        )
    return found[0] if found else None


async def matches(
    server: Server, tx: Transaction, type_name: str, params: Sequence[tuple[str, str]], limit: int
) -> list[str]:
    """Ids that the condition means. Raises Invalid for a condition that says nothing."""
    if not any(name not in _SHAPING and value for name, value in params):
        raise Invalid(f"a condition on {type_name} needs at least one search parameter, as in identifier=system|value")
    return await server.match_ids(tx.db, tx.actor, type_name, params, limit)
