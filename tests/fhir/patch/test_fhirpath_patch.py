"""FHIRPath Patch beyond the outside suite."""

from __future__ import annotations

import copy

import pytest

from jiankang.fhir.patch import apply_fhirpath_patch
from jiankang.kernel.errors import Invalid, Unprocessable

PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "name": [{"given": ["a", "b", "c"], "_given": [None, {"id": "second"}, None]}],
    "deceasedBoolean": True,
    "birthDate": "1970-01-01",
    "maritalStatus": {"text": "x"},
}


def operation(**parts):
    """One operation; a value given as dict is the part itself."""
    listed = []
    for name, value in parts.items():
        if isinstance(value, dict):
            listed.append({"name": name, **value})
        elif isinstance(value, int):
            listed.append({"name": name, "valueInteger": value})
        else:
            listed.append({"name": name, "valueString": value})
    return {"name": "operation", "part": listed}


def patch(*operations):
    return apply_fhirpath_patch(PATIENT, {"resourceType": "Parameters", "parameter": list(operations)})


def test_the_input_stays_as_it_is():
    before = copy.deepcopy(PATIENT)
    patch(operation(type="delete", path="Patient.name[0].given[1]"))
    assert before == PATIENT


def test_what_stands_beside_primitives_moves_with_them():
    moved = patch(operation(type="move", path="Patient.name[0].given", source=1, destination=0))
    assert moved["name"] == [{"given": ["b", "a", "c"], "_given": [{"id": "second"}, None, None]}]
    inserted = patch(operation(type="insert", path="Patient.name[0].given", index=0, value={"valueString": "z"}))
    assert inserted["name"][0]["_given"] == [None, None, {"id": "second"}, None]
    deleted = patch(operation(type="delete", path="Patient.name[0].given[1]"))
    assert deleted["name"] == [{"given": ["a", "c"]}]


def test_replacing_a_choice_changes_its_type():
    after = patch(operation(type="replace", path="Patient.deceased", value={"valueDateTime": "2020"}))
    assert "deceasedBoolean" not in after
    assert after["deceasedDateTime"] == "2020"


def test_a_second_value_of_a_choice_is_refused():
    with pytest.raises(Unprocessable, match="already"):
        patch(operation(type="add", path="Patient", name="deceased", value={"valueDateTime": "2020"}))


def test_an_extension_is_added_to_a_primitive():
    extension = {"valueString": "v"}
    part = {"part": [{"name": "url", "valueUri": "http://x"}, {"name": "value", **extension}]}
    after = patch(operation(type="add", path="Patient.birthDate", name="extension", value=part))
    assert after["_birthDate"] == {"extension": [{"url": "http://x", "valueString": "v"}]}


def test_an_absent_list_can_be_inserted_into():
    after = patch(
        operation(type="insert", path="Patient.telecom", index=0, value={"valueContactPoint": {"value": "1"}})
    )
    assert after["telecom"] == [{"value": "1"}]


def test_deleting_what_is_not_there_changes_nothing():
    assert patch(operation(type="delete", path="Patient.gender")) == PATIENT


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (operation(type="delete", path="Patient.name[0].given"), Unprocessable),
        (operation(type="delete", path="Patient"), Unprocessable),
        (operation(type="replace", path="Patient.gender", value={"valueCode": "male"}), Unprocessable),
        (operation(type="replace", path="Patient", value={"valueCode": "male"}), Unprocessable),
        (operation(type="add", path="Patient", name="birthDate", value={"valueDate": "2000"}), Unprocessable),
        (operation(type="add", path="Patient", name="spam", value={"valueDate": "2000"}), Unprocessable),
        (
            operation(type="add", path="Patient.maritalStatus", name="deceased", value={"valueDate": "2000"}),
            Unprocessable,
        ),
        (operation(type="insert", path="Patient.name[0].given", index=9, value={"valueString": "x"}), Unprocessable),
        (operation(type="move", path="Patient.name[0].given", source=0, destination=9), Unprocessable),
        (operation(type="move", path="Patient.birthDate", source=0, destination=0), Unprocessable),
        (operation(type="insert", path="Patient.name[0].given", index=-1, value={"valueString": "x"}), Invalid),
        (operation(type="add", path="Patient", name="gender"), Invalid),
        (operation(type="add", path="Patient..name", name="gender", value={"valueCode": "x"}), Invalid),
        (operation(type="delete", path="1 + 1"), Invalid),
        (operation(type="spam", path="Patient"), Invalid),
        (operation(path="Patient"), Invalid),
        ({"name": "operation"}, Invalid),
        ({"name": "operation", "part": [{}]}, Invalid),
        ("text", Invalid),
    ],
)
def test_a_refusal_names_the_operation(bad, error):
    with pytest.raises(error, match="Operation 0") as caught:
        patch(bad)
    assert caught.value.issues[0].expression == ("Parameters.parameter[0]",)


def test_what_is_no_parameters_resource_is_refused():
    for wrong in ({}, {"resourceType": "Bundle"}, [], {"resourceType": "Parameters", "parameter": {}}):
        with pytest.raises(Invalid):
            apply_fhirpath_patch(PATIENT, wrong)
