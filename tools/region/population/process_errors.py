"""Error model B, what desks and programs do: a field holds the wrong fact, a convenient one, or none.

Its assumption: hands are steady, but the form, the hurry or the system decides. Nothing here is a slip of one character.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from region.population.days import ISO, TODAY
from region.population.numbers import with_check
from region.population.row import (
    ADDRESS,
    BIRTH,
    CITIZEN,
    DISTRICT,
    FAULTS,
    LATIN,
    NAME,
    OTHER_PHONE,
    PASSPORT,
    PERMIT,
    PHONE,
    SEX,
)

if TYPE_CHECKING:
    from region.population.person import Person

Chance = Callable[[], float]
Row = list[str]
_TITLES = {"male": ("先生", "同志", "(男)", "老师", "5床"), "female": ("女士", "(孕)", "(女)", "老师", "12床")}
_LATIN_TITLES = {"male": ("Mr ", "MR. ", "Dr "), "female": ("Mrs ", "MS ", "Miss ")}
_PHONES = ("13800138000", "11111111111", "13888888888", "12345678901", "00000000000", "13900000000", "0")
_NUMBERS = ("000000000000000000", "111111111111111111", "123456789012345678", "无", "不详", "0", "999999999999999999")
_ADDRESSES = ("海南省", "本地", "不详", "同上", "海南", "无", "外地")


def day_and_month(row: Row, _: Person, __: Chance) -> bool:
    """Day and month exchanged, where both are a month: 2 May for 5 February."""
    year, month, day = row[BIRTH][:5], row[BIRTH][5:7], row[BIRTH][8:]
    if len(row[BIRTH]) != 10 or day > "12" or day == month:
        return False
    row[BIRTH] = f"{year}{day}-{month}"
    return True


def first_of_january(row: Row, _: Person, __: Chance) -> bool:
    """Only the year was asked for; the program wrote 1 January."""
    if len(row[BIRTH]) != 10 or row[BIRTH].endswith("-01-01"):
        return False
    row[BIRTH] = row[BIRTH][:5] + "01-01"
    return True


def default_birth(row: Row, _: Person, chance: Chance) -> bool:
    """The first day that the program can count from, or nothing at all."""
    row[BIRTH] = "1900-01-01" if chance() < 0.6 else ""
    return True


def lunar_birth(row: Row, person: Person, chance: Chance) -> bool:
    """The day of the old calendar (农历), three to seven weeks before the day of the new one."""
    if len(row[BIRTH]) != 10 or TODAY - person.born < 14_600:
        return False
    row[BIRTH] = ISO[max(0, person.born - 20 - int(chance() * 30))]
    return True


def other_sex(row: Row, _: Person, chance: Chance) -> bool:
    """The wrong line of a list of two, or none."""
    row[SEX] = ("female" if row[SEX] == "male" else "male") if chance() < 0.6 else ("" if chance() < 0.5 else "unknown")
    return True


def title(row: Row, _: Person, chance: Chance) -> bool:
    """A title, a note or a bed in the field of the name."""
    latin = row[NAME].isascii()
    titles = (_LATIN_TITLES if latin else _TITLES).get(row[SEX])
    if not titles or not row[NAME]:
        return False
    one = titles[int(chance() * len(titles))]
    row[NAME] = one + row[NAME] if latin else row[NAME] + one
    return True


def blanks(row: Row, _: Person, chance: Chance) -> bool:
    """Blanks within or around the name, narrow or wide, as old forms pad them."""
    name = row[NAME]
    if not name or name.isascii():
        return False
    blank = " " if chance() < 0.6 else "\u3000"
    row[NAME] = blank.join(name) if len(name) < 4 and chance() < 0.6 else name + blank * 2
    return True


def truncated(row: Row, _: Person, __: Chance) -> bool:
    """A field too short for the name: the last character or word is lost."""
    name = row[NAME]
    if len(name) < 3:
        return False
    row[NAME] = name.rpartition(" ")[0] or name[:8] if name.isascii() else name[:4] if len(name) > 4 else name[:-1]
    return row[NAME] != name


def given_before_family(row: Row, _: Person, __: Chance) -> bool:
    """Given name and family name in each other's field."""
    name = row[NAME]
    if name.isascii() or not 2 <= len(name) <= 3 or " " in name:
        return False
    row[NAME] = f"{name[1:]} {name[0]}"
    return True


def names_exchanged(row: Row, _: Person, __: Chance) -> bool:
    """Chinese name and Latin name in each other's column."""
    if not row[LATIN]:
        return False
    row[NAME], row[LATIN] = row[LATIN], row[NAME]
    return True


def mothers_name(row: Row, person: Person, __: Chance) -> bool:
    """A child under the name of its mother, whose card was at hand."""
    if not person.mother or row[NAME] == person.mother or person.mother in row[NAME]:
        return False
    row[NAME] = person.mother
    return True


