"""Writes fast Python for the expressions that most invariants and search parameters are made of.

Where types are known beforehand, elements need not be wrapped: the code reads plain JSON. What it cannot say is left to
the general code: `UnfitError` while compiling, `FallbackError` while running.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from jiankang.fhir.path.arithmetic import bounded
from jiankang.fhir.path.comparing import Distinct
from jiankang.fhir.path.emit import literal_value
from jiankang.fhir.path.functions import referenced_type
from jiankang.fhir.path.static import checked_type, type_name_of
from jiankang.fhir.path.syntax import Binary, Call, Empty, Literal, Member, Special, Tree, TypeTest, Variable
from jiankang.fhir.path.texts import matches
from jiankang.fhir.path.values import ANY_RESOURCE, ancestors, is_primitive, shape, system_type_of
from jiankang.fhir.path.writer import Writer, build

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LOOPS = 10


class UnfitError(Exception):
    """The expression is beyond fast code."""


class FallbackError(Exception):
    """The data is beyond fast code."""


@dataclass(frozen=True, slots=True)
class Item:
    """One complex element: a variable with its JSON object, None if it may be absent."""

    var: str
    type: str
    maybe: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A member of an element, not yet read: how to read it depends on what for."""

    holder: Item
    json_names: tuple[str, ...]
    types: tuple[str, ...]
    repeats: bool

    @property
    def name(self) -> str:
        """Its only JSON name."""
        if len(self.json_names) != 1:
            raise UnfitError
        return self.json_names[0]

    @property
    def type(self) -> str:
        """Its only type."""
        if len(self.types) != 1:
            raise UnfitError
        return self.types[0]


@dataclass(frozen=True, slots=True)
class Items:
    """A list of JSON values of one type; None in it is a primitive without a value."""

    var: str
    type: str


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single System value, None for empty; `kind` is Boolean, String, Integer or Decimal."""

    var: str
    kind: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """The empty collection."""


Found = Item | Field | Items | Scalar | Nothing
_NUMBERS = frozenset({"Integer", "Decimal"})


# ---- what the code calls


def with_extras(holder: dict[str, Any], name: str) -> list[Any]:
    """A list of primitives some of which have only an id or extensions."""
    values = holder.get(name)
    beside = holder["_" + name]
    if not isinstance(beside, list):
        raise FallbackError
    found = list(values) if isinstance(values, list) else []
    return found + [None] * (len(beside) - len(found))


def points_to(reference: dict[str, Any], type_name: str) -> bool | None:
    """`resolve() is Type`, where the reference's text says it."""
    text = reference.get("reference")
    if isinstance(text, str) and text[:1] != "#":
        named = referenced_type(text)
        if named is not None:
            return type_name in ancestors(named)
    raise FallbackError


def united(items: list[Any]) -> list[Any]:
    """Each JSON value once."""
    return items if len(items) < 2 else Distinct(items).items


_RUNTIME = {
    "with_extras": with_extras,
    "points_to": points_to,
    "united": united,
    "matches": matches,
    "Decimal": Decimal,
    "FallbackError": FallbackError,
    "bounded": bounded,
}


