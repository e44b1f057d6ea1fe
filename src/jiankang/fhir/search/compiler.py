"""Compiles the search parameters of a type into one Python function that finds all values of a resource.

Paths become nested look-ups, shared prefixes are walked once, absent elements cost one `dict.get`.
Expressions beyond plain paths go through `jiankang.fhir.path`. http://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import Element, load
from jiankang.fhir.search import emit
from jiankang.fhir.search.dates import date_range
from jiankang.fhir.search.expressions import OtherExpression, Part, PlainPath, Step, parts_for
from jiankang.fhir.search.model import ComponentParameter, Extracted, Parameter
from jiankang.fhir.search.parameters import KEPT_BY_THE_STORE, is_conjunction, principal_dates
from jiankang.fhir.search.text import content_names, content_words, narrative_words
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from datetime import tzinfo

Extractor = Callable[[dict[str, Any]], Extracted]

_PRIMITIVE_DATES = frozenset({"date", "dateTime", "instant"})


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A parameter that wants the values of one type at one place."""

    parameter: Parameter
    kind: str
    element: Element | None
    resolves_to: str | None = None


@dataclass(slots=True)
class _Node:
    """A place in the resource: what wants it, and what lies below."""

    many: bool = False
    primitive: bool = False
    leaves: list[_Leaf] = field(default_factory=list)
    composites: list[tuple[Parameter, str]] = field(default_factory=list)
    children: dict[tuple[str, int | None, tuple[str, str] | None], _Node] = field(default_factory=dict)


Place = tuple[_Node, str, Element | None]


def _steps_below(place: Place, step: Step) -> list[Place]:
    """The places that one more step leads to: several for a choice of types."""
    node, type_name, _ = place
    definition = load().types.get(type_name)
    found: list[Place] = []
    for element in definition.children if definition is not None else ():
        if element.name != step.name and step.name not in element.json_names:
            continue
        for json_name, kind in element.json_names.items():
            if step.name not in (element.name, json_name) or not _casts_to(step.cast, kind):
                continue
            child = node.children.setdefault((json_name, step.index, step.condition), _Node())
            child.many = element.max is None or element.max > 1
            child.primitive = _is_primitive(kind)
            found.append((child, kind, element))
    return found


def _casts_to(cast: str | None, kind: str) -> bool:
    return cast is None or kind == cast or kind == cast[0].lower() + cast[1:]


@cache
def _is_primitive(kind: str) -> bool:
    definition = load().types.get(kind)
    return definition is not None and definition.kind == "primitive-type"


def _walk(node: _Node, type_name: str, steps: Iterable[Step]) -> list[Place]:
    places: list[Place] = [(node, type_name, None)]
    for step in steps:
        places = [below for place in places for below in _steps_below(place, step)]
    return places


class _Source:
    """Python text as it grows, and the objects that it names."""

    def __init__(self, zone: tzinfo) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            name: getattr(emit, name)
            for name in (
                "concept", "coding", "identifier", "contact", "human_name", "address", "reference",
                "reference_text", "refers_to", "resource_reference", "canonical", "canonical_reference", "quantities_of", "numbers_of",
                "dates_of", "position",
            )
        }  # fmt: skip
        self.names |= {"date_range": date_range, "ZONE": zone, "Extracted": Extracted, "product": product}
        self._counter = 0

    def fresh(self, stem: str = "x") -> str:
        self._counter += 1
        return f"{stem}{self._counter}"

    def bind(self, value: Any, stem: str = "k") -> str:
        name = self.fresh(stem)
        self.names[name] = value
        return name

    def add(self, depth: int, *lines: str) -> None:
        self.lines += ["    " * depth + line for line in lines]


