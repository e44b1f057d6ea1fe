"""DICOM as a format of the exchange room."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.dicom import fates
from jiankang.capabilities.exchange.dicom.studies import Study, instances, problems, told
from jiankang.capabilities.exchange.model import Reading

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.model import Fate, Letter, Sender

MEDIA_TYPE = "application/dicom+json"


class DicomFormat:
    """Reads studies: https://dicom.nema.org/medical/dicom/current/output/chtml/part18/chapter_F.html."""

    name = "dicom"

    def read(self, letter: Letter, sender: Sender) -> Reading:
        """What a study says. Raises Unreadable."""
        study = Study(instances(letter), sender, letter.context)
        at = f"{letter.received.astimezone(UTC):%Y%m%d%H%M%S.%f}"
        complaints = list(dict.fromkeys(problems(study)))
        tellings = list(told(study, at))
        recorded = study.started if "T" in study.started else ""
        return Reading(tellings, [], complaints, list(dict.fromkeys(study.gaps)), study.patient, recorded)

    def fates(self, letter: Letter, sender: Sender) -> list[Fate]:  # noqa: ARG002
        """What becomes of every attribute of a study that has a value."""
        return list(fates.fates(instances(letter)))
