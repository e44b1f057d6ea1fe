"""The feed: in order, at least once, nothing skipped."""

from __future__ import annotations

import asyncio
import json

import psycopg
import pytest

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.feed import deliver, follow, lag
from jiankang.foundation.record.store import Change, Record, prepare

ME = LOCAL_OPERATOR


@pytest.fixture
async def record(database_url):
    async with Record.open(database_url) as opened:
        yield opened


def basic(id_: str) -> Change:
    raw = json.dumps({"resourceType": "Basic", "id": id_, "code": {"text": "x"}}).encode()
    return Change("PUT", "Basic", id_, prepare(raw))


async def write(record: Record, *ids: str) -> None:
    await record.run(ME, lambda tx: tx.apply([basic(one) for one in ids]))


class Reader:
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, db, entries) -> None:
        self.seen += [entry.id for entry in entries]


async def test_changes_arrive_in_order_and_once_each_reader(record):
    for number in range(5):
        await write(record, f"b{number}")
    one, two = Reader(), Reader()
    while await deliver(record, "one", one, limit=2):
        pass
    await deliver(record, "two", two)
    assert one.seen == two.seen == [f"b{n}" for n in range(5)]
    assert await lag(record) == {"one": 0, "two": 0}


async def test_a_transaction_that_commits_late_is_not_skipped(record):
    started, finish = asyncio.Event(), asyncio.Event()

    async def slow(tx) -> None:
        await tx.apply([basic("late")])
        started.set()
        await finish.wait()

    task = asyncio.create_task(record.run(ME, slow))
    await started.wait()
    await write(record, "early")
    reader = Reader()
    await deliver(record, "r", reader)
    assert reader.seen == []
    finish.set()
    await task
    await deliver(record, "r", reader)
    assert sorted(reader.seen) == ["early", "late"]


async def test_a_reader_that_fails_gets_the_same_changes_again(record):
    await write(record, "b1")

    async def fails(db, entries) -> None:
        raise RuntimeError("not yet")

    with pytest.raises(RuntimeError):
        await deliver(record, "r", fails)
    reader = Reader()
    await deliver(record, "r", reader)
    assert reader.seen == ["b1"]


async def test_only_one_process_delivers_to_a_reader_at_a_time(record):
    await write(record, "b1")
    inside, leave = asyncio.Event(), asyncio.Event()

    async def slow(db, entries) -> None:
        inside.set()
        await leave.wait()

    first = asyncio.create_task(deliver(record, "r", slow))
    await inside.wait()
    assert await deliver(record, "r", Reader()) == 0
    leave.set()
    assert await first == 1


async def test_a_follower_is_woken_by_a_commit(record):
    reader = Reader()
    task = asyncio.create_task(follow(record, "r", reader))
    await asyncio.sleep(0.1)
    await write(record, "b1")
    for _ in range(40):
        if reader.seen:
            break
        await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reader.seen == ["b1"]


async def test_what_a_reader_writes_itself_happens_exactly_once(record, database_url):
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as db:
        await db.execute("CREATE TABLE tally (n int)")
    await write(record, "b1")

    async def count(db, entries) -> None:
        await db.execute("INSERT INTO tally VALUES (%s)", (len(entries),))

    async def count_and_fail(db, entries) -> None:
        await count(db, entries)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        await deliver(record, "r", count_and_fail)
    await deliver(record, "r", count)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as db:
        assert (await (await db.execute("SELECT sum(n) FROM tally")).fetchone())[0] == 1
