"""HL7's own expansions of the R4 value sets (npm hl7.fhir.r4.expansions) against ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jiankang.foundation.terminology import terminology_of
from jiankang.foundation.terminology.builtin import builtin
from jiankang.foundation.terminology.composing import Versions
from jiankang.foundation.terminology.expanding import Wish, expand
from jiankang.kernel.errors import Problem

FOLDER = Path(__file__).parents[3] / "node_modules" / "hl7.fhir.r4.expansions"
# Theirs were made with another edition of the same code system than the package R4 holds.
OTHERWISE = {
    "http://hl7.org/fhir/ValueSet/c80-doc-typecodes", "http://hl7.org/fhir/ValueSet/detectedissue-category",
    "http://hl7.org/fhir/ValueSet/diagnostic-service-sections", "http://hl7.org/fhir/ValueSet/observation-interpretation",
    "http://hl7.org/fhir/ValueSet/patient-contactrelationship", "http://hl7.org/fhir/ValueSet/referencerange-meaning",
    "http://hl7.org/fhir/ValueSet/relatedperson-relationshiptype", "http://hl7.org/fhir/ValueSet/security-labels",
    "http://terminology.hl7.org/ValueSet/v2-0487", "http://terminology.hl7.org/ValueSet/v2-0916",
    "http://terminology.hl7.org/ValueSet/v3-ActCode", "http://terminology.hl7.org/ValueSet/v3-ActPharmacySupplyType",
}  # fmt: skip


def codes_of(contains):
    for each in contains or []:
        if not each.get("abstract"):
            yield each.get("system"), each["code"]
        yield from codes_of(each.get("contains"))


async def ours(rig, url, versions):
    record = rig.platform.record
    async with terminology_of(record).asking() as codes:
        found = await expand(
            codes, await codes.value_set(url), Wish(count=10_000, versions=versions), record.clock(), "x"
        )
    return set(codes_of(found["expansion"].get("contains")))


def test_the_value_sets_of_r4_expand_as_hl7_expanded_them(rig):
    if not FOLDER.is_dir() or not builtin().systems:
        pytest.skip("needs the packages of HL7: run `make setup`")
    versions = Versions(default={url: known[-1].version for url, known in builtin().systems.items() if len(known) > 1})
    same, different = 0, []
    for path in sorted(FOLDER.glob("ValueSet-*.json")):
        official = json.loads(path.read_bytes())
        if "expansion" not in official:
            continue
        try:
            found = rig.platform.run(ours(rig, official["url"], versions))
        except Problem:
            continue  # SNOMED CT, LOINC and others that may not be shipped
        if found == set(codes_of(official["expansion"].get("contains"))):
            same += 1
        elif official["url"] not in OTHERWISE:
            different.append(official["url"])
    assert different == []
    assert same >= 480
