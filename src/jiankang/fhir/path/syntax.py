"""The tree of an expression, and the parser that builds it (http://hl7.org/fhirpath/N1/#grammar)."""

from __future__ import annotations

from dataclasses import dataclass

from jiankang.fhir.path.lexer import Token, refusal, tokens

MAX_DEPTH = 40
MAX_HEIGHT = 120
MAX_DIGITS = 40
MAX_NODES = 2_000

CALENDAR_UNITS = {
    unit: singular
    for singular in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for unit in (singular, singular + "s")
}


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the expression; `kind` is its System type, `text` what was written (for dates: without @)."""

    kind: str
    text: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Empty:
    """The empty collection, {}."""


@dataclass(frozen=True, slots=True)
class Special:
    """$this, $index or $total."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    """%name: a constant or something handed in from outside."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """The children called `name` of `source`, or of the focus where there is no source."""

    source: Tree | None
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function called on `source`, or on the focus where there is no source."""

    source: Tree | None
    name: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """One item of `source` by its number from 0."""

    source: Tree
    number: Tree


@dataclass(frozen=True, slots=True)
class Polarity:
    """+ or - before a number or quantity."""

    sign: str
    operand: Tree


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and the operator between them."""

    operator: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`operand is Type` or `operand as Type`."""

    operator: str
    operand: Tree
    type_name: str


Tree = Literal | Empty | Special | Variable | Member | Call | Index | Polarity | Binary | TypeTest

# From what binds loosest to what binds tightest (http://hl7.org/fhirpath/N1/#operator-precedence).
_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"implies"}),
    frozenset({"or", "xor"}),
    frozenset({"and"}),
    frozenset({"in", "contains"}),
    frozenset({"=", "~", "!=", "!~"}),
    frozenset({"<", ">", "<=", ">="}),
    frozenset({"|"}),
    frozenset({"is", "as"}),
    frozenset({"+", "-", "&"}),
    frozenset({"*", "/", "div", "mod"}),
)
_BINDING = {operator: level for level, operators in enumerate(_LEVELS) for operator in operators}
_RESERVED = frozenset({"implies", "or", "xor", "and", "div", "mod"})
_LITERALS = {"string": "String", "date": "Date", "datetime": "DateTime", "time": "Time"}


def parse(text: str) -> Tree:
    """The tree of `text`. Raises PathSyntaxError with line and column."""
    return _Parser(text).whole()


