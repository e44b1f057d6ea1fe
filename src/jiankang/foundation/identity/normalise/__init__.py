"""The normaliser: one registration in, one comparable record out; the same module for the batch and for one question.

It never raises whatever the text, and doing it to its own answer changes nothing. What cannot be used is left out of
the record and said in `findings`, codes whose sentences are in `identity.reasons`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from jiankang.foundation.identity.model import Record, Written, WrittenAddress, WrittenDocument, WrittenName
from jiankang.foundation.identity.normalise.addresses import Address, read_address
from jiankang.foundation.identity.normalise.births import read_birth, read_sex
from jiankang.foundation.identity.normalise.documents import CITIZEN_KINDS, Document, guess_kind, read_document
from jiankang.foundation.identity.normalise.names import NOBODY, Name, read_name
from jiankang.foundation.identity.normalise.numbers import Number, compact, looks_like_one, read_number
from jiankang.foundation.identity.normalise.patients import written
from jiankang.foundation.identity.normalise.phones import read_phones
from jiankang.foundation.identity.normalise.rows import written_row

__all__ = ["Normaliser", "written", "written_row"]

MAX_EACH = 20
"""More names, documents, telephones or addresses than this are not read: nobody has them."""


class Normaliser(msgspec.Struct, frozen=True):
    """Makes records comparable; `today` is YYYYMMDD, `area` the area code (without 0) of local telephone numbers."""

    today: str
    area: str = "898"

    def patient(self, patient: dict[str, Any]) -> Record:
        """The comparable record of a FHIR Patient."""
        return self.record(written(patient))

    def row(self, row: Mapping[str, Any]) -> Record:
        """The comparable record of a flat row (columns: see `rows`)."""
        return self.record(written_row(row))

    def record(self, one: Written) -> Record:
        """The comparable record of a registration."""
        findings: list[str] = []
        numbers, documents = self._documents(one.documents[:MAX_EACH], findings)
        name, sounds = _names(one.names[:MAX_EACH], findings)
        born, said = read_birth(one.birth, self.today)
        findings += said
        number = next((each for each in numbers if each.valid), None)
        if number is not None:
            _compare_to_number(born, one.sex, number, findings)
        phones = self._phones(one.phones[:MAX_EACH], findings)
        where = _address(one.addresses[:MAX_EACH], findings)
        sex = read_sex(one.sex)
        mother, order = _sound_of(one.mother), one.order
        if baby := name.newborn:
            mother, order, sex = mother or _sound_of(baby.parent), order or baby.order, sex or baby.sex
        record = Record(
            written=name.written,
            hanzi=name.hanzi,
            surname=name.surname,
            given=name.given,
            name=name.name,
            sound=name.sound,
            names=sounds,
            words=name.words,
            sex=sex or (number.sex if number else ""),
            born=born or (number.born if number else ""),
            citizen=number.value if number else "",
            citizen_written=number.value if number else next((each.value for each in numbers if each.value), ""),
            documents=_distinct([each.text for each in documents]),
            kinds=_distinct([each.group for each in documents]),
            travel=_travel(documents),
            phones=phones,
            phone=phones[0] if phones else "",
            county=where.county,
            town=where.town,
            place=where.place,
            house=where.house,
            mother=mother,
            order=order,
            newborn=name.newborn is not None,
            unknown=name.unknown,
            findings=_distinct(findings),
        )
        return (
            record
            if record.matchable
            else msgspec.structs.replace(record, findings=(*record.findings, "record.nothing"))
        )

    def _documents(self, ones: tuple[WrittenDocument, ...], findings: list[str]) -> tuple[list[Number], list[Document]]:
        numbers: list[Number] = []
        documents: list[Document] = []
        for one in ones:
            value = one.value if one.value.isalnum() and one.value.isascii() else compact(one.value)
            value = value.upper()
            if _is_citizens(value, one.kind):
                read = read_number(value, self.today)
                findings += read.findings
                numbers.append(read)
            else:
                kind = guess_kind(value) if one.kind in CITIZEN_KINDS else one.kind
                if kind != one.kind and one.kind and one.kind != "FPR":
                    findings.append("document.kind-wrong")
                document = read_document(one.value, kind, one.country)
                findings += document.findings
                if document.value:
                    documents.append(document)
        if len(numbers) > 1 and len({each.value for each in numbers if each.valid}) > 1:
            findings.append("citizen.two")
        return numbers, documents

    def _phones(self, texts: tuple[str, ...], findings: list[str]) -> tuple[str, ...]:
        if not texts:
            return ()
        numbers, said = read_phones(texts[0], self.area)
        findings += said
        if len(texts) == 1:
            return numbers
        for text in texts[1:]:
            more, said = read_phones(text, self.area)
            numbers = (*numbers, *more)
            findings += said
        return tuple(dict.fromkeys(numbers))


def _is_citizens(value: str, kind: str) -> bool:
    """Whether a number is read as a citizen's: by its shape whatever it is called, by its name if it has no other shape."""
    if looks_like_one(value):
        return kind not in {"EHC", "DOC"} and not (kind == "PPN" and len(value) == 15)
    return kind in CITIZEN_KINDS and guess_kind(value) == "DOC"


def _distinct(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts)) if len(texts) > 1 else tuple(texts)


def _names(ones: tuple[WrittenName, ...], findings: list[str]) -> tuple[Name, tuple[str, ...]]:
    """The name to compare (characters before letters, named before unnamed) and the sounds of all."""
    if not ones:
        findings.append("name.empty")
        return NOBODY, ()
    names = [read_name(one) for one in ones]
    if len(names) == 1:
        findings += names[0].findings
        return names[0], names[0].sounds
    for name in names:
        findings += name.findings
    chosen = next((name for name in names if name.hanzi), None) or next(
        (name for name in names if name.sound), names[0]
    )
    words = chosen.words or next((name.words for name in names if name.words), ())
    sounds = tuple(dict.fromkeys(sound for name in (chosen, *names) for sound in name.sounds))
    return msgspec.structs.replace(chosen, words=words), sounds


def _sound_of(text: str) -> str:
    return read_name(WrittenName(text)).sound if text else ""


def _compare_to_number(born: str, sex: str, number: Number, findings: list[str]) -> None:
    if not born:
        findings.append("birth.from-citizen")
    elif not number.born.startswith(born):
        findings.append("citizen.birth-differs")
    if number.sex and (said := read_sex(sex)) and said != number.sex:
        findings.append("citizen.sex-differs")


def _address(ones: tuple[WrittenAddress, ...], findings: list[str]) -> Address:
    """The first address that says where."""
    for one in ones:
        read = read_address(one)
        findings += read.findings
        if read.place or read.county:
            return read
    return _NOWHERE


_NOWHERE = Address()


def _travel(documents: list[Document]) -> str:
    """The document to compare by distance: a passport before others, never a card's long number."""
    chosen = ""
    for one in documents:
        if one.kind == "PPN":
            return f"{one.country}{one.value}"
        if one.kind != "EHC" and not chosen:
            chosen = one.value
    return chosen
