"""From the value of one search parameter to criteria: each type and modifier of http://hl7.org/fhir/R4/search.html#ptypes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import cos, radians
from typing import TYPE_CHECKING

from jiankang.fhir.definitions import load
from jiankang.fhir.search import (
    Parameter,
    approximate_dates,
    approximate_numbers,
    is_conjunction,
    normalise_string,
    parameters,
    parse_date,
    parse_near,
    parse_number,
    parse_of_type,
    parse_quantity,
    parse_reference,
    parse_string,
    parse_token,
    parse_uri,
    query_words,
    split_composite,
    split_or,
)
from jiankang.fhir.search.expressions import PlainPath, parts_for
from jiankang.foundation.record import indexing
from jiankang.foundation.record.search.criteria import (
    NOTHING,
    Amount,
    Criterion,
    Every,
    Has,
    Ids,
    Keys,
    Lookup,
    Meant,
    Missing,
    Near,
    Not,
    Some,
    Span,
    Text,
    Updated,
    Words,
    either,
)
from jiankang.kernel.errors import Invalid, NotSupported

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

_NORM_CHARACTERS = 512
_METRES_PER_DEGREE = 111_195.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TERMINOLOGY = frozenset({"in", "above", "below"})

_MODIFIERS: dict[str, frozenset[str]] = {
    "string": frozenset({"exact", "contains"}),
    "token": frozenset({"not", "text", "of-type", "in", "not-in", "above", "below"}),
    "uri": frozenset({"above", "below"}),
    "reference": frozenset({"identifier"}),
}


@lru_cache(maxsize=4096)
def leaf_types(type_name: str, expression: str) -> frozenset[tuple[str, str | None, bool]]:
    """What the expression of a parameter ends at: (type, value set of a required binding, whether at most one)."""
    definitions = load()
    found: set[tuple[str, str | None, bool]] = set()
    for part in parts_for(expression, definitions.ancestry(type_name)):
        if not isinstance(part, PlainPath) or part.root.startswith("%"):
            return frozenset({("?", None, False)})
        if part.is_flag:
            found.add(("boolean", None, True))
            continue
        found |= _walk(type_name, part)
    return frozenset(found)


def _walk(type_name: str, path: PlainPath) -> set[tuple[str, str | None, bool]]:
    types = load().types
    current: list[tuple[str, str | None, bool]] = [(type_name, None, True)]
    for step in path.steps:
        following: list[tuple[str, str | None, bool]] = []
        for name, _, single in current:
            elements = types[name].elements if name in types else {}
            names = [name for name, element in elements.items() if step.name in {name, element.name}]
            for member in names:
                element = elements[member]
                kind = element.json_names[member]
                if step.cast is not None and kind != step.cast:
                    continue
                only = single and (element.max == 1 or step.index is not None)
                bound = (
                    element.binding.value_set if element.binding and element.binding.strength == "required" else None
                )
                following.append((kind, bound, only))
        current = following
    return set(current) or {("?", None, False)}


class Values:
    """Makes criteria of values. `now` is what `ap` on dates counts from; dates without offset are read in `zone`."""

    def __init__(self, now: datetime, zone: tzinfo, base_url: str) -> None:
        self.now = int((now - _EPOCH) / timedelta(microseconds=1))
        self.zone = zone
        self.base_url = base_url

    def criterion(self, type_name: str, parameter: Parameter, modifier: str, value: str) -> Criterion:
        """What `parameter:modifier=value` asks of resources of a type. Raises Invalid or NotSupported."""
        where = f"{parameter.code}:{modifier}" if modifier else parameter.code
        try:
            return self._criterion(type_name, parameter, modifier, value)
        except (Invalid, NotSupported) as problem:
            raise type(problem)(f"{where}: {problem}", expression=[where]) from None

    def _criterion(self, type_name: str, parameter: Parameter, modifier: str, value: str) -> Criterion:
        if modifier == "missing":
            return _missing(parameter, value)
        special = _SPECIAL.get(parameter.code)
        if special is not None and parameter.code.startswith("_"):
            return special(self, type_name, modifier, value)
        kind = parameter.type
        self._check_modifier(parameter, modifier)
        maker = _MAKERS[kind]
        negated = modifier in {"not", "not-in"}
        asked = {"not": "", "not-in": "in"}.get(modifier, modifier)
        found = either(
            [
                maker(self, type_name, parameter, code, asked, raw)
                for raw in split_or(value)
                for code in _codes(parameter)
            ]
        )
        return Not(found) if negated else found

    def _check_modifier(self, parameter: Parameter, modifier: str) -> None:
        if not modifier or modifier in _MODIFIERS.get(parameter.type, ()):
            return
        if parameter.type == "reference" and load().is_resource(modifier):
            if parameter.targets and modifier not in parameter.targets:
                raise Invalid(
                    f"it never refers to a {modifier}; it may refer to {', '.join(sorted(parameter.targets))}"
                )
            return
        known = ["missing", *sorted(_MODIFIERS.get(parameter.type, ()))]
        raise Invalid(
            f"':{modifier}' cannot be used with a {parameter.type}; these can: {', '.join(':' + name for name in known)}"
        )

    # -- the parameter types

    def string(self, type_name: str, _parameter: Parameter, code: str, modifier: str, raw: str) -> Criterion:
        """http://hl7.org/fhir/R4/search.html#string."""
        text = parse_string(raw)
        mode = {"": "starts", "exact": "exact", "contains": "contains"}[modifier]
        return text_criterion(indexing.param_key(type_name, code), mode, text)

    def uri(self, type_name: str, _parameter: Parameter, code: str, modifier: str, raw: str) -> Criterion:
        """http://hl7.org/fhir/R4/search.html#uri."""
        return _uri(type_name, code, modifier, parse_uri(raw))

    def token(self, type_name: str, parameter: Parameter, code: str, modifier: str, raw: str) -> Criterion:
        """http://hl7.org/fhir/R4/search.html#token."""
        if modifier == "text":
            text = normalise_string(parse_string(raw))
            return Lookup(type_name, code, text=text)
        if modifier in _TERMINOLOGY:
            return _meant(type_name, parameter, code, modifier, raw)
        if modifier == "of-type":
            asked = parse_of_type(raw)
            key = indexing.of_type_key(type_name, code, asked.system, asked.code, asked.value)
            return Keys((key,), code, unique=True)
        token = parse_token(raw)
        return _token(type_name, parameter, code, token.system, token.code)

    def reference(self, type_name: str, parameter: Parameter, code: str, modifier: str, raw: str) -> Criterion:
        """http://hl7.org/fhir/R4/search.html#reference."""
        if modifier == "identifier":
            return _by_identifier(type_name, code, raw)
        asked = parse_reference(raw, self.base_url)
        if asked.url is not None:
            return Keys((indexing.uri_key(type_name, code, asked.url),), code)
        if asked.version is not None:
            raise NotSupported("references to one version are found by the resource: leave /_history/… out")
        only = parameter.alias_of.target if parameter.alias_of else None
        if asked.type is not None:
            if modifier and modifier != asked.type:
                raise Invalid(f"'{raw[:80]}' is not a {modifier}")
            if not load().is_resource(asked.type):
                raise Invalid(f"'{asked.type}' is not a resource type of FHIR R4")
            types: tuple[str, ...] = (asked.type,) if only in (None, asked.type) else ()
        else:
            types = (modifier,) if modifier else (only,) if only else (parameter.targets or load().resource_names)
        rids = [indexing.resource_key(name, asked.id or "") for name in types]
        patient = types == ("Patient",)
        hashes = tuple(indexing.reference_key(type_name, code, rid) for rid in rids)
        return Keys(hashes, code, targets=tuple(rids) if patient else ())

    def date(self, type_name: str, _parameter: Parameter, code: str, _modifier: str, raw: str) -> Criterion:
        """http://hl7.org/fhir/R4/search.html#date."""
        return self.span(indexing.param_key(type_name, code), raw)

    def span(self, hash_: int, raw: str) -> Criterion:
        """A comparison of dates under any key."""
        prefix, lo, hi = self.interval(raw)
        return Span(hash_, prefix, lo, hi)

    def interval(self, raw: str) -> tuple[str, int, int]:
        """Prefix and range of a date, widened for `ap`."""
        asked = parse_date(raw, self.zone)
        lo, hi = approximate_dates(asked.lo, asked.hi, self.now) if asked.prefix == "ap" else (asked.lo, asked.hi)
        return asked.prefix, lo, hi

    def number(self, type_name: str, _parameter: Parameter, code: str, _modifier: str, raw: str) -> Criterion:
        """http://hl7.org/fhir/R4/search.html#number."""
        return self.plain_number(indexing.param_key(type_name, code), raw)

    def plain_number(self, hash_: int, raw: str) -> Criterion:
        """A comparison of numbers under any key."""
        asked = parse_number(raw)
        lo, hi = asked.lo, asked.hi
        if asked.prefix == "ap":
            lo, hi = approximate_numbers(asked.value, lo, hi)
        elif asked.prefix not in {"eq", "ne"}:
            lo = hi = asked.value
        return Amount(hash_, asked.prefix, float(lo), float(hi))

    def quantity(self, type_name: str, _parameter: Parameter, code: str, _modifier: str, raw: str) -> Criterion:
        """http://hl7.org/fhir/R4/search.html#quantity."""
        return self.amount(indexing.param_key(type_name, code), raw)

    def amount(self, hash_: int, raw: str) -> Criterion:
        """A comparison of quantities under any key."""
        asked = parse_quantity(raw)
        lo, hi = asked.lo, asked.hi
        canon_value, canon_lo, canon_hi = asked.canon_value, asked.canon_lo, asked.canon_hi
        if asked.prefix == "ap":
            lo, hi = approximate_numbers(asked.value, lo, hi)
            if canon_value is not None and canon_lo is not None and canon_hi is not None:
                canon_lo, canon_hi = approximate_numbers(canon_value, canon_lo, canon_hi)
        elif asked.prefix not in {"eq", "ne"}:
            lo = hi = asked.value
            canon_lo = canon_hi = canon_value
        if asked.code is None and asked.system is None:
            return Amount(hash_, asked.prefix, float(lo), float(hi))
        if asked.code is None:
            raise Invalid("a unit's system needs a code: write number|system|code, or the number alone")
        found: list[Criterion] = []
        if asked.system is None:
            found.append(Amount(hash_, asked.prefix, float(lo), float(hi), unit=indexing.unit_key(asked.code)))
        if asked.canon_unit is not None and canon_lo is not None and canon_hi is not None:
            unit = indexing.canonical_unit_key(asked.system, asked.code, asked.canon_unit)
            found.append(Amount(hash_, asked.prefix, float(canon_lo), float(canon_hi), canon=unit))
        elif asked.system is not None:
            unit = indexing.canonical_unit_key(asked.system, asked.code, None)
            found.append(Amount(hash_, asked.prefix, float(lo), float(hi), canon=unit))
        return either(found)

    def composite(self, type_name: str, parameter: Parameter, code: str, _modifier: str, raw: str) -> Criterion:
        """http://hl7.org/fhir/R4/search.html#composite."""
        components = parameter.components
        if len(components) != 2:
            raise NotSupported(f"composites of {len(components)} parts are not indexed; search by its parts instead")
        first, second = split_composite(raw, 2)
        if is_conjunction(type_name, code):
            known = parameters(type_name)
            sides = zip(known[code].components, (first, second), strict=True)
            return Every(tuple(self._criterion(type_name, known[part.code], "", text) for part, text in sides))
        lead = parse_token(first)
        if lead.code is None:
            raise Invalid("the first part of a composite needs a code: write system|code or code before the $")
        system = "*" if lead.system is None else lead.system
        kind = components[1].type
        key = indexing.composite_key(type_name, code, system, lead.code)
        if kind == "quantity":
            return self.amount(key, second)
        if kind == "number":
            return self.plain_number(key, second)
        if kind == "date":
            return self.span(key, second)
        if kind == "string":
            return text_criterion(key, "starts", parse_string(second))
        tails = self._tails(kind, components[1].targets, second)
        pairs = tuple(indexing.composite_pair_key(type_name, code, f"{system}|{lead.code}", tail) for tail in tails)
        return Keys(pairs, code)

    def _tails(self, kind: str, targets: tuple[str, ...], raw: str) -> list[str]:
        if kind == "token":
            tail = parse_token(raw)
            if tail.code is None:
                raise Invalid("the second part of this composite needs a code: write system|code or code after the $")
            return [f"{'*' if tail.system is None else tail.system}|{tail.code}"]
        if kind == "reference":
            asked = parse_reference(raw, self.base_url)
            types = (asked.type,) if asked.type else targets or load().resource_names
            return [f"{name}/{asked.id}" for name in types]
        return [parse_uri(raw)]

    def special(self, type_name: str, parameter: Parameter, code: str, _modifier: str, raw: str) -> Criterion:
        """`near`, the only one with values of its own (http://hl7.org/fhir/R4/location.html#search)."""
        if parameter.code != "near":
            raise NotSupported("this parameter has no meaning known to this server")
        asked = parse_near(raw)
        latitudes = indexing.param_key(type_name, f"{code}:latitude")
        longitudes = indexing.param_key(type_name, f"{code}:longitude")
        latitude, longitude, metres = float(asked.latitude), float(asked.longitude), float(asked.distance_m)
        reach = metres / _METRES_PER_DEGREE * 1.001
        band = Amount(latitudes, "ap", latitude - reach, latitude + reach)
        circle = Near(latitudes, longitudes, latitude, longitude, metres)
        widest = reach / max(cos(radians(min(90.0, abs(latitude) + reach))), 1e-6)
        if abs(longitude) + widest >= 180:
            return Every((band, circle))
        return Every((band, Amount(longitudes, "ap", longitude - widest, longitude + widest), circle))

    # -- parameters of every resource

    def ids(self, type_name: str, modifier: str, value: str) -> Criterion:
        """`_id`."""
        if modifier not in {"", "not"}:
            raise Invalid(f"':{modifier}' cannot be used with _id")
        ids = tuple(dict.fromkeys(parse_token(raw).code or "" for raw in split_or(value)))
        found = Ids(tuple(indexing.resource_key(type_name, one) for one in ids), ids)
        return Not(found) if modifier == "not" else found

    def updated(self, _type_name: str, modifier: str, value: str) -> Criterion:
        """`_lastUpdated`."""
        if modifier:
            raise Invalid(f"':{modifier}' cannot be used with _lastUpdated")
        found: list[Criterion] = []
        for raw in split_or(value):
            prefix, lo, hi = self.interval(raw)
            found.append(Updated(prefix, _moment(lo), _moment(hi)))
        return either(found)

    def content(self, _type_name: str, modifier: str, value: str) -> Criterion:
        """`_content`: words anywhere (http://hl7.org/fhir/R4/search.html#content)."""
        return _words(indexing.word_key, modifier, value)

    def narrative(self, _type_name: str, modifier: str, value: str) -> Criterion:
        """`_text`: words of the narrative."""
        return _words(indexing.narrative_key, modifier, value)

    def listed(self, type_name: str, modifier: str, value: str) -> Criterion:
        """`_list`: what a List has entries of (http://hl7.org/fhir/R4/search.html#list)."""
        if modifier:
            raise Invalid(f"':{modifier}' cannot be used with _list")
        found: list[Criterion] = []
        for raw in split_or(value):
            if raw.startswith("$"):
                raise NotSupported(f"the functional list {raw[:40]} is not kept here; give the id of a List")
            asked = parse_reference(raw, self.base_url)
            id_ = asked.id or ""
            inner = Ids((indexing.resource_key("List", id_),), (id_,))
            found.append(Has(indexing.reference_constant("List", "item"), load().type_code("List"), inner))
        del type_name
        return either(found)