class _Parser:
    """Recursive descent over the tokens; depth and size are bounded."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self.depth = 0
        self.size = 0

    def whole(self) -> Tree:
        tree = self.expression()
        if self.now.kind != "end":
            raise self.refused(f"'{self.now.text}' is not expected here")
        if _height(tree) > MAX_HEIGHT:
            raise self.refused(f"more than {MAX_HEIGHT} steps or operators follow one another")
        return tree

    @property
    def now(self) -> Token:
        return self.tokens[self.at]

    def refused(self, why: str) -> Exception:
        if self.now.kind == "end":
            why = "the expression ends too early"
        return refusal(self.text, self.now.position, why)

    def take(self, sign: str) -> bool:
        """Step over `sign` if it comes next."""
        if self.now.kind == "sign" and self.now.text == sign:
            self.at += 1
            return True
        return False

    def need(self, sign: str) -> None:
        if not self.take(sign):
            raise self.refused(f"'{sign}' is expected, not '{self.now.text}'")

    def expression(self) -> Tree:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.refused(f"the expression is nested deeper than {MAX_DEPTH}")
        tree = self.operators(0)
        self.depth -= 1
        return tree

    def operators(self, loosest: int) -> Tree:
        """Operands and operators that bind at least as tight as `loosest`; equals are taken from the left."""
        tree = self.polarity()
        while (binding := self.binding()) >= loosest:
            operator = self.now.text
            self.at += 1
            self.count()
            if operator in ("is", "as"):
                tree = TypeTest(operator, tree, self.type_name())
            else:
                tree = Binary(operator, tree, self.operators(binding + 1))
        return tree

    def binding(self) -> int:
        """How tight the operator that comes next binds; -1 where none comes."""
        token = self.now
        return _BINDING.get(token.text, -1) if token.kind in ("sign", "name") else -1

    def count(self) -> None:
        self.size += 1
        if self.size > MAX_NODES:
            raise self.refused(f"the expression has more than {MAX_NODES} parts")

    def polarity(self) -> Tree:
        signs = []
        while self.now.kind == "sign" and self.now.text in "+-":
            self.count()
            signs.append(self.now.text)
            if len(signs) > MAX_DEPTH:
                raise self.refused(f"more than {MAX_DEPTH} signs follow one another")
            self.at += 1
        tree = self.invocations()
        for sign in reversed(signs):
            tree = Polarity(sign, tree)
        return tree

    def invocations(self) -> Tree:
        tree = self.term()
        while True:
            self.count()
            if self.take("."):
                if self.now.kind == "special":
                    raise self.refused(f"'{self.now.text}' is not expected after a dot")
                tree = self.invocation(tree)
            elif self.take("["):
                tree = Index(tree, self.expression())
                self.need("]")
            else:
                return tree

    def invocation(self, source: Tree | None) -> Tree:
        name = self.name()
        if not self.take("("):
            return Member(source, name)
        arguments: list[Tree] = []
        if not self.take(")"):
            arguments.append(self.expression())
            while self.take(","):
                arguments.append(self.expression())
            self.need(")")
        return Call(source, name, tuple(arguments))

    def name(self) -> str:
        token = self.now
        if token.kind not in ("name", "quoted"):
            raise self.refused(f"a name is expected, not '{token.text}'")
        self.at += 1
        return token.text

    def type_name(self) -> str:
        """A type, its namespace before a dot if it has one."""
        name = self.name()
        if name in ("FHIR", "System") and self.take("."):
            return f"{name}.{self.name()}"
        return name

    def term(self) -> Tree:
        token = self.now
        if token.kind == "sign":
            return self.bracketed()
        if token.kind in _LITERALS:
            self.at += 1
            return Literal(
                _LITERALS[token.kind], token.text.removeprefix("@") if token.kind != "string" else token.text
            )
        if token.kind == "number":
            return self.number()
        if token.kind == "special":
            self.at += 1
            return Special(token.text[1:])
        if token.kind == "variable":
            self.at += 1
            return Variable(token.text)
        if token.kind == "name" and token.text in ("true", "false"):
            self.at += 1
            return Literal("Boolean", token.text)
        if token.kind == "name" and token.text in _RESERVED:
            raise self.refused(f"'{token.text}' is not expected here")
        return self.invocation(None)

    def bracketed(self) -> Tree:
        if self.take("("):
            tree = self.expression()
            self.need(")")
            return tree
        if self.take("{"):
            self.need("}")
            return Empty()
        raise self.refused(f"'{self.now.text}' is not expected here")

    def number(self) -> Tree:
        text = self.now.text
        if len(text) > MAX_DIGITS:
            raise self.refused(f"a number has more than {MAX_DIGITS} digits")
        self.at += 1
        token = self.now
        if token.kind == "string":
            self.at += 1
            return Literal("Quantity", text, token.text)
        if token.kind == "name" and token.text in CALENDAR_UNITS:
            self.at += 1
            return Literal("Calendar", text, CALENDAR_UNITS[token.text])
        return Literal("Decimal" if "." in text else "Integer", text)


def _height(tree: Tree) -> int:
    """How many parts stand on one another at most."""
    highest = 0
    todo = [(tree, 1)]
    while todo:
        part, height = todo.pop()
        highest = max(highest, height)
        todo += [(below, height + 1) for below in _parts(part)]
    return highest


def _parts(tree: Tree) -> tuple[Tree, ...]:
    """What a part of a tree is made of."""
    match tree:
        case Call():
            return tree.arguments if tree.source is None else (tree.source, *tree.arguments)
        case Member():
            return () if tree.source is None else (tree.source,)
        case Index():
            return (tree.source, tree.number)
        case Binary():
            return (tree.left, tree.right)
        case Polarity() | TypeTest():
            return (tree.operand,)
        case _:
            return ()
