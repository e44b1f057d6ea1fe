"""The feed tells the versions of one resource in their order, whoever waited for whom."""

from __future__ import annotations

import asyncio
import json

import pytest

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.feed import deliver
from jiankang.foundation.record.store import Change, Record, prepare


@pytest.fixture
async def record(database_url):
    async with Record.open(database_url, connections=8) as opened:
        yield opened


def basic(id_):
    return Change("PUT", "Basic", id_, prepare(json.dumps({"resourceType": "Basic", "id": id_, "code": {"text": "x"}})))


async def delivered(record):
    seen = []

    async def handle(_, entries):
        seen.extend((entry.id, entry.version) for entry in entries)

    while await deliver(record, "reader", handle, limit=3):
        pass
    return seen


async def test_a_transaction_that_began_first_but_wrote_last_is_told_last(record):
    await record.run(LOCAL_OPERATOR, lambda tx: tx.apply([basic("a"), basic("b")]))
    began, go_on, tries = asyncio.Event(), asyncio.Event(), []

    async def slow(tx):
        tries.append(1)
        await tx.apply([basic("a")])
        began.set()
        await go_on.wait()
        await tx.apply([basic("b")])

    first = asyncio.create_task(record.run(LOCAL_OPERATOR, slow))
    await began.wait()
    await record.run(LOCAL_OPERATOR, lambda tx: tx.apply([basic("b")]))
    go_on.set()
    await first
    assert len(tries) == 2
    assert [version for id_, version in await delivered(record) if id_ == "b"] == [1, 2, 3]


async def test_many_writers_of_one_resource_are_told_in_order(record):
    async def write(number):
        for _ in range(12):
            await record.run(
                LOCAL_OPERATOR, lambda tx: tx.apply([basic("a")] if number % 2 else [basic("a"), basic(f"n{number}")])
            )

    await asyncio.gather(*(write(number) for number in range(8)))
    assert [version for id_, version in await delivered(record) if id_ == "a"] == list(range(1, 97))
