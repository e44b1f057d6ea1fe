"""Writes a population to files: rows as CSV or NDJSON, Patients as NDJSON, each also packed by zstandard."""

from __future__ import annotations

import csv
import gc
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import zstandard

from jiankang.kernel.jsontext import encode
from region.population.chunk import MOST, SIZE
from region.population.days import ISO
from region.population.patients import patient
from region.population.peopling import peopled
from region.population.row import COLUMNS, Registration
from region.population.stream import rows_of

if TYPE_CHECKING:
    from region.population.mixes import Mix
    from region.population.person import Person

FORMS = ("csv", "ndjson", "patients")
TRUTH_COLUMNS = (
    "person_id", "household_id", "kind", "people", "nationality", "name", "latin_name", "former_name", "sex", "birth_date",
    "citizen_id", "passport", "permit", "mother_name", "birth_order", "twin_of", "stranger_of",
)  # fmt: skip


def write(
    out: Path, form: str, seed: int, count: int, mix: Mix, workers: int = 1, people_out: Path | None = None
) -> int:
    """Registrations of `count` persons in `form`, the persons themselves beside them; how many registrations."""
    if not 0 <= count <= MOST:
        raise ValueError(f"between 0 and {MOST:,} persons")
    written = 0
    with _opened(out) as target, _opened(people_out) as people_target:
        if form == "csv":
            target.write(_csv([list(COLUMNS)]))
        people_target.write(_csv([list(TRUTH_COLUMNS)]))
        for text, lines, people in _parts(form, seed, count, mix, workers, with_people=people_out is not None):
            target.write(text)
            people_target.write(people)
            written += lines
    return written


def _parts(
    form: str, seed: int, count: int, mix: Mix, workers: int, *, with_people: bool
) -> Iterator[tuple[bytes, int, bytes]]:
    """Each chunk's bytes in order; made by other processes when more than one is to work."""
    make = partial(_part, form, seed, count, mix, with_people)
    indexes = range((count + SIZE - 1) // SIZE)
    if workers < 2:
        yield from map(make, indexes)
        return
    with get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(make, indexes)


def _part(form: str, seed: int, count: int, mix: Mix, with_people: bool, index: int) -> tuple[bytes, int, bytes]:
    size = min(SIZE, count - index * SIZE)
    gc.disable()  # a chunk makes no circles, and the collector would look through it again and again
    try:
        people = peopled(seed, index, mix, size)
        rows = rows_of(people, seed, index, mix)
    finally:
        gc.enable()
    return _BODIES[form](rows), len(rows), _csv([_truth(one) for one in people]) if with_people else b""


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _ndjson(rows: list[list[str]]) -> bytes:
    return b"".join(
        encode({column: value for column, value in zip(COLUMNS, row, strict=True) if value}) + b"\n" for row in rows
    )


def _patients(rows: list[list[str]]) -> bytes:
    return b"".join(encode(patient(Registration._make(row), truth=True)) + b"\n" for row in rows)


_BODIES: dict[str, Callable[[list[list[str]]], bytes]] = {"csv": _csv, "ndjson": _ndjson, "patients": _patients}


def _truth(one: Person) -> list[str]:
    sex = "male" if one.sex == "M" else "female"
    return [
        one.person_id, f"H{one.household:08d}", one.kind, one.people, one.country, one.name, one.latin, one.name_before or one.latin_before,
        sex, ISO[one.born], one.citizen, one.passport, one.permit, one.mother, one.birth_order, _id(one.twin_of), _id(one.stranger_of),
    ]  # fmt: skip


def _id(number: int) -> str:
    return f"P{number:08d}" if number >= 0 else ""


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO]:
    """A file to write to, packed when its name ends with .zst; nothing at all for no path."""
    if path is None:
        yield io.BytesIO()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as plain:
        if path.suffix != ".zst":
            yield plain
            return
        with zstandard.ZstdCompressor(level=3).stream_writer(plain, closefd=False) as packed:
            yield cast("BinaryIO", packed)
