"""Conditions on two records, said once and written out twice: as Python and as SQL.

Python, DuckDB and Spark must find the same level for the same pair. What they share is small, and only that is here:
equality, overlap of lists, and Levenshtein and Jaro-Winkler distance of ASCII text (DuckDB measures other text by bytes).
In SQL the two records are the relations `l` and `r`; "" and empty lists stand for what is not known, NULL never occurs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Dialect = Literal["duckdb", "spark"]


class Condition(Protocol):
    """Something two records fulfil or not."""

    def python(self) -> str:
        """As an expression over `l_COLUMN` and `r.COLUMN`."""
        ...

    def sql(self, dialect: Dialect) -> str:
        """As a condition over `l.COLUMN` and `r.COLUMN`."""
        ...


@dataclass(frozen=True, slots=True)
class Same:
    """Both have the same text in a column, and have one."""

    column: str

    def python(self) -> str:
        """As Python."""
        return f"(l_{self.column} == r.{self.column} and l_{self.column} != '')"

    def sql(self, _: Dialect) -> str:
        """As SQL."""
        return f"(l.{self.column} = r.{self.column} AND l.{self.column} <> '')"


@dataclass(frozen=True, slots=True)
class Absent:
    """One of both has no text in any of these columns that the other has one in."""

    columns: tuple[str, ...]

    def python(self) -> str:
        """As Python."""
        return "(" + " and ".join(f"(l_{c} == '' or r.{c} == '')" for c in self.columns) + ")"

    def sql(self, _: Dialect) -> str:
        """As SQL."""
        return "(" + " AND ".join(f"(l.{c} = '' OR r.{c} = '')" for c in self.columns) + ")"


@dataclass(frozen=True, slots=True)
class Shared:
    """The lists of both have a member in common."""

    column: str

    def python(self) -> str:
        """As Python: lists are short, and often the same or of one member."""
        c = self.column
        return f"(l_{c} and r.{c} and (l_{c}[0] in r.{c} or (l_{c}_more and not l_{c}_more.isdisjoint(r.{c}))))"

    def sql(self, dialect: Dialect) -> str:
        """As SQL."""
        return f"{'list_has_any' if dialect == 'duckdb' else 'arrays_overlap'}(l.{self.column}, r.{self.column})"


@dataclass(frozen=True, slots=True)
class Within:
    """All members of one list, at least `at_least` of them, are members of the other."""

    column: str
    at_least: int = 2

    def python(self) -> str:
        """As Python."""
        c, n = self.column, self.at_least
        return (
            f"(l_{c}_size >= {n} and len(r.{c}) >= {n} and (l_{c}_all.issuperset(r.{c}) or l_{c}_all.issubset(r.{c})))"
        )

    def sql(self, dialect: Dialect) -> str:
        """As SQL."""
        c, n = self.column, self.at_least
        if dialect == "duckdb":
            inside, size = f"(list_has_all(l.{c}, r.{c}) OR list_has_all(r.{c}, l.{c}))", "len"
        else:
            inside, size = f"(size(array_except(r.{c}, l.{c})) = 0 OR size(array_except(l.{c}, r.{c})) = 0)", "size"
        return f"({size}(l.{c}) >= {n} AND {size}(r.{c}) >= {n} AND {inside})"


@dataclass(frozen=True, slots=True)
class Edits:
    """Texts of at least `length` characters are at most `at_most` insertions, deletions and changes apart."""

    column: str
    at_most: int
    length: int

    def python(self) -> str:
        """As Python."""
        c, n, k = self.column, self.length, self.at_most
        near = f"levenshtein(l_{c}, r.{c}, score_cutoff={k}) <= {k}" if k else f"l_{c} == r.{c}"
        return f"(l_{c}_size >= {n} and len(r.{c}) >= {n} and {near})"

    def sql(self, _: Dialect) -> str:
        """As SQL."""
        c, n = self.column, self.length
        return f"(length(l.{c}) >= {n} AND length(r.{c}) >= {n} AND levenshtein(l.{c}, r.{c}) <= {self.at_most})"


@dataclass(frozen=True, slots=True)
class Alike:
    """The Jaro-Winkler similarity of texts of at least `length` characters is `at_least`."""

    column: str
    at_least: float
    length: int

    def python(self) -> str:
        """As Python."""
        c, n = self.column, self.length
        alike = f"jaro_winkler(l_{c}, r.{c}, score_cutoff={self.at_least}) >= {self.at_least}"
        return f"(l_{c}_size >= {n} and len(r.{c}) >= {n} and {alike})"

    def sql(self, dialect: Dialect) -> str:
        """As SQL; on Spark `jaro_winkler` is a function to be registered: see `training.spark`."""
        c, n = self.column, self.length
        name = "jaro_winkler_similarity" if dialect == "duckdb" else "jaro_winkler"
        return f"(length(l.{c}) >= {n} AND length(r.{c}) >= {n} AND {name}(l.{c}, r.{c}) >= {self.at_least})"


@dataclass(frozen=True, slots=True)
class Begins:
    """One text begins with the other, and neither is empty: a date of which only the year is known."""

    column: str

    def python(self) -> str:
        """As Python."""
        c = self.column
        either = f"(l_{c}_size != len(r.{c}) and (l_{c}.startswith(r.{c}) or r.{c}.startswith(l_{c})))"
        return f"(l_{c} != '' and r.{c} != '' and (l_{c} == r.{c} or {either}))"

    def sql(self, _: Dialect) -> str:
        """As SQL."""
        c = self.column
        return f"(l.{c} <> '' AND r.{c} <> '' AND (substr(l.{c}, 1, length(r.{c})) = r.{c} OR substr(r.{c}, 1, length(l.{c})) = l.{c}))"


@dataclass(frozen=True, slots=True)
class Start:
    """The first `length` characters are the same, and both have as many."""

    column: str
    length: int

    def python(self) -> str:
        """As Python."""
        c, n = self.column, self.length
        return f"(l_{c}_size >= {n} and l_{c}[:{n}] == r.{c}[:{n}])"

    def sql(self, _: Dialect) -> str:
        """As SQL."""
        c, n = self.column, self.length
        return f"(length(l.{c}) >= {n} AND substr(l.{c}, 1, {n}) = substr(r.{c}, 1, {n}))"


@dataclass(frozen=True, slots=True)
class Exchanged:
    """Day and month of two dates YYYYMMDD are exchanged."""

    column: str

    def python(self) -> str:
        """As Python."""
        c = self.column
        return f"(l_{c}_size == 8 and len(r.{c}) == 8 and l_{c}[:4] == r.{c}[:4] and l_{c}[4:6] == r.{c}[6:] and l_{c}[6:] == r.{c}[4:6])"

    def sql(self, _: Dialect) -> str:
        """As SQL."""
        c = self.column
        parts = (
            (f"substr(l.{c}, 1, 4)", f"substr(r.{c}, 1, 4)"),
            (f"substr(l.{c}, 5, 2)", f"substr(r.{c}, 7, 2)"),
            (f"substr(l.{c}, 7, 2)", f"substr(r.{c}, 5, 2)"),
        )
        return f"(length(l.{c}) = 8 AND length(r.{c}) = 8 AND " + " AND ".join(f"{a} = {b}" for a, b in parts) + ")"


@dataclass(frozen=True, slots=True)
class Ends:
    """The left text ends so; used beside `Same`."""

    column: str
    ending: str
    length: int

    def python(self) -> str:
        """As Python."""
        return f"(l_{self.column}_size == {self.length} and l_{self.column}.endswith('{self.ending}'))"

    def sql(self, _: Dialect) -> str:
        """As SQL."""
        c, n = self.column, self.length
        return (
            f"(length(l.{c}) = {n} AND substr(l.{c}, {n - len(self.ending) + 1}, {len(self.ending)}) = '{self.ending}')"
        )


@dataclass(frozen=True, slots=True)
class All:
    """All of these."""

    conditions: tuple[Condition, ...]

    def python(self) -> str:
        """As Python."""
        return "(" + " and ".join(one.python() for one in self.conditions) + ")"

    def sql(self, dialect: Dialect) -> str:
        """As SQL."""
        return "(" + " AND ".join(one.sql(dialect) for one in self.conditions) + ")"


@dataclass(frozen=True, slots=True)
class Any:
    """One of these."""

    conditions: tuple[Condition, ...]

    def python(self) -> str:
        """As Python."""
        return "(" + " or ".join(one.python() for one in self.conditions) + ")"

    def sql(self, dialect: Dialect) -> str:
        """As SQL."""
        return "(" + " OR ".join(one.sql(dialect) for one in self.conditions) + ")"


@dataclass(frozen=True, slots=True)
class Not:
    """Not this."""

    condition: Condition

    def python(self) -> str:
        """As Python."""
        return f"(not {self.condition.python()})"

    def sql(self, dialect: Dialect) -> str:
        """As SQL."""
        return f"(NOT {self.condition.sql(dialect)})"


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Always: the last level."""

    def python(self) -> str:
        """As Python."""
        return "True"

    def sql(self, _: Dialect) -> str:
        """As SQL."""
        return "TRUE"
