"""Small DICOM images of fictitious persons, drawn here: a grey wedge with a bright square whose place tells the image's number."""

from __future__ import annotations

import io
from typing import Any

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

CT = "1.2.840.10008.5.1.4.1.1.2"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
ROOT = "1.2.826.0.1.3680043.10.1111"
"""A root for tests; no image of anybody lies below it."""
SIDE = 64


def uid(*parts: int) -> str:
    return ".".join((ROOT, *(str(part) for part in parts)))


def picture(number: int = 1, side: int = SIDE) -> bytes:
    """Grey values of 16 bits, little-endian."""
    values = bytearray()
    for row in range(side):
        for column in range(side):
            square = 8 * (number % 7) <= column < 8 * (number % 7) + 8 and 20 <= row < 40
            values += (4000 if square else column * 2000 // side).to_bytes(2, "little")
    return bytes(values)


def image(study: int = 1, series: int = 1, instance: int = 1, *, frames: int = 1, **fields: Any) -> FileDataset:
    """One image; `fields` are attributes by keyword, None takes one away."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CT
    meta.MediaStorageSOPInstanceUID = uid(study, series, instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    plain = {
        "SpecificCharacterSet": "ISO_IR 192", "SOPClassUID": CT, "SOPInstanceUID": uid(study, series, instance),
        "StudyInstanceUID": uid(study), "SeriesInstanceUID": uid(study, series), "InstanceNumber": instance,
        "SeriesNumber": series, "StudyDate": "20261120", "StudyTime": "093015.25", "SeriesDate": "20261120",
        "SeriesTime": "093500", "Modality": "CT", "AccessionNumber": f"HK2026{study:04d}", "StudyID": f"S{study}",
        "StudyDescription": "胸部CT平扫", "SeriesDescription": f"Thorax {series}", "BodyPartExamined": "CHEST",
        "PatientName": "Fu^Hailan=符^海兰", "PatientID": f"P{study:05d}", "IssuerOfPatientID": "HKRMYY",
        "PatientBirthDate": "19860412", "PatientSex": "F", "InstitutionName": "海口市示例医院",
        "ReferringPhysicianName": "Chen^Chun=陈^春", "Manufacturer": "Jiankang", "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "Rows": SIDE, "Columns": SIDE, "BitsAllocated": 16, "BitsStored": 12,
        "HighBit": 11, "PixelRepresentation": 0, "WindowCenter": "2000", "WindowWidth": "4000",
    }  # fmt: skip
    if frames > 1:
        plain["NumberOfFrames"] = frames
    plain["PixelData"] = b"".join(picture(instance + frame) for frame in range(frames))
    for keyword, value in (plain | fields).items():
        if value is not None:
            setattr(made, keyword, value)
    if "SOPClassUID" in fields:
        meta.MediaStorageSOPClassUID = fields["SOPClassUID"]
    return made


def code(value: str, system: str, meaning: str) -> Dataset:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, system, meaning
    return made


def sequence(*items: Dataset) -> Sequence:
    return Sequence(items)


def dataset(**fields: Any) -> Dataset:
    made = Dataset()
    for keyword, value in fields.items():
        setattr(made, keyword, value)
    return made


def encoded(made: FileDataset) -> bytes:
    """The image as a file."""
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()