class PlainEmitter(Writer):
    """Emits code on plain JSON; raises UnfitError for what it does not know."""

    def __init__(self, *, strict: bool) -> None:
        super().__init__()
        self.strict = strict

    # ---- trees

    def emit(self, tree: Tree, this: Found) -> Found:
        """Write the code of `tree` on the focus `this`."""
        match tree:
            case Literal():
                return self.literal(tree)
            case Empty():
                return Nothing()
            case Special(name="this"):
                return this
            case Variable(name="ucum"):
                return Scalar(self.constant("http://unitsofmeasure.org"), "String")
            case Member():
                return self.member(tree, this)
            case TypeTest():
                return self.type_test(tree.operator, tree.operand, checked_type(tree.type_name), this)
            case Binary():
                return self.binary(tree, this)
            case Call():
                return self.call(tree, this)
            case _:
                raise UnfitError

    def literal(self, tree: Literal) -> Found:
        """A constant."""
        if tree.kind not in ("Boolean", "String", "Integer", "Decimal"):
            raise UnfitError
        return Scalar(self.constant(literal_value(tree)), tree.kind)

    def member(self, tree: Member, this: Found) -> Found:
        """Children by name."""
        if tree.source is not None:
            return self.children(self.emit(tree.source, this), tree.name)
        if tree.name[:1].isupper():
            if not isinstance(this, Item):
                raise UnfitError
            return this if tree.name in ancestors(this.type) else Nothing()
        return self.children(this, tree.name)

    def children(self, source: Found, name: str, cast: str | None = None) -> Found:
        """The children called `name`; of a choice only those of type `cast`."""
        match source:
            case Nothing():
                return source
            case Item():
                return _field(source, name, cast)
            case Field(repeats=False):
                return _field(self.item(source), name, cast)
            case Field() | Items():
                return self.children_of_each(self.items(source), name, cast)
            case _:
                raise UnfitError

    def item(self, field: Field) -> Item:
        """The single complex element of a field, read."""
        if is_primitive(field.type) or field.type in ANY_RESOURCE:
            raise UnfitError
        return Item(
            self.set(_guarded(field.holder, f"{field.holder.var}.get({field.name!r})", "None")), field.type, True
        )

    def items(self, source: Found) -> Items:
        """A collection as a list."""
        match source:
            case Items():
                return source
            case Item():
                return Items(self.set(f"() if {source.var} is None else ({source.var},)"), source.type)
            case Field():
                found = self.set("[]")
                if source.holder.maybe:
                    with self.block(f"if {source.holder.var} is not None:"):
                        self.gather(found, source)
                else:
                    self.gather(found, source)
                return Items(found, source.type)
            case _:
                raise UnfitError

    def gather(self, found: str, field: Field) -> None:
        """Add a field's values to a list."""
        holder, name = field.holder.var, field.name
        primitive = is_primitive(field.type)
        value = self.set(f"{holder}.get({name!r})")
        if field.repeats and primitive:
            self.line(f"if '_' + {name!r} in {holder}: {found} += with_extras({holder}, {name!r})")
            self.line(f"elif {value}: {found} += {value}")
        elif field.repeats:
            self.line(f"if {value}: {found} += {value}")
        elif primitive:
            self.line(f"if {value} is not None or '_' + {name!r} in {holder}: {found}.append({value})")
        else:
            self.line(f"if {value} is not None: {found}.append({value})")

    def children_of_each(self, source: Items, name: str, cast: str | None) -> Found:
        """The children of all items in one list."""
        if source.type in ANY_RESOURCE:
            return self.no_resources(source)
        if is_primitive(source.type):
            raise UnfitError
        found, holder = self.set("[]"), self.new("h")
        field = _field(Item(holder, source.type, maybe=False), name, cast)
        if isinstance(field, Nothing):
            return field
        with self.loop(f"for {holder} in {source.var}:"):
            self.gather(found, field)
        return Items(found, field.type)

    def no_resources(self, source: Items) -> Nothing:
        """Nothing, where there are no contained resources; their types are known at run time only."""
        self.line(f"if {source.var}: raise FallbackError")
        return Nothing()

    def loop(self, header: str) -> Any:
        """A loop, not too many in one another."""
        if self.indent > MAX_LOOPS:
            raise UnfitError
        return self.block(header)

    # ---- types

    def type_test(self, operator: str, operand: Tree, type_name: str, this: Found) -> Found:
        """`is`, `as`, `ofType` on choices and references."""
        plain = type_name.rpartition(".")[2]
        if type_name.startswith("System."):
            raise UnfitError
        if operator == "is":
            return self.is_type(operand, plain, this)
        if not isinstance(operand, Member) or (operator == "as" and self.strict):
            raise UnfitError
        source = this if operand.source is None else self.emit(operand.source, this)
        return self.children(source, operand.name, plain)

    def is_type(self, operand: Tree, type_name: str, this: Found) -> Found:
        """`is` on a choice, and `resolve() is T`."""
        if isinstance(operand, Call) and operand.name == "resolve" and not operand.arguments:
            source = this if operand.source is None else self.emit(operand.source, this)
            item = self.item(source) if isinstance(source, Field) and not source.repeats else source
            if not isinstance(item, Item) or item.type != "Reference":
                raise UnfitError
            return Scalar(self.set(_guarded(item, f"points_to({item.var}, {type_name!r})", "None")), "Boolean")
        field = self.emit(operand, this)
        if not isinstance(field, Field) or field.repeats or any(t in ANY_RESOURCE for t in field.types):
            raise UnfitError
        of_type = tuple(
            name
            for name, child in shape(field.holder.type).children.items()
            if name in field.json_names and type_name in ancestors(child.type)
        )
        there = self.exists(field)
        kept = Field(field.holder, of_type, field.types, repeats=False)
        answer = self.presence(kept) if of_type else "False"
        return Scalar(self.set(f"None if not {there.var} else bool({answer})"), "Boolean")

    # ---- operators

    def binary(self, tree: Binary, this: Found) -> Found:
        """Logic, equality with a single value, order of numbers, membership among literals, union."""
        operator = tree.operator
        if operator in ("and", "or", "xor", "implies"):
            return self.logic(tree, this)
        if operator in ("=", "!="):
            return self.equality(tree, this)
        if operator in ("<", "<=", ">", ">="):
            left, right = self.scalar(self.emit(tree.left, this)), self.scalar(self.emit(tree.right, this))
            if not {left.kind, right.kind} <= _NUMBERS:
                raise UnfitError
            return self.when_both(left, right, f"{left.var} {operator} {right.var}")
        if operator == "+":
            left, right = self.scalar(self.emit(tree.left, this)), self.scalar(self.emit(tree.right, this))
            if {left.kind, right.kind} != {"Integer"}:
                raise UnfitError
            absent = f"{left.var} is None or {right.var} is None"
            return Scalar(self.set(f"None if {absent} else bounded({left.var} + {right.var})"), "Integer")
        if operator == "in":
            return self.membership(tree, this)
        if operator == "|":
            return self.union(tree, this)
        raise UnfitError

    def when_both(self, left: Scalar, right: Scalar, answer: str) -> Scalar:
        """A Boolean that is empty where an operand is."""
        return Scalar(
            self.set(f"None if {left.var} is None or {right.var} is None else {answer}"),
            "Boolean",
        )

    def logic(self, tree: Binary, this: Found) -> Found:
        """Three-valued logic. A right side beyond fast code falls back only when it is reached."""
        operator = tree.operator
        one = self.boolean(self.emit(tree.left, this))
        answer = self.new()
        decides = {"and": ("False", "False"), "or": ("True", "True"), "implies": ("False", "True")}.get(operator)
        if decides is not None:
            self.line(f"if {one.var} is {decides[0]}: {answer} = {decides[1]}")
            header = "else:"
        else:
            header = "if True:"
        with self.block(header):
            before, indent = len(self.lines), self.indent
            try:
                other = self.boolean(self.emit(tree.right, this))
                self.line(f"{answer} = {_LOGIC[operator].format(one=one.var, other=other.var)}")
            except UnfitError:
                if decides is None:
                    raise
                del self.lines[before:]
                self.indent = indent
                self.line("raise FallbackError")
        return Scalar(answer, "Boolean")

    def boolean(self, found: Found) -> Scalar:
        """A collection as Boolean."""
        if isinstance(found, Nothing):
            return Scalar("None", "Boolean")
        scalar = self.scalar(found)
        if scalar.kind != "Boolean":
            raise UnfitError
        if isinstance(found, Field):
            # A Boolean element that has only extensions counts as true.
            there = f"'_' + {found.name!r} in {found.holder.var}"
            guarded = _guarded(found.holder, there, "False")
            return Scalar(self.set(f"True if {scalar.var} is None and ({guarded}) else {scalar.var}"), "Boolean")
        return scalar

    def scalar(self, found: Found) -> Scalar:
        """A single primitive as its System value, None where it has none."""
        if isinstance(found, Scalar):
            return found
        if not isinstance(found, Field) or found.repeats or not is_primitive(found.type):
            raise UnfitError
        kind = system_type_of(found.type)
        if kind not in ("Boolean", "String", "Integer", "Decimal"):
            raise UnfitError
        read = f"{found.holder.var}.get({found.name!r})"
        return Scalar(self.set(_guarded(found.holder, read, "None")), kind)

    def equality(self, tree: Binary, this: Found) -> Found:
        """= and != between single values, or a list and a single value."""
        left, right = self.emit(tree.left, this), self.emit(tree.right, this)
        if isinstance(left, Nothing) or isinstance(right, Nothing):
            return Scalar("None", "Boolean")
        sign = "==" if tree.operator == "=" else "!="
        if isinstance(right, Scalar) and (isinstance(left, Items) or (isinstance(left, Field) and left.repeats)):
            return self.list_equality(self.items(left), right, sign)
        one, other = self.scalar(left), self.scalar(right)
        if one.kind != other.kind and not {one.kind, other.kind} <= _NUMBERS:
            raise UnfitError
        if isinstance(left, Field) and isinstance(right, Field):
            self.refuse_valueless(left, one)
            self.refuse_valueless(right, other)
            return self.when_both(one, other, f"{one.var} {sign} {other.var}")
        field = left if isinstance(left, Field) else right
        if not isinstance(field, Field):
            return self.when_both(one, other, f"{one.var} {sign} {other.var}")
        value, fixed = (one, other) if field is left else (other, one)
        there = _guarded(field.holder, f"'_' + {field.name!r} in {field.holder.var}", "False")
        absent = f"({sign == '!='} if {fixed.var} is not None and ({there}) else None)"
        same = f"({value.var} {sign} {fixed.var} if {fixed.var} is not None else None)"
        return Scalar(self.set(f"{same} if {value.var} is not None else {absent}"), "Boolean")

    def refuse_valueless(self, field: Field, value: Scalar) -> None:
        """Leave elements that have only extensions to the general code."""
        there = _guarded(field.holder, f"'_' + {field.name!r} in {field.holder.var}", "False")
        self.line(f"if {value.var} is None and ({there}): raise FallbackError")

    def list_equality(self, items: Items, value: Scalar, sign: str) -> Found:
        """A list compared with a single value."""
        if system_type_of(items.type) != value.kind or not is_primitive(items.type):
            raise UnfitError
        same = f"len({items.var}) == 1 and {items.var}[0] == {value.var}"
        answer = f"({same})" if sign == "==" else f"not ({same})"
        return Scalar(self.set(f"None if not {items.var} or {value.var} is None else {answer}"), "Boolean")

    def membership(self, tree: Binary, this: Found) -> Found:
        """A single value among literals."""
        literals = _literals(tree.right)
        value = self.scalar(self.emit(tree.left, this))
        if any(literal.kind != value.kind for literal in literals) or value.kind != "String":
            raise UnfitError
        known = self.constant(frozenset(literal_value(literal) for literal in literals))
        field = self.emit(tree.left, this)
        if isinstance(field, Field):
            self.refuse_valueless(field, value)
        return Scalar(self.set(f"None if {value.var} is None else {value.var} in {known}"), "Boolean")

    def union(self, tree: Binary, this: Found) -> Found:
        """Items of both sides, each once."""
        sides = [self.emit(side, this) for side in (tree.left, tree.right)]
        lists = [self.items(side) for side in sides if not isinstance(side, Nothing)]
        if not lists:
            return Nothing()
        if len({items.type for items in lists}) != 1:
            raise UnfitError
        if is_primitive(lists[0].type) and system_type_of(lists[0].type) != "String":
            raise UnfitError
        for items in lists:
            self.line(f"if None in {items.var}: raise FallbackError")
        whole = " + ".join(f"[*{items.var}]" for items in lists)
        return Items(self.set(f"united({whole})"), lists[0].type)

    # ---- calls

    def call(self, tree: Call, this: Found) -> Found:
        """The functions that invariants use most."""
        if tree.name in ("is", "as", "ofType") and len(tree.arguments) == 1 and tree.source is not None:
            return self.type_test(tree.name, tree.source, type_name_of(tree.arguments[0]), this)
        work = _FUNCTIONS.get((tree.name, len(tree.arguments)))
        if work is None:
            raise UnfitError
        source = this if tree.source is None else self.emit(tree.source, this)
        found: Found = work(self, source, tree, this)
        return found

    def presence(self, field: Field) -> str:
        """A Python condition that says whether a field is there."""
        holder = field.holder.var
        members = shape(field.holder.type).children
        primitive = [name for name in field.json_names if members[name].primitive]
        if len(field.json_names) > 1:
            names = frozenset(field.json_names) | {"_" + name for name in primitive}
            there = f"not {self.constant(names)}.isdisjoint({holder})"
        elif field.repeats:
            there = f"{holder}.get({field.name!r})"
            there = f"({there} or {holder}.get('_' + {field.name!r}))" if primitive else there
        else:
            there = f"{holder}.get({field.name!r}) is not None"
            there = f"({there} or '_' + {field.name!r} in {holder})" if primitive else there
        return _guarded(field.holder, there, "False")

    def exists(self, found: Found, negated: bool = False) -> Scalar:
        """Whether there is anything."""
        match found:
            case Nothing():
                condition = "False"
            case Item():
                condition = f"{found.var} is not None"
            case Items():
                condition = found.var
            case Scalar():
                condition = f"{found.var} is not None"
            case Field():
                condition = self.presence(found)
        return Scalar(self.set(f"not ({condition})" if negated else f"bool({condition})"), "Boolean")

    def f_exists(self, source: Found, _tree: Call, _this: Found) -> Found:
        """Whether there is anything."""
        return self.exists(source)

    def f_empty(self, source: Found, _tree: Call, _this: Found) -> Found:
        """Whether there is nothing."""
        return self.exists(source, negated=True)

    def f_not(self, source: Found, _tree: Call, _this: Found) -> Found:
        """The other Boolean."""
        value = self.boolean(source)
        return Scalar(self.set(f"None if {value.var} is None else not {value.var}"), "Boolean")

    def f_count(self, source: Found, _tree: Call, _this: Found) -> Found:
        """How many there are."""
        if isinstance(source, Nothing):
            return Scalar("0", "Integer")
        if isinstance(source, Field) and not source.repeats:
            return Scalar(self.set(f"int({self.exists(source).var})"), "Integer")
        return Scalar(self.set(f"len({self.items(source).var})"), "Integer")

    def f_has_value(self, source: Found, _tree: Call, _this: Found) -> Found:
        """Whether a single primitive has a value."""
        if isinstance(source, Item):
            return Scalar("False", "Boolean")
        if isinstance(source, Field) and not source.repeats and is_primitive(source.type):
            read = f"{source.holder.var}.get({source.name!r}) is not None"
            return Scalar(self.set(_guarded(source.holder, read, "False")), "Boolean")
        raise UnfitError

    def f_where(self, source: Found, tree: Call, _this: Found) -> Found:
        """Items for which the condition is true."""
        if isinstance(source, Nothing):
            return source
        items = self.items(source)
        if items.type in ANY_RESOURCE:
            return self.no_resources(items)
        found = self.set("[]")
        with self.criterion(items, tree.arguments[0]) as (item, answer):
            self.line(f"if {answer} is True: {found}.append({item})")
        return Items(found, items.type)

    def f_exists_one(self, source: Found, tree: Call, _this: Found) -> Found:
        """Whether the condition is true for any item."""
        if isinstance(source, Nothing):
            return Scalar("False", "Boolean")
        return self.any(source, tree, "False", "is True", "True")

    def f_all(self, source: Found, tree: Call, _this: Found) -> Found:
        """Whether the condition is true for all items."""
        if isinstance(source, Nothing):
            return Scalar("True", "Boolean")
        return self.any(source, tree, "True", "is not True", "False")

    def any(self, source: Found, tree: Call, start: str, test: str, end: str) -> Scalar:
        """A loop over items that ends early."""
        answer = self.set(start)
        with (
            self.criterion(self.items(source), tree.arguments[0]) as (_item, value),
            self.block(f"if {value} {test}:"),
        ):
            self.line(f"{answer} = {end}")
            self.line("break")
        return Scalar(answer, "Boolean")

    @contextmanager
    def criterion(self, items: Items, criterion: Tree) -> Iterator[tuple[str, str]]:
        """A loop that evaluates a condition for each item: gives their variables."""
        if is_primitive(items.type) or items.type in ANY_RESOURCE:
            raise UnfitError
        item = self.new("x")
        with self.loop(f"for {item} in {items.var}:"):
            found = self.emit(criterion, Item(item, items.type, maybe=False))
            yield item, self.boolean(found).var

    def f_distinct(self, source: Found, _tree: Call, _this: Found) -> Found:
        """Whether no text comes twice."""
        items = self.items(source)
        if not is_primitive(items.type) or system_type_of(items.type) != "String":
            raise UnfitError
        self.line(f"if None in {items.var}: raise FallbackError")
        return Scalar(self.set(f"len(set({items.var})) == len({items.var})"), "Boolean")

    def f_select(self, source: Found, tree: Call, _this: Found) -> Found:
        """The projection to a member; others are left to the general code."""
        argument = tree.arguments[0]
        if not isinstance(argument, Member) or argument.source is not None or argument.name[:1].isupper():
            raise UnfitError
        return self.children(source, argument.name)

    def f_first(self, source: Found, _tree: Call, _this: Found) -> Found:
        """The first item."""
        if isinstance(source, Field) and not source.repeats:
            return source
        items = self.items(source)
        if is_primitive(items.type) or items.type in ANY_RESOURCE:
            raise UnfitError
        return Item(self.set(f"{items.var}[0] if {items.var} else None"), items.type, maybe=True)

    def f_trace(self, source: Found, _tree: Call, _this: Found) -> Found:
        """The input; nobody looks at traces of fast code."""
        return source

    def text_test(self, source: Found, tree: Call, this: Found) -> Found:
        """startsWith, endsWith, contains and matches."""
        value, part = self.scalar(source), self.scalar(self.emit(tree.arguments[0], this))
        if value.kind != "String" or part.kind != "String":
            raise UnfitError
        code = {
            "startsWith": "{0}.startswith({1})",
            "endsWith": "{0}.endswith({1})",
            "contains": "{1} in {0}",
            "matches": "matches({0}, {1})",
        }[tree.name]
        return self.when_both(value, part, code.format(value.var, part.var))

    def f_length(self, source: Found, _tree: Call, _this: Found) -> Found:
        """How many characters a text has."""
        value = self.scalar(source)
        if value.kind != "String":
            raise UnfitError
        return Scalar(self.set(f"None if {value.var} is None else len({value.var})"), "Integer")