def _codes(parameter: Parameter) -> tuple[str, ...]:
    return parameter.alias_of.codes if parameter.alias_of else (parameter.code,)


def _missing(parameter: Parameter, value: str) -> Criterion:
    if value not in {"true", "false"}:
        raise Invalid("write true or false")
    if parameter.code in {"_id", "_lastUpdated"}:
        return NOTHING if value == "true" else Every(())
    if parameter.code.startswith("_") and parameter.code not in {"_tag", "_security", "_profile", "_source"}:
        raise Invalid(":missing cannot be used here")
    return Missing(parameter.number, value == "true")


def text_criterion(hash_: int, mode: str, text: str) -> Criterion:
    """Strings under `hash_` that start with, are, contain, or end with `text`."""
    norm = normalise_string(text)
    if mode in {"starts", "exact", "equals"}:
        norm = norm[:_NORM_CHARACTERS]
    return Text(hash_, mode, norm, text if mode == "exact" else "")


def uri_beginning(type_name: str, code: str, prefix: str) -> Criterion:
    """Uris that start with `prefix`, as they are written."""
    if code in indexing.SHARED_URIS:
        return Lookup(type_name, code, prefix=prefix)
    return Text(indexing.param_key(type_name, code), "starts", prefix[:_NORM_CHARACTERS])


