"""Whoever tells subscribers is killed in the middle; another process goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

COUNT = 80


def test_a_process_that_is_killed_while_telling_loses_nothing_and_keeps_the_order(
    run, room, receiver, rows, database_url_of_module
):
    def telling() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, Path(__file__).with_name("telling.py"), database_url_of_module])

    async def story(server: Any) -> None:
        receiver.seconds = 0.01
        await room.put(server, room.subscription(receiver.url))
        await room.put(server, *(room.patient(f"k{number:02}", str(number)) for number in range(COUNT)))
        order = [f"/hook/Patient/{id_}" for (id_,) in await numbered(server)]
        first = telling()
        try:
            await room.until(lambda: len(receiver.came) >= 25, seconds=30)
        finally:
            first.kill()
            first.wait()
        assert len(receiver.came) < COUNT
        second = telling()
        try:
            await room.until(lambda: rows("SELECT told FROM subscriber") == [(COUNT,)], seconds=30)
        finally:
            second.terminate()
            second.wait()
        paths = [path for _, path, *_ in receiver.came]
        first_part = next((number for number in range(COUNT) if paths[number] != order[number]), COUNT)
        again = paths[first_part:]
        assert again == order[COUNT - len(again) :]  # what came again is the end of the same order
        assert len(paths) >= COUNT

    async def numbered(server: Any) -> list[Any]:
        await room.match(server)
        return rows("SELECT resource FROM subscriber_event ORDER BY number")

    run(story)
