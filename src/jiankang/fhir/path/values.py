"""What collections hold: elements of resources with their types, and values of FHIRPath's own System types."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from jiankang.fhir.definitions import load
from jiankang.fhir.path.errors import PathRunError
from jiankang.fhir.path.moments import Moment, date_or_none, date_time_or_none, time_or_none


class Node:
    """An element of a resource: its JSON value, its FHIR type, and where it sits.

    `extra` is what JSON keeps beside a primitive (`_birthDate`): its id and extensions. `value` is None where only that
    is there. `key` and `number` say where in `parent` it is (`number` -1 where it does not repeat).
    """

    __slots__ = ("extra", "key", "number", "parent", "type", "value")

    def __init__(
        self,
        value: Any,
        type_name: str,
        extra: dict[str, Any] | None = None,
        parent: Node | None = None,
        key: str = "",
        number: int = -1,
    ) -> None:
        self.value = value
        self.type = type_name
        self.extra = extra
        self.parent = parent
        self.key = key
        self.number = number

    def __repr__(self) -> str:
        return f"Node({self.type} at {self.location})"

    @property
    def location(self) -> str:
        """The element's place as a simple path: Patient.name[0].given[1]."""
        if self.parent is None:
            return self.type
        here = f"{self.parent.location}.{self.key}"
        return here if self.number < 0 else f"{here}[{self.number}]"


class Quantity(NamedTuple):
    """A System quantity; `unit` is a UCUM code, or a calendar word (year, month ...) where `calendar`."""

    value: Decimal
    unit: str
    calendar: bool = False

    def __str__(self) -> str:
        if self.calendar:
            return f"{self.value:f} {self.unit if self.value == 1 else self.unit + 's'}"
        return f"{self.value:f} '{self.unit}'"


class TypeInfo(NamedTuple):
    """What `type()` says: the namespace, FHIR or System, and the name in it."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Child:
    """What a member of a type's JSON is: the element's name, its type, whether it repeats and is primitive."""

    element: str
    type: str
    repeats: bool
    primitive: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """A type as paths walk it: children by JSON name, and JSON names by element name."""

    name: str
    kind: str
    children: dict[str, Child]
    names: dict[str, tuple[str, ...]]


_NO_SHAPE = Shape("", "unknown", {}, {})
ANY_RESOURCE = frozenset({"Resource", "DomainResource"})


@cache
def shape(type_name: str) -> Shape:
    """The shape of a FHIR type; an empty one for what R4 does not know."""
    types = load().types
    if type_name not in types:
        return _NO_SHAPE
    definition = types[type_name]
    children: dict[str, Child] = {}
    names: dict[str, tuple[str, ...]] = {}
    for element in definition.children:
        names[element.name] = tuple(element.json_names)
        for json_name, child_type in element.json_names.items():
            children[json_name] = Child(element.name, child_type, element.max != 1, is_primitive(child_type))
    return Shape(type_name, definition.kind, children, names)


@cache
def is_primitive(type_name: str) -> bool:
    """Whether values of this type are a JSON string, number or boolean."""
    types = load().types
    return type_name in types and types[type_name].kind == "primitive-type"


@cache
def ancestors(type_name: str) -> frozenset[str]:
    """The type and all that it specialises."""
    definitions = load()
    return frozenset(definitions.ancestry(type_name)) if type_name in definitions.types else frozenset({type_name})


def resource_node(resource: dict[str, Any], parent: Node | None = None, key: str = "", number: int = -1) -> Node:
    """A resource as a node of its own type."""
    name = resource.get("resourceType")
    return Node(resource, name if isinstance(name, str) else "Resource", None, parent, key, number)


def child_nodes(node: Node, json_name: str, child: Child) -> list[Node]:
    """The nodes of one member of `node`: values, with what stands beside them."""
    members = node.value
    found = members.get(json_name)
    if child.primitive:
        beside = members.get("_" + json_name)
        if beside is not None:
            return _with_extras(node, json_name, child.type, found, beside)
    if found is None:
        return []
    if isinstance(found, list):
        if child.type in ANY_RESOURCE:
            return [resource_node(item, node, json_name, n) for n, item in enumerate(found) if isinstance(item, dict)]
        return [Node(item, child.type, None, node, json_name, n) for n, item in enumerate(found)]
    number = 0 if child.repeats else -1
    if child.type in ANY_RESOURCE and isinstance(found, dict):
        return [resource_node(found, node, json_name, number)]
    return [Node(found, child.type, None, node, json_name, number)]


def _with_extras(node: Node, json_name: str, type_name: str, found: Any, beside: Any) -> list[Node]:
    if not isinstance(beside, list):
        return [Node(found, type_name, beside if isinstance(beside, dict) else None, node, json_name)]
    values = found if isinstance(found, list) else []
    size = max(len(values), len(beside))
    values = values + [None] * (size - len(values))
    beside = beside + [None] * (size - len(beside))
    pairs = enumerate(zip(values, beside, strict=True))
    return [Node(value, type_name, extra, node, json_name, n) for n, (value, extra) in pairs]


def element_nodes(node: Node, name: str) -> list[Node]:
    """The children of `node` by an element's name (for a choice: the name without its type)."""
    known = shape(node.type)
    members = node.value
    if not isinstance(members, dict):
        return _beside(node, name)
    json_names = known.names.get(name)
    if json_names is None:
        return []
    if len(json_names) == 1:
        return child_nodes(node, json_names[0], known.children[json_names[0]])
    found: list[Node] = []
    for member in members:
        plain = member[1:] if member[:1] == "_" else member
        child = known.children.get(plain)
        if child is not None and child.element == name and (plain == member or plain not in members):
            found += child_nodes(node, plain, child)
    return found