def _uri(type_name: str, code: str, modifier: str, value: str) -> Criterion:
    equal = Keys((indexing.uri_key(type_name, code, value),), code)
    if modifier == "below":
        return Some((equal, uri_beginning(type_name, code, value.rstrip("/") + "/")))
    if modifier == "above":
        ends = [place for place, letter in enumerate(value) if letter == "/"]
        above = {
            value,
            *(value[:place] for place in ends),
            *(value[: place + 1] for place in ends if place + 1 < len(value)),
        }
        return Keys(tuple(indexing.uri_key(type_name, code, one) for one in sorted(above) if one), code)
    return equal


_CODING = frozenset({"CodeableConcept", "Coding", "code", "boolean"})


def _token(type_name: str, parameter: Parameter, code: str, system: str | None, value: str | None) -> Criterion:
    owner = parameter if code == parameter.code else _parameter(type_name, code) or parameter
    leaves = leaf_types(type_name, owner.expression)
    kinds = {kind for kind, _, _ in leaves}
    parts: list[Criterion] = []
    if not kinds <= _CODING:
        parts.append(_identifier(type_name, code, system, value))
    if kinds & _CODING or "?" in kinds:
        parts.append(_concept(type_name, code, system, value, leaves))
    return parts[0] if len(parts) == 1 else either(parts)