def compile_extractor(type_name: str, parameters: Iterable[Parameter], zone: tzinfo) -> Extractor:
    """The function that finds all values of a resource of this type for these parameters.

    Raises Invalid when an expression leads nowhere in the type. Dates without an offset are read in `zone`.
    """
    known = list(parameters)
    source = _Source(zone)
    root = _Node()
    flags: list[tuple[Parameter, PlainPath]] = []
    others: list[tuple[Parameter, OtherExpression]] = []
    ancestry = load().ancestry(type_name)
    for parameter in known:
        if parameter.alias_of is None and parameter.code not in KEPT_BY_THE_STORE:
            meant = parts_for(parameter.expression, ancestry)
            if not meant and parameter.custom:
                raise Invalid(f"The expression '{parameter.expression}' does not begin at {type_name}.")
            for part in meant:
                _place(parameter, part, root, type_name, flags, others)
    source.add(0, "def extract(r):")
    source.add(1, "tokens = []; strings = []; references = []; urls = []; logical = []; uris = []; dates = []")
    source.add(1, "numbers = []; quantities = []; composites = []; present = 0")
    source.add(
        1,
        "into = Extracted(tokens, strings, references, urls, logical, uris, dates, numbers, quantities, composites)",
    )
    _write_node(source, root, "r", 1, type_name)
    for parameter, path in flags:
        _write_flag(source, parameter, path, type_name)
    for parameter, other in others:
        _write_other(source, parameter, other, type_name)
    _write_end(source, type_name, {parameter.code: parameter for parameter in known})
    code = compile("\n".join(source.lines), f"<search values of {type_name}>", "exec")
    exec(code, source.names)  # noqa: S102 - the text is written above, from definitions
    extractor: Extractor = source.names["extract"]
    return extractor


def _place(
    parameter: Parameter,
    part: Part,
    root: _Node,
    type_name: str,
    flags: list[tuple[Parameter, PlainPath]],
    others: list[tuple[Parameter, OtherExpression]],
) -> None:
    """Put a parameter where its expression leads."""
    if isinstance(part, OtherExpression):
        others.append((parameter, part))
        return
    if part.is_flag:
        flags.append((parameter, part))
        return
    places = _walk(root, type_name, part.steps)
    if not places and parameter.custom:
        raise Invalid(f"The expression '{parameter.expression}' leads to nothing in {type_name}.")
    if parameter.custom:
        _check_kinds(parameter, places, type_name)
    for node, kind, element in places:
        if parameter.type == "composite":
            if not parameter.custom and is_conjunction(type_name, parameter.code):
                continue
            node.composites.append((parameter, kind))
        else:
            leaf = _Leaf(parameter, kind, element, part.resolves_to)
            if leaf not in node.leaves:
                node.leaves.append(leaf)


def _check_kinds(parameter: Parameter, places: list[Place], type_name: str) -> None:
    """Refuse a custom parameter whose type cannot hold any of the values that its expression leads to."""
    if parameter.type == "composite":
        return
    leaves = [_Leaf(parameter, kind, element) for _, kind, element in places]
    if not any(_leaf_lines(_Source(UTC), leaf, "x") for leaf in leaves):
        kinds = " or ".join(sorted({leaf.kind for leaf in leaves}))
        raise Invalid(f"The expression '{parameter.expression}' leads to {kinds} in {type_name}: no {parameter.type}.")


def _write_node(source: _Source, node: _Node, var: str, depth: int, type_name: str) -> None:
    """Code for what wants the value in `var`, and for what lies below it."""
    for leaf in node.leaves:
        _write_leaf(source, leaf, var, depth)
    for parameter, kind in node.composites:
        _write_composite(source, parameter, kind, var, depth)
    for (name, index, condition), child in node.children.items():
        value = source.fresh()
        source.add(depth, f"{value} = {var}.get({name!r})", f"if {value} is not None:")
        inner = depth + 1
        if child.many and index is None:
            item = source.fresh()
            source.add(inner, f"for {item} in {value}:")
            value, inner = item, inner + 1
            if child.primitive:
                source.add(inner, f"if {value} is None: continue")
        elif child.many:
            source.add(inner, f"{value} = {value}[{index}] if len({value}) > {index} else None")
            source.add(inner, f"if {value} is not None:")
            inner += 1
        if condition is not None:
            source.add(inner, f"if {value}.get({condition[0]!r}) == {condition[1]!r}:")
            inner += 1
        before = len(source.lines)
        _write_node(source, child, value, inner, type_name)
        if len(source.lines) == before:
            source.add(inner, "pass")


def _write_leaf(source: _Source, leaf: _Leaf, var: str, depth: int) -> None:
    if leaf.resolves_to is not None:
        source.add(depth, f"if refers_to({var}, {leaf.resolves_to!r}, r):")
        depth += 1
    lines = _leaf_lines(source, leaf, var)
    if lines:
        source.add(depth, f"present |= {1 << leaf.parameter.number}", *lines)
    else:
        source.add(depth, "pass")


