"""What a letter would do, without doing it: read, merged with what is known, judged; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange import merging
from jiankang.capabilities.exchange.intake.landing import Troubled, read
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.judging import judged, prepared
from jiankang.foundation.record.wire.http import JSON, Request
from jiankang.kernel.errors import Problem
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.intake import Intake
    from jiankang.capabilities.exchange.model import Complaint, Fate, Gap, Letter, Sender
    from jiankang.foundation.record.store import Prepared

Json = dict[str, Any]
NEW, CHANGED, SAME = "new", "changed", "same"


@dataclass(frozen=True, slots=True)
class Would:
    """What would become of one resource; `wrong` is what is to be said of it."""

    change: str
    resource: Json
    wrong: tuple[str, ...] = ()


@dataclass(slots=True)
class Preview:
    """What a letter would do."""

    resources: list[Would] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    persons: list[tuple[str, float, Json]] = field(default_factory=list)
    """Who is known already and may be the patient: grade, score, Patient."""


async def preview(intake: Intake, sender: Sender, letter: Letter) -> Preview:
    """What the letter would do if the sender sent it now."""
    found = Preview()
    language = intake.formats[letter.format]
    try:
        found.fates = language.fates(letter, sender)
        reading = read(language, letter, sender)
    except Troubled as trouble:
        found.complaints = list(trouble.complaints)
        return found
    except Exception as problem:
        complaints = getattr(problem, "complaints", None)
        if complaints is None:
            raise
        found.complaints = list(complaints)
        return found
    found.complaints, found.gaps = reading.complaints, reading.gaps
    merged: dict[tuple[str, str], tuple[Json | None, Json | None, merging.Known]] = {}
    for telling in sorted(reading.tellings, key=lambda one: one.at):
        name = telling.type, telling.id
        if name not in merged:
            stored = await intake.record.current(LOCAL_OPERATOR, *name)
            before = None if stored is None or stored.deleted else stored.resource
            merged[name] = before, before, merging.Known()
        before, resource, known = merged[name]
        merged[name] = before, merging.merge(resource, known, telling, letter.key), known
    for before, resource, _ in merged.values():
        if resource is not None:
            found.resources.append(await _would(intake, before, resource))
    found.persons = await _persons(intake, merged.get(("Patient", reading.patient)))
    return found


async def _would(intake: Intake, before: Json | None, resource: Json) -> Would:
    change = NEW if before is None else SAME if before == resource else CHANGED
    judge = intake.server.judge
    plain = {name: value for name, value in resource.items() if name != "meta"}
    try:
        ready: Prepared = prepared(judge, plain, type_name=plain["resourceType"], id_=plain["id"])
        refused = await judged(judge, [ready])
    except Problem as problem:
        return Would(change, resource, tuple(one.text for one in problem.issues))
    wrong = [one.text for problem in refused.values() for one in problem.issues]
    wrong += [one.text for one in ready.findings if one.severity in {"error", "fatal"}]
    return Would(change, resource, tuple(dict.fromkeys(wrong)))


async def _persons(intake: Intake, patient: Any) -> list[tuple[str, float, Json]]:
    """Whom the index takes the patient for."""
    if patient is None or patient[1] is None:
        return []
    asked = {"name": "resource", "resource": {name: value for name, value in patient[1].items() if name != "meta"}}
    body = encode({"resourceType": "Parameters", "parameter": [asked, {"name": "count", "valueInteger": 5}]})
    request = Request(
        intake.server,
        LOCAL_OPERATOR,
        "POST",
        ("Patient", "$match"),
        [],
        {"content-type": JSON},
        body,
        "http://localhost/fhir",
    )
    try:
        response = await intake.server.dispatch(request)
    except Problem:
        return []
    if response.status != 200:
        return []
    found = []
    for entry in decode(response.body).get("entry", []):
        search = entry.get("search", {})
        grade = next((one.get("valueCode", "") for one in search.get("extension", [])), "")
        if entry["resource"].get("resourceType") == "Patient":
            found.append((grade, float(search.get("score", 0)), entry["resource"]))
    return found
