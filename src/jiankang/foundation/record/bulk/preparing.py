"""Lines made ready for writing, ahead of the writer and in a process of their own where one can be had."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Self

from jiankang.foundation.record.judging import judged, prepared
from jiankang.foundation.record.store import Prepared
from jiankang.kernel.collecting import collect_seldom
from jiankang.kernel.errors import Issue, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from jiankang.foundation.record.judging import Judge
    from jiankang.foundation.record.wire.server import Server

Ready = list[Prepared | tuple[Issue, ...]]
Opening = Callable[[], AbstractAsyncContextManager["Server"]]
"""What opens a server over the record in another process; it goes there by its name."""

_LONGEST_SECONDS = 60.0
_spawn = multiprocessing.get_context("spawn")


async def prepare_lines(judge: Judge | None, raws: Sequence[bytes], type_name: str | None) -> Ready:
    """Each line ready to be written, or all that is wrong with it."""
    found: Ready = []
    for raw in raws:
        try:
            found.append(prepared(judge, raw, type_name=type_name))
        except Problem as problem:
            found.append(problem.issues)
    places = [place for place, one in enumerate(found) if isinstance(one, Prepared)]
    refused = await judged(judge, [one for one in found if isinstance(one, Prepared)])
    for number, refusal in refused.items():
        found[places[number]] = refusal.issues
    return found


# -- in the other process -----------------------------------------------------------------------------------------


class _Apart:
    """The other process: an event loop and a server of its own."""

    def __init__(self, opening: Opening) -> None:
        self.loop = asyncio.new_event_loop()
        self._opened = opening()
        self.server = self.loop.run_until_complete(self._opened.__aenter__())

    def prepare(self, raws: Sequence[bytes], type_name: str | None, whole: Collection[str]) -> Ready:
        """`prepare_lines`; as a value only the types in `whole`: of others less is handed from process to process."""
        found = self.loop.run_until_complete(prepare_lines(self.server.judge, raws, type_name))
        for one in found:
            if isinstance(one, Prepared) and one.type not in whole:
                one.resource = {}
        return found


_apart: _Apart | None = None


def _open(opening: Opening) -> None:
    global _apart  # noqa: PLW0603 - one for each process
    with contextlib.suppress(Problem, OSError):  # without it every line is left to who asks
        _apart = _Apart(opening)
        collect_seldom()


def _prepare(raws: Sequence[bytes], type_name: str | None, whole: Collection[str]) -> Ready:
    if _apart is None:
        raise RuntimeError("the process was not opened")
    return _apart.prepare(raws, type_name, whole)


class Helper:
    """Another process that prepares lines while this one writes those before: `with Helper(opening) as helper: …`."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    def __enter__(self) -> Self:
        self._pool: Any = _spawn.Pool(1, _open, (self._opening,))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.terminate()
        self._pool.join()

    def ask(self, raws: Sequence[bytes], type_name: str | None, whole: Collection[str]) -> asyncio.Future[Ready | None]:
        """Begin with these lines, as values those of the types in `whole`; None when it could not: then it is ours to do."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Ready | None] = loop.create_future()

        def answer(ready: Ready | None) -> None:
            if not future.done():
                future.set_result(ready)

        self._pool.apply_async(
            _prepare, (list(raws), type_name, frozenset(whole)),
            callback=lambda ready: loop.call_soon_threadsafe(answer, ready),
            error_callback=lambda _: loop.call_soon_threadsafe(answer, None),
        )  # fmt: skip
        loop.call_later(_LONGEST_SECONDS, answer, None)  # when the helper was killed
        return future
