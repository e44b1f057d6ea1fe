"""The same job on a Spark cluster: a session that is asked in the words of DuckDB, as all of this package speaks.

`Connection` takes the statements that training and the batch send to DuckDB, has them put into Spark's SQL by sqlglot
(which Splink brings), and answers like DuckDB's connection. So there is one definition of every step. What is small goes
through Python on the driver in both: one pair of each sort, the contested components.
"""

from __future__ import annotations

import functools
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sqlglot
from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa


def prepare(session: Any) -> None:
    """Register `jaro_winkler` in a SparkSession: the Jaro-Winkler similarity as the online scorer measures it.

    Executors need rapidfuzz, and nothing of ours. Not the function in Splink's jar: it counts transpositions otherwise
    (commons-text), a quarter of similarities differ, and some levels with them.
    """

    def jaro_winkler(one: str, other: str) -> float:
        from rapidfuzz.distance import JaroWinkler

        return JaroWinkler.similarity(one, other)

    session.udf.register("jaro_winkler", jaro_winkler, "double")


def connect(folder: Path, master: str, *, memory: str = "2g") -> Connection:
    """A session on a cluster (`spark://…`, `yarn`, `local[2]`), with a folder that its executors can read and write."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.memory": memory,
        "spark.sql.shuffle.partitions": "8" if master.startswith("local") else "200",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.ansi.enabled": "false",
    }
    builder = SparkSession.builder.master(master).appName("jiankang identity")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setCheckpointDir(str(folder / "checkpoints"))
    session.sparkContext.setLogLevel("ERROR")
    if master.startswith("local"):
        session.sparkContext.pythonExec = sys.executable
    prepare(session)
    return Connection(session, folder)


class Connection:
    """A Spark session that is asked as DuckDB is: tables are views over files below `folder`."""

    dialect = "spark"

    def __init__(self, session: Any, folder: Path) -> None:
        self.session = session
        self.folder = folder
        self._arrived: dict[str, pa.Table] = {}
        self._parts: dict[str, int] = {}
        self._rows: list[tuple[Any, ...]] = []

    def execute(self, sql: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> Self:
        """Do one statement; `values` stand for its placeholders."""
        self._rows = []
        statement = sqlglot.parse_one(sql, dialect="duckdb")
        _fill(statement, values)
        if isinstance(statement, exp.Create):
            self._create(statement)
        elif isinstance(statement, exp.Insert):
            self._append(_table(statement), self._arrived["arrived"])
        elif isinstance(statement, exp.Drop):
            self.session.catalog.dropTempView(_table(statement))
        else:
            self._rows = [tuple(row) for row in self.session.sql(spark_sql(statement)).collect()]
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows of the statement before."""
        return self._rows

    def register(self, name: str, table: pa.Table) -> None:
        """Have a table of the driver known by a name."""
        self._arrived[name] = table
        path = self._new_folder(name)
        self._write(path, table, 0)
        self._view(name, path)

    def unregister(self, name: str) -> None:
        """Forget it again; what was made of it stays."""
        del self._arrived[name]

    def close(self) -> None:
        """End the session."""
        self.session.stop()

    def _create(self, statement: exp.Create) -> None:
        schema, name = statement.this, _table(statement)
        path = self._new_folder(name)
        if isinstance(schema, exp.Schema):
            columns = ", ".join(one.sql("spark") for one in schema.expressions)
            self.session.createDataFrame([], columns).write.parquet(str(path), mode="overwrite")
        else:
            self.session.sql(spark_sql(statement.expression)).write.parquet(str(path), mode="overwrite")
        self._view(name, path)

    def _append(self, name: str, table: pa.Table) -> None:
        path = Path(self._folders[name])
        self._parts[name] = number = self._parts.get(name, 0) + 1
        self._write(path, table, number)
        self._view(name, path)

    @functools.cached_property
    def _folders(self) -> dict[str, str]:
        return {}

    def _new_folder(self, name: str) -> Path:
        """A folder of its own for each time that a table is made: the one before may still be read."""
        number = self._parts[f"made {name}"] = self._parts.get(f"made {name}", 0) + 1
        path = self.folder / "tables" / f"{name}-{number}"
        shutil.rmtree(path, ignore_errors=True)
        return path

    def _write(self, path: Path, table: pa.Table, number: int) -> None:
        import pyarrow.parquet as pq

        path.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path / f"arrived-{number:06d}.parquet")

    def _view(self, name: str, path: Path) -> None:
        self._folders[name] = str(path)
        self.session.read.parquet(str(path)).createOrReplaceTempView(name)


def _table(statement: exp.Expr) -> str:
    """The table that a statement makes, fills or drops."""
    found = statement.find(exp.Table)
    if found is None:
        raise ValueError("the statement names no table")
    return found.name


def spark_sql(statement: exp.Expr) -> str:
    """A statement of DuckDB as Spark writes it."""
    return statement.transform(_for_spark).sql("spark")


def _for_spark(node: exp.Expr) -> exp.Expr:
    """What sqlglot leaves as DuckDB has it."""
    if isinstance(node, exp.ArrayAgg) and isinstance(node.this, exp.Order):
        return exp.Anonymous(this="SORT_ARRAY", expressions=[exp.ArrayAgg(this=node.this.this)])
    if isinstance(node, exp.ArrayOverlaps):
        return exp.Anonymous(this="ARRAYS_OVERLAP", expressions=[node.this, node.expression])
    if isinstance(node, exp.Bracket) and node.expressions and isinstance(node.expressions[0], exp.Slice):
        part = node.expressions[0]
        return exp.Anonymous(this="SLICE", expressions=[node.this, part.this, part.expression])
    return node


def _fill(statement: exp.Expr, values: Sequence[Any] | Mapping[str, Any] | None) -> None:
    """Put values in the places of placeholders."""
    if values is None:
        return
    coming = iter(values) if not isinstance(values, dict) else None
    for place in list(statement.find_all(exp.Placeholder, exp.Parameter)):
        value = next(coming) if coming is not None else values[place.name]  # type: ignore[call-overload]
        place.replace(_literal(value))


def _literal(value: Any) -> exp.Expr:
    if isinstance(value, list):
        return exp.Array(expressions=[_literal(one) for one in value])
    return exp.convert(value)