def _leaf_lines(source: _Source, leaf: _Leaf, var: str) -> list[str]:
    """The statements that add the rows of one value."""
    writer = _WRITERS.get(leaf.parameter.type)
    return writer(source, leaf, var, repr(leaf.parameter.code)) if writer is not None else []


def _token_lines(source: _Source, leaf: _Leaf, var: str, code: str) -> list[str]:
    helper = {
        "CodeableConcept": "concept",
        "Coding": "coding",
        "Identifier": "identifier",
        "ContactPoint": "contact",
    }
    if leaf.kind in helper:
        return [f"{helper[leaf.kind]}(tokens, {code}, {var})"]
    if leaf.kind == "boolean":
        return [f"tokens.append(({code}, 'code', None, 'true' if {var} else 'false', None))"]
    if leaf.kind == "code":
        systems = _systems(leaf.element)
        if systems is None:
            return [f"tokens.append(({code}, 'code', None, {var}, None))"]
        return [f"tokens.append(({code}, 'code', {source.bind(systems)}.get({var}), {var}, None))"]
    if _is_primitive(leaf.kind):
        return [f"tokens.append(({code}, 'identifier', None, str({var}), None))"]
    return []


def _systems(element: Element | None) -> Mapping[str, str] | None:
    """Code to code system where a required binding says it."""
    if element is None or element.binding is None or element.binding.strength != "required":
        return None
    return load().value_set_codes(element.binding.value_set)


def _string_lines(_source: _Source, leaf: _Leaf, var: str, code: str) -> list[str]:
    if leaf.kind == "HumanName":
        return [f"human_name(strings, {code}, {var})"]
    if leaf.kind == "Address":
        return [f"address(strings, {code}, {var})"]
    return [f"strings.append(({code}, {var}))"] if _is_primitive(leaf.kind) else []


def _reference_lines(_source: _Source, leaf: _Leaf, var: str, code: str) -> list[str]:
    if leaf.kind == "Reference":
        return [f"reference(into, {code}, {var})"]
    if leaf.kind == "Resource":
        return [f"resource_reference(into, {code}, {var}, {leaf.parameter.targets!r})"]
    if leaf.kind == "Attachment":
        return [f"if 'url' in {var}: canonical_reference(into, {code}, {var}['url'])"]
    return [f"canonical_reference(into, {code}, {var})"] if _is_primitive(leaf.kind) else []


def _uri_lines(_source: _Source, leaf: _Leaf, var: str, code: str) -> list[str]:
    return [f"canonical(uris, {code}, {var})"] if _is_primitive(leaf.kind) else []


def _date_lines(_source: _Source, leaf: _Leaf, var: str, code: str) -> list[str]:
    if leaf.kind in _PRIMITIVE_DATES:
        return [f"dates.append(({code}, *date_range({var}, ZONE)))"]
    if leaf.kind in ("Period", "Timing"):
        return [f"for lo, hi in dates_of({leaf.kind!r}, {var}, ZONE): dates.append(({code}, lo, hi))"]
    return []


def _number_lines(_source: _Source, leaf: _Leaf, var: str, code: str) -> list[str]:
    if leaf.kind == "Range" or _is_primitive(leaf.kind):
        return [f"for lo, hi in numbers_of({leaf.kind!r}, {var}): numbers.append(({code}, lo, hi))"]
    return []


def _quantity_lines(_source: _Source, leaf: _Leaf, var: str, code: str) -> list[str]:
    if _is_primitive(leaf.kind):
        return []
    return [f"for q in quantities_of({leaf.kind!r}, {var}): quantities.append(({code}, *q))"]


def _special_lines(_source: _Source, leaf: _Leaf, var: str, code: str) -> list[str]:
    return [f"position(numbers, {code}, {var})"] if leaf.kind == "Location.position" else []


_WRITERS: dict[str, Callable[[_Source, _Leaf, str, str], list[str]]] = {
    "token": _token_lines,
    "string": _string_lines,
    "reference": _reference_lines,
    "uri": _uri_lines,
    "date": _date_lines,
    "number": _number_lines,
    "quantity": _quantity_lines,
    "special": _special_lines,
}