def _meant(type_name: str, parameter: Parameter, code: str, relation: str, raw: str) -> Criterion:
    """http://hl7.org/fhir/R4/search.html#token, the modifiers that ask about the meaning of codes."""
    owner = parameter if code == parameter.code else _parameter(type_name, code) or parameter
    if not {kind for kind, _, _ in leaf_types(type_name, owner.expression)} & {*_CODING, "?"}:
        raise Invalid(f"':{relation}' is about codes, and {parameter.code} has none")
    if relation == "in":
        url = parse_uri(raw)
        if ":" not in url:
            raise Invalid(f"'{url[:80]}' is no value set's canonical URL")
        return Meant(type_name, code, relation, url)
    token = parse_token(raw)
    if not token.system or not token.code:
        raise Invalid(f"':{relation}' needs a code with its system: write system|code")
    return Meant(type_name, code, relation, token.system, token.code)


def _parameter(type_name: str, code: str) -> Parameter | None:
    from jiankang.fhir.search import parameters

    return parameters(type_name).get(code)


def _identifier(type_name: str, code: str, system: str | None, value: str | None) -> Keys:
    if value is None:
        return Keys((indexing.system_key(type_name, code, system or ""),), code)
    if system is None:
        return Keys((indexing.value_key(type_name, code, value),), code, unique=True)
    return Keys((indexing.token_key(type_name, code, system, value),), code, unique=True)


