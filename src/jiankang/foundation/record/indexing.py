"""From search values to index rows: the 64-bit keys by which the database finds a resource.

Written by the store and asked for by the search planner, so both speak of the same rows. The values come from
`jiankang.fhir.search` (http://hl7.org/fhir/R4/search.html); what each table holds is in `docs/architecture.md`.

A row of `idx` holds up to eight keys of one resource, one in each lane (h0 to h7), because the overhead of a row in
PostgreSQL is larger than a key. The lane of a key is its lowest three bits, and follows from the search parameter.
Those bits of a resource's own number are 0, so that a reference's key (number XOR constant) has the constant's lane.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from jiankang.fhir.search import normalise_string
from jiankang.foundation.access import compartment_key, label_key
from jiankang.foundation.access import resource_key as resource_key  # noqa: PLC0414 - the third of its family
from jiankang.kernel.ids import key64

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jiankang.fhir.search import Extracted

LANES = 8
"""How many keys a row of `idx` holds at most."""

_LANE_OF = {
    "type": 0, "subject": 3, "patient": 3, "code": 4, "vaccine-code": 4, "status": 5, "encounter": 6, "category": 7,
    "_profile": 6, "identifier": 5, "target": 1, "result": 0, "performer": 1, "performer:identifier": 0,
    "participant:identifier": 2, "author:identifier": 2, "requester:identifier": 0, "location": 7, "class": 4,
    "participant-type": 1, "service-provider": 2, "clinical-status": 1, "verification-status": 1, "intent": 1,
    "priority": 7, "use": 2, "component-code": 0, "value-concept": 0, "reason-code": 1, "reason-reference": 1,
    "contenttype": 1, "format": 1, "instance": 2, "dicom-class": 1, "organization:identifier": 0,
}  # fmt: skip
"""Lanes of frequent parameters, chosen so that most resources fill few rows (counted on Synthea's records)."""

_COMPOUND_LANE = 6  # XOR the lane of code or category: 2 and 1

COMPOUNDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Condition": ("subject", ("code",)),
    "DiagnosticReport": ("subject", ("code", "category")),
    "Immunization": ("patient", ("vaccine-code",)),
    "MedicationRequest": ("subject", ("code",)),
    "Observation": ("subject", ("code", "category")),
    "Procedure": ("subject", ("code",)),
}
"""Per type: the parameter that names the patient, and the token parameters that get one row for both together."""


@lru_cache(maxsize=4096)
def _lane(code: str) -> int:
    """The lane of a search parameter: chosen for those that most resources have, spread for the others."""
    chosen = _LANE_OF.get(code)
    return key64(f"lane:{code}") & 7 if chosen is None else chosen


def _laned(key: int, lane: int) -> int:
    return (key & ~7) | lane


def column(key: int) -> str:
    """The column of `idx` that a key is found in."""
    return f"h{key & 7}"


def by_lane(keys: Iterable[int]) -> dict[int, list[int]]:
    """The keys of each lane, in their order."""
    lanes: dict[int, list[int]] = {}
    for key in keys:
        lanes.setdefault(key & 7, []).append(key)
    return lanes


@lru_cache(maxsize=8192)
def param_key(type_name: str, code: str) -> int:
    """The key of a search parameter of a type: `hash` in str, span and quantity."""
    return key64(f"{type_name}.{code}")


@lru_cache(maxsize=1024)
def type_key(type_name: str) -> int:
    """The key that every live resource of the type has one `idx` row under."""
    return _laned(key64(f"type:{type_name}"), _lane("type"))


@lru_cache(maxsize=65536)
def token_key(type_name: str, code: str, system: str, value: str) -> int:
    """The key of a token with its system ("" where it has none)."""
    return _laned(key64(f"{type_name}.{code}\x1f{system}\x1f{value}"), _lane(code))


def value_key(type_name: str, code: str, value: str) -> int:
    """The key of an identifier-like token whatever its system."""
    return _laned(key64(f"{type_name}.{code}\x1e{value}"), _lane(code) ^ 1)