def _write_flag(source: _Source, parameter: Parameter, path: PlainPath, type_name: str) -> None:
    """`X.exists() and X != false` is always true or false, so it always has a value."""
    names = [
        name
        for element in load().types[type_name].children
        if len(path.steps) == 1 and element.name == path.steps[0].name
        for name in element.json_names
    ]
    tests = " or ".join(f"(r.get({name!r}) is not None and r[{name!r}] is not False)" for name in names)
    source.add(1, f"present |= {1 << parameter.number}")
    row = f"({parameter.code!r}, 'code', None, 'true' if {tests or 'False'} else 'false', None)"
    source.add(1, f"tokens.append({row})")


def _write_other(source: _Source, parameter: Parameter, other: OtherExpression, type_name: str) -> None:
    """Values of an expression beyond plain paths."""
    path = source.bind(_other_values(type_name, other.text))
    rows = source.bind(_RowsOfAnyType(parameter, source.names["ZONE"]))
    kind, value = source.fresh(), source.fresh()
    source.add(1, f"for {kind}, {value} in {path}(r):")
    source.add(2, f"present |= {1 << parameter.number}", f"{rows}(into, {kind}, {value}, r)")


def _other_values(type_name: str, text: str) -> Callable[[dict[str, Any]], list[tuple[str, Any]]]:
    """The function that evaluates an expression; what makes no sense for a resource gives no values of it."""
    from jiankang.fhir.path import PathRunError, compile_path

    path = compile_path(text, type_name=type_name)

    def values(resource: dict[str, Any]) -> list[tuple[str, Any]]:
        try:
            return path.evaluate_typed(resource)
        except PathRunError:
            return []

    return values


class _RowsOfAnyType:
    """Adds rows for values whose type is known only when they are met: one small function for each type."""

    def __init__(self, parameter: Parameter, zone: tzinfo) -> None:
        self._parameter = parameter
        self._zone = zone
        self._by_kind: dict[str, Callable[[Extracted, Any, dict[str, Any]], None]] = {}

    def __call__(self, into: Extracted, kind: str, value: Any, resource: dict[str, Any]) -> None:
        found = self._by_kind.get(kind)
        if found is None:
            found = self._by_kind[kind] = self._compiled(kind)
        found(into, value, resource)

    def _compiled(self, kind: str) -> Callable[[Extracted, Any, dict[str, Any]], None]:
        source = _Source(self._zone)
        bare = kind.rpartition(".")[2] if kind.startswith(("System.", "FHIR.")) else kind
        if bare not in load().types:
            bare = bare[:1].lower() + bare[1:]
        if load().is_resource(bare):
            bare = "Resource"
        source.add(0, "def rows(into, value, r):")
        for name in ("tokens", "strings", "uris", "dates", "numbers", "quantities"):
            source.add(1, f"{name} = into.{name}")
        source.add(1, *_leaf_lines(source, _Leaf(self._parameter, bare, None), "value"), "return None")
        exec("\n".join(source.lines), source.names)  # noqa: S102 - the text is written above, from definitions
        function: Callable[[Extracted, Any, dict[str, Any]], None] = source.names["rows"]
        return function


def _write_composite(source: _Source, parameter: Parameter, kind: str, var: str, depth: int) -> None:
    """Rows that tie together values of one element; the last component is asked first, being the rarest."""
    names = [source.fresh("c") for _ in parameter.components]
    functions = [
        (source.bind(_component_values(kind, component, source.names["ZONE"])), _context(component, var))
        for component in parameter.components
    ]
    for name, (function, context) in reversed(list(zip(names, functions, strict=True))):
        source.add(depth, f"{name} = {function}({context})", f"if {name}:")
        depth += 1
    source.add(depth, f"present |= {1 << parameter.number}")
    source.add(depth, f"for row in product({', '.join(names)}): composites.append(({parameter.code!r}, row))")


def _context(component: ComponentParameter, var: str) -> str:
    return "r" if component.expression.startswith("%resource") else var


@cache
def _component_values(
    kind: str, component: ComponentParameter, zone: tzinfo
) -> Callable[[dict[str, Any]], list[tuple[object, ...]]]:
    """The function that finds the values of one component of a composite, in an element of type `kind`."""
    source = _Source(zone)
    source.names |= {"component_rows": component_rows}
    root = _Node()
    parameter = Parameter(component.code, component.type, 0, component.targets)
    for part in parts_for(component.expression, (kind,)):
        if isinstance(part, OtherExpression):
            raise Invalid(f"The component '{component.expression}' is not a plain path.")
        for node, leaf_kind, element in _walk(root, _component_base(kind, part), part.steps):
            node.leaves.append(_Leaf(parameter, leaf_kind, element))
    source.add(0, "def values(r):", "    out = []")
    _write_component_node(source, root, "r", 1)
    source.add(1, "return out")
    exec("\n".join(source.lines), source.names)  # noqa: S102 - the text is written above, from definitions
    function: Callable[[dict[str, Any]], list[tuple[object, ...]]] = source.names["values"]
    return function


