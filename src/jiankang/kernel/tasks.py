"""Ends background tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_SECONDS = 0.5


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they have ended; how they ended does not matter.

    Before Python 3.12 `asyncio.wait_for`, which the connection pool uses, may lose a cancellation: the task goes on, and
    who waits for its end after a single cancellation waits for ever (https://github.com/python/cpython/issues/86296).
    """
    pending = {one for one in tasks if not one.done()}
    while pending:
        for one in pending:
            one.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_SECONDS)
    for one in tasks:
        if not one.cancelled():
            one.exception()  # told the log already, if it was worth it
