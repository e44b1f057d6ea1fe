"""A resource as numbered lines, and the line that a FHIRPath location means.

http://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.expression
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from jiankang.kernel.jsontext import encode

FHIR = "{http://hl7.org/fhir}"
_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[(\d{1,9})\])?(?:\.|$)")
_INDENT = "  "
Json = Any


@dataclass(slots=True)
class Node:
    """Where a value begins (a line, from 1), and the values inside: by name in an object, in order in a list."""

    line: int
    members: dict[str, Node] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Printed:
    """A text in lines, and where its values are."""

    lines: list[str] = field(default_factory=list)
    root: Node = field(default_factory=lambda: Node(1))

    def line_of(self, expression: str) -> int:
        """The line of the innermost value that the location names and that is there; 1 at worst."""
        here = [self.root]
        for number, step in enumerate(_STEP.finditer(_plain(expression))):
            if number == 0 and step[1][:1].isupper():
                continue
            below = [node for one in here for node in _below(one, step[1])]
            if step[2] is not None:
                below = [node for one in below if (node := _item(one, int(step[2]))) is not None] or below
            if not below:
                break
            here = below
        return here[0].line


def _plain(expression: str) -> str:
    """The location as far as it is made of names and numbers."""
    end = 0
    for step in _STEP.finditer(expression):
        if step.start() != end:
            break
        end = step.end()
    return expression[:end]


def _below(node: Node, name: str) -> list[Node]:
    """The values of an element: the value itself, what is said about it (`_name`), and choices (`value` for `valueCode`)."""
    members = node.members
    found = [members[each] for each in (name, f"_{name}") if each in members]
    if not found:
        found = [child for key, child in members.items() if _is_choice(key.removeprefix("_"), name)]
    return found


def _is_choice(key: str, name: str) -> bool:
    return key.startswith(name) and key[len(name) : len(name) + 1].isupper()


def _item(node: Node, number: int) -> Node | None:
    if node.items:
        return node.items[number] if number < len(node.items) else None
    return node if number == 0 else None


# ---- JSON


def print_json(value: Json) -> Printed:
    """A JSON value, each member and item on a line of its own; decimals keep their digits."""
    printed = Printed()
    printed.root = _print(printed.lines, value, "", "", "")
    return printed


def _print(lines: list[str], value: Json, indent: str, before: str, after: str) -> Node:
    node = Node(len(lines) + 1)
    if isinstance(value, dict) and value:
        lines.append(f"{indent}{before}{{")
        for left, (name, child) in zip(range(len(value) - 1, -1, -1), value.items(), strict=True):
            label = f"{encode(name).decode()}: "
            node.members[name] = _print(lines, child, indent + _INDENT, label, "," if left else "")
        lines.append(f"{indent}}}{after}")
    elif isinstance(value, list) and value:
        lines.append(f"{indent}{before}[")
        for left, child in zip(range(len(value) - 1, -1, -1), value, strict=True):
            node.items.append(_print(lines, child, indent + _INDENT, "", "," if left else ""))
        lines.append(f"{indent}]{after}")
    else:
        lines.append(f"{indent}{before}{encode(value).decode()}{after}")
    return node


# ---- XML


def print_xml(raw: bytes) -> Printed:
    """The XML form of a resource, each element on a line of its own; narrative as it was sent.

    `raw` has been read by `fhir.xml.from_xml`, so it is well-formed and bounded. http://hl7.org/fhir/R4/xml.html
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_pis=True)
    root = etree.fromstring(raw, parser)
    printed = Printed()
    printed.root = _print_element(printed.lines, root, "", f' xmlns="{FHIR[1:-1]}"')
    return printed


def _print_element(lines: list[str], element: Any, indent: str, namespace: str = "") -> Node:
    node = Node(len(lines) + 1)
    if not str(element.tag).startswith(FHIR):
        text = etree.tostring(element, encoding="unicode", with_tail=False)
        lines.extend(indent + line for line in text.splitlines() or [""])
        return node
    name = element.tag.removeprefix(FHIR)
    attributes = "".join(f" {key}={quoteattr(value)}" for key, value in element.attrib.items())
    children = [child for child in element if isinstance(child.tag, str)]
    if not children:
        text = escape((element.text or "").strip())
        lines.append(f"{indent}<{name}{namespace}{attributes}" + (f">{text}</{name}>" if text else "/>"))
        return node
    lines.append(f"{indent}<{name}{namespace}{attributes}>")
    for child in children:
        _take_in(node, etree.QName(child).localname, _print_element(lines, child, indent + _INDENT))
    lines.append(f"{indent}</{name}>")
    return node


def _take_in(node: Node, name: str, child: Node) -> None:
    """Elements of one name are a list; a resource inside (`contained`, `resource`) is what it is inside of."""
    if name[:1].isupper():
        node.members.update(child.members)
        return
    first = node.members.get(name)
    if first is None:
        node.members[name] = child
    elif first.items:
        first.items.append(child)
    else:
        node.members[name] = Node(first.line, first.members, [first, child])
