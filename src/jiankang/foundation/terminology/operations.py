"""The operations of a terminology service over HTTP: http://hl7.org/fhir/R4/terminology-service.html."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from jiankang.fhir.structure import check
from jiankang.foundation.record.api.routes import Route, add_operation
from jiankang.foundation.record.wire.http import Request, Response
from jiankang.foundation.terminology import closing
from jiankang.foundation.terminology.asked import Asked, read_asked, read_coding
from jiankang.foundation.terminology.asking import (
    Verdict,
    answer,
    lookup,
    parameters,
    subsumes,
    validate_in_system,
    validate_in_value_set,
)
from jiankang.foundation.terminology.codes import Codes, Terminology
from jiankang.foundation.terminology.expanding import Wish, expand
from jiankang.foundation.terminology.keeping import keep_in_step
from jiankang.foundation.terminology.maps import Translation, put_concept_map, translate
from jiankang.foundation.terminology.model import Coding, UnknownValueSet, split_canonical
from jiankang.foundation.terminology.writing import put_code_system
from jiankang.kernel.errors import Forbidden, Invalid, NotFound, NotSupported, Unprocessable
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from jiankang.foundation.record.store import Record

Answer = Callable[[Request, Asked, Codes], Awaitable[dict[str, Any]]]
_DEFINED = "http://hl7.org/fhir/OperationDefinition/"
_ROOMS: WeakKeyDictionary[Record, Terminology] = WeakKeyDictionary()


def terminology_of(record: Record) -> Terminology:
    """The terminology room over a record."""
    room = _ROOMS.get(record)
    if room is None:
        room = _ROOMS[record] = Terminology(record.pool)
    return room


def open_room(record: Record) -> Terminology:
    """Have terminology resources that are written take effect, and the operations answered."""
    keep_in_step(record)
    add_operations()
    return terminology_of(record)


def _handler(type_name: str, work: Answer, *, remembered: bool = True) -> Callable[[Request], Awaitable[Response]]:
    """Answers one operation; the same question is answered from memory until something changes."""

    async def handle(request: Request) -> Response:
        if not request.actor.restriction.permits(type_name, ()):
            raise Forbidden(f"you may not ask about {type_name}")
        room = terminology_of(request.server.record)
        tx = request.tx
        async with room.asking(None if tx is None else tx.db) as codes:
            key = (request.segments, tuple(request.params), request.body if len(request.body) < 2_000 else None)
            may_remember = remembered and tx is None and len(request.segments) == 2 and len(request.body) < 2_000
            body = codes.memory.answers.get(key) if may_remember else None
            if body is None:
                body = encode(await work(request, read_asked(request), codes))
                if may_remember and len(body) < 20_000:
                    codes.memory.answers.put(key, body)
        return Response(200, body)

    return handle


async def _named_resource(request: Request) -> dict[str, Any] | None:
    """The resource that an operation is asked of, when it is asked of one."""
    if len(request.segments) != 3:
        return None
    type_name, id_ = request.segments[:2]
    return (await request.server.read(request, type_name, id_)).resource


def _plain_coding(asked: Asked, system: str | None, version: str | None = None) -> Coding | None:
    code = asked.text("code")
    if code is None:
        return None
    return Coding(system or "", code, version, asked.text("display"))


# ---- CodeSystem


async def _lookup(request: Request, asked: Asked, codes: Codes) -> dict[str, Any]:
    resource = await _named_resource(request) or {}
    coding = asked.coding("coding")
    if coding is None:
        system = asked.text("system") or resource.get("url")
        coding = _plain_coding(asked, system, asked.text("version") or resource.get("version"))
    if coding is None or not coding.system:
        raise Invalid("$lookup needs code and system, or a coding", code="required")
    return await lookup(codes, coding, language=asked.text("displayLanguage"), wanted=asked.texts("property"))


async def _validate_in_system(request: Request, asked: Asked, codes: Codes) -> dict[str, Any]:
    resource = await _named_resource(request) or {}
    sent = asked.object("codeSystem")
    if sent is not None:
        return await _validate_by(request, asked, sent)
    url, version = (
        asked.text("url") or asked.text("system") or resource.get("url"),
        asked.text("version") or resource.get("version"),
    )
    if url is not None:
        url, pinned = split_canonical(url)
        version = version or pinned
    return await _in_system(codes, asked, _asked_codings(asked, url, version), url, version)


async def _in_system(
    codes: Codes, asked: Asked, codings: list[Coding], url: str | None, version: str | None
) -> dict[str, Any]:  # fmt: skip
    language, abstract = asked.text("displayLanguage"), asked.flag("abstract", True)
    verdicts = []
    for coding in codings:
        if url is not None and coding.system and coding.system != url:
            verdicts.append(
                Verdict(
                    False, (f"The code {coding.code[:100]!r} is one of {coding.system}, not of {url}.",), coding=coding
                )
            )
            continue
        whole = Coding(coding.system or url or "", coding.code, coding.version or version, coding.display)
        verdicts.append(await validate_in_system(codes, whole, language=language, abstract=abstract))
    return answer(verdicts)


async def _validate_by(request: Request, asked: Asked, sent: dict[str, Any]) -> dict[str, Any]:
    """By a system that came with the question: kept for this question only."""
    issues = check(sent, expected_type="CodeSystem")
    if issues:
        raise Unprocessable(issues=issues)
    record = request.server.record
    name = f"urn:uuid:{record.new_id()}"
    codings = [Coding(name, each.code, None, each.display) for each in _asked_codings(asked, None, None)]
    room = terminology_of(record)
    async with room.pool.connection() as db, db.transaction(force_rollback=True):
        await put_code_system(db, {**sent, "url": name, "version": ""}, "record")
        async with room.asking(db) as codes:
            return await _in_system(codes, asked, codings, name, None)


def _asked_codings(asked: Asked, system: str | None, version: str | None) -> list[Coding]:
    """The codes to validate, however they were sent."""
    if "codeableConcept" in asked.values:
        found = list(asked.concept("codeableConcept"))
        if not found:
            raise Invalid("the codeableConcept has no coding", expression=["codeableConcept"])
        return found
    coding = asked.coding("coding") or _plain_coding(asked, system, version)
    if coding is None:
        raise Invalid("there is no code to validate: send code and system, coding or codeableConcept", code="required")
    return [coding]


async def _subsumes(request: Request, asked: Asked, codes: Codes) -> dict[str, Any]:
    resource = await _named_resource(request) or {}
    system = asked.text("system") or resource.get("url") or ""
    version = asked.text("version") or resource.get("version")
    pair = []
    for letter in "AB":
        coding = asked.coding(f"coding{letter}")
        code = asked.text(f"code{letter}")
        if coding is None and code is not None:
            coding = Coding(system, code, version)
        if coding is None or not coding.system:
            raise Invalid(f"$subsumes needs code{letter} and system, or coding{letter}", code="required")
        pair.append(coding)
    return parameters([{"name": "outcome", "valueCode": await subsumes(codes, *pair)}])


# ---- ValueSet


async def _value_set(request: Request, asked: Asked, codes: Codes) -> dict[str, Any]:
    """The value set that is asked about: stored, sent along, or named by its URL."""
    resource = await _named_resource(request)
    if resource is not None:
        return resource
    sent = asked.object("valueSet")
    if sent is not None:
        issues = check(sent, expected_type="ValueSet")
        if issues:
            raise Unprocessable(issues=issues)
        return sent
    url = asked.text("url")
    if url is None:
        raise Invalid("name a value set by `url`, send one as `valueSet`, or ask of one by its id", code="required")
    name, version = split_canonical(url)
    return await codes.value_set(name, asked.text("valueSetVersion") or version)


async def _validate_in_value_set(request: Request, asked: Asked, codes: Codes) -> dict[str, Any]:
    versions = asked.versions()
    codings = _asked_codings(asked, asked.text("system"), asked.text("systemVersion"))
    try:
        value_set = await _value_set(request, asked, codes)
    except UnknownValueSet as unknown:
        return answer([Verdict(False, (f"{str(unknown)[0].upper()}{str(unknown)[1:]}.",), coding=codings[0])])
    verdicts = [
        await validate_in_value_set(
            codes, value_set, coding, versions=versions, language=asked.text("displayLanguage"),
            abstract=asked.flag("abstract", True), infer=asked.flag("inferSystem", "code" in asked.values),
        )
        for coding in codings
    ]  # fmt: skip
    return answer(verdicts)


async def _expand(request: Request, asked: Asked, codes: Codes) -> dict[str, Any]:
    for name in ("context", "date"):
        if name in asked.values:
            raise NotSupported(f"$expand with the parameter {name} is not done", expression=[name])
    value_set = await _value_set(request, asked, codes)
    languages = asked.texts("designation")
    wish = Wish(
        offset=asked.number("offset") or 0,
        count=asked.number("count"),
        filter=(asked.text("filter") or "").strip(),
        active_only=asked.flag("activeOnly", False),
        designations=asked.flag("includeDesignations", False),
        designation_languages=tuple(each.rpartition("|")[2] for each in languages),
        language=asked.text("displayLanguage"),
        nested=not asked.flag("excludeNested", True),
        definition=asked.flag("includeDefinition", False),
        without_systems=tuple(asked.texts("exclude-system")),
        versions=asked.versions(),
    )
    record = request.server.record
    return await expand(codes, value_set, wish, record.clock(), record.new_id())


# ---- ConceptMap


async def _translate(request: Request, asked: Asked, codes: Codes) -> dict[str, Any]:
    codings = list(asked.concept("codeableConcept")) if "codeableConcept" in asked.values else []
    if not codings:
        coding = asked.coding("coding") or _plain_coding(asked, asked.text("system"), asked.text("version"))
        if coding is None or not coding.system:
            raise Invalid("$translate needs code and system, a coding or a codeableConcept", code="required")
        codings = [coding]
    url, version, number = asked.text("url"), asked.text("conceptMapVersion"), None
    resource = await _named_resource(request)
    if resource is not None:
        number = await _map_number(codes, request.segments[1])
    elif (sent := asked.object("conceptMap")) is not None:
        return await _translate_by(request, asked, codings, sent)
    elif url is not None:
        url, pinned = split_canonical(url)
        version = version or pinned
    return await _best(codes, [_translation(asked, each, url, version, number) for each in codings])


def _translation(asked: Asked, coding: Coding, url: str | None, version: str | None, number: int | None) -> Translation:
    dependencies = []
    for part in asked.values.get("dependency", []):
        if not isinstance(part, list):
            raise Invalid("a dependency has the parts element and concept", expression=["dependency"])
        found = {each.get("name"): each for each in part if isinstance(each, dict)}
        element = str(found.get("element", {}).get("valueUri", ""))
        concept = found.get("concept", {}).get("valueCodeableConcept", {})
        inner = found.get("concept", {}).get("valueCoding")
        raw = [inner] if inner else concept.get("coding", []) if isinstance(concept, dict) else []
        dependencies += [(element, each.system, each.code) for each in (read_coding(one, "dependency") for one in raw)]
    return Translation(
        coding, url, version, number, asked.text("source"), asked.text("target"),
        asked.text("targetsystem") or asked.text("targetSystem"), asked.flag("reverse", False), tuple(dependencies),
    )  # fmt: skip


async def _best(codes: Codes, questions: list[Translation]) -> dict[str, Any]:
    """The answer of the first code that has one."""
    last: dict[str, Any] = {}
    for question in questions:
        last = await translate(codes, question)
        if last["parameter"][0]["valueBoolean"]:
            return last
    return last


async def _map_number(codes: Codes, id_: str) -> int:
    rows = await codes.rows("SELECT id FROM concept_map WHERE resource = %s", (id_,))
    if not rows:
        raise NotFound(f"ConceptMap/{id_} is not ready for translating")
    return int(rows[0][0])


async def _translate_by(request: Request, asked: Asked, codings: list[Coding], sent: dict[str, Any]) -> dict[str, Any]:
    """By a map that came with the question: kept for this question only."""
    issues = check(sent, expected_type="ConceptMap")
    if issues:
        raise Unprocessable(issues=issues)
    room = terminology_of(request.server.record)
    async with room.pool.connection() as db, db.transaction(force_rollback=True), room.asking(db) as codes:
        name = f"sent:{request.server.record.new_id()}"
        await put_concept_map(db, name, sent)
        number = await _map_number(codes, name)
        return await _best(codes, [_translation(asked, each, None, None, number) for each in codings])


async def _closure(request: Request, asked: Asked, codes: Codes) -> dict[str, Any]:
    name = asked.text("name")
    if name is None or len(name) > 200:
        raise Invalid("$closure needs the name of the table, of at most 200 characters", code="required")
    version = asked.number("version")
    new = [read_coding(each, "concept") for each in asked.values.get("concept", [])]
    if version is not None and new:
        raise Invalid("$closure takes either codes to add or the version to replay from")
    owner = request.actor.id
    if version is not None:
        return await closing.since(codes, owner, name, version)
    if new:
        return await closing.add(codes, owner, name, new)
    return await closing.begin(codes, owner, name)


# ---- routes


def add_operations() -> None:
    """Route all operations, by GET and POST, of a type and of one resource."""
    for type_name, operation, work, methods, levels in (
        ("CodeSystem", "lookup", _lookup, ("GET", "POST"), "both"),
        ("CodeSystem", "validate-code", _validate_in_system, ("GET", "POST"), "both"),
        ("CodeSystem", "subsumes", _subsumes, ("GET", "POST"), "both"),
        ("ValueSet", "expand", _expand, ("GET", "POST"), "both"),
        ("ValueSet", "validate-code", _validate_in_value_set, ("GET", "POST"), "both"),
        ("ConceptMap", "translate", _translate, ("GET", "POST"), "both"),
        ("", "closure", _closure, ("POST",), "system"),
    ):
        handler = _handler(type_name or "ConceptMap", work, remembered=operation not in {"closure", "expand"})
        for method in methods:
            shapes: list[tuple[str, ...]] = [("$closure",)]
            if levels == "both":
                shapes = [(type_name, f"${operation}"), (type_name, "id", f"${operation}")]
            for shape in shapes:
                definition = f"{_DEFINED}{type_name or 'ConceptMap'}-{operation}"
                add_operation(_route(method, shape, operation, handler, definition, type_name))


def _route(method: str, shape: tuple[str, ...], operation: str, handler: Any, definition: str, type_name: str) -> Route:
    return Route(method, shape, operation, handler, definition, (type_name,) if type_name else ())
