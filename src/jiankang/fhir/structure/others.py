"""Members that generated code does not read by name: choices, extensions, `_name`, unknown ones and null."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.fhir.structure.emit import common_elements
from jiankang.fhir.structure.primitives import EXPLAIN
from jiankang.fhir.structure.problems import (
    Check,
    Found,
    aligned,
    full,
    items,
    missing,
    not_an_object,
    note,
    null,
    primitive,
    primitive_items,
    twice,
    under,
    unknown,
)
from jiankang.fhir.structure.references import explain_target

if TYPE_CHECKING:
    from jiankang.fhir.definitions import Definitions, Element, TypeDefinition

Look = Callable[[Found, dict[str, Any], str, Any], Found]


@dataclass(frozen=True, slots=True)
class _Member:
    """How to look at one JSON member; `choice` is the choice it is a form of."""

    look: Look
    choice: Element | None


def rest_of(
    definition: TypeDefinition, definitions: Definitions, check_of: Callable[[str], Check]
) -> Callable[[Found, dict[str, Any]], Found]:
    """The function that looks at what is left of an object of this type."""
    common = {element.name for element in common_elements(definition)}
    if definition.kind == "resource":
        common.add("resourceType")
    members = {
        name: _Member(_look(element, type_name, definitions, check_of), element if element.is_choice else None)
        for element in definition.children
        if element.is_choice or element.name not in common
        for name, type_name in element.json_names.items()
    }
    required = tuple(element for element in definition.children if element.is_choice and element.min)
    beside = _beside_members(definition, definitions, check_of)

    def rest(found: Found, o: dict[str, Any]) -> Found:
        chosen: dict[str, str] | None = None
        for name, value in o.items():
            member = members.get(name)
            if member is not None:
                found = null(found, name) if value is None else member.look(found, o, name, value)
                choice = member.choice
            elif name in common:
                if value is None:
                    found = null(found, name)
                continue
            else:
                if full(found):
                    break
                look = beside.get(name)
                if look is None:
                    found = unknown(found, name, definition.elements, definition.name)
                    continue
                found = look(found, o, name, value)
                of = members.get(name[1:])
                choice = of.choice if of is not None and name[1:] not in o else None
            if choice is not None:
                if chosen is None:
                    chosen = {choice.name: name}
                elif choice.name in chosen:
                    found = twice(found, choice.name, choice.json_names, o)
                else:
                    chosen[choice.name] = name
        for element in required:
            if chosen is None or element.name not in chosen:
                found = missing(found, element.name)
        return found

    return rest


def _look(element: Element, type_name: str, definitions: Definitions, check_of: Callable[[str], Check]) -> Look:
    """How to look at an element of one type that is there."""
    step = element.name
    limit = element.max
    if (explain := EXPLAIN.get(type_name)) is not None:
        if limit == 1:
            return lambda found, _o, _name, value: primitive(found, step, value, explain)
        return lambda found, o, name, value: primitive_items(found, step, value, explain, o.get(f"_{name}"), limit)
    check = check_of(type_name)
    if limit != 1:
        return lambda found, _o, _name, value: items(found, step, value, check, limit)
    targets = element.target_profiles if type_name == "Reference" else ()

    def look(found: Found, _o: dict[str, Any], _name: str, value: Any) -> Found:
        if (inner := check(value)) is not None:
            found = under(found, f".{step}", inner)
        if targets and (wrong := explain_target(value, targets, definitions.resource_names)) is not None:
            found = note(found, f".{step}", "structure", wrong)
        return found

    return look


def _beside_members(
    definition: TypeDefinition, definitions: Definitions, check_of: Callable[[str], Check]
) -> dict[str, Look]:
    """`_name` for each primitive: its id and extensions (http://hl7.org/fhir/R4/json.html#primitive)."""
    check = check_of("Element")
    return {
        f"_{name}": _look_beside(element, check)
        for element in definition.children
        for name, type_name in element.json_names.items()
        if definitions.types[type_name].kind == "primitive-type" and type_name != "xhtml"
    }


def _look_beside(element: Element, check: Check) -> Look:
    if element.max == 1:

        def look_at_one(found: Found, _o: dict[str, Any], _name: str, value: Any) -> Found:
            inner = check(value)
            return found if inner is None else under(found, f".{element.name}", inner)

        return look_at_one

    def check_item(value: Any) -> Found:
        return None if value is None else check(value)

    def look_at_items(found: Found, o: dict[str, Any], name: str, value: Any) -> Found:
        found = items(found, name[1:], value, check_item)
        found = aligned(found, name[1:], o.get(name[1:]), value)
        if name[1:] not in o and isinstance(value, list) and value and all(item is None for item in value):
            found = note(found, f".{name}", "structure", "holds nothing but null; leave it out")
        return found

    return look_at_items


def extension_rule(found: Found, o: dict[str, Any]) -> Found:
    """An extension has a value or extensions of its own, never both (ext-1)."""
    has_value = any(name.startswith(("value", "_value")) for name in o)
    if has_value == ("extension" in o):
        says = "both a value and extensions" if has_value else "neither a value nor extensions"
        found = note(found, "", "structure", f"has {says}: it must have one of them")
    return found


__all__ = ["extension_rule", "not_an_object", "rest_of"]