def _concept(
    type_name: str,
    code: str,
    system: str | None,
    value: str | None,
    leaves: frozenset[tuple[str, str | None, bool]],
) -> Criterion:
    if value is None:
        return Lookup(type_name, code, system=system)
    if system is not None:
        return Keys((indexing.token_key(type_name, code, system, value),), code)
    systems = _implied_systems(value, leaves)
    if systems is None:
        return Lookup(type_name, code, code=value)
    return Keys(tuple(indexing.token_key(type_name, code, one, value) for one in systems), code)


def _implied_systems(value: str, leaves: frozenset[tuple[str, str | None, bool]]) -> tuple[str, ...] | None:
    """The code systems that a value of a `code` or `boolean` element can have; None when any system may occur."""
    found: dict[str, None] = {}
    for kind, value_set, _ in leaves:
        if kind == "boolean":
            found[""] = None
        elif kind == "code":
            codes = load().value_set_codes(value_set) if value_set else None
            found[(codes or {}).get(value, "")] = None
        else:
            return None
    return tuple(found)


def _by_identifier(type_name: str, code: str, raw: str) -> Criterion:
    token = parse_token(raw)
    if token.code is None:
        raise NotSupported(":identifier needs a value: write system|value or value")
    name = f"{code}:identifier"
    if token.system is None:
        return Keys((indexing.value_key(type_name, name, token.code),), name)
    return Keys((indexing.token_key(type_name, name, token.system, token.code),), name)


def _words(key: Callable[[str], int], modifier: str, value: str) -> Criterion:
    if modifier:
        raise Invalid(f"':{modifier}' cannot be used with a full-text search")
    found: list[Criterion] = []
    for raw in split_or(value):
        words = query_words(parse_string(raw))
        if not words:
            raise Invalid("there is no word in it to look for")
        found.append(Words(tuple(key(word) for word in words)))
    return either(found)


def _moment(micros: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if micros > 0 else datetime.min.replace(tzinfo=UTC)


_MAKERS: dict[str, Callable[[Values, str, Parameter, str, str, str], Criterion]] = {
    "string": Values.string,
    "uri": Values.uri,
    "token": Values.token,
    "reference": Values.reference,
    "date": Values.date,
    "number": Values.number,
    "quantity": Values.quantity,
    "composite": Values.composite,
    "special": Values.special,
}

_SPECIAL: dict[str, Callable[[Values, str, str, str], Criterion]] = {
    "_id": Values.ids,
    "_lastUpdated": Values.updated,
    "_content": Values.content,
    "_text": Values.narrative,
    "_list": Values.listed,
}

__all__ = ["Values", "leaf_types", "text_criterion"]
