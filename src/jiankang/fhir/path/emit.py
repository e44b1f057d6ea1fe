"""Writes the Python of an expression: every step a statement, criteria as inlined loops, nothing walked at run time."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from jiankang.fhir.path import functions, numbers, operators, texts
from jiankang.fhir.path.comparing import Distinct
from jiankang.fhir.path.errors import PathMeaningError
from jiankang.fhir.path.moments import date_or_none, date_time_or_none, time_or_none
from jiankang.fhir.path.static import (
    NOTHING,
    UNKNOWN,
    Static,
    cast_types,
    checked_type,
    member_types,
    merged,
    need_condition,
    need_order,
    need_text,
    system,
    type_name_of,
)
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
from jiankang.fhir.path.values import Quantity, ancestors
from jiankang.fhir.path.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LOOPS = 15

FUNCTIONS: dict[str, tuple[int, int, Any]] = {**functions.FUNCTIONS, **texts.FUNCTIONS, **numbers.FUNCTIONS}
RUNTIME: dict[str, Any] = {
    "Distinct": Distinct,
    "truth": functions.truth,
    "member": functions.member,
    "rooted": functions.rooted,
    "at_index": functions.at_index,
    "among": functions.among,
    "is_": functions.is_,
    "as_": functions.as_,
    "of_type": functions.of_type,
    "resolves_to": functions.resolves_to,
    "noted": functions.noted,
    "union": functions.union,
    "computed": operators.computed,
    "compared": operators.compared,
    "equated": operators.equated,
    "joined": operators.joined,
    "negative": operators.negative,
    "positive": operators.positive,
    "sorted_by": operators.sorted_by,
    "criterion": operators.criterion,
    "only": functions.only,
    "TRUE": [True],
    "FALSE": [False],
    "NONE": [],
    **{f"f_{name}": work for name, (_, _, work) in FUNCTIONS.items()},
}

_ORDER_SENSITIVE = frozenset({"first", "last", "tail", "skip", "take"})
_KEEPING = frozenset(
    {"first", "last", "tail", "skip", "take", "single", "distinct", "intersect", "exclude", "trace", "where"}
)
_BOOLEAN_FUNCTIONS = frozenset(
    [
        "empty",
        "exists",
        "not",
        "allTrue",
        "anyTrue",
        "allFalse",
        "anyFalse",
        "subsetOf",
        "supersetOf",
        "isDistinct",
        "hasValue",
        "conformsTo",
        "memberOf",
        "startsWith",
        "endsWith",
        "contains",
        "matches",
        "matchesFull",
        "htmlChecks",
        "comparable",
        "all",
    ]
)
_STRING_FUNCTIONS = frozenset(
    [
        "substring",
        "upper",
        "lower",
        "trim",
        "replace",
        "replaceMatches",
        "toChars",
        "split",
        "join",
        "encode",
        "decode",
        "escape",
        "unescape",
    ]
)
_INTEGER_FUNCTIONS = frozenset({"count", "indexOf", "lastIndexOf", "length", "precision"})


@dataclass(frozen=True, slots=True)
class Scope:
    """What a part of the expression sees: the variables of $this, $index and $total, and what is known of $this."""

    this: str
    static: Static
    index: str = ""
    total: str = ""
    total_static: Static = UNKNOWN


class Emitter(Writer):
    """Collects statements; each `emit` names the variable that holds the collection, and says what is known of it."""

    def __init__(self, *, strict: bool) -> None:
        super().__init__()
        self.strict = strict

    @contextmanager
    def each(self, items: str, scope: Scope, static: Static) -> Iterator[tuple[Scope, str]]:
        """A loop over a collection: gives the scope inside of it and the variable of the item."""
        self.loops += 1
        if self.loops > MAX_LOOPS:
            raise PathMeaningError(f"The expression has more than {MAX_LOOPS} conditions inside one another.")
        item, number, this = self.new("x"), self.new("n"), self.new("t")
        self.line(f"run.spend(len({items}))")
        with self.block(f"for {number}, {item} in enumerate({items}):"):
            self.line(f"{this} = [{item}]")
            yield replace(scope, this=this, static=static, index=number), item
        self.loops -= 1

    # ---- trees

    def emit(self, tree: Tree, scope: Scope) -> tuple[str, Static]:
        """Write the code of `tree`."""
        match tree:
            case Literal():
                return self.literal(tree)
            case Empty():
                return "NONE", NOTHING
            case Special():
                return self.special(tree, scope)
            case Variable():
                return self.set(f"run.variable({tree.name!r})"), UNKNOWN
            case Member():
                return self.member(tree, scope)
            case Index():
                return self.at(tree, scope)
            case Polarity():
                return self.polarity(tree, scope)
            case TypeTest():
                return self.type_test(tree.operator, tree.operand, checked_type(tree.type_name), scope)
            case Binary():
                return self.binary(tree, scope)
            case Call():
                return self.call(tree, scope)

    def literal(self, tree: Literal) -> tuple[str, Static]:
        """A constant collection of one."""
        kind = "Quantity" if tree.kind == "Calendar" else tree.kind
        return self.constant([literal_value(tree)]), system(kind)

    def special(self, tree: Special, scope: Scope) -> tuple[str, Static]:
        """$this, $index or $total."""
        if tree.name == "this":
            return scope.this, scope.static
        if tree.name == "index" and scope.index:
            return self.set(f"[{scope.index}]"), system("Integer")
        if tree.name == "total" and scope.total:
            return scope.total, scope.total_static
        raise PathMeaningError(f"${tree.name} has no meaning here.")

    def member(self, tree: Member, scope: Scope) -> tuple[str, Static]:
        """Children by name; at the start of a path also the type of what the path is about."""
        if tree.source is not None:
            items, static = self.emit(tree.source, scope)
            types = member_types(static, tree.name, strict=self.strict)
            return self.set(f"member(run, {items}, {tree.name!r})"), types
        if tree.name[:1].isupper():
            return self.root(tree.name, scope)
        types = member_types(scope.static, tree.name, strict=self.strict)
        return self.set(f"member(run, {scope.this}, {tree.name!r})"), types

    def root(self, name: str, scope: Scope) -> tuple[str, Static]:
        """A type at the start of a path."""
        names = scope.static.names()
        if names is not None:
            if all(name in ancestors(known) for known in names):
                return scope.this, scope.static
            if self.strict and not any(name in ancestors(known) for known in names):
                raise PathMeaningError(f"The path starts at {name}, but is about {' or '.join(names)}.")
        return self.set(f"rooted(run, {scope.this}, {name!r})"), UNKNOWN if names is None else cast_types(UNKNOWN, name)

    def at(self, tree: Index, scope: Scope) -> tuple[str, Static]:
        """One item by its number."""
        items, static = self.emit(tree.source, scope)
        if self.strict:
            need_order(static, "An index")
        number, _ = self.emit(tree.number, scope)
        return self.set(f"at_index({items}, {number})"), static

    def polarity(self, tree: Polarity, scope: Scope) -> tuple[str, Static]:
        """A sign before a number."""
        items, static = self.emit(tree.operand, scope)
        return self.set(f"{'negative' if tree.sign == '-' else 'positive'}({items})"), static

    def type_test(self, operator: str, operand: Tree, type_name: str, scope: Scope) -> tuple[str, Static]:
        """`is`, `as`, `ofType`; `resolve() is T` without fetching what the reference itself says."""
        if operator == "is" and isinstance(operand, Call) and operand.name == "resolve" and not operand.arguments:
            items = scope.this if operand.source is None else self.emit(operand.source, scope)[0]
            plain = type_name.rpartition(".")[2]
            return self.set(f"resolves_to(run, {items}, {plain!r})"), system("Boolean")
        items, static = self.emit(operand, scope)
        return self.typed(operator, items, static, type_name)

    def typed(self, operator: str, items: str, static: Static, type_name: str) -> tuple[str, Static]:
        """A collection tested for, or narrowed to, a type."""
        if operator == "is":
            return self.set(f"is_(run, {items}, {type_name!r})"), system("Boolean")
        # HL7's own R4 invariants and search parameters use `as` on many items; only strict ones may not.
        work = "as_" if operator == "as" and self.strict else "of_type"
        return self.set(f"{work}(run, {items}, {type_name!r})"), cast_types(static, type_name)

    def binary(self, tree: Binary, scope: Scope) -> tuple[str, Static]:
        """Two operands and an operator."""
        operator = tree.operator
        if operator in ("and", "or", "xor", "implies"):
            return self.logic(tree, scope)
        left, left_static = self.emit(tree.left, scope)
        right, right_static = self.emit(tree.right, scope)
        if operator == "|":
            return self.set(f"union(run, {left}, {right})"), merged(left_static, right_static)
        if operator == "&":
            return self.set(f"joined({left}, {right})"), system("String")
        if operator in ("in", "contains"):
            item, items = (left, right) if operator == "in" else (right, left)
            return self.set(f"among({item}, {items})"), system("Boolean")
        if operator in ("=", "!=", "~", "!~"):
            return self.set(f"equated({operator!r}, {left}, {right})"), system("Boolean")
        if operator in ("<", "<=", ">", ">="):
            return self.set(f"compared({operator!r}, {left}, {right})"), system("Boolean")
        return self.set(f"computed({operator!r}, {left}, {right})"), UNKNOWN

    def logic(self, tree: Binary, scope: Scope) -> tuple[str, Static]:
        """Three-valued logic; the right side is left alone where the left decides."""
        operator = tree.operator
        left, _ = self.emit(tree.left, scope)
        one, answer = self.set(f"truth({left}, {operator!r})"), self.new()
        decides = {"and": ("False", "FALSE"), "or": ("True", "TRUE"), "implies": ("False", "TRUE")}.get(operator)
        if decides is not None:
            with self.block(f"if {one} is {decides[0]}:"):
                self.line(f"{answer} = {decides[1]}")
            self.line("else:")
        else:
            self.line("if True:")
        self.indent += 1
        right, _ = self.emit(tree.right, scope)
        other = self.set(f"truth({right}, {operator!r})")
        self.line(f"{answer} = {_LOGIC[operator].format(one=one, other=other)}")
        self.indent -= 1
        return answer, system("Boolean")

    # ---- calls

    def call(self, tree: Call, scope: Scope) -> tuple[str, Static]:
        """A function: those with criteria are inlined, the others called."""
        name, given = tree.name, len(tree.arguments)
        if name == "iif":
            return self.iif(tree, scope)
        if name in ("is", "as", "ofType"):
            _count_arguments(name, given, 1, 1)
            type_name = type_name_of(tree.arguments[0])
            if tree.source is not None:
                return self.type_test(name, tree.source, type_name, scope)
            return self.typed(name, scope.this, scope.static, type_name)
        items, static = (scope.this, scope.static) if tree.source is None else self.emit(tree.source, scope)
        if name in _INLINED and (name != "exists" or given):
            return _INLINED[name](self, tree, items, static, scope)
        if name not in FUNCTIONS:
            raise PathMeaningError(f"The function {name}() is not known.")
        least, most, _ = FUNCTIONS[name]
        _count_arguments(name, given, least, most)
        if self.strict:
            self.check(name, static)
        arguments = [self.emit(argument, scope) for argument in tree.arguments]
        passed = "".join(f", {argument}" for argument, _ in arguments)
        result = self.set(f"f_{name}(run, {items}{passed})")
        return result, _result_types(name, static, [types for _, types in arguments])

    def check(self, name: str, static: Static) -> None:
        """Refuse what cannot make sense for the input's type."""
        if name in texts.TAKES_TEXT:
            need_text(static, name)
        if name in _ORDER_SENSITIVE:
            need_order(static, f"{name}()")

    def where(self, tree: Call, items: str, static: Static, scope: Scope) -> tuple[str, Static]:
        """Items for which the criterion is true."""
        _count_arguments("where", len(tree.arguments), 1, 1)
        found = self.set("[]")
        with self.each(items, scope, static) as (inner, item):
            answer, types = self.emit(tree.arguments[0], inner)
            if self.strict:
                need_condition(types, "where()")
            self.line(f"if truth({answer}) is True: {found}.append({item})")
        return found, static

    def select(self, tree: Call, items: str, static: Static, scope: Scope) -> tuple[str, Static]:
        """The projection of every item."""
        _count_arguments("select", len(tree.arguments), 1, 1)
        found = self.set("[]")
        with self.each(items, scope, static) as (inner, _):
            projected, types = self.emit(tree.arguments[0], inner)
            self.line(f"{found} += {projected}")
            self.line(f"run.spend(len({projected}))")
        return found, types

    def exists(self, tree: Call, items: str, static: Static, scope: Scope) -> tuple[str, Static]:
        """Whether the criterion is true for any item."""
        _count_arguments("exists", len(tree.arguments), 0, 1)
        found = self.set("FALSE")
        with self.each(items, scope, static) as (inner, _):
            answer, _types = self.emit(tree.arguments[0], inner)
            with self.block(f"if truth({answer}) is True:"):
                self.line(f"{found} = TRUE")
                self.line("break")
        return found, system("Boolean")

    def all(self, tree: Call, items: str, static: Static, scope: Scope) -> tuple[str, Static]:
        """Whether the criterion is true for every item."""
        _count_arguments("all", len(tree.arguments), 1, 1)
        found = self.set("TRUE")
        with self.each(items, scope, static) as (inner, _):
            answer, _types = self.emit(tree.arguments[0], inner)
            with self.block(f"if truth({answer}) is not True:"):
                self.line(f"{found} = FALSE")
                self.line("break")
        return found, system("Boolean")

    def repeat(self, tree: Call, items: str, static: Static, scope: Scope) -> tuple[str, Static]:
        """The projection of items, of what it gives, and so on, each once."""
        _count_arguments("repeat", len(tree.arguments), 1, 1)
        known, level = self.set("Distinct([])"), self.set(items)
        types = _repeated_types(self, tree.arguments[0], static, scope)
        self.loops += 1
        with self.block(f"while {level}:"):
            fresh = self.set("[]")
            with self.each(level, scope, merged(static, types)) as (inner, _):
                projected, types = self.emit(tree.arguments[0], inner)
                self.line(f"run.spend(len({projected}))")
                self.line(f"{fresh} += [item for item in {projected} if {known}.add(item)]")
            self.line(f"{level} = {fresh}")
        self.loops -= 1
        return self.set(f"{known}.items"), types

    def aggregate(self, tree: Call, items: str, static: Static, scope: Scope) -> tuple[str, Static]:
        """One value worked out item by item; $total is the value so far."""
        _count_arguments("aggregate", len(tree.arguments), 1, 2)
        start = self.emit(tree.arguments[1], scope)[0] if len(tree.arguments) == 2 else "NONE"
        total = self.set(start)
        with self.each(items, scope, static) as (inner, _):
            result, _types = self.emit(tree.arguments[0], replace(inner, total=total, total_static=UNKNOWN))
            self.line(f"{total} = {result}")
        return total, UNKNOWN

    def trace(self, tree: Call, items: str, static: Static, scope: Scope) -> tuple[str, Static]:
        """The input, noted for whoever debugs."""
        _count_arguments("trace", len(tree.arguments), 1, 2)
        name, _ = self.emit(tree.arguments[0], scope)
        shown = items
        if len(tree.arguments) == 2:
            shown = self.set("[]")
            with self.each(items, scope, static) as (inner, _):
                projected, _types = self.emit(tree.arguments[1], inner)
                self.line(f"{shown} += {projected}")
        return self.set(f"noted(run, {items}, {name}, {shown})"), static

    def sort(self, tree: Call, items: str, static: Static, scope: Scope) -> tuple[str, Static]:
        """The items by one or more keys; a minus before a key turns its order."""
        keys: tuple[Tree, ...] = tree.arguments or (Special("this"),)
        turned = tuple(isinstance(key, Polarity) and key.sign == "-" for key in keys)
        plain = [key.operand if isinstance(key, Polarity) and key.sign == "-" else key for key in keys]
        rows = self.set("[]")
        with self.each(items, scope, static) as (inner, _):
            values = [self.emit(key, inner)[0] for key in plain]
            self.line(f"{rows}.append([{', '.join(values)}])")
        return self.set(f"sorted_by(run, {items}, {rows}, {turned!r})"), replace(static, ordered=True)

    def iif(self, tree: Call, scope: Scope) -> tuple[str, Static]:
        """One branch or the other; only that one is evaluated."""
        _count_arguments("iif", len(tree.arguments), 2, 3)
        inner = scope
        if tree.source is not None:
            items, static = self.emit(tree.source, scope)
            self.line(f"only(run, {items})")
            inner = replace(scope, this=items, static=static)
        condition, types = self.emit(tree.arguments[0], inner)
        if self.strict:
            need_condition(types, "iif()")
        result = self.new()
        with self.block(f"if criterion({condition}) is True:"):
            chosen, static = self.emit(tree.arguments[1], inner)
            self.line(f"{result} = {chosen}")
        with self.block("else:"):
            other, other_static = self.emit(tree.arguments[2], inner) if len(tree.arguments) == 3 else ("NONE", NOTHING)
            self.line(f"{result} = {other}")
        return result, merged(static, other_static)