@lru_cache(maxsize=4096)
def system_key(type_name: str, code: str, system: str) -> int:
    """The key of all identifier-like tokens of one system."""
    return _laned(key64(f"{type_name}.{code}\x1d{system}"), _lane(code) ^ 2)


def concept_text_key(type_name: str, code: str, norm: str) -> int:
    """The key of a concept that has a text and no coding."""
    return _laned(key64(f"{type_name}.{code}\x1c{norm}"), _lane(code))


def of_type_key(type_name: str, code: str, system: str, type_code: str, value: str) -> int:
    """The key of an identifier by its type (`:of-type`)."""
    return _laned(key64(f"{type_name}.{code}\x1b{system}|{type_code}|{value}"), _lane(code) ^ 4)


def uri_key(type_name: str, code: str, value: str) -> int:
    """The key of a uri, canonical or absolute reference."""
    return _laned(key64(f"{type_name}.{code}\x1f{value}"), _lane(code))


@lru_cache(maxsize=4096)
def reference_constant(type_name: str, code: str) -> int:
    """What a reference row's hash and its target's rid differ by (XOR)."""
    return _laned(key64(f"ref:{type_name}.{code}"), _lane(code))


def reference_key(type_name: str, code: str, target_rid: int) -> int:
    """The key of a reference to the resource `target_rid`."""
    return target_rid ^ reference_constant(type_name, code)


@lru_cache(maxsize=64)
def _compound_constant(type_name: str) -> int:
    return _laned(key64(f"compound:{type_name}"), _COMPOUND_LANE)


def compound_key(type_name: str, patient_rid: int, token: int) -> int:
    """The key of one token of one patient: the commonest clinical search in one index range."""
    return patient_rid ^ token ^ _compound_constant(type_name)


@lru_cache(maxsize=4096)
def composite_key(type_name: str, code: str, system: str, value: str) -> int:
    """The key of a composite's rows in str, span and quantity, by its token component (`system` "*" for any)."""
    return key64(f"{type_name}.{code}\x1f{system}\x1f{value}\x1f$")


def composite_pair_key(type_name: str, code: str, first: str, second: str) -> int:
    """The key of a composite of two discrete values, each written as system|code (or Type/id)."""
    return _laned(key64(f"{type_name}.{code}\x1f{first}\x1f$\x1f{second}"), _lane(code))


def _word(text: str) -> int:
    """A signed 32-bit key: a word in ten thousand shares its key with another of a vocabulary of a million."""
    return key64(text) >> 32


@lru_cache(maxsize=65536)
def word_key(word: str) -> int:
    """The key of a word anywhere in the resource (`_content`)."""
    return _word(f"w:{word}")


@lru_cache(maxsize=16384)
def narrative_key(word: str) -> int:
    """The key of a word in the narrative (`_text`)."""
    return _word(f"n:{word}")


@lru_cache(maxsize=4096)
def unit_key(text: str) -> int:
    """The key of a unit's code or text."""
    return key64(text)


def canonical_unit_key(system: str | None, code: str | None, canon_unit: str | None) -> int:
    """The key of what quantities of one dimension share: the canonical UCUM unit, or system and code elsewhere."""
    return unit_key(f"ucum:{canon_unit}") if canon_unit is not None else unit_key(f"{system or ''}|{code or ''}")


_INDEXED = 512
"""Characters of a text that are indexed: PostgreSQL's index rows hold 2,700 bytes. Longer texts are not cached either."""

_norm = lru_cache(maxsize=32768)(normalise_string)


def norm(text: str) -> str:
    """`text` as strings are compared: case, accents, width and white space folded."""
    return _norm(text) if len(text) <= _INDEXED else normalise_string(text)


Quantity = tuple[int, float, float, int, int, float, float]
Entry = tuple[int, int, int, str, str | None, str | None, str | None]


