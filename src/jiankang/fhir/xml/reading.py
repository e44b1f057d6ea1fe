"""XML to JSON: each type's elements are read by steps prepared from its definition."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from lxml import etree

from jiankang.fhir.definitions import load
from jiankang.fhir.xml.narrative import XHTML, Divs
from jiankang.fhir.xml.writing import NAMESPACE
from jiankang.kernel.errors import Invalid, TooLarge
from jiankang.kernel.jsontext import MAX_BYTES, MAX_DEPTH, decode

if TYPE_CHECKING:
    from jiankang.fhir.definitions import TypeDefinition

_DECLARED = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NOTES = frozenset({
    "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation",
    "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation",
})  # fmt: skip

Read = Callable[[Any, Divs, int], tuple[Any, Any]]
"""Reads an element: its value, and the id and extensions of a primitive."""


class _Misfit(Exception):  # noqa: N818 - turned into Invalid at the top
    """Something that is no FHIR; `path` grows while it travels up."""

    def __init__(self, text: str, line: int, path: str = "") -> None:
        super().__init__(text)
        self.text, self.line, self.path = text, line, path


def from_xml(raw: bytes, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The resource that FHIR XML says, as the JSON form has it; comments and processing instructions are dropped.

    Raises Invalid with line and path for what is not well-formed, declares a document type, or is no FHIR element;
    TooLarge above `max_bytes`. Decimals keep their digits and a narrative its characters.
    http://hl7.org/fhir/R4/xml.html
    """
    if len(raw) > max_bytes:
        raise TooLarge(f"The XML text has {len(raw)} bytes; at most {max_bytes} are taken.")
    root = _parsed(raw)
    name = _resource_name(root)
    if name is None:
        raise Invalid(f"The root element {_shown(root)} is not a resource type of FHIR R4 in {NAMESPACE}.")
    for attribute in root.attrib:
        if attribute not in _NOTES:
            raise Invalid(f"The attribute {attribute} means nothing on {name} (line {root.sourceline}).")
    divs = Divs(raw.decode() if b"<div" in raw else "")
    try:
        return _reader(name).resource(root, divs, 1)
    except _Misfit as misfit:
        path = f"{name}{misfit.path}"
        raise Invalid(f"{path} {misfit.text} (line {misfit.line}).", expression=[path], code="structure") from None


def _parsed(raw: bytes) -> etree._Element:
    """The tree of `raw`: no document type, no entities, no network, bounded depth and texts."""
    declared = _DECLARED.match(raw.lstrip(b"\xef\xbb\xbf \r\n\t")[:200])
    if declared is not None and declared[1].lower() not in {b"utf-8", b"us-ascii", b"ascii"}:
        raise Invalid(f"The XML text is in {declared[1].decode()}; FHIR is written in UTF-8.")
    try:
        raw.decode()
    except UnicodeDecodeError as bad:
        raise Invalid(f"The XML text has bytes that are not UTF-8 at byte {bad.start}.") from None
    if b"<!DOCTYPE" in raw:
        line = raw.count(b"\n", 0, raw.index(b"<!DOCTYPE")) + 1
        raise Invalid(f"The XML text declares a document type (line {line}): FHIR has none.")
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        return etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        said = str(error.msg).partition(", line ")[0]
        raise Invalid(f"The XML text is not well-formed: {said} (line {line}, column {column}).") from None


def _shown(element: etree._Element) -> str:
    return f"<{str(element.tag)[:200]}>"


def _resource_name(element: etree._Element) -> str | None:
    namespace, _, name = str(element.tag)[1:].partition("}")
    return name if namespace == NAMESPACE and load().is_resource(name) else None


@cache
def _reader(type_name: str) -> _Reader:
    return _Reader(load().types[type_name])


