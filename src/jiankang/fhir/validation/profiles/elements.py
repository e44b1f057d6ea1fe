"""Compiles what a profile adds to one element into closures; what the norm says already leaves nothing behind.

http://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import Constraint, Definitions, Element
from jiankang.fhir.path.values import ANY_RESOURCE, ancestors, is_primitive
from jiankang.fhir.structure.references import target_type
from jiankang.fhir.validation.bindings import bound, bound_code, bound_coding, bound_concept
from jiankang.fhir.validation.findings import ERROR, INFORMATION, Found, note, under
from jiankang.fhir.validation.invariants import SPECIALISED, invariant
from jiankang.fhir.validation.profiles.items import Item, path_node, reader_of
from jiankang.fhir.validation.profiles.sameness import fits, is_same, valued
from jiankang.fhir.validation.profiles.tree import NORM, Json, Node, plain_name

if TYPE_CHECKING:
    from jiankang.fhir.validation.context import Context
    from jiankang.fhir.validation.profiles.book import ProfileBook

    ItemCheck = Callable[[Item, Context], Found]
    HolderCheck = Callable[[Found, Json, Context], Found]

_MIN = (ERROR, "required", "profile-min")
_MAX = (ERROR, "structure", "profile-max")
_TYPE = (ERROR, "structure", "profile-type")
_FIXED = (ERROR, "value", "profile-fixed")
_PATTERN = (ERROR, "value", "profile-pattern")
_LENGTH = (ERROR, "too-long", "profile-max-length")
_RANGE = (ERROR, "value", "profile-range")
_TARGET = (ERROR, "structure", "profile-target")
_AGGREGATION = (ERROR, "structure", "profile-aggregation")
_PROFILE = (ERROR, "structure", "profile-of-type")
_UNKNOWN = (INFORMATION, "not-found", "profile-unknown")
_MAX_VALUE_SET = NORM + "elementdefinition-maxValueSet"


class ElementCompiler:
    """Compiles the nodes of one profile. `root` finds what a contentReference means."""

    def __init__(self, book: ProfileBook, definitions: Definitions, root: Node) -> None:
        self.book = book
        self.definitions = definitions
        self.root = root
        self._made: dict[int, HolderCheck | None] = {}

    # ---- an object and its members

    def holder(self, node: Node, type_name: str) -> HolderCheck | None:
        """What the children of `node` add for an object of a type; None where that is nothing."""
        definition = self.definitions.types.get(type_name)
        if definition is None:
            return None
        by_name = {element.name: element for element in definition.children}
        checks = []
        for child in node.children:
            element = by_name.get(child.name.removesuffix("[x]")) or definition.elements.get(child.name)
            if element is None:
                continue
            check = self.member(child, element)
            if check is not None:
                checks.append(check)
        if not checks:
            return None
        if len(checks) == 1:
            return checks[0]

        def run(found: Found, o: Json, c: Context) -> Found:
            for check in checks:
                found = check(found, o, c)
            return found

        return run

    def member(self, node: Node, element: Element) -> HolderCheck | None:
        """What a node adds for the member that it is about: how many, of what kind, in which slices."""
        least, most = node.definition.get("min", 0), _most(node.definition.get("max", "*"))
        counts = least > element.min or (most is not None and (element.max is None or most < element.max))
        on_item = self.item(node, element)
        parts = None
        if node.slices:
            from jiankang.fhir.validation.profiles.slicing import slicing_check

            parts = slicing_check(self, node, element)
        if not counts and on_item is None and parts is None:
            return None
        read, step = reader_of(element), f".{element.name}"

        def run(found: Found, o: Json, c: Context) -> Found:
            items = read(o)
            if counts:
                found = count(found, step, len(items), least, most)
            if on_item is not None:
                for item in items:
                    inner = on_item(item, c)
                    if inner is not None:
                        found = under(found, item.step, inner)
            return found if parts is None else parts(found, items, step, o, c)

        return run

    # ---- one value

    def item(self, node: Node, element: Element) -> ItemCheck | None:
        """What a node adds for each value of its element; None where that is nothing."""
        checks = [check for check in self._item_checks(node, element) if check is not None]
        if not checks:
            return None
        if len(checks) == 1:
            return checks[0]

        def run(item: Item, c: Context) -> Found:
            found: Found = None
            for check in checks:
                inner = check(item, c)
                if inner is not None:
                    found = inner if found is None else found + inner
            return found

        return run

    def _item_checks(self, node: Node, element: Element) -> list[ItemCheck | None]:
        definition = node.definition
        return [
            self._types(definition, element),
            *_values(definition),
            _binding(definition, element),
            *(self._constraint(each, element) for each in self._new_constraints(definition, element)),
            self._profiles(definition, element),
            self._targets(definition, element),
            _aggregation(definition),
            self._children(node, element),
        ]

    def _types(self, definition: Json, element: Element) -> ItemCheck | None:
        """Fewer types than the norm has."""
        allowed = {each["code"] for each in definition.get("type") or ()}
        if not allowed or any("://" in each for each in allowed) or allowed >= set(element.types):
            return None
        if not element.is_choice and not (set(element.types) & ANY_RESOURCE):
            return None
        listed = ", ".join(sorted(allowed))

        def run(item: Item, c: Context) -> Found:  # noqa: ARG001 - all checks are called alike
            if item.type in allowed or allowed & ancestors(item.type):
                return None
            return note(None, "", _TYPE, f"The profile takes {listed} here, this is {item.type}.", listed)

        return run

    def _new_constraints(self, definition: Json, element: Element) -> list[Constraint]:
        known = {each.key for each in element.constraints}
        for type_name in element.types:
            if type_name in self.definitions.types:
                known |= {each.key for each in self.definitions.types[type_name].constraints}
        return [
            Constraint(each["key"], each.get("severity", "error"), each.get("human", each["key"]), each["expression"])
            for each in definition.get("constraint") or ()
            if each["key"] not in known and each["key"] not in SPECIALISED and each.get("expression")
        ]

    def _constraint(self, constraint: Constraint, element: Element) -> ItemCheck:
        made = {type_name: invariant(constraint, type_name) for type_name in element.types if len(element.types) < 8}

        def run(item: Item, c: Context) -> Found:
            ready = made.get(item.type) or invariant(constraint, item.type)
            return ready.run(None, path_node(item), c)

        return run

    def _profiles(self, definition: Json, element: Element) -> ItemCheck | None:
        """Profiles of which a value of a type must conform to one."""
        by_type = {each["code"]: tuple(each["profile"]) for each in definition.get("type") or () if each.get("profile")}
        new = {name: urls for name, urls in by_type.items() if urls != element.profiles.get(name)}
        if not new:
            return None
        book = self.book

        def run(item: Item, c: Context) -> Found:
            urls = new.get(item.type) or next(
                (urls for name, urls in new.items() if name in ancestors(item.type)), None
            )
            if urls is None or not isinstance(item.value, dict):
                return None
            return book.conforms_to_one(item.value, item.type, urls, c)

        return run

    def _targets(self, definition: Json, element: Element) -> ItemCheck | None:
        """Types (and profiles) that a reference may point to."""
        urls = [
            url
            for each in definition.get("type") or ()
            if each["code"] == "Reference"
            for url in each.get("targetProfile", ())
        ]
        plain = {plain_name(url) for url in urls}
        if not urls or "Reference" not in element.types or plain == set(element.target_profiles):
            return None
        if plain & ANY_RESOURCE:
            return None
        book = self.book

        def run(item: Item, c: Context) -> Found:
            value = item.value
            text = value.get("reference") if isinstance(value, dict) else None
            if not isinstance(text, str):
                return None
            return book.points_to_one(text, urls, c, target_type(text))

        return run

    def _children(self, node: Node, element: Element) -> ItemCheck | None:
        if not node.children:
            return self._referenced(node, element)
        codes = [code for code in node.type_codes() if "://" not in code]
        type_name = codes[0] if len(codes) == 1 and element.is_choice else element.types[0]
        inside = self.holder(node, type_name)
        if inside is None:
            return None
        primitive = is_primitive(type_name)

        def run(item: Item, c: Context) -> Found:
            value = item.beside if primitive else item.value
            if value.__class__ is not dict:
                return inside(None, {}, c) if primitive else None
            return inside(None, value, c)

        return run

    def _referenced(self, node: Node, element: Element) -> ItemCheck | None:
        """An element that is like another by contentReference: the other's check, compiled when it is first needed."""
        reference = node.definition.get("contentReference", "").rpartition("#")[2]
        target = self.root.find(reference.split(".")[1:]) if reference else None
        if target is None or target is node:
            return None
        ready: list[HolderCheck | None] = []

        def run(item: Item, c: Context) -> Found:
            if not ready:
                ready.append(self._shared(target, element.types[0]))
            inside = ready[0]
            return None if inside is None or item.value.__class__ is not dict else inside(None, item.value, c)

        return run

    def _shared(self, target: Node, type_name: str) -> HolderCheck | None:
        """The check of a node that others refer to, made once."""
        key = id(target)
        if key not in self._made:
            self._made[key] = None
            self._made[key] = self.holder(target, type_name)
        return self._made[key]


