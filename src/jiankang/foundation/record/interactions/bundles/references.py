"""Conditional references: searches that stand for a resource (http://hl7.org/fhir/R4/http.html#trules)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.fhir.definitions import load
from jiankang.foundation.record.indexing import by_lane, token_key
from jiankang.foundation.record.interactions.bundles.readying import Resolved
from jiankang.foundation.record.interactions.bundles.telling import renamed
from jiankang.foundation.record.interactions.conditions import matches
from jiankang.foundation.record.wire.http import Request, query_pairs
from jiankang.kernel.errors import Invalid, PreconditionFailed

if TYPE_CHECKING:
    from jiankang.foundation.record.interactions.bundles.work import Work
    from jiankang.foundation.record.store import Transaction


async def references(request: Request, tx: Transaction, works: list[Work]) -> Resolved:
    """What each conditional reference means. Raises PreconditionFailed where it is not exactly one resource.

    Of types that the setting `logical_references` names, one that is not known here becomes a logical reference.
    """
    wanted: dict[str, int] = {}
    for work in works:
        if work.existing is None:
            for one in work.searches:
                wanted.setdefault(one, work.number)
    known = await _by_identifier(request, tx, wanted)
    logical_types = {name.strip() for name in request.server.settings.logical_references.split(",")}
    resolved = Resolved({}, {})
    for reference, number in wanted.items():
        type_name, params = _condition(reference, number)
        ids = known.get(reference)
        if ids is None:
            ids = await matches(request.server, tx, type_name, params, 2)
        identifier = _sole_identifier(params)
        if len(ids) == 1:
            resolved.addresses[reference] = f"{type_name}/{ids[0]}"
        elif not ids and identifier is not None and type_name in logical_types:
            resolved.identifiers[reference] = (type_name, *identifier)
        else:
            how = "more than one resource" if ids else "nothing"
            problem = PreconditionFailed(f"the reference {reference} matches {how}", code="not-found")
            raise renamed(problem, number)
    return resolved


def _condition(reference: str, number: int) -> tuple[str, list[tuple[str, str]]]:
    type_name, _, query = reference.partition("?")
    if not load().is_resource(type_name):
        raise renamed(Invalid(f"the reference {reference} names no resource type"), number)
    return type_name, query_pairs(query)


def _sole_identifier(params: list[tuple[str, str]]) -> tuple[str, str] | None:
    """System and value where the condition is one identifier and nothing else."""
    if len(params) != 1 or params[0][0] != "identifier":
        return None
    system, bar, value = params[0][1].partition("|")
    return (system, value) if bar and system and value and not set("|,\\") & set(value) else None


async def _by_identifier(request: Request, tx: Transaction, wanted: dict[str, int]) -> dict[str, list[str]]:
    """The ids behind all references that are one identifier, in one query."""
    keys: dict[int, str] = {}
    for reference, number in wanted.items():
        type_name, params = _condition(reference, number)
        identifier = _sole_identifier(params)
        if identifier is not None and "identifier" in request.server.registry.parameters(type_name):
            keys[token_key(type_name, "identifier", *identifier)] = reference
    if not keys:
        return {}
    allowed, bound = request.actor.restriction.sql("r")
    found: dict[str, list[str]] = {reference: [] for reference in keys.values()}
    for lane, members in by_lane(keys).items():
        rows = await tx.db.execute(
            f"SELECT i.h{lane}, r.id FROM idx AS i JOIN resource AS r ON r.rid = i.rid "
            f"WHERE i.h{lane} = ANY(%s::bigint[]) AND NOT r.deleted AND {allowed}",
            (members, *bound),
        )
        for key, id_ in await rows.fetchall():
            found[keys[key]].append(id_)
    return found
