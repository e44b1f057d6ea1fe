"""The columns of a registration, by place."""

from __future__ import annotations

from typing import NamedTuple


class Registration(NamedTuple):
    """What one source wrote about somebody; person_id and faults are the truth beside it, not part of it."""

    person_id: str
    record_id: str
    source: str
    source_kind: str
    local_id: str
    name: str
    former_name: str
    latin_name: str
    sex: str
    birth_date: str
    citizen_id: str
    passport: str
    passport_country: str
    permit: str
    birth_certificate: str
    ehealth_card: str
    phone: str
    other_phone: str
    address: str
    district: str
    division: str
    mother_name: str
    birth_order: str
    nationality: str
    registered_at: str
    faults: str


COLUMNS = Registration._fields
(
    PERSON, RECORD, SOURCE, SOURCE_KIND, LOCAL, NAME, FORMER, LATIN, SEX, BIRTH, CITIZEN, PASSPORT, PASSPORT_COUNTRY, PERMIT,
    CERTIFICATE, CARD, PHONE, OTHER_PHONE, ADDRESS, DISTRICT, DIVISION, MOTHER, ORDER, NATIONALITY, REGISTERED, FAULTS,
) = range(len(COLUMNS))  # fmt: skip
