"""Images of people who never lived: the same each time, readable by others, in each archive's character set."""

from __future__ import annotations

import importlib
import io
import sys
from pathlib import Path

import pytest

from jiankang.capabilities.exchange.dicom.scanning import scan

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def images():
    sys.path.insert(0, str(ROOT / "tools"))
    yield importlib.import_module("region.images")
    sys.path.remove(str(ROOT / "tools"))


def test_the_same_seed_gives_the_same_bytes(images):
    assert list(images.studies(3, 10)) == list(images.studies(3, 10)) != list(images.studies(4, 10))


def test_others_read_what_is_written(images):
    pydicom = pytest.importorskip("pydicom")
    studies = list(images.studies(7, 50))
    assert {one.archive.charset for one in studies} == {"ISO_IR 192", "GB18030", "GBK"}
    kinds = set()
    for study in studies:
        assert study.uid.startswith("2.25.")  # below a UUID of our own: nobody's images
        for file in study.files:
            assert scan(io.BytesIO(file), len(file)).study == study.uid
            read = pydicom.dcmread(io.BytesIO(file))
            kinds.add(read.Modality)
            assert read.AccessionNumber == study.accession
            assert "\ufffd" not in read.PatientName.ideographic + read.StudyDescription
            frames = int(read.get("NumberOfFrames", 1))
            assert len(read.PixelData) == read.Rows * read.Columns * read.BitsAllocated // 8 * frames
    assert kinds == {"CT", "DX", "US"}
