"""The attributes that are read, by keyword: https://dicom.nema.org/medical/dicom/current/output/chtml/part06/chapter_6.html."""

from __future__ import annotations

from types import MappingProxyType

TAGS = MappingProxyType(
    {
        "SpecificCharacterSet": "00080005", "TimezoneOffsetFromUTC": "00080201",
        "SOPClassUID": "00080016", "SOPInstanceUID": "00080018", "InstanceNumber": "00200013",
        "NumberOfFrames": "00280008", "ImageComments": "00204000",
        "StudyInstanceUID": "0020000D", "StudyID": "00200010", "StudyDate": "00080020", "StudyTime": "00080030",
        "StudyDescription": "00081030", "ProcedureCodeSequence": "00081032",
        "AccessionNumber": "00080050", "IssuerOfAccessionNumberSequence": "00080051",
        "ReferringPhysicianName": "00080090", "ReferringPhysicianIdentificationSequence": "00080096",
        "RequestingPhysician": "00321032", "NameOfPhysiciansReadingStudy": "00081060",
        "PhysiciansReadingStudyIdentificationSequence": "00081062",
        "ReasonForStudy": "00321030", "AdmittingDiagnosesDescription": "00081080",
        "RequestedProcedureDescription": "00321060", "RequestedProcedureCodeSequence": "00321064",
        "ReasonForTheRequestedProcedure": "00401002", "ReasonForRequestedProcedureCodeSequence": "0040100A",
        "RequestAttributesSequence": "00400275", "RequestedProcedureID": "00401001",
        "PlacerOrderNumberImagingServiceRequest": "00402016", "OrderPlacerIdentifierSequence": "00400026",
        "FillerOrderNumberImagingServiceRequest": "00402017", "OrderFillerIdentifierSequence": "00400027",
        "AdmissionID": "00380010", "IssuerOfAdmissionIDSequence": "00380014",
        "SeriesInstanceUID": "0020000E", "SeriesNumber": "00200011", "SeriesDate": "00080021", "SeriesTime": "00080031",
        "Modality": "00080060", "SeriesDescription": "0008103E", "BodyPartExamined": "00180015",
        "AnatomicRegionSequence": "00082218", "Laterality": "00200060",
        "PerformingPhysicianName": "00081050", "PerformingPhysicianIdentificationSequence": "00081052",
        "OperatorsName": "00081070", "OperatorIdentificationSequence": "00081072",
        "PatientName": "00100010", "PatientID": "00100020", "IssuerOfPatientID": "00100021",
        "IssuerOfPatientIDQualifiersSequence": "00100024", "TypeOfPatientID": "00100022",
        "OtherPatientIDs": "00101000", "OtherPatientIDsSequence": "00101002", "OtherPatientNames": "00101001",
        "PatientBirthName": "00101005", "PatientMotherBirthName": "00101060",
        "PatientBirthDate": "00100030", "PatientSex": "00100040", "PatientAddress": "00101040",
        "PatientTelephoneNumbers": "00102154",
        "UniversalEntityID": "00400032", "UniversalEntityIDType": "00400033", "LocalNamespaceEntityID": "00400031",
        "PersonIdentificationCodeSequence": "00401101", "CodeValue": "00080100", "LongCodeValue": "00080119",
        "URNCodeValue": "00080120", "CodingSchemeDesignator": "00080102", "CodingSchemeVersion": "00080103",
        "CodeMeaning": "00080104",
    }
)  # fmt: skip
"""Keyword → tag, as DICOM JSON writes it."""

KEYWORDS = MappingProxyType({tag: keyword for keyword, tag in TAGS.items()})