class _Reader:
    """Reads elements of one type. `steps` has, by tag: place in the order, JSON member, whether it repeats, the way."""

    def __init__(self, definition: TypeDefinition) -> None:
        self.definition = definition
        self.is_resource = definition.kind == "resource"
        self.attributes = frozenset({"id", "url"} if definition.name == "Extension" else {"id"})
        self.steps: dict[str, tuple[int, str, bool, Read]] = {}
        for rank, element in enumerate(definition.children):
            if element.name in self.attributes and not self.is_resource:
                continue
            for json_name, type_name in element.json_names.items():
                tag = f"{{{XHTML}}}div" if type_name == "xhtml" else f"{{{NAMESPACE}}}{json_name}"
                self.steps[tag] = (rank, json_name, element.max != 1, _way(type_name))

    def resource(self, element: Any, divs: Divs, depth: int) -> dict[str, Any]:
        """A resource, from the element that has its name."""
        o: dict[str, Any] = {"resourceType": self.definition.name}
        self._children(element, o, divs, depth)
        return o

    def value(self, element: Any, divs: Divs, depth: int) -> tuple[Any, Any]:
        """A value of a complex type."""
        o: dict[str, Any] = {}
        for name, text in element.attrib.items():
            if name not in self.attributes:
                raise _Misfit(f"has the attribute {name}, which means nothing here", element.sourceline)
            o[name] = text
        self._children(element, o, divs, depth)
        if not o:
            raise _Misfit("is empty", element.sourceline)
        return o, None

    def _children(self, element: Any, o: dict[str, Any], divs: Divs, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise _Misfit(f"is nested deeper than {MAX_DEPTH}", element.sourceline)
        steps = self.steps
        before = -1
        if element.text is not None:
            _refuse_text(element, element.text)
        for child in element:
            step = steps.get(child.tag)
            if step is None:
                raise _Misfit(f"has the unknown element {_shown(child)}", child.sourceline)
            rank, name, repeats, read = step
            if rank < before:
                raise _Misfit(f"has {name} after elements that it comes before", child.sourceline)
            before = rank
            if child.tail is not None:
                _refuse_text(element, child.tail)
            try:
                value, extra = read(child, divs, depth + 1)
            except _Misfit as misfit:
                place = f"[{len(o.get(name) or o.get(f'_{name}', ()))}]" if repeats else ""
                misfit.path = f".{name}{place}{misfit.path}"
                raise
            if repeats:
                _append(o, name, value, extra)
            elif name in o or f"_{name}" in o:
                raise _Misfit(f"has {name} more than once", child.sourceline)
            else:
                if value is not None:
                    o[name] = value
                if extra is not None:
                    o[f"_{name}"] = extra


def _refuse_text(element: Any, text: str) -> None:
    if not text.isspace():
        raise _Misfit("has text between its elements: values stand in the attribute `value`", element.sourceline)


def _append(o: dict[str, Any], name: str, value: Any, extra: Any) -> None:
    """One more item; values and extensions of primitives are matched by place, with null where there is none."""
    values, extras = o.get(name), o.get(f"_{name}")
    count = len(values if values is not None else extras or ())
    if value is not None or values is not None:
        if values is None:
            values = o[name] = [None] * count
        values.append(value)
    if extra is not None or extras is not None:
        if extras is None:
            extras = o[f"_{name}"] = [None] * count
        extras.append(extra)


def _way(type_name: str) -> Read:
    if type_name == "Resource":
        return _resource_inside
    if type_name == "xhtml":
        return _narrative
    if load().types[type_name].kind != "primitive-type":
        return _complex(type_name)
    return _primitive(_CONVERT.get(type_name))


def _complex(type_name: str) -> Read:
    def read(element: Any, divs: Divs, depth: int) -> tuple[Any, Any]:
        return _reader(type_name).value(element, divs, depth)

    return read


def _resource_inside(element: Any, divs: Divs, depth: int) -> tuple[Any, Any]:
    children = list(element)
    name = _resource_name(children[0]) if len(children) == 1 else None
    if name is None or element.attrib or children[0].attrib:
        raise _Misfit("must hold one resource and nothing else", element.sourceline)
    return _reader(name).resource(children[0], divs, depth), None


def _narrative(element: Any, divs: Divs, _: int) -> tuple[Any, Any]:
    return divs.take(element), None


def _primitive(convert: Callable[[str], Any] | None) -> Read:
    def read(element: Any, divs: Divs, depth: int) -> tuple[Any, Any]:
        attributes = element.attrib
        text = attributes.get("value")
        if text is None:
            value = None
        elif convert is None:
            value = text
        else:
            value = convert(text)
        if len(attributes) == (text is not None) and not len(element) and element.text is None:
            if text is None:
                raise _Misfit("has neither value nor extensions", element.sourceline)
            return value, None
        return value, _extras(element, divs, depth)

    return read


def _extras(element: Any, divs: Divs, depth: int) -> dict[str, Any] | None:
    """The id and extensions of a primitive."""
    reader = _reader("Element")
    o: dict[str, Any] = {}
    for name, text in element.attrib.items():
        if name == "id":
            o["id"] = text
        elif name != "value":
            raise _Misfit(f"has the attribute {name}, which means nothing here", element.sourceline)
    reader._children(element, o, divs, depth)  # noqa: SLF001 - a primitive has the children of Element
    return o or None


def _boolean(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _number(text: str) -> Any:
    """A number with exactly its digits; what is none stays a text, which the check of the structure refuses."""
    return decode(text) if _NUMBER.fullmatch(text) and len(text) <= 64 else text


_CONVERT: dict[str, Callable[[str], Any]] = {
    "boolean": _boolean, "decimal": _number, "integer": _number, "positiveInt": _number, "unsignedInt": _number,
}  # fmt: skip