_FUNCTIONS: dict[tuple[str, int], Any] = {
    ("exists", 0): PlainEmitter.f_exists,
    ("exists", 1): PlainEmitter.f_exists_one,
    ("empty", 0): PlainEmitter.f_empty,
    ("not", 0): PlainEmitter.f_not,
    ("count", 0): PlainEmitter.f_count,
    ("hasValue", 0): PlainEmitter.f_has_value,
    ("where", 1): PlainEmitter.f_where,
    ("all", 1): PlainEmitter.f_all,
    ("isDistinct", 0): PlainEmitter.f_distinct,
    ("select", 1): PlainEmitter.f_select,
    ("first", 0): PlainEmitter.f_first,
    ("trace", 1): PlainEmitter.f_trace,
    ("startsWith", 1): PlainEmitter.text_test,
    ("endsWith", 1): PlainEmitter.text_test,
    ("contains", 1): PlainEmitter.text_test,
    ("matches", 1): PlainEmitter.text_test,
    ("length", 0): PlainEmitter.f_length,
}

_LOGIC = {
    "and": "False if {other} is False else None if {one} is None or {other} is None else True",
    "or": "True if {other} is True else None if {one} is None or {other} is None else False",
    "implies": "True if {other} is True else None if {one} is None or {other} is None else False",
    "xor": "None if {one} is None or {other} is None else {one} is not {other}",
}


