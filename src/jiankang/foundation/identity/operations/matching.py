"""Patient/$match: http://hl7.org/fhir/R4/patient-operation-match.html, IHE PDQm ITI-119.

https://profiles.ihe.net/ITI/PDQm/ITI-119.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.outcome import outcome
from jiankang.foundation.access import EVERYTHING, NOTHING
from jiankang.foundation.identity import index
from jiankang.foundation.identity.blocking import keys
from jiankang.foundation.identity.deciding import judged
from jiankang.foundation.identity.persons import golden
from jiankang.foundation.identity.reasons import MENDABLE, reason
from jiankang.foundation.identity.room import identity_of
from jiankang.foundation.identity.rules import Verdict
from jiankang.foundation.identity.score import explain
from jiankang.foundation.record.wire.bundles import bundle, outcome_entry, text
from jiankang.foundation.record.wire.http import Response
from jiankang.foundation.terminology.asked import read_asked
from jiankang.kernel.errors import Forbidden, Invalid, Issue, Unprocessable
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection

    from jiankang.foundation.access import Actor
    from jiankang.foundation.identity.deciding import Judged, Known
    from jiankang.foundation.identity.model import Record
    from jiankang.foundation.identity.rules import Answer
    from jiankang.foundation.identity.weights import Weights
    from jiankang.foundation.record.store import Stored
    from jiankang.foundation.record.wire.http import Request

Json = dict[str, Any]
GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
EXPLANATION = "urn:jiankang:StructureDefinition:match-explanation"
DEFAULT_COUNT = 10
MOST_COUNT = 50


async def match(request: Request) -> Response:
    """Who a Patient may be: the persons that fit, the likeliest first, with grade, score and explanation.

    Each is the person's Patient, made of the registrations that the actor may see. Raises Invalid without a Patient,
    Unprocessable for one that says too little to look for anybody.
    """
    if request.actor.restriction is NOTHING:
        raise Forbidden("you may not ask about Patient")
    asked = read_asked(request)
    patient = asked.object("resource")
    if patient is None or patient.get("resourceType") != "Patient":
        raise Invalid("$match needs a Patient as the parameter `resource`", code="required", expression=["resource"])
    room = identity_of(request.server.record)
    record = room.normaliser.patient(patient)
    if not record.matchable:
        raise Unprocessable(issues=_too_little(record))
    count = min(asked.number("count") or DEFAULT_COUNT, MOST_COUNT)
    async with request.server.db(request) as db:
        found = (await index.find(db, [keys(record)]))[0]
        known = await _visible(db, request.actor, found.candidates)
        best = _best(judged(record, known, room.weights, limited=found.limited))
        certain = [person for person, (_, answer) in best.items() if answer.verdict is Verdict.CERTAIN]
        notes = _notes(found.limited, certain)
        chosen = list(best.items())
        if asked.flag("onlyCertainMatches", False):
            chosen = [each for each in chosen if each[0] in certain] if len(certain) == 1 else []
        if asked.flag("onlySingleMatch", False) and len(chosen) > 1:
            chosen = []
        entries = []
        shown: list[Stored] = []
        for person, (_, answer) in chosen[:count]:
            stored = await golden(request.server.record, db, request.actor, person)
            if stored is not None:
                shown.append(stored)
                entries.append(_entry(request, stored, record, answer, room.weights, alone=len(certain) == 1))
    await request.server.show(request, "match", shown)
    total = len(entries)
    if notes:
        entries.append(outcome_entry(outcome(notes)))
    return Response(200, bundle("searchset", entries, total=total))


def _too_little(record: Record) -> list[Issue]:
    said = [code for code in record.findings if code in MENDABLE]
    head = Issue(
        "required",
        "this says too little to look for anybody: give a document's number, or a name with a birth date or a telephone",
        ("Parameters.parameter",),
    )
    return [head, *(Issue("value", f"{reason(code).en}. {reason(code).zh}。") for code in said)]


async def _visible(db: AsyncConnection[Any], actor: Actor, candidates: Sequence[Known]) -> list[Known]:
    """The candidates that the actor may see: the others say nothing about anybody."""
    if actor.restriction is EVERYTHING:
        return list(candidates)
    allowed, values = actor.restriction.sql("r")
    rids = [one.rid for one in candidates]
    rows = await db.execute(
        f"SELECT r.rid FROM resource AS r WHERE r.rid = ANY(%s::bigint[]) AND NOT r.deleted AND {allowed}",
        (rids, *values),
    )
    seen = {rid for (rid,) in await rows.fetchall()}
    return [one for one in candidates if one.rid in seen]


def _best(found: Judged) -> dict[str, tuple[Known, Answer]]:
    best: dict[str, tuple[Known, Answer]] = {}
    for one, answer in sorted(
        found, key=lambda each: (each[1].verdict is not Verdict.CERTAIN, -each[1].bits, each[0].rid)
    ):
        best.setdefault(one.person, (one, answer))
    return best


def _notes(limited: bool, certain: list[str]) -> list[Issue]:
    notes = []
    if limited:
        notes.append(Issue("incomplete", f"{reason('veto.limit').en}. {reason('veto.limit').zh}。", severity="warning"))
    if len(certain) > 1:
        several = reason("veto.several")
        notes.append(Issue("multiple-matches", f"{several.en}. {several.zh}。", severity="warning"))
    return notes


def _grade(answer: Answer, weights: Weights, *, alone: bool) -> str:
    if answer.verdict is Verdict.CERTAIN:
        return "certain" if alone else "probable"
    return "probable" if answer.bits >= weights.certain else "possible"


def _entry(request: Request, stored: Stored, record: Record, answer: Answer, weights: Weights, *, alone: bool) -> bytes:
    told: Json = {
        "extension": [
            {"url": GRADE, "valueCode": _grade(answer, weights, alone=alone)},
            {"url": EXPLANATION, "extension": _explained(record, answer, weights)},
        ],
        "mode": "match",
        "score": round(answer.probability, 6),
    }
    url = text(f"{request.base_url}/Patient/{stored.id}")
    return b'{"fullUrl":%s,"resource":%s,"search":%s}' % (url, stored.json, encode(told))


def _explained(record: Record, answer: Answer, weights: Weights) -> list[Json]:
    """Field by field, in words: what agrees, and how much it weighs in bits (log2 of the likelihood ratio)."""
    fields: list[Json] = [
        {
            "url": "field",
            "extension": [
                {"url": "name", "valueCode": part.field},
                {"url": "level", "valueCode": part.level},
                {"url": "bits", "valueDecimal": round(part.bits, 2)},
                {"url": "text", "valueString": f"{part.field_zh}:{part.zh} ({part.field_en}: {part.en})"},
            ],
        }
        for part in explain(record, answer.levels, weights)
        if part.level != "missing"
    ]
    held = [
        {"url": "reason", "valueString": f"{reason(code).zh} ({reason(code).en})"} for code in answer.reasons
    ]  # why it is not certain whatever the score
    return [
        {"url": "bits", "valueDecimal": round(answer.bits, 2)},
        {"url": "model", "valueString": weights.version},
        *fields,
        *held,
    ]
