"""The package has the shape of https://hl7.org/fhir/packages.html and lies where an installed platform finds it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest

from jiankang.fhir.guides import own_packages
from jiankang.fhir.validation import Validator
from jiankang.fhir.validation.profiles import Definitions


@pytest.fixture(scope="module")
def packed(builder, guide):
    with tarfile.open(fileobj=io.BytesIO(builder.archive(guide)), mode="r:gz") as tar:
        return {each.name: json.loads(tar.extractfile(each).read()) for each in tar.getmembers()}


def resources(packed, folder="package/"):
    return {
        name.removeprefix(folder): body
        for name, body in packed.items()
        if name.startswith(folder) and "/" not in name.removeprefix(folder) and "resourceType" in body
    }


def test_the_manifest_says_what_it_is(packed):
    manifest = packed["package/package.json"]
    assert (manifest["name"], manifest["version"]) == ("cn-hainan", "0.1.0")
    assert manifest["fhirVersions"] == ["4.0.1"]
    assert manifest["dependencies"] == {"hl7.fhir.r4.core": "4.0.1"}
    assert {"canonical", "title", "description", "author", "license", "type"} <= set(manifest)


def test_the_index_lists_every_resource(packed):
    found = resources(packed)
    index = packed["package/.index.json"]
    assert index["index-version"] == 1
    assert {each["filename"] for each in index["files"]} == set(found)
    for each in index["files"]:
        body = found[each["filename"]]
        assert all(body[key] == value for key, value in each.items() if key != "filename")


def test_files_are_named_by_type_and_id_and_urls_are_unique(packed):
    found = resources(packed)
    assert all(name == f"{body['resourceType']}-{body['id']}.json" for name, body in found.items())
    urls = [body["url"] for body in found.values()]
    assert len(urls) == len(set(urls))


def test_profiles_have_snapshot_and_differential_in_the_order_of_the_snapshot(packed):
    for body in resources(packed).values():
        if body["resourceType"] == "StructureDefinition":
            order = [each["id"] for each in body["snapshot"]["element"]]
            places = [order.index(each["id"]) for each in body["differential"]["element"]]
            assert places == sorted(places), body["url"]
            assert all("base" in each for each in body["snapshot"]["element"])


def test_snapshots_come_out_the_same_from_what_is_packed(packed):
    definitions = [each for each in resources(packed).values() if each["resourceType"] == "StructureDefinition"]
    book = Validator(Definitions(definitions)).profiles
    for each in definitions:
        assert json.loads(json.dumps(book.snapshot(each)["snapshot"], default=str)) == each["snapshot"], each["url"]


def test_the_implementation_guide_lists_all_that_is_packed(packed):
    ours = packed["package/ImplementationGuide-cn-hainan.json"]
    listed = {each["reference"]["reference"] for each in ours["definition"]["resource"]}
    everything = {**resources(packed), **resources(packed, "package/example/")}
    named = {f"{body['resourceType']}/{body['id']}" for body in everything.values()} - {"ImplementationGuide/cn-hainan"}
    assert listed == named
    assert ours["packageId"] == "cn-hainan"


def test_every_definition_names_its_source(packed):
    for body in resources(packed).values():
        if body["resourceType"] != "ImplementationGuide":
            assert any(tag in body["description"] for tag in ("[A]", "[B]", "[C]")), body["url"]


def test_the_same_sources_give_the_same_bytes(builder, guide):
    made = builder.archive(guide)
    assert made == builder.archive(guide)
    assert gzip.decompress(made)[:20].startswith(b"package/package.json")


def test_the_platform_brings_the_package_that_the_sources_make(builder, guide):
    assert own_packages()["cn-hainan"].read_bytes() == builder.archive(guide), "run `make setup`"


def test_profiles_of_a_data_set_name_it(packed):
    found = resources(packed)
    named = {
        body["id"]: body["keyword"][0]["code"]
        for body in found.values()
        if body["resourceType"] == "StructureDefinition" and "keyword" in body
    }
    assert named["resident"] == "HRA00.01"
    assert named["infectious-disease-card"] == "HRB03.02"
    assert named["hypertension-follow-up"] == "HRB04.01"


def test_what_must_be_supported_of_a_resident_is_what_the_data_set_asks(guide):
    profile = guide.validator.profiles.profile("urn:jiankang:cn-hainan:StructureDefinition:resident")
    asked = {"name", "gender", "birthDate", "maritalStatus", "address", "telecom", "contact", "identifier:citizen",
             "identifier:record", "extension:nation", "extension:occupation", "extension:education", "extension:payment"}  # fmt: skip
    assert {f"Patient.{each}" for each in asked} <= set(profile.must_support())