def _component_base(kind: str, part: PlainPath) -> str:
    return kind.split(".", maxsplit=1)[0] if part.root == "%resource" else kind


def _write_component_node(source: _Source, node: _Node, var: str, depth: int) -> None:
    for leaf in node.leaves:
        systems = source.bind(_systems(leaf.element))
        source.add(depth, f"out += component_rows({leaf.parameter.type!r}, {leaf.kind!r}, {var}, ZONE, {systems})")
    for (name, _, _), child in node.children.items():
        value = source.fresh()
        source.add(depth, f"{value} = r.get({name!r})" if var == "r" else f"{value} = {var}.get({name!r})")
        source.add(depth, f"if {value} is not None:")
        inner = depth + 1
        if child.many:
            item = source.fresh()
            source.add(inner, f"for {item} in {value}:")
            value, inner = item, inner + 1
        _write_component_node(source, child, value, inner)


def component_rows(
    type_: str, kind: str, value: Any, zone: tzinfo, systems: Mapping[str, str] | None
) -> list[tuple[object, ...]]:
    """One value of a composite's component, in the forms that `Extracted.composites` names."""
    if type_ == "token":
        return _component_tokens(kind, value, systems)
    if type_ == "quantity":
        return [("quantity", *found) for found in emit.quantities_of(kind, value)]
    if type_ == "date":
        return [("date", *found) for found in emit.dates_of(kind, value, zone)]
    if type_ == "number":
        return [("number", *found) for found in emit.numbers_of(kind, value)]
    if type_ == "string":
        return [("string", value)] if isinstance(value, str) else []
    if type_ == "uri":
        return [("uri", value)]
    into = Extracted()
    if kind == "Reference":
        emit.reference(into, "", value)
    return [("reference", *row[1:]) for row in into.references] + [("uri", row[1]) for row in into.urls]


def _component_tokens(kind: str, value: Any, systems: Mapping[str, str] | None) -> list[tuple[object, ...]]:
    if kind == "CodeableConcept":
        text = value.get("text")
        found: list[tuple[object, ...]] = [
            ("token", entry.get("system"), entry.get("code"), entry.get("display") or text)
            for entry in value.get("coding") or ()
        ]
        return found or ([("token", None, None, text)] if text is not None else [])
    if kind == "Coding":
        return [("token", value.get("system"), value.get("code"), value.get("display"))]
    if kind == "Identifier":
        return [("token", value.get("system"), value["value"], None)] if "value" in value else []
    if kind == "boolean":
        return [("token", None, "true" if value else "false", None)]
    if _is_primitive(kind):
        return [("token", systems.get(value) if systems is not None else None, str(value), None)]
    return []