def _guarded(holder: Item, code: str, otherwise: str) -> str:
    """Code that is only run where its holder is there."""
    if not holder.maybe:
        return code
    if otherwise == "False":
        return f"{holder.var} is not None and {code}"
    return f"{code} if {holder.var} is not None else {otherwise}"


def _field(holder: Item, name: str, cast: str | None) -> Field | Nothing:
    """A child of an element by name; of a choice only the given type."""
    own = shape(holder.type)
    json_names = own.names.get(name)
    if json_names is None:
        return Nothing()
    if cast is not None:
        if any(own.children[n].type in ANY_RESOURCE for n in json_names):
            raise UnfitError
        json_names = tuple(n for n in json_names if _is_cast(own.children[n].type, cast))
        if not json_names:
            return Nothing()
    children = [own.children[n] for n in json_names]
    return Field(holder, json_names, tuple(child.type for child in children), children[0].repeats)


def _is_cast(type_name: str, cast: str) -> bool:
    """Whether `as` lets a type through: primitives only their own."""
    return type_name == cast if is_primitive(type_name) else cast in ancestors(type_name)


def _literals(tree: Tree) -> list[Literal]:
    """The literals of a union of nothing else."""
    if isinstance(tree, Literal):
        return [tree]
    if isinstance(tree, Binary) and tree.operator == "|":
        return _literals(tree.left) + _literals(tree.right)
    raise UnfitError


