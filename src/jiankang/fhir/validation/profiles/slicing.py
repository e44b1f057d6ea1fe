"""Slicing: which slice an item belongs to, and what is said of the slices (http://hl7.org/fhir/R4/profiling.html#slicing)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from jiankang.fhir.path import compile_path
from jiankang.fhir.path.values import ancestors, is_primitive
from jiankang.fhir.structure.references import target_type
from jiankang.fhir.validation.bindings import Bound, bound
from jiankang.fhir.validation.findings import ERROR, Found, note, under
from jiankang.fhir.validation.profiles.elements import ElementCompiler, count
from jiankang.fhir.validation.profiles.items import Item, path_node
from jiankang.fhir.validation.profiles.sameness import fits, is_same, valued
from jiankang.fhir.validation.profiles.tree import NORM, Json, Node, tree
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from jiankang.fhir.definitions import Element
    from jiankang.fhir.validation.context import Context

    Test = Callable[[Item, Context, int], bool]
    Parts = Callable[[Found, list[Item], str, Json, Context], Found]

_CLOSED = (ERROR, "structure", "profile-slicing-closed")
_ORDER = (ERROR, "structure", "profile-slicing-order")
_AT_END = (ERROR, "structure", "profile-slicing-open-at-end")
_REST = "@default"  # the slice of all that is in no other
_BY_URL = [{"type": "value", "path": "url"}]
_BY_TYPE = [{"type": "type", "path": "$this"}]


class _Slice:
    """A slice ready to be asked: whether an item is in it, and what it says of such items."""

    __slots__ = ("is_in", "least", "most", "name", "on_item", "parts")

    def __init__(self, compiler: ElementCompiler, node: Node, element: Element, is_in: Test) -> None:
        self.name = node.slice_name or ""
        self.is_in = is_in
        self.least = node.definition.get("min", 0)
        most = node.definition.get("max", "*")
        self.most = None if most == "*" else int(most)
        self.on_item = compiler.item(node, element)
        self.parts = slicing_check(compiler, node, element) if node.slices else None


def slicing_check(compiler: ElementCompiler, node: Node, element: Element) -> Parts:
    """The check of an element's slices."""
    slicing = node.definition.get("slicing") or {}
    discriminators = slicing.get("discriminator") or _implied(node, element)
    slices = [
        _Slice(compiler, each, element, _membership(compiler, each, element, discriminators)) for each in node.slices
    ]
    rules, ordered = slicing.get("rules", "open"), slicing.get("ordered", False)
    names = ", ".join(each.name for each in slices)
    others = next((n for n, each in enumerate(slices) if each.name == _REST), None)

    def run(found: Found, items: list[Item], step: str, o: Json, c: Context) -> Found:
        members: list[list[Item]] = [[] for _ in slices]
        last, outside_seen = 0, False
        for number, item in enumerate(items):
            place = next((n for n, each in enumerate(slices) if each.is_in(item, c, number)), others)
            if place is None:
                outside_seen = True
                if rules == "closed":
                    found = note(
                        found,
                        item.step,
                        _CLOSED,
                        f"This is in no slice, and the profile has no others: {names}.",
                        names,
                    )
                continue
            if ordered and place < last:
                text = f"The slices stand in order; {slices[place].name} comes too late."
                found = note(found, item.step, _ORDER, text, names)
            if outside_seen and rules == "openAtEnd":
                found = note(found, item.step, _AT_END, "What is in no slice stands at the end.", names)
            last = max(last, place)
            members[place].append(item)
        for each, inside in zip(slices, members, strict=True):
            found = _slice_rules(found, each, inside, step, o, c)
        return found

    return run


def _slice_rules(found: Found, each: _Slice, items: list[Item], step: str, o: Json, c: Context) -> Found:
    before = len(found) if found is not None else 0
    found = count(found, step, len(items), each.least, each.most)
    if found is not None and len(found) > before:
        path, severity, code, message, text, expected = found[-1]
        found[-1] = (path, severity, code, message, f"{text[:-1]} (slice {each.name}).", expected)
    if each.on_item is not None:
        for item in items:
            inner = each.on_item(item, c)
            if inner is not None:
                found = under(found, item.step, inner)
    return found if each.parts is None else each.parts(found, items, step, o, c)


def _implied(node: Node, element: Element) -> list[Json]:
    """Extensions are told apart by URL, choices by type, without being said."""
    if element.types == ("Extension",):
        return _BY_URL
    return _BY_TYPE if node.name.endswith("[x]") else []


# ---- in which slice an item is


