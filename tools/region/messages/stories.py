"""What happens to somebody at an institution, as the messages that it sends about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from region.messages.segments import evn, msh, obx, pid, pv1, stamp, text
from region.messages.senders import LABORATORIES, LABORATORY, VACCINES, System

if TYPE_CHECKING:
    from region.population import Registration

_TESTS = (
    (("14771-0", "空腹血糖"), "mmol/L", "3.9-6.1", 5.4, 1.1, 2),
    (("14647-2", "总胆固醇"), "mmol/L", "3.1-5.7", 4.8, 0.9, 2),
    (("14927-8", "甘油三酯"), "mmol/L", "0.4-1.7", 1.4, 0.5, 2),
    (("718-7", "血红蛋白"), "g/L", "115-175", 138.0, 16.0, 0),
    (("6690-2", "白细胞"), "10*9/L", "3.5-9.5", 6.8, 1.8, 1),
    (("777-3", "血小板"), "10*9/L", "125-350", 230.0, 50.0, 0),
    (("14682-9", "肌酐"), "umol/L", "41-111", 75.0, 17.0, 0),
    (("1742-6", "丙氨酸氨基转移酶"), "U/L", "7-50", 24.0, 11.0, 0),
)
_DIAGNOSES = (
    ("I10", "原发性高血压"), ("E11.9", "2型糖尿病"), ("J06.9", "急性上呼吸道感染"), ("A90", "登革热"),
    ("K29.7", "胃炎"), ("J18.9", "肺炎"), ("S93.4", "踝扭伤"), ("L23.9", "过敏性皮炎"),
)  # fmt: skip
_DRUGS = (
    ("C08CA01", "苯磺酸氨氯地平片"),
    ("A10BA02", "盐酸二甲双胍片"),
    ("N02BE01", "对乙酰氨基酚片"),
    ("J01CA04", "阿莫西林胶囊"),
)
_VACCINES = (("08", "乙型肝炎疫苗"), ("10", "脊髓灰质炎灭活疫苗"), ("20", "百白破疫苗"), ("141", "流感疫苗"))
_WARDS = ("内科一病区", "内科二病区", "外科病区", "妇产科病区", "儿科病区")
_CVX = "CVX"


@dataclass(frozen=True, slots=True)
class Told:
    """One message before it is sent."""

    system: System
    kind: str
    control: str
    at: datetime
    segments: tuple[str, ...]


class Story:
    """What is told of one registration; control ids are unique within each system."""

    def __init__(self, row: Registration, system: System, at: datetime, random: Random, number: int) -> None:
        self.row, self.system, self.at, self.random = row, system, at, random
        self.visit = f"V{number:08d}"
        self.number = number
        self._count = 0

    def _told(self, kind: str, *segments: str, system: System | None = None) -> Told:
        system = system or self.system
        self._count += 1
        self.at += timedelta(minutes=self.random.uniform(1, 30))
        control = f"{system.application}{self.number:08d}{self._count:02d}"
        return Told(system, kind, control, self.at, (msh(system, kind, control, self.at), *segments))

    def _adt(self, event: str, structure: str, visit: str, **more: object) -> Told:
        begun = self.at if event in {"A01", "A04", "A05"} else self.begun
        lines = [evn(event, self.at), pid(self.system, self.row), pv1(self.system, visit, self.visit, begun, **more)]  # type: ignore[arg-type]
        if event in {"A01", "A04"}:
            self.begun = begun
            code, name = self.random.choice(_DIAGNOSES)
            lines.append(f"DG1|1||{code}^{name}^I10|{name}|{stamp(self.at)}|A")
        return self._told(f"ADT^{event}^{structure}", *lines)

    def registered(self) -> Iterator[Told]:
        """Somebody is registered, or what is known of them changes."""
        yield self._told("ADT^A28^ADT_A05", evn("A28", self.at), pid(self.system, self.row), "PV1|1|N")

    def outpatient(self) -> Iterator[Told]:
        """A visit, sometimes with tests and a prescription."""
        yield self._adt("A04", "ADT_A01", "O")
        if self.random.random() < 0.5:
            yield from self.tested("O")
        if self.random.random() < 0.6:
            yield self.prescribed("O")
        if self.random.random() < 0.2:
            yield self._adt("A08", "ADT_A01", "O")

    def emergency(self) -> Iterator[Told]:
        """Brought by ambulance."""
        yield self._adt("A04", "ADT_A01", "E")

    def inpatient(self) -> Iterator[Told]:
        """A stay: admission, perhaps a transfer, tests, drugs, discharge; a few admissions are cancelled."""
        ward = self.random.choice(_WARDS)
        yield self._adt("A01", "ADT_A01", "I", ward=ward)
        if self.random.random() < 0.03:
            yield self._adt("A11", "ADT_A09", "I", ward=ward)
            return
        yield from self.tested("I")
        yield self.prescribed("I")
        if self.random.random() < 0.3:
            self.at += timedelta(hours=self.random.uniform(4, 20))
            ward = self.random.choice(_WARDS)
            yield self._adt("A02", "ADT_A02", "I", ward=ward)
        self.at += timedelta(days=self.random.uniform(1, 6))
        yield self._adt("A03", "ADT_A03", "I", ward=ward, left=self.at)

    def tested(self, visit: str) -> Iterator[Told]:
        """An order and its results: preliminary, final, and now and then corrected; by the house's laboratory or the region's."""
        lab = LABORATORIES.get(self.system.facility, LABORATORY)
        order = f"O{self.number:08d}{self._count:02d}"
        asked = self.at
        request = f"ORC|NW|{order}^{self.system.facility}|||||||{stamp(asked)}"
        obr = f"OBR|1|{order}^{self.system.facility}||CHEM^生化全套^L|||{stamp(asked)}"
        place = pv1(self.system, visit, self.visit, self.begun)
        yield self._told("ORM^O01^ORM_O01", pid(self.system, self.row), place, request, obr)
        tests = self.random.sample(_TESTS, self.random.randint(3, len(_TESTS)))
        values = [self.random.gauss(mean, spread) for _, _, _, mean, spread, _ in tests]
        stages = ["P", "F"] if self.random.random() < 0.3 else ["F"]
        stages += ["C"] if self.random.random() < 0.04 else []
        for stage in stages:
            filler = f"{order}^{self.system.facility}|L{order}^{lab.facility}|CHEM^生化全套^L|||{stamp(asked)}"
            lines = [
                pid(self.system, self.row),
                place,
                f"ORC|RE|{order}^{self.system.facility}|L{order}^{lab.facility}",
            ]
            lines.append(f"OBR|1|{filler}|||||||||||||||{stamp(self.at)}|||{stage}")
            for index, ((code, unit, usual, _, _, digits), value) in enumerate(
                zip(tests, values, strict=True), start=1
            ):
                shown = value * 1.1 if stage == "C" and index == 1 else value
                low, high = (float(one) for one in usual.split("-"))
                flag = "L" if shown < low else "H" if shown > high else "N"
                lines.append(obx(index, code, f"{max(shown, 0.1):.{digits}f}", unit, usual, flag, stage, self.at))
            yield self._told("ORU^R01^ORU_R01", *lines, system=lab)

    def prescribed(self, visit: str) -> Told:
        """A prescription."""
        code, name = self.random.choice(_DRUGS)
        order = f"RX{self.number:08d}{self._count:02d}"
        place = pv1(self.system, visit, self.visit, self.begun)
        return self._told(
            "RDE^O11^RDE_O11", pid(self.system, self.row), place,
            f"ORC|NW|{order}^{self.system.facility}|||||||{stamp(self.at)}", f"RXE||{code}^{name}^ATC|1||片|||||14|片",
            "TQ1|1||BID", "RXR|PO^口服^HL70162",
        )  # fmt: skip

    def vaccinated(self) -> Iterator[Told]:
        """A dose of a vaccine."""
        code, name = self.random.choice(_VACCINES)
        lot = f"L{self.random.randint(10_000, 99_999)}"
        yield self._told(
            "VXU^V04^VXU_V04", pid(self.system, self.row), f"ORC|RE||VX{self.number:08d}^{VACCINES.application}",
            f"RXA|0|1|{stamp(self.at)}||{code}^{name}^{_CVX}|0.5|mL^mL^UCUM||00^New^NIP001|||||||{lot}||||||CP|A",
            "RXR|IM^肌内^HL70162|LA^左臂^HL70163",
        )  # fmt: skip

    def merged(self, gone: str) -> Told:
        """Two numbers of the source are one patient's: the other one goes."""
        return self._told(
            "ADT^A40^ADT_A39",
            evn("A40", self.at),
            pid(self.system, self.row),
            f"MRG|{text(gone)}^^^{self.system.authority}^MR",
        )
