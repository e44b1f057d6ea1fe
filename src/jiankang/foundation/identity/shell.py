"""`jiankang identity train|match|report`."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jiankang.foundation.identity import index, queue
from jiankang.foundation.identity.index import Ask
from jiankang.foundation.identity.normalise import Normaliser
from jiankang.foundation.identity.signing import model_file, weights_in_force, write_model
from jiankang.foundation.record.store import Record
from jiankang.kernel.errors import Unavailable

if TYPE_CHECKING:
    from jiankang.foundation.identity.queue import Figures
    from jiankang.foundation.identity.training.batch import Proposal
    from jiankang.foundation.identity.weights import Weights

Say = Callable[[str], None]
_NEEDED = ("duckdb", "pyarrow", "splink")
_AT_ONCE = 500
MEMORY = "2GB"
"""What DuckDB may take for itself."""


def require_training(*, spark: bool = False) -> None:
    """Raises Unavailable where what training needs is not installed; the server does not need it."""
    needed = (*_NEEDED, "pyspark") if spark else _NEEDED
    lacking = [name for name in needed if importlib.util.find_spec(name) is None]
    if lacking:
        extra = "spark" if spark else "train"
        raise Unavailable(
            f"{', '.join(lacking)} not installed: `pip install 'jiankang[{extra}]'` brings what training and the batch need"
        )


def timed(say: Say) -> Say:
    """The same with the seconds since now before each line."""
    begun = time.monotonic()
    return lambda text: say(f"-- {time.monotonic() - begun:6.1f} s  {text}")


def cli_train(url: Callable[[], str], paths: Sequence[Path], folder: Path, key: Callable[[], bytes], *, today: str, workers: int, say: Say, spark: str = "") -> int:  # fmt: skip
    """Learn a model from files, or from the index at `url()` when there are none, and put it in force in `folder`.

    `spark` is the master of a Spark cluster to do it on; without one DuckDB does it on this machine.
    """
    require_training(spark=bool(spark))
    import splink

    from jiankang.foundation.identity.training import tables
    from jiankang.foundation.identity.training.model import train
    from jiankang.foundation.identity.training.reading import file_records, index_records

    tell = timed(say)
    with tempfile.TemporaryDirectory(prefix="jiankang-train-") as room:
        db, engine = _engine(Path(room), spark)
        coming = file_records(paths, Normaliser(today)) if paths else index_records(url())
        count = tables.load(db, coming, workers=workers)
        tell(f"{count} registrations read")
        source = ", ".join(path.name for path in paths) or "the index"
        made = f"Splink {splink.__version__} and {engine} on {count} registrations of {source}, {today}"
        content = train(db, made=made, say=tell)
        db.close()
    write_model(model_file(folder), content, key())
    tell(f"{model_file(folder)} is in force for whatever starts from now on")
    return 0


def _engine(room: Path, spark: str) -> tuple[Any, str]:
    """What the job runs on, asked in the same words, and its name with its version."""
    if not spark:
        import duckdb

        from jiankang.foundation.identity.training import tables

        return tables.connect(room, memory=MEMORY), f"DuckDB {duckdb.__version__}"
    import pyspark

    from jiankang.foundation.identity.training.spark import connect

    return connect(room, spark), f"Spark {pyspark.__version__}"


def cli_match(url: str, folder: Path, key: Callable[[], bytes], *, workers: int, say: Say, spark: str = "") -> int:
    """Compare all registrations of the index again; what may be one person and is two goes to the stewards' queue."""
    require_training(spark=bool(spark))
    from jiankang.foundation.identity.training import tables
    from jiankang.foundation.identity.training.batch import load_persons, match, proposals
    from jiankang.foundation.identity.training.reading import index_records

    tell = timed(say)
    weights = weights_in_force(folder, key)
    with tempfile.TemporaryDirectory(prefix="jiankang-match-") as room:
        db, _ = _engine(Path(room), spark)
        tell(f"{tables.load(db, index_records(url), workers=workers)} registrations read, model {weights.version}")
        match(db, weights, say=tell)
        load_persons(db, url)
        found = proposals(db)
        db.close()
    certain = sum(one.certain for one in found)
    tell(f"{len(found)} pairs of persons may be one, {certain} of them for certain")
    fresh = asyncio.run(_ask(url, found, weights))
    tell(f"{fresh} questions more in the stewards' queue")
    return 0


async def _ask(url: str, found: Sequence[Proposal], weights: Weights) -> int:
    """Put what was found into the queue; how many open questions there are more."""
    async with Record.open(url, connections=1) as record:
        before = await _open_questions(record)
        for start in range(0, len(found), _AT_ONCE):
            some = found[start : start + _AT_ONCE]
            asked = [Ask(one.left, one.right, "pair", one.reasons or (_why(one),), one.bits) for one in some]
            async with record.pool.connection() as db, db.transaction():
                await index.ask(db, asked, weights.version)
        return await _open_questions(record) - before


async def _open_questions(record: Record) -> int:
    async with record.pool.connection() as db:
        row = await (await db.execute("SELECT count(*) FROM identity_task WHERE answer IS NULL")).fetchone()
        return int(row[0]) if row else 0


def _why(one: Proposal) -> str:
    return "link.missed" if one.certain else "score.possible"


def cli_report(url: str, *, as_json: bool, now: datetime, say: Say) -> int:
    """How good the index is."""

    async def read() -> Figures:
        async with Record.open(url, connections=1) as record, record.pool.connection() as db:
            return await queue.figures(db)

    found = asyncio.run(read())
    said = {
        "registrations": found.registrations, "persons": found.persons, "duplicates": round(found.duplicates, 6),
        "unmatchable": found.unmatchable, "asked": found.asked, "review": round(found.review, 6), "same": found.same,
        "different": found.different, "undone": found.undone, "open": found.open,
        "oldestDays": round((now - found.oldest).total_seconds() / 86_400, 3) if found.oldest else None,
    }  # fmt: skip
    if as_json:
        say(json.dumps(said))
        return 0
    for name, words in _WORDS.items():
        value = said[name]
        shown = "none" if value is None else f"{value:.2%}" if name in _SHARES else f"{value}"
        say(f"{shown:>12}  {words}")
    return 0


_SHARES = frozenset({"duplicates", "review"})
_WORDS = {
    "registrations": "registrations 登记",
    "persons": "persons they are linked to 人",
    "duplicates": "of registrations were of somebody known already 重复登记",
    "unmatchable": "registrations with nothing to match on 无法匹配",
    "asked": "questions asked 待核查(累计)",
    "review": "questions for each registration 核查率",
    "same": "answered: one person 同一人",
    "different": "answered: two people 不同人",
    "undone": "decisions taken back 撤销",
    "open": "open questions 未处理",
    "oldestDays": "days that the oldest open question waits 最早待办(天)",
}