def _membership(compiler: ElementCompiler, node: Node, element: Element, discriminators: list[Json]) -> Test:
    """Whether an item is in the slice: by every discriminator, or, without any, by conforming to it."""
    if node.slice_name == _REST:
        return lambda _item, _c, _n: False
    tests = [_test(compiler, node, element, each["type"], each["path"]) for each in discriminators]
    if not tests:
        check = compiler.item(node, element)
        return lambda item, c, _n: check is None or not _errors(check(item, c))
    if len(tests) == 1:
        return tests[0]
    return lambda item, c, n: all(test(item, c, n) for test in tests)


def _errors(found: Found) -> bool:
    return found is not None and any(each[1] == ERROR for each in found)


def _test(compiler: ElementCompiler, node: Node, element: Element, kind: str, path: str) -> Test:
    if kind == "position":
        named = node.slice_name or ""
        digits = "".join(each for each in named if each.isdigit())
        return lambda _item, _c, n: digits == str(n)
    if kind == "type":
        return _by_type(compiler, node, element, path)
    if kind == "profile":
        return _by_profile(compiler, node, element, path)
    if kind == "exists":
        return _by_existence(compiler, node, element, path)
    return _by_value(compiler, node, element, path)


def _described(compiler: ElementCompiler, node: Node, path: str) -> Node | None:
    """What the slice says of the element at a discriminator's path."""
    here: Node | None = node
    for name in _names(path):
        if here is None:
            return None
        if name == "resolve()":
            here = _target(compiler, here)
            continue
        if name.startswith("extension("):
            url = name[len("extension('") : -len("')")]
            extension = _child(compiler, here, "extension")
            here = None if extension is None else next((e for e in extension.slices if _extension_url(e) == url), None)
            continue
        if name.startswith("ofType("):
            wanted = name[len("ofType(") : -1]
            here = next((each for each in here.slices if each.type_codes() == [wanted]), here)
            continue
        here = _child(compiler, here, name)
    return here


def _target(compiler: ElementCompiler, node: Node) -> Node:
    """What a reference names, as its target profile describes it; the reference itself where that is not known."""
    urls = [url for each in node.definition.get("type") or () for url in each.get("targetProfile") or ()]
    listed = compiler.book.elements(urls[0]) if len(urls) == 1 else None
    return node if listed is None else tree(listed)


def _child(compiler: ElementCompiler, node: Node, name: str) -> Node | None:
    if not node.children and not node.expand_reference(compiler.root):
        node.expand(compiler.book.elements)
    return node.child(name) or node.child(name + "[x]")


def _names(path: str) -> list[str]:
    """The steps of a discriminator's path; dots inside brackets and quotes do not count."""
    steps, depth, here = [], 0, ""
    for sign in path.removeprefix("$this").removeprefix("."):
        depth += (sign == "(") - (sign == ")")
        if sign == "." and depth == 0:
            steps.append(here)
            here = ""
        else:
            here += sign
    return [*steps, here] if here else steps


def _extension_url(node: Node) -> str | None:
    """The URL of the extensions in a slice: its own fixed one, or its profile's."""
    url = node.child("url")
    if url is not None and (fixed := valued(url.definition, "fixed")) is not None:
        return str(fixed[1])
    for each in node.definition.get("type") or ():
        for profile in each.get("profile") or ():
            plain: str = profile.partition("|")[0]
            return plain
    return None


def _values_at(element: Element, path: str) -> Callable[[Item, Context], list[Any]]:
    """Reads the JSON values at a discriminator's path."""
    names = _names(path)
    if not names:
        return lambda item, _c: [] if item.value is None else [item.value]
    if all(name.isidentifier() for name in names) and not element.is_choice and _plain_path(element.types[0], names):
        return lambda item, _c: _walk(item.value, names)
    expressions = {name: compile_path(path, type_name=name) for name in element.types if len(element.types) < 8}

    def run(item: Item, c: Context) -> list[Any]:
        expression = expressions.get(item.type) or compile_path(path, type_name=item.type)
        try:
            found = expression.evaluate(c.resource, context=path_node(item), resolver=c.resolver)
        except Invalid:
            return []
        values = [getattr(each, "value", each) for each in found]
        return [each for each in values if each is not None]

    return run


def _plain_path(type_name: str, names: list[str]) -> bool:
    from jiankang.fhir.path.values import shape

    here = type_name
    for name in names:
        child = shape(here).children.get(name)
        if child is None or child.type in ("Resource", "DomainResource"):
            return False
        here = child.type
    return True


def _walk(value: Any, names: list[str]) -> list[Any]:
    here = [value]
    for name in names:
        inner: list[Any] = []
        for each in here:
            found = each.get(name) if isinstance(each, dict) else None
            inner += found if isinstance(found, list) else [] if found is None else [found]
        here = inner
    return here