_INLINED = {
    "where": Emitter.where,
    "select": Emitter.select,
    "exists": Emitter.exists,
    "all": Emitter.all,
    "repeat": Emitter.repeat,
    "aggregate": Emitter.aggregate,
    "trace": Emitter.trace,
    "sort": Emitter.sort,
}

_LOGIC = {
    "and": "FALSE if {other} is False else NONE if {one} is None or {other} is None else TRUE",
    "or": "TRUE if {other} is True else NONE if {one} is None or {other} is None else FALSE",
    "implies": "TRUE if {other} is True else NONE if {one} is None or {other} is None else FALSE",
    "xor": "NONE if {one} is None or {other} is None else [{one} is not {other}]",
}


def _repeated_types(emitter: Emitter, projection: Tree, static: Static, scope: Scope) -> Static:
    """The types that a repeated projection reaches, found by trying it out until nothing new appears."""
    if static.types is None:
        return UNKNOWN
    reached = static
    for _ in range(8):
        trial = Emitter(strict=False)
        trial.loops, trial.indent = emitter.loops, emitter.indent
        _, types = trial.emit(projection, replace(scope, this="x", static=reached, index="n"))
        wider = merged(reached, types)
        if wider.types is None or wider.types == reached.types:
            return wider
        reached = wider
    return UNKNOWN


