"""Writes the Python source of a type's check: one function for each concern, so that others find their place.

The check of a type reads its common elements one after the other and counts them. When the object has more
members than that (choices, extensions, `_name`, unknown, null), `rest_<Type>` (others.py) looks at those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.fhir.structure.primitives import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jiankang.fhir.definitions import Definitions, Element, TypeDefinition

UNCOMMON = frozenset({"id", "extension", "modifierExtension", "contained", "implicitRules", "language"})


def check_name(type_name: str) -> str:
    """The name of a type's check in generated code."""
    return "check_" + type_name.replace(".", "_")


def common_elements(definition: TypeDefinition) -> tuple[Element, ...]:
    """Elements that generated code reads by name; the others are met one by one when an object has them."""
    is_resource = definition.kind == "resource"
    return tuple(
        element
        for element in definition.children
        if not element.is_choice and (element.name not in UNCOMMON or (is_resource and element.name == "id"))
    )


def emit_check(definition: TypeDefinition, definitions: Definitions) -> str:
    """The source of `check_<Type>(o)`, which answers None or the list of problems."""
    lines = [f"def {check_name(definition.name)}(o):", *_indented(_emit_body(definition, definitions))]
    return "\n".join(lines) + "\n"


def _emit_body(definition: TypeDefinition, definitions: Definitions) -> Iterator[str]:
    yield "if o.__class__ is not dict or not o:"
    yield "    return not_an_object(o)"
    yield "get = o.get"
    yield "found = None"
    yield f"seen = {1 if definition.kind == 'resource' else 0}"
    for element in common_elements(definition):
        yield f"v = get({element.name!r})"
        yield "if v is not None:"
        yield "    seen += 1"
        yield from _indented(_emit_value(element, definitions))
        yield from _emit_required(element, definitions)
    yield from _emit_rest(definition)
    yield from _emit_rules(definition)
    yield "return found"


def _emit_value(element: Element, definitions: Definitions) -> Iterator[str]:
    """The value of an element that is there: its shape, its type, its targets."""
    (type_name,) = element.types
    is_primitive = definitions.types[type_name].kind == "primitive-type"
    if element.max == 1:
        yield from (_emit_primitive(element.name, type_name) if is_primitive else _emit_complex(element, type_name))
    elif is_primitive:
        yield from _emit_primitive_items(element, type_name)
    else:
        yield from _emit_complex_items(element, type_name)


def _emit_primitive(name: str, type_name: str) -> Iterator[str]:
    yield f"if not ({QUICK[type_name]}):"
    yield f"    found = primitive(found, {name!r}, v, explain_{type_name})"


def _emit_primitive_items(element: Element, type_name: str) -> Iterator[str]:
    name, limit = element.name, element.max
    look = f"found = primitive_items(found, {name!r}, vs, explain_{type_name}, get('_{name}'), {limit})"
    yield "vs = v"
    yield from _emit_list_test(limit)
    yield "    for v in vs:"
    yield f"        if not ({QUICK[type_name]}):"
    yield f"            {look}"
    yield "            break"
    yield "else:"
    yield f"    {look}"


def _emit_complex(element: Element, type_name: str) -> Iterator[str]:
    yield f"inner = {check_name(type_name)}(v)"
    yield "if inner is not None:"
    yield f"    found = under(found, '.{element.name}', inner)"
    yield from _emit_target(element, f"'.{element.name}'")


def _emit_complex_items(element: Element, type_name: str) -> Iterator[str]:
    name, check = element.name, check_name(type_name)
    yield "vs = v"
    yield from _emit_list_test(element.max)
    yield "    for v in vs:"
    yield f"        inner = {check}(v)"
    yield "        if inner is not None:"
    yield f"            found = items_from(found, {name!r}, vs, {check}, v, inner)"
    yield "            break"
    target = list(_emit_target(element, f"'.{name}[%d]' % index"))
    if target:
        yield "    for index, v in enumerate(vs):"
        yield from _indented(target, 2)
    yield "else:"
    yield f"    found = items(found, {name!r}, vs, {check}, {element.max})"


def _emit_list_test(limit: int | None) -> Iterator[str]:
    size = "vs" if limit is None else f"0 < len(vs) <= {limit}"
    yield f"if vs.__class__ is list and {size}:"


def _emit_target(element: Element, step: str) -> Iterator[str]:
    """Which types a reference may point to. The quick test is on how its text begins."""
    if element.types != ("Reference",) or not element.target_profiles:
        return
    named = (name + sign for name in element.target_profiles for sign in "/?")
    beginnings = (*named, "urn:", "#")
    yield "r = v.get('reference') if v.__class__ is dict else None"
    yield f"if r.__class__ is str and not r.startswith({beginnings!r}):"
    yield f"    wrong = explain_target(v, {element.target_profiles!r}, resource_names)"
    yield "    if wrong is not None:"
    yield f"        found = note(found, {step}, 'structure', wrong)"


def _emit_required(element: Element, definitions: Definitions) -> Iterator[str]:
    """A required element; a primitive may be there by its extensions alone."""
    if not element.min:
        return
    (type_name,) = element.types
    if definitions.types[type_name].kind == "primitive-type":
        yield f"elif '_{element.name}' not in o:"
    else:
        yield "else:"
    yield f"    found = missing(found, {element.name!r})"


def _emit_rest(definition: TypeDefinition) -> Iterator[str]:
    """What is left: members that were not counted, and required choices of which there is none."""
    rest = "rest_" + definition.name.replace(".", "_")
    yield "if seen != len(o):"
    yield f"    found = {rest}(found, o)"
    required = [element.name for element in definition.children if element.is_choice and element.min]
    if required:
        yield "else:"
        for name in required:
            yield f"    found = missing(found, {name!r})"


def _emit_rules(definition: TypeDefinition) -> Iterator[str]:
    """Rules of single types that are part of their shape."""
    if definition.name == "Reference":
        yield "v = get('reference')"
        yield "if v is not None:"
        yield "    m = match_local(v) if v.__class__ is str else None"
        yield "    if m is None or m[1] not in resource_names:"
        yield "        wrong = explain_reference(v, resource_names)"
        yield "        if wrong is not None:"
        yield "            found = note(found, '.reference', 'value', wrong)"
    if definition.name == "Extension":
        yield "found = extension_rule(found, o)"


def _indented(lines: Iterator[str] | list[str], levels: int = 1) -> Iterator[str]:
    for line in lines:
        yield "    " * levels + line
