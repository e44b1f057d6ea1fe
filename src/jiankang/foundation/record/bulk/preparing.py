"""Lines made ready for writing, ahead of the writer and in a process of their own where one can be had."""

from __future__ import annotations

import asyncio
import multiprocessing
from typing import TYPE_CHECKING, Any, Self

from jiankang.foundation.record.store import Prepared, prepare
from jiankang.kernel.errors import Issue, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Ready = list[Prepared | tuple[Issue, ...]]

_LONGEST_SECONDS = 60.0
_spawn = multiprocessing.get_context("spawn")


def prepare_lines(raws: Sequence[bytes], type_name: str | None, whole: Collection[str] | None = None) -> Ready:
    """Each line ready to be written, or all that is wrong with it; as a value only the types in `whole` (None: all).

    Of the others, what is written (text and index rows) is enough, and less to hand from process to process.
    """
    found: Ready = []
    for raw in raws:
        try:
            one = prepare(raw, type_name=type_name)
        except Problem as problem:
            found.append(problem.issues)
        else:
            if whole is not None and one.type not in whole:
                one.resource = {}
            found.append(one)
    return found


class Helper:
    """Another process that prepares lines while this one writes those before: `with Helper() as helper: …`."""

    def __enter__(self) -> Self:
        self._pool: Any = _spawn.Pool(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.terminate()
        self._pool.join()

    def ask(self, raws: Sequence[bytes], type_name: str | None, whole: Collection[str]) -> asyncio.Future[Ready]:
        """Begin with these lines; `whole` as in `prepare_lines`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Ready] = loop.create_future()

        def answer(ready: Ready | None) -> None:
            if not future.done():
                future.set_result(prepare_lines(raws, type_name) if ready is None else ready)

        self._pool.apply_async(
            prepare_lines, (list(raws), type_name, frozenset(whole)),
            callback=lambda ready: loop.call_soon_threadsafe(answer, ready),
            error_callback=lambda _: loop.call_soon_threadsafe(answer, None),
        )  # fmt: skip
        loop.call_later(_LONGEST_SECONDS, answer, None)  # when the helper was killed, its work is ours
        return future
