"""Codes that the made-up records use, each as a ready CodeableConcept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ATC = "http://www.whocc.no/atc"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem"
CITIZEN_SYSTEM = "urn:oid:2.16.156.10011.1.3"
PASSPORT_SYSTEM = "urn:jiankang:passport:"
CARD_SYSTEM = "urn:oid:2.16.156.10011.1.19"
FACILITY_SYSTEM = "urn:oid:2.16.156.10011.1.5"
STAFF_SYSTEM = "urn:oid:2.16.156.10011.1.4"

Concept = dict[str, Any]


def concept(text: str, *codings: tuple[str, str, str]) -> Concept:
    """A CodeableConcept: its text, and codings as (system, code, display)."""
    return {"coding": [{"system": s, "code": c, "display": d} for s, c, d in codings], "text": text}


def category(system: str, code: str) -> list[Concept]:
    """A category with one code of an HL7 code system."""
    return [{"coding": [{"system": f"{HL7}/{system}", "code": code}]}]


@dataclass(frozen=True, slots=True)
class Measure:
    """Something measured: its code, its unit as written and in UCUM, and its number of decimals."""

    code: Concept
    unit: str
    ucum: str
    digits: int
    category: str = "vital-signs"


def _measure(text: str, loinc: str, name: str, unit: str, ucum: str, digits: int, kind: str = "vital-signs") -> Measure:
    return Measure(concept(text, (LOINC, loinc, name)), unit, ucum, digits, kind)


HEIGHT = _measure("身高", "8302-2", "Body height", "cm", "cm", 1)
WEIGHT = _measure("体重", "29463-7", "Body weight", "kg", "kg", 1)
BMI = _measure("体质指数", "39156-5", "Body mass index (BMI) [Ratio]", "kg/m2", "kg/m2", 1)
TEMPERATURE = _measure("体温", "8310-5", "Body temperature", "°C", "Cel", 1)
HEART_RATE = _measure("心率", "8867-4", "Heart rate", "次/分", "/min", 0)
SYSTOLIC = _measure("收缩压", "8480-6", "Systolic blood pressure", "mmHg", "mm[Hg]", 0)
DIASTOLIC = _measure("舒张压", "8462-4", "Diastolic blood pressure", "mmHg", "mm[Hg]", 0)
PRESSURE = concept("血压", (LOINC, "85354-9", "Blood pressure panel with all children optional"))
GLUCOSE = _measure(
    "空腹血糖", "14771-0", "Fasting glucose [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L", 2, "laboratory"
)
HBA1C = _measure("糖化血红蛋白", "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", "%", 1, "laboratory")
CHOLESTEROL = _measure(
    "总胆固醇", "14647-2", "Cholesterol [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L", 2, "laboratory"
)
TRIGLYCERIDE = _measure(
    "甘油三酯", "14927-8", "Triglyceride [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L", 2, "laboratory"
)
HAEMOGLOBIN = _measure(
    "血红蛋白", "718-7", "Hemoglobin [Mass/volume] in Blood", "g/L", "g/L", 0, "laboratory"
)  # fmt: skip
LABORATORY_REPORT = concept("检验报告", (LOINC, "11502-2", "Laboratory report"))
VISIT_SUMMARY = concept("门诊摘要", (LOINC, "34133-9", "Summary of episode note"))

HYPERTENSION = concept("原发性高血压", (SNOMED, "59621000", "Essential hypertension"), (ICD10, "I10", "高血压"))
DIABETES = concept("2型糖尿病", (SNOMED, "44054006", "Diabetes mellitus type 2"), (ICD10, "E11.9", "2型糖尿病"))
PENICILLIN = concept("青霉素过敏", (SNOMED, "91936005", "Allergy to penicillin"))
SEAFOOD = concept("海鲜过敏", (SNOMED, "91937001", "Allergy to seafood"))

AMLODIPINE = concept("苯磺酸氨氯地平片 5mg", (ATC, "C08CA01", "amlodipine"))
METFORMIN = concept("盐酸二甲双胍片 0.5g", (ATC, "A10BA02", "metformin"))
PARACETAMOL = concept("对乙酰氨基酚片 0.5g", (ATC, "N02BE01", "paracetamol"))
AMOXICILLIN = concept("阿莫西林胶囊 0.25g", (ATC, "J01CA04", "amoxicillin"))
RESCUE = concept("口服补液盐散III", (ATC, "A07CA", "oral rehydration salt formulations"))


@dataclass(frozen=True, slots=True)
class Illness:
    """Something that passes: its code, what is given for it, how often it comes, days it lasts, mean fever in °C."""

    code: Concept
    medicine: Concept
    weight: float
    days: int
    fever: float


ILLNESSES = (
    Illness(concept("急性上呼吸道感染", (SNOMED, "54150009", "Upper respiratory infection"), (ICD10, "J06.9", "上呼吸道感染")), PARACETAMOL, 60, 7, 37.9),
    Illness(concept("急性扁桃体炎", (SNOMED, "17741008", "Acute tonsillitis"), (ICD10, "J03.9", "急性扁桃体炎")), AMOXICILLIN, 15, 8, 38.4),
    Illness(concept("急性胃肠炎", (SNOMED, "25374005", "Gastroenteritis"), (ICD10, "A09", "胃肠炎")), RESCUE, 18, 4, 37.4),
    Illness(concept("登革热", (SNOMED, "38362002", "Dengue"), (ICD10, "A97.9", "登革热")), PARACETAMOL, 4, 10, 39.2),
    Illness(concept("手足口病", (SNOMED, "266108008", "Hand, foot and mouth disease"), (ICD10, "B08.4", "手足口病")), PARACETAMOL, 3, 8, 38.3),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dose:
    """A dose of the children's programme: vaccine, number in its series, months of age from which it is given."""

    vaccine: Concept
    number: int
    months: int


def _series(text: str, cvx: str, name: str, *months: int) -> list[Dose]:
    vaccine = concept(text, (CVX, cvx, name))
    return [Dose(vaccine, number, month) for number, month in enumerate(months, 1)]


CHILDHOOD = (
    *_series("乙肝疫苗", "08", "Hep B, adolescent or pediatric", 0, 1, 6),
    *_series("卡介苗", "19", "BCG", 0),
    *_series("脊灰灭活疫苗", "10", "IPV", 2, 3),
    *_series("脊灰减毒活疫苗", "182", "OPV, Unspecified", 4, 48),
    *_series("百白破疫苗", "20", "DTaP", 2, 4, 6, 18, 72),
    *_series("麻腮风疫苗", "03", "MMR", 8, 18),
    *_series("乙脑减毒活疫苗", "129", "Japanese Encephalitis, unspecified formulation", 8, 24),
    *_series("甲肝减毒活疫苗", "85", "Hep A, unspecified formulation", 18),
)
INFLUENZA = concept("流感病毒裂解疫苗", (CVX, "141", "Influenza, split virus, trivalent, injectable"))
