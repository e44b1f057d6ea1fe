"""The values of an element, as a profile meets them: value, what stands beside a primitive, type, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from jiankang.fhir.path.values import Node as PathNode
from jiankang.fhir.path.values import is_primitive

if TYPE_CHECKING:
    from jiankang.fhir.definitions import Element


class Item(NamedTuple):
    """One value; `value` is None for a primitive that has extensions alone."""

    value: Any
    beside: Any
    type: str
    step: str


Reader = Callable[[dict[str, Any]], "list[Item]"]


def reader_of(element: Element) -> Reader:
    """Reads the values of an element from the object that holds it."""
    if element.is_choice:
        return _choice_reader(element)
    name, type_name, step = element.name, element.types[0], f".{element.name}"
    beside = "_" + name if is_primitive(type_name) else None
    if element.max == 1:
        return lambda o: _one(o, name, beside, type_name, step)
    return lambda o: _many(o, name, beside, type_name)


def _one(o: dict[str, Any], name: str, beside: str | None, type_name: str, step: str) -> list[Item]:
    value = o.get(name)
    extra = o.get(beside) if beside is not None else None
    if value is None and extra is None:
        return []
    return [Item(value, extra, _type_of(value, type_name), step)]


def _many(o: dict[str, Any], name: str, beside: str | None, type_name: str) -> list[Item]:
    values = o.get(name)
    extras = o.get(beside) if beside is not None else None
    if extras is None:
        if not isinstance(values, list):
            return []
        return [Item(v, None, _type_of(v, type_name), f".{name}[{n}]") for n, v in enumerate(values)]
    values, extras = list(values or ()), list(extras)
    size = max(len(values), len(extras))
    values += [None] * (size - len(values))
    extras += [None] * (size - len(extras))
    pairs = enumerate(zip(values, extras, strict=True))
    return [Item(value, extra, type_name, f".{name}[{n}]") for n, (value, extra) in pairs]


def _choice_reader(element: Element) -> Reader:
    forms, step = element.json_names, f".{element.name}"

    def read(o: dict[str, Any]) -> list[Item]:
        for name in o:
            plain = name[1:] if name[:1] == "_" else name
            if plain in forms:
                beside = o.get("_" + plain) if is_primitive(forms[plain]) else None
                return [Item(o.get(plain), beside, forms[plain], step)]
        return []

    return read


def _type_of(value: Any, type_name: str) -> str:
    """A resource says itself what it is."""
    if type_name in ("Resource", "DomainResource") and isinstance(value, dict):
        return str(value.get("resourceType", type_name))
    return type_name


def path_node(item: Item) -> Any:
    """The item as FHIRPath takes it."""
    if is_primitive(item.type):
        return PathNode(item.value, item.type, item.beside if isinstance(item.beside, dict) else None)
    return item.value
