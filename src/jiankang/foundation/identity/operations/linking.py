"""What stewards do to links, as operations: $merge, $unmerge, $move, $always-link, $never-link.

$merge follows http://hl7.org/fhir/R5/patient-operation-merge.html: the target stays, the source goes. Each leaves a
Provenance that says who did what to whom, and when.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jiankang.fhir.outcome import told
from jiankang.foundation.identity import index
from jiankang.foundation.identity import linking as doing
from jiankang.foundation.identity.persons import compose, golden, is_person, person_id, person_of, sources
from jiankang.foundation.identity.room import identity_of
from jiankang.foundation.record.indexing import resource_key
from jiankang.foundation.record.store import Change, prepare
from jiankang.foundation.record.wire.http import Response
from jiankang.foundation.terminology.asked import read_asked
from jiankang.kernel.clock import instant
from jiankang.kernel.errors import Invalid, NotFound, NotSupported
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from jiankang.foundation.identity.linking import Done
    from jiankang.foundation.record.store import Transaction
    from jiankang.foundation.record.wire.http import Request
    from jiankang.foundation.terminology.asked import Asked

Json = dict[str, Any]
OPERATION_SYSTEM = "urn:jiankang:identity-operation"
_KINDS = "urn:jiankang:codes:identity-operation"
_WORDS = {
    "merge": "Both persons are one now",
    "move": "The registration is linked to another person now",
    "never": "The two registrations are two people, for good",
    "always": "The two registrations are one person, for good",
    "undo": "The operation was taken back",
}


async def merge(request: Request) -> Response:
    """Make two persons one: all registrations of `source-patient` go to the person of `target-patient`.

    Each is a reference to a person or to one of its registrations, or named by `source-patient-identifier`,
    `target-patient-identifier`. `preview` shows the result without doing it; `force` merges what cannot be one person
    by the rules (two valid citizen's numbers); `note` says why.
    """
    asked = read_asked(request)
    if asked.object("result-patient") is not None:
        raise NotSupported("a person is made of its registrations: change these instead of sending a result-patient")

    async def work(tx: Transaction) -> tuple[Done | None, Json]:
        for name in ("target-patient", "source-patient"):
            for value in asked.values.get(name, ()):
                _reference(value)
        target = await _person(request, tx, asked, "target-patient")
        source = await _person(request, tx, asked, "source-patient")
        if asked.flag("preview", False):
            return None, await _preview(tx, target, source)
        weights = identity_of(tx.record).weights
        done = await doing.merge(
            tx, target, source, weights, note=asked.text("note") or "", force=asked.flag("force", False)
        )
        await note_down(tx, done, asked.text("note") or "")
        return done, await _patient(tx, target)

    done, patient = await _in_transaction(request, work)
    return _answered(done, [{"name": "result", "resource": patient}])


async def unmerge(request: Request) -> Response:
    """Take back what $merge, $move, $always-link or $never-link did; `operation` is the id that it answered with."""
    asked = read_asked(request)
    operation = asked.text("operation") or ""
    try:
        operation = str(UUID(operation))
    except ValueError:
        raise Invalid("$unmerge needs `operation`: the id that the merge answered with", code="required") from None

    async def work(tx: Transaction) -> Done:
        done = await doing.undo(tx, operation, note=asked.text("note") or "")
        await note_down(tx, done, asked.text("note") or "")
        return done

    return _answered(await _in_transaction(request, work))


async def move(request: Request) -> Response:
    """Link this registration to the person of `to`, or to a person of its own without it."""
    asked = read_asked(request)
    id_ = request.segments[1]

    async def work(tx: Transaction) -> Done:
        rid = await _registration(tx, f"Patient/{id_}")
        to = await _person(request, tx, asked, "to") if asked.object("to") is not None or asked.text("to") else None
        done = await doing.move(tx, rid, to, note=asked.text("note") or "")
        await note_down(tx, done, asked.text("note") or "")
        return done

    return _answered(await _in_transaction(request, work))


async def never_link(request: Request) -> Response:
    """Say that the two registrations `patient` are two people; the first leaves the person if both are linked to one."""
    return await _rule(request, doing.never)


async def always_link(request: Request) -> Response:
    """Say that the two registrations `patient` are one person; the person of the first keeps its id."""
    return await _rule(request, doing.always)


async def _rule(request: Request, work: Callable[..., Awaitable[Done]]) -> Response:
    asked = read_asked(request)
    named = [_reference(value) for value in asked.values.get("patient", [])]
    if len(named) != 2:
        raise Invalid("name two registrations by `patient`, which comes twice", code="required", expression=["patient"])

    async def both(tx: Transaction) -> Done:
        rids = [await _registration(tx, one) for one in named]
        done = await work(tx, *rids, note=asked.text("note") or "")
        await note_down(tx, done, asked.text("note") or "")
        return done

    return _answered(await _in_transaction(request, both))


async def note_down(tx: Transaction, done: Done, note: str) -> None:
    """Write the Provenance of an operation: http://hl7.org/fhir/R4/provenance.html."""
    persons = {person for each in done.moved for person in (each.before, each.after)}
    ids = list(dict.fromkeys([*(each.id for each in done.moved), *done.about, *map(person_id, sorted(persons))]))
    if not ids:
        return
    resource: Json = {
        "resourceType": "Provenance",
        "target": [{"reference": f"Patient/{id_}"} for id_ in ids],
        "recorded": instant(tx.record.clock()),
        "activity": {"coding": [{"system": _KINDS, "code": done.kind}], "text": _WORDS[done.kind]},
        "agent": [{"who": {"display": tx.actor.id}}],
        "entity": [
            {"role": "source", "what": {"identifier": {"system": OPERATION_SYSTEM, "value": done.operation}}},
            *(
                [{"role": "revision", "what": {"identifier": {"system": OPERATION_SYSTEM, "value": done.undoes}}}]
                if done.undoes
                else []
            ),
        ],
    }
    if note:
        resource["reason"] = [{"text": note}]
    await tx.apply([Change("POST", "Provenance", None, prepare(resource))])


async def _in_transaction(request: Request, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
    if request.tx is not None:
        return await work(request.tx)
    return await request.server.record.run(request.actor, work)


def _answered(done: Done | None, more: list[Json] | None = None) -> Response:
    parameters: list[Json] = []
    if done is None:
        parameters.append({"name": "outcome", "resource": told("This is what it would be; nothing was done.")})
    else:
        moved = ", ".join(f"Patient/{each.id}" for each in done.moved)
        text = f"{_WORDS[done.kind]}. Operation {done.operation}" + (f" moved {moved}." if moved else ".")
        parameters += [
            {"name": "outcome", "resource": told(text)},
            {"name": "operation", "valueString": done.operation},
            *(
                {
                    "name": "moved",
                    "part": [
                        {"name": "registration", "valueReference": {"reference": f"Patient/{each.id}"}},
                        {"name": "from", "valueReference": {"reference": f"Patient/{person_id(each.before)}"}},
                        {"name": "to", "valueReference": {"reference": f"Patient/{person_id(each.after)}"}},
                    ],
                }
                for each in done.moved
            ),
        ]
    return Response(200, encode({"resourceType": "Parameters", "parameter": [*parameters, *(more or [])]}))


def _reference(value: Any) -> str:
    text = value.get("reference") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise Invalid('a reference is expected: {"reference": "Patient/…"}')
    parts = text.split("/")
    if len(parts) < 2 or parts[-2] != "Patient":
        raise Invalid(f"{text[:200]} does not name a Patient: write Patient/[id]")
    return "/".join(parts[-2:])


async def _registration(tx: Transaction, reference: str) -> int:
    """The rid of a registration that the actor may see. Raises NotFound, Invalid for a person."""
    id_ = reference.removeprefix("Patient/")
    if is_person(id_):
        raise Invalid(f"{reference} is a person: name one of its registrations (Patient.link)")
    stored = await tx.get("Patient", id_)
    if stored is None or stored.deleted:
        raise NotFound(f"{reference} is not known")
    return resource_key("Patient", id_)


async def _person(request: Request, tx: Transaction, asked: Asked, name: str) -> str:
    """The person that a parameter names: itself, one of its registrations, or an identifier of one."""
    given = asked.values.get(name)
    if given:
        id_ = _reference(given[0]).removeprefix("Patient/")
    else:
        id_ = await _by_identifier(request, tx, asked, f"{name}-identifier")
    if is_person(id_):
        person = person_of(id_)
        if person is None or await golden(tx.record, tx.db, tx.actor, person) is None:
            raise NotFound(f"Patient/{id_} is not known")
        return person
    rid = await _registration(tx, f"Patient/{id_}")
    found = (await index.known(tx.db, [rid])).get(rid)
    if found is None:
        raise NotFound(f"Patient/{id_} is not in the index")
    return found.person


async def _by_identifier(request: Request, tx: Transaction, asked: Asked, name: str) -> str:
    identifier = asked.object(name)
    if identifier is None:
        raise Invalid(f"name a Patient by {name.removesuffix('-identifier')}, or by {name}", code="required")
    token = f"{identifier.get('system', '')}|{identifier.get('value', '')}"
    found = await request.server.match_ids(tx.db, tx.actor, "Patient", [("identifier", token.replace(",", "\\,"))], 2)
    if not found:
        raise NotFound(f"no Patient has the identifier {token[:200]}")
    return found[0]


async def _patient(tx: Transaction, person: str) -> Json:
    stored = await golden(tx.record, tx.db, tx.actor, person)
    if stored is None:
        raise NotFound(f"Patient/{person_id(person)} is not known")
    return stored.resource


async def _preview(tx: Transaction, target: str, source: str) -> Json:
    ones = [each for person in (target, source) for each in await sources(tx.record, tx.db, tx.actor, person)]
    ones.sort(key=lambda each: each.updated, reverse=True)
    return {"resourceType": "Patient", "id": person_id(target), **compose(ones)}
