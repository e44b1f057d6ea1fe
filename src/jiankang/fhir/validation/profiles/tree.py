"""A StructureDefinition as a tree: elements with their children and slices, expanded into types where it goes deeper.

http://hl7.org/fhir/R4/profiling.html, http://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jiankang.kernel.errors import Unprocessable

Json = dict[str, Any]
# The elements of a definition by canonical URL; None where it is not known.
Elements = Callable[[str], "list[Json] | None"]

NORM = "http://hl7.org/fhir/StructureDefinition/"
MAX_DEPTH = 24


def plain_name(canonical: str) -> str:
    """The name of a type of the norm, for any other canonical itself: "Patient" for its URL with or without a version."""
    return canonical.partition("|")[0].removeprefix(NORM) if canonical.startswith(NORM) else canonical


class ProfileError(Unprocessable):
    """A profile contradicts itself or its base, or leans on what is not known."""

    code = "invalid"


class Node:
    """An element definition in its place. `slices` are the named parts of a sliced element, in order."""

    __slots__ = ("_children", "definition", "name", "slices")

    def __init__(self, definition: Json, children: list[Node] | None = None) -> None:
        self.definition = definition
        self.name: str = definition["path"].rpartition(".")[2]
        self._children = children or []
        self.slices: list[Node] = []

    @property
    def children(self) -> list[Node]:
        """Children that are written out; more may be in the type."""
        return self._children

    @property
    def slice_name(self) -> str | None:
        """What this slice is called, without the slice that it is a part of."""
        return self.definition.get("sliceName")

    def child(self, name: str) -> Node | None:
        """The child of this name; a form of a choice finds the choice ("valueQuantity" finds "value[x]")."""
        for each in self._children:
            if each.name == name:
                return each
        for each in self._children:
            if each.name.endswith("[x]") and is_form(each.name, name):
                return each
        return None

    def copy(self) -> Node:
        """A copy that may be changed without changing this one."""
        made = self.unsliced()
        made.slices = [each.copy() for each in self.slices]
        return made

    def unsliced(self) -> Node:
        """A copy without this element's own slices."""
        return Node(dict(self.definition), [each.copy() for each in self._children])

    def expand(self, elements: Elements) -> None:
        """Write the children of this element's type out, where they are not."""
        if self._children:
            return
        for url in self.type_urls():
            listed = elements(url)
            if listed is not None:
                self._children = [each.copy() for each in tree(listed).children]
                return

    def expand_reference(self, root: Node) -> bool:
        """Write out the children of the element that this one refers to by contentReference."""
        reference = self.definition.get("contentReference", "").rpartition("#")[2]
        if not reference or self._children:
            return False
        target = root.find(reference.split(".")[1:])
        if target is None or target is self:
            return False
        self._children = [each.copy() for each in target.children]
        return True

    def find(self, names: list[str]) -> Node | None:
        """The element below by names."""
        here: Node | None = self
        for name in names:
            here = here.child(name) if here is not None else None
        return here

    def type_urls(self) -> Iterator[str]:
        """Where the element's children are defined: its profile, else its type, else what all elements have."""
        types = self.definition.get("type") or []
        if len(types) == 1:
            profiles = types[0].get("profile") or []
            if len(profiles) == 1:
                yield profiles[0]
            code = types[0]["code"]
            yield code if "://" in code else NORM + code
        elif types:
            yield NORM + "Element"

    def type_codes(self) -> list[str]:
        """Names of the types that the element may have."""
        return [each["code"] for each in self.definition.get("type") or []]

    def walk(self) -> Iterator[Node]:
        """This element and all below, slices after what they are slices of, as a snapshot lists them."""
        yield self
        for each in self._children:
            yield from each.walk()
        for each in self.slices:
            yield from each.walk()


def is_form(choice: str, name: str) -> bool:
    """Whether "valueQuantity" is a form of "value[x]"."""
    stem = choice.removesuffix("[x]")
    return name.startswith(stem) and name[len(stem) : len(stem) + 1].isupper()


def tree(elements: list[Json]) -> Node:
    """The tree of a list of element definitions (a snapshot)."""
    if not elements:
        raise ProfileError("A definition has no elements.")
    root = Node(elements[0])
    stack = [(elements[0]["path"], root)]
    for element in elements[1:]:
        path: str = element["path"]
        parent_path = path.rpartition(".")[0]
        while stack and stack[-1][0] != parent_path:
            stack.pop()
        if not stack:
            raise ProfileError(f"The element {path} stands where it has no parent.")
        if len(stack) > MAX_DEPTH:
            raise ProfileError(f"The element {path} is nested too deep.")
        node = Node(element)
        parent = stack[-1][1]
        _place(parent, node, path)
        stack.append((path, node))
    return root


def _place(parent: Node, node: Node, path: str) -> None:
    """Put a node below its parent: as a child, as a slice of one, or as a slice of a slice."""
    named = node.slice_name
    whole = parent.child(path.rpartition(".")[2])
    if named is None or whole is None:
        parent.children.append(node)
        return
    slice_of(whole, named).slices.append(node)


def slice_of(whole: Node, named: str) -> Node:
    """What a slice is a slice of: "a/b" is a part of slice "a"."""
    holder = whole
    parts = named.split("/")
    for count in range(1, len(parts)):
        prefix = "/".join(parts[:count])
        holder = next((each for each in holder.slices if each.slice_name == prefix), holder)
    return holder
