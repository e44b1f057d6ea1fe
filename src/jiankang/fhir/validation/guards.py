"""When an invariant can fail at all: a condition on which members are there, worked out from its tree.

Most invariants speak of members that a resource does not have; to test for their names costs almost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.path.syntax import (
    Binary,
    Call,
    Empty,
    Index,
    Literal,
    Member,
    Polarity,
    Special,
    Tree,
    TypeTest,
    Variable,
)
from jiankang.fhir.path.values import is_primitive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jiankang.fhir.definitions import Element, TypeDefinition

ALWAYS, NEVER = "True", "False"
_DEEP = frozenset({"descendants", "children", "resolve", "repeat", "hasValue", "htmlChecks", "conformsTo", "memberOf"})
_CONSTANTS = frozenset({"ucum", "sct", "loinc"})
# Functions that find nothing where there is nothing.
_NOTHING_OF_NOTHING = frozenset(
    {"where", "select", "ofType", "as", "first", "last", "tail", "skip", "take", "single", "repeat", "children",
     "descendants", "resolve", "extension", "trace"}
)  # fmt: skip


_MOMENTS = frozenset({"date", "dateTime", "instant"})


def in_order(earlier: Any, later: Any) -> bool:
    """Whether two moments are in order as far as it shows in texts of one form and one time zone."""
    if earlier.__class__ is not str or later.__class__ is not str or len(earlier) != len(later) or earlier > later:
        return False
    return len(earlier) <= 10 or earlier[-6:] == later[-6:] or earlier[-1] == "Z" == later[-1]


def member_names(element: Element) -> tuple[str, ...]:
    """All JSON members that an element can be in: each form of a choice, and `_name` of primitives."""
    beside = ("_" + name for name, type_name in element.json_names.items() if is_primitive(type_name))
    return (*element.json_names, *beside)


class UnknownReachError(Exception):
    """The expression may look at anything."""


class Guard:
    """Writes Python conditions over the object `o` of one type; `holds_bare` tests a tree on an object without members."""

    def __init__(self, definition: TypeDefinition, holds_bare: Callable[[Tree], bool]) -> None:
        self._names = {element.name: member_names(element) for element in definition.children}
        self._kinds = {element.name: next(iter(element.json_names.values()), "") for element in definition.children}
        self._type = definition.name
        self._holds_bare = holds_bare

    def may_fail(self, tree: Tree) -> str:
        """A condition that is true whenever the expression may not be true."""
        if isinstance(tree, Binary) and tree.operator == "or":
            return _both(self.may_fail(tree.left), self.may_fail(tree.right))
        if isinstance(tree, Binary) and tree.operator == "and":
            return _either(self.may_fail(tree.left), self.may_fail(tree.right))
        if isinstance(tree, Binary) and tree.operator == "implies":
            return _both(self.may_hold(tree.left), self.may_fail(tree.right))
        if isinstance(tree, Binary) and tree.operator == "<=":
            return _both(self._by_reach(tree), self._out_of_order(tree))
        if (name := self._member(tree, "exists")) is not None:
            return _absent(self._names[name])
        if (name := self._member(tree, "empty")) is not None:
            return _present(self._names[name])
        if isinstance(tree, Call) and tree.name in ("empty", "all") and (head := self._head(tree.source)) is not None:
            return _present(self._names[head])
        return self._by_reach(tree)

    def _out_of_order(self, tree: Binary) -> str:
        """Between two moments: false where their texts alone show that they are in order."""
        names = [
            side.name for side in (tree.left, tree.right) if isinstance(side, Member) and self._is_root(side.source)
        ]
        if len(names) != 2 or any(self._kinds.get(name) not in _MOMENTS for name in names):
            return ALWAYS
        return f"not in_order(o.get('{names[0]}'), o.get('{names[1]}'))"

    def _head(self, tree: Tree | None) -> str | None:
        """The member with which a path begins: without it, the path finds nothing."""
        while True:
            if isinstance(tree, Member) and tree.name in self._names and self._is_root(tree.source):
                return tree.name
            if isinstance(tree, Member) or (isinstance(tree, Call) and tree.name in _NOTHING_OF_NOTHING):
                tree = tree.source
            else:
                return None

    def may_hold(self, tree: Tree) -> str:
        """A condition that is true whenever the expression may not be false."""
        if isinstance(tree, Binary) and tree.operator == "and":
            return _both(self.may_hold(tree.left), self.may_hold(tree.right))
        if (name := self._member(tree, "exists")) is not None:
            return _present(self._names[name])
        return ALWAYS

    def _member(self, tree: Tree, function: str) -> str | None:
        """The member of which the tree says `member.function()`, if that is all it says."""
        if isinstance(tree, Call) and tree.name == function and not tree.arguments:
            source = tree.source
            if isinstance(source, Member) and source.name in self._names and self._is_root(source.source):
                return source.name
        return None

    def _is_root(self, tree: Tree | None) -> bool:
        return tree is None or (isinstance(tree, Member) and tree.source is None and tree.name == self._type)

    def _by_reach(self, tree: Tree) -> str:
        """When it holds for an object without the members it speaks of: if one of them is there."""
        try:
            reached = {name for name in _reach(tree) if name in self._names}
        except UnknownReachError:
            return ALWAYS
        if not self._holds_bare(tree):
            return ALWAYS
        return _present(tuple(each for name in sorted(reached) for each in self._names[name]))


def _reach(tree: Tree) -> Iterator[str]:
    """Names of members that the expression may read from its focus; more than that do no harm."""
    match tree:
        case Literal() | Empty() | Special(name="index"):
            return
        case Variable(name=name) if name in _CONSTANTS:
            return
        case Variable() | Special(name="total"):
            raise UnknownReachError
        case Special():
            return
        case Member(source=source, name=name):
            yield name
            if source is not None:
                yield from _reach(source)
        case Call(source=source, name=name, arguments=arguments):
            if name in ("hasValue", "resolve") and source is not None:
                pass
            elif name in _DEEP:
                raise UnknownReachError
            for part in (source, *arguments):
                if part is not None:
                    yield from _reach(part)
        case Index(source=left, number=right) | Binary(left=left, right=right):
            yield from _reach(left)
            yield from _reach(right)
        case Polarity(operand=operand) | TypeTest(operand=operand):
            yield from _reach(operand)


def _present(names: tuple[str, ...]) -> str:
    """One of the members is there, by its value or by its extensions alone."""
    if not names:
        return NEVER
    if len(names) <= 3:
        return "(" + " or ".join(f"{name!r} in o" for name in names) + ")"
    return f"(not o.keys().isdisjoint({names!r}))"


def _absent(names: tuple[str, ...]) -> str:
    return f"(not {_present(names)})"


def _both(left: str, right: str) -> str:
    if NEVER in (left, right):
        return NEVER
    if left == ALWAYS:
        return right
    return left if right == ALWAYS else f"({left} and {right})"


def _either(left: str, right: str) -> str:
    if ALWAYS in (left, right):
        return ALWAYS
    if left == NEVER:
        return right
    return left if right == NEVER else f"({left} or {right})"
