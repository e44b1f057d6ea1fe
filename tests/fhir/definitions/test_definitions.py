"""The compiled definitions say what the norm says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jiankang.fhir.definitions import Binding, Definitions, load

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "node_modules" / "hl7.fhir.r4.examples"


@pytest.fixture(scope="module")
def r4():
    return load()


def test_r4_has_146_concrete_resource_types_in_a_fixed_order(r4):
    assert len(r4.resource_names) == 146
    assert list(r4.resource_names) == sorted(r4.resource_names)
    assert not {"Resource", "DomainResource", "MetadataResource", "Element"} & set(r4.resource_names)
    assert [r4.type_code(name) for name in ("Account", "Patient", "VisionPrescription")] == [0, 102, 145]


def test_profiles_are_no_types(r4):
    assert "vitalsigns" not in r4.types
    assert "SimpleQuantity" not in r4.types
    assert r4.types["Observation"].elements["status"].min == 1
    assert r4.types["Observation"].elements["subject"].min == 0


def test_a_choice_is_one_element_with_many_names(r4):
    elements = r4.types["Observation"].elements
    value = elements["valueQuantity"]
    assert value is elements["valueString"]
    assert value.name == "value"
    assert value.is_choice
    assert len(value.json_names) == 11
    assert value.json_names["valueDateTime"] == "dateTime"
    assert "value" not in elements


def test_backbones_are_named_by_path_and_content_references_resolved(r4):
    assert r4.types["Observation.component"].kind == "backbone"
    assert r4.types["Observation.component"].base == "BackboneElement"
    assert r4.types["Observation"].elements["component"].types == ("Observation.component",)
    assert r4.types["Observation.component"].elements["referenceRange"].types == ("Observation.referenceRange",)
    assert r4.types["Timing"].elements["repeat"].types == ("Timing.repeat",)


def test_every_type_that_an_element_names_exists(r4):
    for definition in r4.types.values():
        for element in definition.children:
            assert set(element.types) <= set(r4.types), element.path
            assert set(element.target_profiles) <= set(r4.resource_names), element.path


def test_elements_keep_what_later_checks_need(r4):
    status = r4.types["Observation"].elements["status"]
    assert status.binding == Binding("required", "http://hl7.org/fhir/ValueSet/observation-status|4.0.1")
    assert status.is_modifier
    assert status.is_summary
    assert r4.types["Observation"].elements["subject"].target_profiles == (
        "Patient",
        "Group",
        "Device",
        "Location",
    )
    assert r4.types["Provenance"].elements["target"].target_profiles == ()
    keys = {constraint.key for constraint in r4.types["Observation"].constraints}
    assert {"obs-6", "obs-7", "dom-2", "dom-6"} <= keys
    assert [c.key for c in r4.types["Observation.referenceRange"].constraints] == ["ele-1", "obs-3"]
    assert [c.best_practice for c in r4.types["Patient"].constraints if c.key == "dom-6"] == [True]
    assert [c.key for c in r4.types["Patient"].elements["contact"].constraints] == []
    assert r4.types["id"].regex == r"[A-Za-z0-9\-\.]{1,64}"
    assert r4.ancestry("Age") == ("Age", "Quantity", "Element")


def test_search_parameters_are_the_official_ones_and_inherited(r4):
    assert len(r4.all_search_parameters) == 1375
    patient = r4.search_parameters("Patient")
    assert {"name", "birthdate", "_id", "_lastUpdated", "_text"} <= set(patient)
    assert not {"age", "mothersMaidenName", "birthOrderBoolean"} & set(patient)
    assert "_text" not in r4.search_parameters("Bundle")
    assert "_id" in r4.search_parameters("Bundle")
    shared = r4.search_parameters("Condition")["patient"]
    assert shared is r4.search_parameters("Procedure")["patient"]
    assert shared.url == "http://hl7.org/fhir/SearchParameter/clinical-patient"
    assert r4.search_parameter_by_url(shared.url) is shared
    assert r4.search_parameter_by_url("http://example.org/none") is None


def test_composites_know_their_parts(r4):
    code, value = r4.search_parameters("Observation")["code-value-quantity"].components
    assert r4.search_parameter_by_url(code.definition).code == "code"
    assert (value.definition.rpartition("/")[2], value.expression) == (
        "Observation-value-quantity",
        "value.as(Quantity)",
    )


def test_compartments_are_the_five_of_the_norm(r4):
    assert r4.compartment_names == ("Device", "Encounter", "Patient", "Practitioner", "RelatedPerson")
    assert r4.compartment("Patient", "Observation") == ("subject", "performer")
    assert r4.compartment("Patient", "Patient") == ("{def}", "link")
    assert r4.compartment("Device", "Device") == ("{def}",)
    assert r4.compartment("Patient", "Medication") is None
    assert r4.compartment("Planet", "Patient") is None


def test_codes_of_required_bindings_know_their_system(r4):
    codes = r4.value_set_codes("http://hl7.org/fhir/ValueSet/observation-status|4.0.1")
    assert codes["final"] == "http://hl7.org/fhir/observation-status"
    assert len(codes) == 8
    assert r4.value_set_codes("http://hl7.org/fhir/ValueSet/administrative-gender")["female"]
    assert r4.value_set_codes("http://hl7.org/fhir/ValueSet/mimetypes") is None


def test_says_what_to_do_when_the_tables_are_missing(tmp_path):
    with pytest.raises(RuntimeError, match="make setup"):
        Definitions(tmp_path)


def test_loads_quickly():
    code = (
        "import time; import msgspec; t = time.perf_counter()\n"
        "from jiankang.fhir.definitions import load\n"
        "d = load(); d.search_parameters('Patient'); [x.elements for x in d.types.values()]\n"
        "print(time.perf_counter() - t)"
    )
    runs = [
        float(
            subprocess.run(
                [sys.executable, "-c", code],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            ).stdout
        )
        for _ in range(3)
    ]
    assert min(runs) < 0.5  # 0.03 s where nothing else runs


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="npm package hl7.fhir.r4.examples is not installed: run `make setup`")
def test_the_compiler_writes_the_same_tables_again(tmp_path):
    run = [sys.executable, str(ROOT / "tools" / "definitions.py"), str(EXAMPLES), "--out", str(tmp_path)]
    first = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    assert "146 resource types" in first
    again = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    assert "up to date" in again
    compiled = ROOT / "src" / "jiankang" / "fhir" / "definitions" / "compiled"
    for table in tmp_path.glob("*.msgpack"):
        assert table.read_bytes() == (compiled / table.name).read_bytes()


def test_the_compiler_says_when_there_is_no_package(tmp_path):
    run = [sys.executable, str(ROOT / "tools" / "definitions.py"), str(tmp_path / "none")]
    answer = subprocess.run(run, check=False, capture_output=True, text=True)
    assert answer.returncode == 1
    assert "npm ci" in answer.stderr