def literal_value(tree: Literal) -> Any:
    """The System value of a literal. Raises PathMeaningError for a date that the calendar does not have."""
    text = tree.text
    if tree.kind == "Boolean":
        return text == "true"
    if tree.kind == "Integer":
        return int(text)
    if tree.kind == "Decimal":
        return Decimal(text)
    if tree.kind in ("Quantity", "Calendar"):
        return Quantity(Decimal(text), tree.unit or "1", tree.kind == "Calendar")
    if tree.kind == "String":
        return text
    reader = {"Date": date_or_none, "DateTime": date_time_or_none, "Time": time_or_none}[tree.kind]
    moment = reader(text)
    if moment is None:
        raise PathMeaningError(f"@{text} is not in the calendar.")
    return moment


def _count_arguments(name: str, given: int, least: int, most: int) -> None:
    """Raise PathMeaningError where a function gets too few or too many arguments."""
    if not least <= given <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise PathMeaningError(f"{name}() takes {wanted} arguments and was given {given}.")


def _result_types(name: str, source: Static, arguments: list[Static]) -> Static:
    """What is known of a function's result."""
    if name in _KEEPING:
        return source
    if name in _BOOLEAN_FUNCTIONS or name.startswith("convertsTo"):
        return system("Boolean")
    if name in _STRING_FUNCTIONS:
        return system("String")
    if name in _INTEGER_FUNCTIONS:
        return system("Integer")
    if name in ("union", "combine"):
        return merged(source, arguments[0])
    if name in ("children", "descendants"):
        return Static(None, ordered=False)
    if name == "extension":
        return Static(frozenset({"FHIR.Extension"}))
    if name == "type":
        return system("TypeInfo")
    return UNKNOWN
