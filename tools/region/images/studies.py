"""Imaging studies of people whom hospitals know: chests and bellies, one or two series each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random

from region.images import drawing
from region.images.archives import ARCHIVES, Archive
from region.images.writing import Element, file
from region.messages.senders import system_of
from region.population import Registration, registrations

ROOT = "2.25.201143720115530462791106338821"
"""Below a UUID of our own: no image of anybody has such an identifier."""
CT, DX, US = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.3.1"
_BEGIN = datetime(2026, 11, 16, 8, 0, tzinfo=timezone(timedelta(hours=8)))
_SHARE = 0.25
_KINDS = ("DX", "DX", "CT", "US")
_WORDS = {"DX": ("胸部正位片", "CHEST"), "CT": ("胸部CT平扫", "CHEST"), "US": ("腹部彩超", "ABDOMEN")}
_DOCTORS = ("Chen^Chun=陈^春", "Mo^Dong=莫^冬", "Fu^Xia=符^夏")


@dataclass(frozen=True, slots=True)
class Study:
    """A study with its files."""

    archive: Archive
    uid: str
    accession: str
    person: str
    files: tuple[bytes, ...]


def studies(seed: int, people: int) -> Iterator[Study]:
    """Studies about so many people: the same for the same seed, of the people that `region.messages` tells of."""
    random = Random(f"{seed}:images")
    by_system = {one.system.id: one for one in ARCHIVES}
    for number, row in enumerate(registrations(seed, people), start=1):
        archive = by_system.get(system_of(row.source, row.source_kind).id) if row.source_kind == "hospital" else None
        if archive is not None and random.random() < _SHARE:
            yield _study(archive, row, number, Random(f"{seed}:images:{number}"))


def _study(archive: Archive, row: Registration, number: int, random: Random) -> Study:
    kind = "US" if archive.title.endswith("_US") else random.choice(_KINDS)
    uid, accession = f"{ROOT}.{number}", f"{archive.system.facility}{number:06d}"
    began = _BEGIN + timedelta(minutes=random.randrange(0, 7 * 24 * 60))
    about = [*_patient(archive, row), *_about(uid, accession, began, kind, number, random)]
    files = [
        file(sort, instance, [*about, (0x00080016, "UI", sort), *rest], archive.encoding)
        for sort, instance, rest in _objects(kind, uid, random)
    ]
    return Study(archive, uid, accession, row.person_id, tuple(files))


def _patient(archive: Archive, row: Registration) -> list[Element]:
    latin = row.latin_name.replace(" ", "^", 1)
    name = f"{latin}={row.name[:1]}^{row.name[1:]}" if row.name else latin
    found: list[Element] = [
        (0x00080005, "CS", archive.charset), (0x00100010, "PN", name), (0x00100020, "LO", row.local_id),
        (0x00100021, "LO", archive.system.authority), (0x00100030, "DA", row.birth_date.replace("-", "")),
        (0x00100040, "CS", {"male": "M", "female": "F"}.get(row.sex, "O")),
    ]  # fmt: skip
    return [*found, (0x00101000, "LO", row.citizen_id)] if row.citizen_id else found


def _about(uid: str, accession: str, began: datetime, kind: str, number: int, random: Random) -> list[Element]:
    words, part = _WORDS[kind]
    return [
        (0x00080020, "DA", f"{began:%Y%m%d}"), (0x00080030, "TM", f"{began:%H%M%S}"), (0x00080050, "SH", accession),
        (0x00080060, "CS", kind), (0x00080070, "LO", "Jiankang"), (0x00080090, "PN", random.choice(_DOCTORS)),
        (0x00080201, "SH", "+0800"), (0x00081030, "LO", words), (0x00180015, "CS", part), (0x0020000D, "UI", uid),
        (0x00200010, "SH", f"S{number}"),
    ]  # fmt: skip


def _objects(kind: str, uid: str, random: Random) -> Iterator[tuple[str, str, list[Element]]]:
    """SOP class, identifier and elements of each object of a study."""
    if kind == "CT":
        for series, words in ((1, "平扫 5mm"), (2, "平扫 薄层")):
            for image in range(1, 7):
                pixels = drawing.chest_slice(random, 96, image / 7)
                yield (
                    CT,
                    f"{uid}.{series}.{image}",
                    [*_place(uid, series, image, words), *_grey(96, 16, pixels), *_HOUNSFIELD],
                )
    elif kind == "DX":
        pixels = drawing.chest_radiograph(random, 160)
        window: list[Element] = [(0x00281050, "DS", "2048"), (0x00281051, "DS", "4096")]
        yield DX, f"{uid}.1.1", [*_place(uid, 1, 1, "正位"), *_grey(160, 16, pixels), *window]
    else:
        pixels = b"".join(drawing.sweep(random, 128, frame) for frame in range(8))
        frames: list[Element] = [
            (0x00280008, "IS", "8"), (0x00181063, "DS", "100"), (0x00280009, "AT", b"\x18\x00\x63\x10"),
        ]  # fmt: skip
        yield US, f"{uid}.1.1", [*_place(uid, 1, 1, "右上腹"), *_grey(128, 8, pixels), *frames]


_HOUNSFIELD: list[Element] = [
    (0x00281052, "DS", "-1024"), (0x00281053, "DS", "1"), (0x00281050, "DS", "40"), (0x00281051, "DS", "400"),
]  # fmt: skip


def _place(uid: str, series: int, image: int, words: str) -> list[Element]:
    return [
        (0x0020000E, "UI", f"{uid}.{series}"), (0x00200011, "IS", str(series)), (0x00200013, "IS", str(image)),
        (0x0008103E, "LO", words), (0x00080018, "UI", f"{uid}.{series}.{image}"),
    ]  # fmt: skip


def _grey(side: int, bits: int, pixels: bytes) -> list[Element]:
    return [
        (0x00280002, "US", 1), (0x00280004, "CS", "MONOCHROME2"), (0x00280010, "US", side), (0x00280011, "US", side),
        (0x00280100, "US", bits), (0x00280101, "US", bits if bits == 8 else 12), (0x00280102, "US", 7 if bits == 8 else 11),
        (0x00280103, "US", 0), (0x7FE00010, "OB" if bits == 8 else "OW", pixels),
    ]  # fmt: skip
