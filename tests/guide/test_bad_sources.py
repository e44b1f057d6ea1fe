"""What is wrong in a source stops the build, and the line is told."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

# What is wrong: file, what is taken out (once), what is put there, what the message says.
CASES = {
    "a typing slip in an element's path": (
        "profiles/resident.yaml", "  birthDate:", "  birthDat:", "Patient.birthDat: its base has no element birthDat",
    ),
    "a slip below a slice": (
        "profiles/resident.yaml", "  identifier:record.value:", "  identifier:record.valu:", "has no element valu",
    ),
    "a value set that is not there": (
        "profiles/resident.yaml", "bind: marital-status required", "bind: marital-statu required", "`marital-statu` is not in value-sets.yaml",
    ),
    "a value set of others that is not there": (
        "profiles/resident.yaml", "bind: marital-status required", "bind: http://hl7.org/fhir/ValueSet/nothing required", "there is no value set http://hl7.org/fhir/ValueSet/nothing",
    ),
    "a strength that is none": (
        "profiles/resident.yaml", "bind: marital-status required", "bind: marital-status strict", "the strength one of required",
    ),
    "a key that nobody knows": ("profiles/resident.yaml", "  active: {must: yes,", "  active: {mst: yes,", "`mst` is not known here"),
    "an extension that is not there": ("profiles/visitor.yaml", "{ext: stay,", "{ext: stays,", "the guide has no ext `stays`"),
    "a rule that is not there": ("profiles/visitor.yaml", "rules: hn-permit-1}", "rules: hn-permit-9}", "`hn-permit-9` is not in rules.yaml"),
    "a profile that is not there": ("profiles/home-page-flag.yaml", "ref: resident visitor,", "ref: resident guest,", "no profile `guest`"),
    "a cardinality that is none": ("profiles/visitor.yaml", "{card: 1..*, must: yes, zh: 姓名", "{card: 1-*, must: yes, zh: 姓名", "`1-*` is no cardinality"),
    "more than the base allows": (
        "profiles/visitor.yaml", "  gender: {card: 1..1,", "  gender: {card: 1..2,", "max 2 is more than the base allows",
    ),
    "a code that its system does not have": (
        "profiles/hypertension-follow-up.yaml", "record-document#EHR-DE-12", "record-document#EHR-DE-42", "has no code `EHR-DE-42`",
    ),
    "a code system that is not there": ("value-sets.yaml", "from: {nation: all}", "from: {natoin: all}", "the alias `natoin` is not in guide.yaml"),
    "a code of a value set that is not there": ("value-sets.yaml", "case-class: 1 2 3 4 5", "case-class: 1 2 3 4 8", "has no code `8`"),
    "a map to a code that is not there": ("concept-maps.yaml", '"30": W equal', '"30": V equal', "has no code `V`"),
    "an expression that is none": ("rules.yaml", "expression: telecom.exists() or", "expression: telecom.exists( or", "is no FHIRPath"),
    "a rule that nobody uses": ("profiles/visitor.yaml", ", rules: hn-permit-1}", "}", "no profile uses the rule `hn-permit-1`"),
    "a source without a tag's entry": ("profiles/visitor.yaml", "source: local", "source: locl", "the source `locl` is not in guide.yaml"),
    "a value set that nobody uses": (
        "profiles/visitor.yaml",
        "bind: identity-document extensible, ",
        "",
        "nothing uses the value set `identity-document`",
    ),
    "something that contains itself": (
        "value-sets.yaml",
        "\nnation: {zh: 民族",
        "\nloop: &x {of: *x}\nnation: {zh: 民族",
        "something here contains itself",
    ),
    "no YAML at all": ("value-sets.yaml", "nation: {zh: 民族", "nation: {zh: [民族", "this is not YAML"),
}  # fmt: skip


WITHOUT_A_LINE = (  # what is missing stands in no line
    "no YAML at all",
    "a rule that nobody uses",
    "a value set that nobody uses",
    "something that contains itself",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "ig", tmp_path / "ig")) / "cn-hainan"


def change(folder: Path, name: str, old: str, new: str) -> int:
    """Put `new` in the place of `old`, and tell the line."""
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize("what", CASES)
def test_a_wrong_source_stops_the_build_with_its_line(builder, copy, what):
    name, old, new, says = CASES[what]
    line = change(copy, name, old, new)
    with pytest.raises(builder.SourceError, match=re.escape(says)) as raised:
        builder.build(copy, copy.parent.parent)
    told = str(raised.value)
    if what not in WITHOUT_A_LINE:
        assert told.startswith(f"ig/cn-hainan/{name}:{line}:"), told


def test_a_profile_that_guide_yaml_does_not_name_is_told(builder, copy):
    shutil.copy(copy / "profiles" / "visitor.yaml", copy / "profiles" / "guest.yaml")
    with pytest.raises(builder.SourceError, match=r"guest\.yaml is not named here"):
        builder.build(copy, copy.parent.parent)


def test_an_example_that_is_no_json_is_told(builder, copy):
    (copy / "examples" / "chen.json").write_text("{")
    with pytest.raises(builder.SourceError, match=r"examples/chen\.json: this is not JSON"):
        builder.build(copy, copy.parent.parent)


def test_a_wrong_example_whose_patch_does_not_fit_is_told(builder, copy):
    change(copy, "examples/home-page-flag.wrong.json", "/period/start", "/period/begin")
    with pytest.raises(builder.SourceError, match=r"home-page-flag\.wrong\.json: number 1"):
        builder.build(copy, copy.parent.parent)


def test_an_example_that_is_not_right_stops_the_build_with_its_file(builder, copy):
    change(copy, "examples/insurance-chen.json", '"code": "390"', '"code": "391"')
    guide = builder.build(copy, copy.parent.parent)
    with pytest.raises(builder.SourceError, match=r"^examples/insurance-chen\.json: coding-unknown: Coverage\.type"):
        builder.check(guide.examples, guide.validator, "examples")


def test_a_wrong_example_that_is_right_stops_the_build_with_its_file(builder, copy):
    change(copy, "examples/home-page-flag.wrong.json", '"value": "home-page"', '"value": "weight"')
    guide = builder.build(copy, copy.parent.parent)
    with pytest.raises(
        builder.SourceError, match=r"^examples/home-page-flag\.wrong\.json: .* does not get binding-required"
    ):
        builder.check(guide.examples, guide.validator, "examples")