def _beside(node: Node, name: str) -> list[Node]:
    """Children of a primitive: its id and extensions."""
    extra = node.extra
    if not extra or name not in ("id", "extension"):
        return []
    beside = Node(extra, "Element", None, node.parent, "_" + node.key, node.number)
    return child_nodes(beside, name, shape("Element").children[name])


def all_children(node: Node) -> list[Node]:
    """All children of `node`, in the order in which its JSON has them."""
    if not isinstance(node.value, dict):
        return _beside(node, "id") + _beside(node, "extension")
    children = shape(node.type).children
    found: list[Node] = []
    for member in node.value:
        if member[:1] == "_":
            plain = member[1:]
            if plain in node.value:
                continue
        else:
            plain = member
        child = children.get(plain)
        if child is not None:
            found += child_nodes(node, plain, child)
    return found


# ---- between FHIR and System types

_SYSTEM_OF = {
    "boolean": "Boolean", "integer": "Integer", "positiveInt": "Integer", "unsignedInt": "Integer",
    "decimal": "Decimal", "date": "Date", "dateTime": "DateTime", "instant": "DateTime", "time": "Time",
}  # fmt: skip


@cache
def system_type_of(type_name: str) -> str | None:
    """The System type to which values of a FHIR type are converted, None where there is none.

    http://hl7.org/fhir/R4/fhirpath.html#types
    """
    if is_primitive(type_name):
        return _SYSTEM_OF.get(type_name, "String")
    return "Quantity" if "Quantity" in ancestors(type_name) else None


def system_value(item: Any) -> Any:
    """The System value of an item: itself where it is one, None for a node that has none."""
    if item.__class__ is not Node:
        return item
    value = item.value
    if value is None:
        return None
    return from_json(value, item.type)


def from_json(value: Any, type_name: str) -> Any:
    """The System value of a JSON value of a FHIR type; None where there is none."""
    target = system_type_of(type_name)
    if target is None:
        return None
    if target == "String":
        return value
    if target == "Decimal":
        return Decimal(value) if isinstance(value, int) else value
    if target in ("Boolean", "Integer"):
        return value
    if target == "Quantity":
        return quantity_or_none(value)
    reader = {"Date": date_or_none, "DateTime": date_time_or_none, "Time": time_or_none}[target]
    return reader(value) if isinstance(value, str) else None


def quantity_or_none(value: Any) -> Quantity | None:
    """A FHIR Quantity as a System quantity (http://hl7.org/fhir/R4/fhirpath.html#quantity)."""
    number = value.get("value") if isinstance(value, dict) else None
    if not isinstance(number, int | Decimal) or value.get("comparator") is not None:
        return None
    code = value.get("code")
    unit = code if code is not None else value.get("unit", "1")
    return Quantity(Decimal(number), unit if isinstance(unit, str) else "1")


def type_of(item: Any) -> TypeInfo:
    """Namespace and name of an item's type."""
    if item.__class__ is Node:
        return TypeInfo("FHIR", item.type)
    return TypeInfo("System", system_name(item))


def system_name(value: Any) -> str:
    """The name of a System value's type."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, Moment):
        return value.kind
    for kind, name in ((int, "Integer"), (Decimal, "Decimal"), (str, "String"), (Quantity, "Quantity")):
        if isinstance(value, kind):
            return name
    return "Any"


def plain_value(item: Any) -> Any:
    """An item as JSON: the node's value, dates as text, quantities as objects."""
    if item.__class__ is Node:
        return item.value
    if isinstance(item, Moment):
        return str(item)
    if isinstance(item, Quantity):
        return {"value": item.value, "unit": item.unit}
    if isinstance(item, TypeInfo):
        return {"namespace": item.namespace, "name": item.name}
    return item


def single(items: list[Any], what: str) -> Any:
    """The only item, None for an empty collection. Raises PathRunError for more."""
    if not items:
        return None
    if len(items) > 1:
        raise PathRunError(f"{what} takes a single value and met {len(items)}.")
    return items[0]