def count(found: Found, step: str, number: int, least: int, most: int | None) -> Found:
    """Too few or too many."""
    if number < least:
        text = "The profile requires this." if number == 0 else f"The profile requires {least}, there are {number}."
        return note(found, step, _MIN, text, f"at least {least}")
    if most is not None and number > most:
        text = "The profile does not allow this." if most == 0 else f"The profile allows {most}, there are {number}."
        return note(found, step, _MAX, text, f"at most {most}")
    return found


def _values(definition: Json) -> list[ItemCheck | None]:
    """Fixed value, pattern, length and range."""
    checks: list[ItemCheck | None] = []
    if (fixed := valued(definition, "fixed")) is not None:
        checks.append(_compare(fixed[1], is_same, _FIXED, "This must be exactly what the profile fixes"))
    if (pattern := valued(definition, "pattern")) is not None:
        checks.append(_compare(pattern[1], fits, _PATTERN, "This must hold what the profile's pattern holds"))
    if isinstance(most := definition.get("maxLength"), int):
        checks.append(
            lambda item, _c: (
                note(None, "", _LENGTH, f"The profile allows {most} characters.", f"at most {most}")
                if isinstance(item.value, str) and len(item.value) > most
                else None
            )
        )
    for start, is_low in (("minValue", True), ("maxValue", False)):
        limit = valued(definition, start)
        if limit is not None and isinstance(limit[1], int | Decimal | str):
            checks.append(_within(limit[1], is_low=is_low))
    return checks