@dataclass(slots=True)
class Rows:
    """The index rows of one resource, without the columns that name the resource itself."""

    at: int = 0
    keys: list[int] = field(default_factory=list)
    facts: list[int] = field(default_factory=list)
    strings: list[tuple[int, str, str | None]] = field(default_factory=list)
    spans: list[tuple[int, int, int]] = field(default_factory=list)
    quantities: list[Quantity] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    vocabulary: list[Entry] = field(default_factory=list)
    present: bytes = b""
    patient: int | None = None


@lru_cache(maxsize=65536)
def _code_token(
    type_name: str, code: str, system: str | None, value: str | None, text: str | None
) -> tuple[int, Entry]:
    folded = norm(text) if text else None
    if value is None:
        key = concept_text_key(type_name, code, folded or "")
    else:
        key = token_key(type_name, code, system or "", value)
    entry = key64(f"{key}|{text or ''}")
    shown, compared = value and value[:_INDEXED], folded and folded[:_INDEXED]
    return key, (entry, param_key(type_name, code), key, system or "", shown, text, compared)


_long_code_token = _code_token.__wrapped__
_long_token_key = token_key.__wrapped__


SHARED_URIS = frozenset({"_profile", "_source"})
"""Uris that many resources share: their prefixes (`:below`) are found through the vocabulary, not through `str`."""


@lru_cache(maxsize=8192)
def _uri_entry(type_name: str, param: str, key: int, value: str) -> Entry:
    return (key64(f"{key}|{value}"), param_key(type_name, param), key, "", value[:_INDEXED], None, None)


def _tokens(rows: Rows, type_name: str, extracted: Extracted) -> None:
    for token in extracted.tokens:
        param, kind, system, code, text = token
        if kind == "code":
            long = len(code or "") + len(text or "") > _INDEXED
            key, entry = (_long_code_token if long else _code_token)(type_name, param, system, code, text)
            rows.keys.append(key)
            rows.vocabulary.append(entry)
            if param == "_security":
                rows.facts.append(label_key("_security", system or "", code or ""))
            elif param == "_tag":
                rows.facts.append(label_key("_tag", system or "", code or ""))
        elif kind == "identifier":
            value = code or ""
            long = len(value) > _INDEXED
            rows.keys.append((_long_token_key if long else token_key)(type_name, param, system or "", value))
            rows.keys.append(value_key(type_name, param, value))
            if system:
                rows.keys.append(system_key(type_name, param, system))
        else:
            rows.keys.append(of_type_key(type_name, param, system or "", code or "", text or ""))


def _references(rows: Rows, type_name: str, extracted: Extracted) -> None:
    for param, target, id_, _version in extracted.references:
        rows.keys.append(reference_key(type_name, param, resource_key(target, id_)))
    for param, url in extracted.urls:
        rows.keys.append(uri_key(type_name, param, url))
    for param, system, value in extracted.reference_identifiers:
        rows.keys.append(token_key(type_name, f"{param}:identifier", system or "", value or ""))
        rows.keys.append(value_key(type_name, f"{param}:identifier", value or ""))
    for param, value in extracted.uris:
        key = uri_key(type_name, param, value)
        rows.keys.append(key)
        if param in SHARED_URIS:
            rows.vocabulary.append(_uri_entry(type_name, param, key, value))
        else:
            rows.strings.append((param_key(type_name, param), value[:_INDEXED], None))


def _ranges(rows: Rows, type_name: str, extracted: Extracted) -> None:
    for param, lo, hi in extracted.dates:
        rows.spans.append((param_key(type_name, param), lo, hi))
    for param, low, high in extracted.numbers:
        rows.quantities.append((param_key(type_name, param), float(low), float(high), 0, 0, float(low), float(high)))
    for param, *quantity in extracted.quantities:
        _quantity(rows, param_key(type_name, param), tuple(quantity))