def withheld(row: Row, _: Person, chance: Chance) -> bool:
    """An export for strangers came back as a register: 陈*明."""
    name = row[NAME]
    if name.isascii() or not 2 <= len(name) <= 4:
        return False
    row[NAME] = name[0] + "*" + name[2:] if chance() < 0.7 else name[0] + "某" * (len(name) - 1)
    return True


def relatives_phone(row: Row, person: Person, __: Chance) -> bool:
    """The telephone of whoever brought them."""
    if not person.family_phone or row[PHONE] == person.family_phone:
        return False
    row[PHONE] = person.family_phone
    return True


def placeholder_phone(row: Row, _: Person, chance: Chance) -> bool:
    """A number that fills the field."""
    row[PHONE] = _PHONES[int(chance() * len(_PHONES))]
    return True


def phones_exchanged(row: Row, _: Person, __: Chance) -> bool:
    """The other telephone first."""
    if not row[OTHER_PHONE]:
        return False
    row[PHONE], row[OTHER_PHONE] = row[OTHER_PHONE], row[PHONE]
    return True


def placeholder_number(row: Row, _: Person, chance: Chance) -> bool:
    """A citizen's number that fills the field."""
    if "citizen_id" in row[FAULTS]:
        return False
    row[CITIZEN] = _NUMBERS[int(chance() * len(_NUMBERS))]
    return True


def relatives_number(row: Row, person: Person, __: Chance) -> bool:
    """The card of a mother or a spouse: a valid number of somebody else."""
    if not person.relative_citizen or "citizen_id" in row[FAULTS]:
        return False
    row[CITIZEN] = person.relative_citizen
    return True


def cut_number(row: Row, _: Person, __: Chance) -> bool:
    """A field of 17 places, or a number in which a spreadsheet kept 15 digits."""
    number = row[CITIZEN]
    if len(number) != 18 or "citizen_id" in row[FAULTS]:
        return False
    rounded = number[:15] + "000"
    row[CITIZEN] = number[:17] if int(number[16]) % 2 or with_check(rounded[:17]) == rounded else rounded
    return True


def new_prefix(row: Row, _: Person, __: Chance) -> bool:
    """A program "mended" the division code after a reform, and not the check character."""
    return _prefixed(row, renewed=False)


def reissued(row: Row, _: Person, __: Chance) -> bool:
    """The same, with a new check character: valid, and nobody's."""
    return _prefixed(row, renewed=True)


def _prefixed(row: Row, *, renewed: bool) -> bool:
    number = row[CITIZEN]
    if len(number) != 18 or not number.startswith("4600") or "citizen_id" in row[FAULTS]:
        return False
    other = "4690" + number[4:17]
    valid = with_check(other)
    if not renewed and valid[17] == number[17]:
        return False
    row[CITIZEN] = valid if renewed else other + number[17]
    return True


def number_in_passport(row: Row, _: Person, __: Chance) -> bool:
    """The citizen's number in the passport's column, or a passport's in that of the citizen's number."""
    if row[CITIZEN] and not row[PASSPORT]:
        row[PASSPORT], row[CITIZEN] = row[CITIZEN], ""
        return True
    if row[PASSPORT] and not row[CITIZEN]:
        row[CITIZEN], row[PASSPORT] = row[PASSPORT], ""
        return True
    return False


def permit_as_passport(row: Row, _: Person, __: Chance) -> bool:
    """A permit in the column of passports."""
    if not row[PERMIT] or row[PASSPORT]:
        return False
    row[PASSPORT], row[PERMIT] = row[PERMIT], ""
    return True


def convenient_address(row: Row, _: Person, chance: Chance) -> bool:
    """What the form accepts as an address."""
    row[ADDRESS], row[DISTRICT] = _ADDRESSES[int(chance() * len(_ADDRESSES))], ""
    return True


FAULTS_B = (
    ("birth_date.day-month", day_and_month, 9), ("birth_date.january", first_of_january, 13), ("birth_date.default", default_birth, 8),
    ("birth_date.lunar", lunar_birth, 7), ("sex.other", other_sex, 6), ("name.title", title, 7), ("name.blanks", blanks, 8),
    ("name.truncated", truncated, 5), ("name.reversed", given_before_family, 3), ("name.columns", names_exchanged, 3),
    ("name.mother", mothers_name, 3), ("name.withheld", withheld, 2), ("phone.relative", relatives_phone, 12),
    ("phone.placeholder", placeholder_phone, 9), ("phone.columns", phones_exchanged, 3), ("citizen_id.placeholder", placeholder_number, 6),
    ("citizen_id.relative", relatives_number, 3), ("citizen_id.cut", cut_number, 3), ("citizen_id.prefix", new_prefix, 2),
    ("citizen_id.reissued", reissued, 1), ("document.column", number_in_passport, 4), ("document.permit", permit_as_passport, 2),
    ("address.convenient", convenient_address, 6),
)  # fmt: skip
"""Code, change, weight."""