def _compare(wanted: Any, same: Callable[[Any, Any], bool], rule: tuple[str, str, str], text: str) -> ItemCheck:
    shown = _shown(wanted)

    def run(item: Item, c: Context) -> Found:  # noqa: ARG001 - all checks are called alike
        if item.value is None or same(item.value, wanted):
            return None
        return note(None, "", rule, f"{text}: {shown}.", shown)

    return run


def _within(limit: Any, *, is_low: bool) -> ItemCheck:
    word = "at least" if is_low else "at most"

    def run(item: Item, c: Context) -> Found:  # noqa: ARG001 - all checks are called alike
        value = item.value
        if isinstance(value, str) != isinstance(limit, str) or not isinstance(value, int | Decimal | str):
            return None
        mine, other = _comparable(value, limit)
        if (mine >= other) if is_low else (mine <= other):
            return None
        return note(None, "", _RANGE, f"The profile wants {word} {limit}.", f"{word} {limit}")

    return run


def _comparable(value: Any, limit: Any) -> tuple[Any, Any]:
    """Numbers as they are; dates and times to the precision that both have."""
    if not isinstance(value, str):
        return value, limit
    size = min(len(value), len(limit))
    return value[:size], limit[:size]


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_shown(each)}" for name, each in value.items()) + "}"
    return "[" + ", ".join(map(_shown, value)) + "]" if isinstance(value, list) else str(value)


def _aggregation(definition: Json) -> ItemCheck | None:
    """How what a reference names is to be reached: contained, in the Bundle, or elsewhere; with a version or without.

    http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.type.aggregation
    """
    types = [each for each in definition.get("type") or () if each["code"] == "Reference"]
    modes = {mode for each in types for mode in each.get("aggregation") or ()}
    versioning = {each.get("versioning", "either") for each in types}
    if not modes and versioning <= {"either"}:
        return None

    def run(item: Item, c: Context) -> Found:
        text = item.value.get("reference") if isinstance(item.value, dict) else None
        if not isinstance(text, str):
            return None
        beside = c.neighbours is not None and c.neighbours.find(c.root, text) is not None
        mode = "contained" if text.startswith("#") else "bundled" if beside else "referenced"
        found: Found = None
        if modes and mode not in modes:
            listed = ", ".join(sorted(modes))
            found = note(found, "", _AGGREGATION, f"The profile wants what this names {listed}; it is {mode}.", listed)
        wanted = {"specific": True, "independent": False}.get(next(iter(versioning)) if len(versioning) == 1 else "")
        if wanted is not None and ("/_history/" in text) is not wanted:
            listed = "a reference with a version" if wanted else "a reference without a version"
            found = note(found, "", _AGGREGATION, f"The profile wants {listed}.", listed)
        return found

    return run


def _binding(definition: Json, element: Element) -> ItemCheck | None:
    """A binding that is not the norm's own."""
    binding = definition.get("binding") or {}
    strength, url = binding.get("strength"), binding.get("valueSet")
    if url is None or strength not in ("required", "extensible", "preferred"):
        return None
    own = element.binding
    most = next((e.get("valueCanonical") for e in binding.get("extension") or () if e["url"] == _MAX_VALUE_SET), None)
    if own is not None and (own.strength, own.value_set, own.max_value_set) == (strength, url, most):
        return None
    to = bound(strength, url, most)

    def run(item: Item, c: Context) -> Found:
        value = item.value
        if isinstance(value, str):
            return bound_code(None, "", value, to, c)
        if not isinstance(value, dict):
            return None
        return (
            bound_concept(None, "", value, to, c)
            if item.type == "CodeableConcept"
            else bound_coding(None, "", value, to, c)
        )

    return run


def _most(text: str) -> int | None:
    return None if text == "*" else int(text)