def _quantity(rows: Rows, key: int, quantity: tuple) -> None:  # type: ignore[type-arg]
    lo, hi, system, code, unit, canon_lo, canon_hi, canon_unit = quantity
    dimension = canonical_unit_key(system, code, canon_unit)
    low, high = float(lo), float(hi)
    canon = (low, high) if canon_unit is None else (float(canon_lo), float(canon_hi))
    rows.quantities.append((key, low, high, unit_key(code or unit or ""), dimension, *canon))
    if unit and code and unit != code:
        rows.quantities.append((key, low, high, unit_key(unit), 0, low, high))


def _strings(rows: Rows, type_name: str, extracted: Extracted) -> None:
    for param, raw in extracted.strings:
        folded = norm(raw)[:_INDEXED]
        rows.strings.append((param_key(type_name, param), folded, None if folded == raw else raw))


def _discrete(component: tuple) -> list[str]:  # type: ignore[type-arg]
    """The ways a discrete component of a composite can be asked for."""
    kind, *value = component
    if kind == "token":
        system, code, _text = value
        if code is None:
            return []
        return [f"{system or ''}|{code}", f"*|{code}"]
    if kind == "reference":
        return [f"{value[0]}/{value[1]}"]
    return [str(value[0])]


def _composite(rows: Rows, type_name: str, param: str, components: tuple) -> None:  # type: ignore[type-arg]
    first, *rest = components
    leading = _discrete(first)
    if not rest:
        return
    second = rest[0]
    kind, *value = second
    for lead in leading:
        system, _, code = lead.rpartition("|")
        key = composite_key(type_name, param, system, code)
        if kind == "quantity":
            _quantity(rows, key, tuple(value))
        elif kind == "number":
            low, high = float(value[0]), float(value[1])
            rows.quantities.append((key, low, high, 0, 0, low, high))
        elif kind == "date":
            rows.spans.append((key, value[0], value[1]))
        elif kind == "string":
            rows.strings.append((key, norm(value[0])[:_INDEXED], value[0]))
        else:
            rows.keys.extend(composite_pair_key(type_name, param, lead, tail) for tail in _discrete(second))


def index_rows(type_name: str, extracted: Extracted) -> Rows:
    """The rows by which a resource with these search values is found.

    The values must have been extracted without the resource's own id: that it is in its own compartment is known by
    the id it is stored under, not by what a sender wrote.
    """
    rows = Rows(at=extracted.at, present=extracted.present)
    rows.keys.append(type_key(type_name))
    _tokens(rows, type_name, extracted)
    _references(rows, type_name, extracted)
    _ranges(rows, type_name, extracted)
    _strings(rows, type_name, extracted)
    for param, components in extracted.composites:
        _composite(rows, type_name, param, components)
    _membership(rows, type_name, extracted)
    rows.keys = list(dict.fromkeys(rows.keys))
    rows.strings = list(dict.fromkeys(rows.strings))
    rows.spans = list(dict.fromkeys(rows.spans))
    rows.quantities = list(dict.fromkeys(rows.quantities))
    words = {word_key(word) for word in extracted.content}
    words.update(narrative_key(word) for word in extracted.narrative)
    rows.words = sorted(words)
    return rows


def _membership(rows: Rows, type_name: str, extracted: Extracted) -> None:
    """Facts for the gate, the patient the row is kept with, and the compound rows."""
    for compartment, id_ in extracted.compartments:
        rid = resource_key(compartment, id_)
        rows.facts.append(compartment_key(compartment, rid))
        if compartment == "Patient" and rows.patient is None and type_name != "Patient":
            rows.patient = rid
    compound = COMPOUNDS.get(type_name)
    if compound is None:
        return
    patient_param, token_params = compound
    patients = [resource_key(t, i) for p, t, i, _ in extracted.references if p == patient_param and t == "Patient"]
    for rid in patients:
        for param, kind, system, code, _text in extracted.tokens:
            if param in token_params and kind == "code" and code is not None:
                rows.keys.append(compound_key(type_name, rid, token_key(type_name, param, system or "", code)))
