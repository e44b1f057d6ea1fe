"""What a flat row of a table says about who somebody is: registrations as files and databases keep them.

| column | holds |
| --- | --- |
| name, former_name, latin_name | whole names; several former names are parted by ; |
| family, given | where the name is kept in two columns |
| sex, birth_date | see `births` |
| citizen_id | 身份证号, any number of 15 or 18 characters |
| passport, passport_country | number (or the second line of its machine-readable zone) and issuing country |
| permit | 通行证, 永久居留证: what it is shows in the number; a number of digits alone is a Taiwan permit |
| birth_certificate, ehealth_card | 出生医学证明编号, 电子健康卡 |
| phone, other_phone | several numbers are parted by , ; or / |
| address, district, division | whole address; county or town; division code of 6, 9 or 12 digits |
| mother_name, birth_order | of newborns and children |

Other columns are not read; numbers instead of texts are read as their digits, None is nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jiankang.foundation.identity.model import Written, WrittenAddress, WrittenDocument, WrittenName
from jiankang.foundation.identity.normalise.documents import guess_kind
from jiankang.foundation.identity.normalise.numbers import compact

_KINDS = {"citizen_id": "RIC", "birth_certificate": "BCT", "ehealth_card": "EHC"}


def written_row(row: Mapping[str, Any]) -> Written:
    """A row as a registration."""

    def text(column: str) -> str:
        value = row.get(column)
        return value if type(value) is str else "" if value is None else str(value)

    address, district, division = text("address"), text("district"), text("division")
    return Written(
        names=tuple(_names(text("name"), text("family"), text("given"), text("latin_name"), text("former_name"))),
        documents=(
            *(WrittenDocument(value, kind) for column, kind in _KINDS.items() if (value := text(column))),
            *((WrittenDocument(passport, "PPN", text("passport_country")),) if (passport := text("passport")) else ()),
            *((_permit(permit),) if (permit := text("permit")) else ()),
        ),
        phones=tuple(phone for column in ("phone", "other_phone") if (phone := text(column))),
        addresses=(WrittenAddress(address, division, district),) if address or division or district else (),
        birth=text("birth_date"),
        sex=text("sex"),
        mother=text("mother_name"),
        order=text("birth_order"),
    )


def _names(name: str, family: str, given: str, latin: str, former: str) -> Iterator[WrittenName]:
    if name or family or given:
        yield WrittenName(name, family, given)
    for other in (latin, *former.split(";")):
        if other.strip():
            yield WrittenName(other)


def _permit(value: str) -> WrittenDocument:
    plain = compact(value)
    if plain.isdigit() and len(plain) in {8, 10}:
        return WrittenDocument(value, "TWP")
    return WrittenDocument(value, "" if guess_kind(plain) in {"PRC", "HKM"} or len(plain) == 18 else "DOC")
