"""JSON to XML: each type's members, in the norm's order, are written by steps prepared from its definition."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.fhir.xml.narrative import embedded
from jiankang.kernel.errors import Invalid
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from jiankang.fhir.definitions import Element, TypeDefinition

NAMESPACE = "http://hl7.org/fhir"
_SPECIAL = re.compile('[&<>"\t\n\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_REPLACED = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
}  # fmt: skip

Write = Callable[[list[str], str, Any, Any], None]


class _Misfit(Exception):  # noqa: N818 - turned into Invalid at the top
    """A value that has no XML form; `path` grows while it travels up."""

    def __init__(self, text: str, path: str = "") -> None:
        super().__init__(text)
        self.text, self.path = text, path


def to_xml(resource: dict[str, Any]) -> bytes:
    """The resource as FHIR XML in UTF-8. Raises Invalid, with the path, for what has no place in a FHIR resource."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>']
    name = resource.get("resourceType")
    try:
        _write_resource(out, resource, f' xmlns="{NAMESPACE}"')
    except _Misfit as misfit:
        path = f"{name}{misfit.path}"
        raise Invalid(f"{path} {misfit.text}.", expression=[path]) from None
    except RecursionError:
        raise Invalid("The resource is nested too deep.", code="structure") from None
    return "".join(out).encode()


def _write_resource(out: list[str], resource: Any, attributes: str = "") -> None:
    name = resource.get("resourceType") if resource.__class__ is dict else None
    if not load().is_resource(name):
        raise _Misfit("is not a resource")
    _writer(name).resource(out, resource, attributes)


@cache
def _writer(type_name: str) -> _Writer:
    return _Writer(load().types[type_name])


class _Writer:
    """Writes values of one type. `steps` has, by JSON member, the place in the order and what writes it."""

    def __init__(self, definition: TypeDefinition) -> None:
        self.is_resource = definition.kind == "resource"
        self.has_url = definition.name == "Extension"
        self.steps: dict[str, tuple[int, str, Write]] = {}
        rank = 0
        for element in definition.children:
            if element.name == "id" and not self.is_resource:
                continue
            if element.name == "url" and self.has_url:
                continue
            for json_name, type_name in element.json_names.items():
                rank += 1
                step = (rank, json_name, _step(element, type_name))
                self.steps[json_name] = step
                if load().types[type_name].kind == "primitive-type":
                    self.steps[f"_{json_name}"] = step

    def resource(self, out: list[str], o: dict[str, Any], attributes: str) -> None:
        """The whole element of a resource."""
        name = o["resourceType"]
        out.append(f"<{name}{attributes}>")
        self._members(out, o, "resourceType")
        out.append(f"</{name}>")

    def element(self, out: list[str], name: str, o: Any) -> None:
        """The element `name` with the members of `o` in it."""
        if o.__class__ is not dict:
            raise _Misfit("is not an object")
        attributes = _id_attribute(o)
        if self.has_url and "url" in o:
            attributes += f' url="{_escaped(o["url"])}"'
        out.append(f"<{name}{attributes}>")
        self._members(out, o, "id", "url" if self.has_url else "id")
        out.append(f"</{name}>")

    def _members(self, out: list[str], o: dict[str, Any], *elsewhere: str) -> None:
        steps = self.steps
        todo: list[tuple[int, str, Write]] = []
        for key in o:
            step = steps.get(key)
            if step is not None:
                if key[0] != "_" or step[1] not in o:
                    todo.append(step)
            elif key not in elsewhere:
                raise _Misfit("is not known", f".{key}")
        todo.sort(key=_rank)
        for _, name, write in todo:
            try:
                write(out, name, o.get(name), o.get(f"_{name}"))
            except _Misfit as misfit:
                misfit.path = f".{name}{misfit.path}"
                raise


def _rank(step: tuple[int, str, Write]) -> int:
    return step[0]


def _step(element: Element, type_name: str) -> Write:
    if type_name == "Resource":
        write: Write = _resource_inside
    elif type_name == "xhtml":
        write = _narrative
    elif load().types[type_name].kind == "primitive-type":
        write = _primitive
    else:
        write = _complex(type_name)
    return write if element.max == 1 else _each(write)


def _each(write: Write) -> Write:
    """The step of an element that repeats; values and extensions of primitives are matched by place."""

    def items(out: list[str], name: str, values: Any, extras: Any) -> None:
        if not (values is None or values.__class__ is list) or not (extras is None or extras.__class__ is list):
            raise _Misfit("is not an array")
        count = max(len(values or ()), len(extras or ()))
        for place in range(count):
            value = values[place] if values is not None and place < len(values) else None
            extra = extras[place] if extras is not None and place < len(extras) else None
            try:
                write(out, name, value, extra)
            except _Misfit as misfit:
                misfit.path = f"[{place}]{misfit.path}"
                raise

    return items


def _complex(type_name: str) -> Write:
    def write(out: list[str], name: str, value: Any, _: Any) -> None:
        _writer(type_name).element(out, name, value)

    return write


def _resource_inside(out: list[str], name: str, value: Any, _: Any) -> None:
    out.append(f"<{name}>")
    _write_resource(out, value)
    out.append(f"</{name}>")


def _narrative(out: list[str], name: str, value: Any, _: Any) -> None:
    if value.__class__ is not str:
        raise _Misfit(f"<{name}> is not a text")
    try:
        out.append(embedded(value))
    except Invalid as wrong:
        raise _Misfit(f"cannot be written: {wrong}") from None


def _primitive(out: list[str], name: str, value: Any, extra: Any) -> None:
    if value.__class__ is str:
        text = value if _SPECIAL.search(value) is None else _escaped(value)
    elif value is None:
        if extra is None:
            raise _Misfit("is null without an extension that says why")
        text = None
    else:
        text = _plain(value)
    if extra is None:
        out.append(f'<{name} value="{text}"/>')
        return
    if extra.__class__ is not dict or not extra.keys() <= {"id", "extension"}:
        raise _Misfit("is extended by something else than an id and extensions")
    shown = "" if text is None else f' value="{text}"'
    out.append(f"<{name}{_id_attribute(extra)}{shown}>")
    if "extension" in extra:
        _EXTENSIONS(out, "extension", extra["extension"], None)
    out.append(f"</{name}>")


_EXTENSIONS = _each(_complex("Extension"))


def _plain(value: Any) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value.__class__ in {int, Decimal}:
        return encode(value).decode()
    raise _Misfit("is not a primitive value")


def _id_attribute(o: dict[str, Any]) -> str:
    return f' id="{_escaped(o["id"])}"' if "id" in o else ""


def _escaped(text: Any) -> str:
    if text.__class__ is not str:
        raise _Misfit("is not a text")
    return _SPECIAL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    found = _REPLACED.get(match[0])
    if found is None:
        raise _Misfit("has a character that XML cannot hold")
    return found
