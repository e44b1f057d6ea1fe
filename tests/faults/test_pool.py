"""Waiting for the database has an end: when all connections are in use, and when there is no database."""

from __future__ import annotations

import asyncio
import time

import pytest

from jiankang.kernel.database import open_pool, translated
from jiankang.kernel.errors import Unavailable


async def ask(pool):
    with translated():
        async with pool.connection() as db:
            return (await (await db.execute("SELECT 1")).fetchone())[0]


async def test_who_finds_all_connections_in_use_waits_for_one_but_not_for_ever(server_url):
    async with open_pool(server_url, 1, 1, timeout=3.0) as pool:
        async with pool.connection():
            started = time.monotonic()
            late = asyncio.create_task(ask(pool))
            with pytest.raises(Unavailable):
                await ask(pool)
            assert 2.5 < time.monotonic() - started < 20
            with pytest.raises(Unavailable):
                await late
            late = asyncio.create_task(ask(pool))
            await asyncio.sleep(2.3)  # looks again after two seconds whether there is a database at all
        assert await late == 1


async def test_who_finds_no_database_is_told_soon():
    async with open_pool("postgresql://nobody@127.0.0.1:1/none", 0, 4) as pool:
        for _ in range(2):
            started = time.monotonic()
            with pytest.raises(Unavailable):
                await ask(pool)
            assert time.monotonic() - started < 15
        assert time.monotonic() - started < 10


async def test_connections_that_were_cut_are_replaced(server_url):
    async with open_pool(server_url, 1, 2) as pool:
        async with pool.connection() as db:
            pid = db.info.backend_pid
        async with pool.connection() as one, pool.connection() as other:
            await one.execute("SELECT pg_terminate_backend(%s)", (other.info.backend_pid,))
        told = []
        for _ in range(4):
            try:
                told.append(await ask(pool))
            except Unavailable:
                told.append(0)
        assert told.count(0) <= 1
        assert told[-1] == 1
        assert pid