def _by_value(compiler: ElementCompiler, node: Node, element: Element, path: str) -> Test:
    """By fixed value, pattern or binding, of the element itself or of one around it."""
    names = _names(path)
    if element.types == ("Extension",) and names == ["url"]:
        url = _extension_url(node)
        return lambda item, _c, _n: isinstance(item.value, dict) and item.value.get("url") == url
    wanted = _wanted(compiler, node, names)
    if wanted is None:
        there = _by_existence(compiler, node, element, path)
        described = _described(compiler, node, path)
        if described is not None and (described.definition.get("min") or described.definition.get("max") == "0"):
            return there
        check = compiler.item(node, element)
        return lambda item, c, _n: check is None or not _errors(check(item, c))
    read = _values_at(element, path)
    return lambda item, c, _n: any(wanted(each, c) for each in read(item, c))


def _wanted(compiler: ElementCompiler, node: Node, names: list[str]) -> Callable[[Any, Context], bool] | None:
    """What a value at the path must be, as the slice says it there or further up."""
    for size in range(len(names), -1, -1):
        here = _described(compiler, node, ".".join(names[:size]))
        if here is None:
            continue
        for start, same in (("fixed", is_same), ("pattern", fits)):
            stated = valued(here.definition, start)
            if stated is not None:
                rest = _walk(stated[1], names[size:])
                if len(rest) >= 1:
                    return partial(_is_one, rest, same)
        binding = here.definition.get("binding") or {}
        if size == len(names) and binding.get("strength") == "required" and binding.get("valueSet"):
            return partial(_in_set, bound("required", binding["valueSet"]))
        if (
            size < len(names)
            and len(names) - size <= 2
            and binding.get("strength") == "required"
            and names[size:] == ["coding"]
        ):
            return partial(_in_set, bound("required", binding["valueSet"]))
    return None


def _is_one(wanted: list[Any], same: Callable[[Any, Any], bool], value: Any, c: Context) -> bool:  # noqa: ARG001
    return any(same(value, each) for each in wanted)


def _in_set(to: Bound, value: Any, c: Context) -> bool:
    if isinstance(value, str):
        return to.has(None, value, c) is True
    if not isinstance(value, dict):
        return False
    inside = value.get("coding")
    codings = inside if isinstance(inside, list) else [value]
    return any(
        isinstance(e, dict) and e.get("code") is not None and to.has(e.get("system") or "", e["code"], c) is True
        for e in codings
    )


def _by_existence(compiler: ElementCompiler, node: Node, element: Element, path: str) -> Test:
    described = _described(compiler, node, path)
    absent = described is not None and described.definition.get("max") == "0"
    read = _values_at(element, path)
    return lambda item, c, _n: bool(read(item, c)) is not absent


def _by_type(compiler: ElementCompiler, node: Node, element: Element, path: str) -> Test:
    described = _described(compiler, node, path.replace("resolve()", "").rstrip("."))
    codes = set() if described is None else set(described.type_codes())
    if path.endswith("resolve()"):
        urls = [
            url
            for each in (described.definition.get("type") or () if described else ())
            for url in each.get("targetProfile", ())
        ]
        allowed = {compiler.book.type_of(url) for url in urls}
        return partial(_points_to, _values_at(element, path.replace("resolve()", "").rstrip(".") or "$this"), allowed)
    if not _names(path):
        return lambda item, _c, _n: item.type in codes or bool(codes & ancestors(item.type))
    read = _values_at(element, path)
    return lambda item, c, _n: any(_looks_like(each, codes) for each in read(item, c))


def _points_to(
    read: Callable[[Item, Context], list[Any]], allowed: set[str | None], item: Item, c: Context, _n: int
) -> bool:
    for each in read(item, c):
        text = each.get("reference") if isinstance(each, dict) else None
        if isinstance(text, str):
            named = target_type(text)
            if named is None and (there := c.resolver(text)) is not None:
                named = there.get("resourceType")
            if named in allowed:
                return True
    return False


def _looks_like(value: Any, codes: set[str]) -> bool:
    if isinstance(value, dict):
        own = value.get("resourceType")
        return own in codes if own is not None else any(not is_primitive(code) for code in codes)
    return any(is_primitive(code) for code in codes)


def _by_profile(compiler: ElementCompiler, node: Node, element: Element, path: str) -> Test:
    described = _described(compiler, node, path)
    types = (described.definition.get("type") or []) if described is not None else []
    key = "targetProfile" if path.endswith("resolve()") else "profile"
    urls = [url for each in types for url in each.get(key) or ()] or [
        each["code"] if "://" in each["code"] else NORM + each["code"] for each in types
    ]
    read = _values_at(element, path)
    book = compiler.book

    def run(item: Item, c: Context, _n: int) -> bool:
        return any(
            isinstance(each, dict) and any(book.conforms(each, url, c) for url in urls) for each in read(item, c)
        )

    return run
