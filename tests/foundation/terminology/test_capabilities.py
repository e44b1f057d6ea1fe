"""What the service says of itself is true: http://hl7.org/fhir/R4/terminologycapabilities.html."""

from __future__ import annotations

import pytest

from jiankang.fhir.validation import validate
from jiankang.main import compose


@pytest.fixture(scope="module")
def told(rig):
    compose(rig.platform.app.server)
    known = rig.get("/CodeSystem/colours")
    rig.put({**known, "version": "0.9"}, "colours-old")
    return rig.get("/metadata", mode="terminology")


def test_it_is_valid(told):
    assert [each.text for each in validate(told) if each.severity == "error"] == []


def test_systems_are_named_with_their_versions_and_the_default_is_the_one_used(rig, told):
    systems = {each["uri"]: each for each in told["codeSystem"]}
    colours = systems[rig.get("/CodeSystem/colours")["url"]]
    assert [(each["code"], each["isDefault"]) for each in colours["version"]] == [("1", True), ("0.9", False)]
    assert rig.ask("/CodeSystem/$lookup", system=colours["uri"], code="red")["version"] == "1"
    assert systems["http://unitsofmeasure.org"]["version"][0]["compositional"] is True
    for url in ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "urn:jiankang:codes:divisions"):
        default = next(each for each in systems[url]["version"] if each["isDefault"])
        code = {"http://terminology.hl7.org/CodeSystem/v3-ActCode": "AMB"}.get(url, "469023")
        assert rig.ask("/CodeSystem/$lookup", system=url, code=code)["version"] == default["code"]


def test_every_parameter_that_is_named_is_understood(rig, told):
    values = {
        "check-system-version": "http://x|1", "system-version": "http://x|1", "force-system-version": "http://x|1",
        "exclude-system": "http://x", "count": "2", "offset": "0", "displayLanguage": "zh", "designation": "zh", "filter": "r",
    }  # fmt: skip
    for each in told["expansion"]["parameter"]:
        value = values.get(each["name"], "true")
        found = rig.get(
            "/ValueSet/$expand", url="http://hl7.org/fhir/ValueSet/administrative-gender", **{each["name"]: value}
        )
        assert "expansion" in found