def _write_end(source: _Source, type_name: str, known: Mapping[str, Parameter]) -> None:
    """What follows from the rows: bits of aliases, compartments, the principal date, words."""
    narrowed, unions = _alias_bits(known)
    membership = _membership(type_name, known)
    source.add(1, "into.compartments = ()")
    if _owns_compartment(type_name):
        source.add(1, f"inside = {{({type_name!r}, r['id']): None}} if 'id' in r else {{}}")
    elif membership:
        source.add(1, "inside = {}")
    if narrowed or membership:
        bits, names = source.bind(narrowed), source.bind(membership)
        source.add(1, "for code, kind, id_, _ in references:")
        source.add(2, f"present |= {bits}.get((code, kind), 0)")
        if membership:
            source.add(2, f"if (code, kind) in {names}: inside[(kind, id_)] = None")
    if narrowed:
        source.names |= {"bits_of_urls": bits_of_urls, "bits_of_contained": bits_of_contained}
        paths = source.bind(_paths_of_aliases(type_name, known))
        source.add(1, f"if urls: present |= bits_of_urls(urls, {bits})")
        source.add(1, f"if 'contained' in r: present |= bits_of_contained(r, {paths})")
    for bit, mask in unions:
        source.add(1, f"if present & {mask}: present |= {1 << bit}")
    for code, parameter in known.items():
        if not parameter.custom and is_conjunction(type_name, code):
            mask = sum({1 << known[component.code].number for component in parameter.components})
            source.add(1, f"if present & {mask} == {mask}: present |= {1 << parameter.number}")
    if membership or _owns_compartment(type_name):
        source.add(1, "if inside: into.compartments = tuple(inside)")
    chosen = principal_dates(type_name)
    if chosen:
        source.names["principal_start"] = principal_start
        source.add(1, f"if dates: into.at = principal_start(dates, {chosen!r})")
    source.names |= {
        "narrative_words": narrative_words,
        "content_words": content_words,
        "NAMES": content_names(),
    }
    source.add(1, "into.narrative = narrative_words(r)", "into.content = content_words(r, NAMES)")
    custom = [parameter for parameter in known.values() if parameter.custom]
    if custom:
        source.add(1, f"present |= {sum(2 << parameter.number for parameter in custom)}")
    width = (max((parameter.number + parameter.custom for parameter in known.values()), default=0) >> 3) + 1
    source.add(1, f"into.present = present.to_bytes({width}, 'little')", "return into")


def principal_start(dates: list[tuple[str, int, int]], codes: tuple[str, ...]) -> int:
    """The earliest start among the values of the first parameter that has any; 0 when none has."""
    for code in codes:
        starts = [low for name, low, _ in dates if name == code]
        if starts:
            return min(starts)
    return 0


def bits_of_urls(urls: list[tuple[str, str]], bits: Mapping[tuple[str, str], int]) -> int:
    """Bits of aliases whose type an absolute reference names."""
    present = 0
    for code, url in urls:
        segments = url.partition("/_history/")[0].split("/")
        if len(segments) > 1:
            present |= bits.get((code, segments[-2]), 0)
    return present


def bits_of_contained(resource: dict[str, Any], paths: Iterable[tuple[int, str, tuple[Step, ...]]]) -> int:
    """Bits of aliases whose type a reference into the resource itself has."""
    present = 0
    for bit, target, steps in paths:
        values: list[Any] = [resource]
        for step in steps:
            below = [value[step.name] for value in values if step.name in value]
            values = [item for value in below for item in (value if isinstance(value, list) else [value])]
        if any(emit.refers_to(value, target, resource) for value in values):
            present |= bit
    return present


def _paths_of_aliases(type_name: str, known: Mapping[str, Parameter]) -> tuple[tuple[int, str, tuple[Step, ...]], ...]:
    """Bit, type and element path of each alias that is narrowed to a type."""
    ancestry = load().ancestry(type_name)
    return tuple(
        (1 << parameter.number, parameter.alias_of.target, part.steps)
        for parameter in known.values()
        if parameter.alias_of is not None and parameter.alias_of.target is not None
        for part in parts_for(parameter.expression, ancestry)
        if isinstance(part, PlainPath)
    )


def _alias_bits(known: Mapping[str, Parameter]) -> tuple[dict[tuple[str, str], int], list[tuple[int, int]]]:
    """Bits that a reference of a parameter to a type sets, and bits that follow from other bits."""
    narrowed: dict[tuple[str, str], int] = {}
    unions: list[tuple[int, int]] = []
    for parameter in known.values():
        alias = parameter.alias_of
        if alias is None:
            continue
        if alias.target is None:
            unions.append((parameter.number, sum(1 << known[code].number for code in alias.codes)))
        for code in alias.codes if alias.target is not None else ():
            key = (code, alias.target or "")
            narrowed[key] = narrowed.get(key, 0) | 1 << parameter.number
    return narrowed, unions


def _owns_compartment(type_name: str) -> bool:
    return type_name in load().compartment_names


def _membership(type_name: str, known: Mapping[str, Parameter]) -> frozenset[tuple[str, str]]:
    """Pairs of parameter and type: such a reference puts the resource into the compartment that it names."""
    pairs: set[tuple[str, str]] = set()
    for name in load().compartment_names:
        for code in load().compartment(name, type_name) or ():
            parameter = known.get(code)
            if parameter is not None:
                alias = parameter.alias_of
                pairs.update((owner, name) for owner in (alias.codes if alias is not None else (code,)))
    return frozenset(pairs)