def plain_code(tree: Tree, expression: str, type_name: str, *, strict: bool) -> tuple[Any, Found] | None:
    """A function from an element's JSON to its result (a list of JSON values, or a Boolean where it is one)."""
    if not shape(type_name).names or is_primitive(type_name) or type_name in ANY_RESOURCE:
        return None
    emitter = PlainEmitter(strict=strict)
    try:
        found = emitter.emit(tree, Item("t0", type_name, maybe=False))
        emitter.line(f"return {_result(emitter, found)}")
    except UnfitError:
        return None
    source = emitter.source("def path(t0):")
    return build(source, expression, {**_RUNTIME, **emitter.constants}), found


def _result(emitter: PlainEmitter, found: Found) -> str:
    """The Python expression of what is returned."""
    match found:
        case Nothing():
            return "[]"
        case Scalar(kind="Boolean"):
            return found.var
        case Scalar():
            return f"[] if {found.var} is None else [{found.var}]"
        case Item():
            return f"[{found.var}] if {found.var} is not None else []"
        case Items():
            kept = f"[x for x in {found.var} if x is not None]"
            return kept if is_primitive(found.type) else f"{found.var}"
        case Field(repeats=False) if len(found.json_names) == 1:
            value = emitter.set(_guarded(found.holder, f"{found.holder.var}.get({found.name!r})", "None"))
            return f"[{value}] if {value} is not None else []"
        case Field(repeats=True) if len(found.json_names) == 1:
            value = emitter.set(_guarded(found.holder, f"{found.holder.var}.get({found.name!r})", "None"))
            kept = f"[x for x in {value} if x is not None]" if is_primitive(found.type) else f"[*{value}]"
            return f"{kept} if {value} else []"
        case _:
            raise UnfitError
