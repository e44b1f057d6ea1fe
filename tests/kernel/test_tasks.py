"""Background tasks end, also those that lose a cancellation."""

from __future__ import annotations

import asyncio

from jiankang.kernel.tasks import end_tasks


async def test_a_task_that_loses_a_cancellation_ends_all_the_same():
    lost = 0

    async def forgetful() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost > 1:
                    raise

    task = asyncio.create_task(forgetful())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end_tasks(task)
    assert task.cancelled()
    assert lost == 2


async def test_a_task_that_failed_or_ended_already_is_no_trouble():
    async def fails() -> None:
        raise ValueError("no")

    failed, done = asyncio.create_task(fails()), asyncio.create_task(asyncio.sleep(0))
    await asyncio.sleep(0.01)
    await end_tasks(failed, done)
    assert failed.done()
    assert done.done()
