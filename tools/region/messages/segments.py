"""Segments as these systems write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from region.messages.senders import System
    from region.population import Registration

_SEX = {"male": "M", "female": "F"}
_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"})


def text(value: str) -> str:
    """Text with delimiters escaped."""
    return value.translate(_ESCAPES)


def stamp(at: datetime) -> str:
    """A moment to the second, with its offset."""
    return at.strftime("%Y%m%d%H%M%S%z")


def msh(system: System, kind: str, control: str, at: datetime) -> str:
    """MSH."""
    return f"MSH|^~\\&|{system.application}|{system.facility}|JIANKANG|HAINAN|{stamp(at)}||{kind}|{control}|P|{system.version}||||||{system.charset}"


def evn(event: str, at: datetime) -> str:
    """EVN."""
    return f"EVN|{event}|{stamp(at)}"


def pid(system: System, row: Registration) -> str:
    """PID, as much of it as the registration has."""
    numbers = [f"{row.local_id}^^^{system.authority}^MR"]
    if row.citizen_id:
        numbers.append(f"{text(row.citizen_id)}^^^NID^NI")
    if row.passport:
        numbers.append(f"{text(row.passport)}^^^{row.passport_country}^PPN")
    if row.ehealth_card:
        numbers.append(f"{text(row.ehealth_card)}^^^EHC^HC")
    names = [_name(row.name)] if row.name.strip() else []
    if row.latin_name:
        names.append(_latin(row.latin_name))
    phones = "~".join(f"{text(one)}^PRN^CP" for one in (row.phone, row.other_phone) if one)
    address = f"{text(row.address)}^^^^^CHN^H^^{text(row.district)}" if row.address or row.district else ""
    born = row.birth_date.replace("-", "") if row.birth_date.replace("-", "").isdigit() else ""
    order = row.birth_order
    return (
        f"PID|1||{'~'.join(numbers)}||{'~'.join(names)}|{text(row.mother_name)}|{born}|{_SEX.get(row.sex, 'U')}|||{address}||"
        f"{phones}||||||||||||{order}|{row.nationality}"
    )


_COMPOUND = ("欧阳", "司马", "上官", "诸葛", "司徒", "夏侯", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐")


def _name(name: str) -> str:
    """Family and given name apart, as hospital systems keep them; a name in Latin letters or with a dot as one."""
    if len(name) > 4 or not "\u4e00" <= name[:1] <= "\u9fff" or "·" in name:
        return f"{text(name)}^^^^^^L"
    cut = 2 if name[:2] in _COMPOUND and len(name) > 2 else 1
    return f"{text(name[:cut])}^{text(name[cut:])}^^^^^L^I"


def _latin(name: str) -> str:
    family, _, given = name.partition(" ")
    return f"{text(family)}^{text(given)}^^^^^L^A"


def pv1(system: System, kind: str, visit: str, at: datetime, *, ward: str = "", left: datetime | None = None) -> str:
    """PV1: `kind` is I, O, E or P."""
    doctor = f"{system.facility}D01^王医生^^^^^^^{system.facility}"
    fields = [""] * 46
    fields[1], fields[2], fields[3] = "1", kind, f"{ward}^^^{system.facility}" if ward else ""
    fields[7], fields[19], fields[44] = doctor, f"{visit}^^^{system.authority}^VN", stamp(at)
    fields[45] = stamp(left) if left is not None else ""
    return "|".join(["PV1", *fields[1:]]).rstrip("|")


def obx(
    number: int, code: tuple[str, str], value: str, unit: str, usual: str, flag: str, status: str, at: datetime
) -> str:
    """OBX with a number."""
    return f"OBX|{number}|NM|{code[0]}^{code[1]}^LN||{value}|{unit}|{usual}|{flag}|||{status}|||{stamp(at)}"
