"""Codes of DICOM as codes of FHIR: coding schemes, parts of the body, sides.

https://dicom.nema.org/medical/dicom/current/output/chtml/part16/chapter_8.html,
https://dicom.nema.org/medical/dicom/current/output/chtml/part16/chapter_L.html
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.model import Gap

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.dicom.dataset import Dataset
    from jiankang.capabilities.exchange.model import Sender

Json = dict[str, Any]
DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED = "http://snomed.info/sct"

SCHEMES = MappingProxyType(
    {
        "DCM": DCM, "SCT": SNOMED, "LN": "http://loinc.org", "UCUM": "http://unitsofmeasure.org",
        "RADLEX": "http://radlex.org", "I10": "http://hl7.org/fhir/sid/icd-10", "I9": "http://hl7.org/fhir/sid/icd-9-cm",
        "SRT": "http://snomed.info/srt", "SNM3": "http://snomed.info/srt", "99SDM": "http://snomed.info/srt",
        "C4": "http://www.ama-assn.org/go/cpt", "CPT4": "http://www.ama-assn.org/go/cpt",
        "FMA": "urn:oid:2.16.840.1.113883.6.119",
    }
)  # fmt: skip
"""Coding scheme designator → system."""

BODY_PARTS = MappingProxyType(
    {
        "ABDOMEN": ("818981001", "Abdomen"), "ABDOMENPELVIS": ("818982008", "Abdomen and pelvis"),
        "ANKLE": ("70258002", "Ankle joint"), "ARM": ("40983000", "Upper arm"), "BLADDER": ("89837001", "Bladder"),
        "BRAIN": ("12738006", "Brain"), "BREAST": ("76752008", "Breast"), "CHEST": ("43799004", "Chest"),
        "CHESTABDOMEN": ("416550000", "Chest and abdomen"), "CHESTABDPELVIS": ("416775004", "Chest, abdomen and pelvis"),
        "CLAVICLE": ("51299004", "Clavicle"), "COLON": ("71854001", "Colon"), "CSPINE": ("122494005", "Cervical spine"),
        "ELBOW": ("16953009", "Elbow joint"), "EYE": ("81745001", "Eye"), "FOOT": ("56459004", "Foot"),
        "HAND": ("85562004", "Hand"), "HEAD": ("69536005", "Head"), "HEADNECK": ("774007", "Head and neck"),
        "HEART": ("80891009", "Heart"), "HIP": ("29836001", "Hip"), "JAW": ("661005", "Jaw region"),
        "KIDNEY": ("64033007", "Kidney"), "KNEE": ("72696002", "Knee"), "LEG": ("30021000", "Lower leg"),
        "LIVER": ("10200004", "Liver"), "LSPINE": ("122496007", "Lumbar spine"), "NECK": ("45048000", "Neck"),
        "PELVIS": ("816092008", "Pelvis"), "PROSTATE": ("41216001", "Prostate"), "RIB": ("113197003", "Rib"),
        "SHOULDER": ("16982005", "Shoulder"), "SKULL": ("89546000", "Skull"), "SPINE": ("421060004", "Spine"),
        "SSPINE": ("54735007", "Sacrum"), "STOMACH": ("69695003", "Stomach"), "THYROID": ("69748006", "Thyroid"),
        "TSPINE": ("122495006", "Thoracic spine"), "UTERUS": ("35039007", "Uterus"), "WHOLEBODY": ("38266002", "Entire body"),
        "WRIST": ("74670003", "Wrist"),
    }
)  # fmt: skip
"""Body Part Examined → SNOMED CT code and name."""

SIDES = MappingProxyType({"L": ("7771000", "Left"), "R": ("24028007", "Right"), "B": ("51440002", "Right and left")})


def local(sender: Sender, what: str) -> str:
    """The system of codes that only this sender means."""
    return f"urn:jiankang:sender:{sender.id}:{what}"


def house(sender: Sender, what: str) -> str:
    """The system of numbers that the sender's house gives: the same for all systems of the house, whatever they speak."""
    return f"urn:jiankang:house:{'_'.join((sender.facility or sender.id).split())}:{'_'.join(what.split())}"


def codeable(item: Dataset, sender: Sender, place: str, gaps: list[Gap]) -> Json | None:
    """An item of a code sequence; None where it has neither code nor meaning.

    https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_8.8.html
    """
    code = item.text("CodeValue") or item.text("LongCodeValue") or item.text("URNCodeValue")
    meaning, scheme = item.text("CodeMeaning"), item.text("CodingSchemeDesignator")
    if not code:
        return {"text": meaning} if meaning else None
    system = (
        sender.systems.get(scheme) or SCHEMES.get(scheme) or local(sender, scheme.lower().replace(" ", "-") or "code")
    )
    version = item.text("CodingSchemeVersion")
    coding = {"system": system, **({"version": version} if version else {}), "code": code}
    same = translated(sender, system, code, meaning, place, gaps)
    return {
        "coding": [{**coding, **({"display": meaning} if meaning else {})}, *same],
        **({"text": meaning} if meaning else {}),
    }


def translated(sender: Sender, system: str, code: str, display: str, place: str, gaps: list[Gap]) -> list[Json]:
    """The Codings that say the same as a local code; a local one that nothing translates is a gap."""
    same = sender.codes.get((system, code))
    if same is None and system.startswith("urn:jiankang:sender:"):
        gaps.append(Gap(system, code, display, place))
    return [dict(one) for one in same or ()]


def body_site(series: Dataset, sender: Sender, gaps: list[Gap]) -> Json | None:
    """The part of the body that a series shows, as a Coding."""
    for region in series.items("AnatomicRegionSequence"):
        concept = codeable(region, sender, "AnatomicRegionSequence", gaps)
        if concept and "coding" in concept:
            first: Json = concept["coding"][0]
            return first
    part = series.text("BodyPartExamined").upper()
    if not part:
        return None
    if part in BODY_PARTS:
        code, display = BODY_PARTS[part]
        return {"system": SNOMED, "code": code, "display": display}
    system = local(sender, "body-part")
    same = translated(sender, system, part, part, "BodyPartExamined", gaps)
    return same[0] if same else {"system": system, "code": part, "display": part}


def laterality(series: Dataset) -> Json | None:
    """The side that a series shows."""
    side = SIDES.get(series.text("Laterality").upper())
    return None if side is None else {"system": SNOMED, "code": side[0], "display": side[1]}
