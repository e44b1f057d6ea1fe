"""Profiles: what they add is checked, what they contradict is refused, in differentials as people write them."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from jiankang.fhir.definitions import load
from jiankang.fhir.validation import ListedTerminology, Validator
from jiankang.fhir.validation.profiles import Definitions, ProfileBook, ProfileError

NORM = "http://hl7.org/fhir/StructureDefinition/"
HERE = "https://example.org/fhir/StructureDefinition/"
CODE = {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]}
MR = {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}, "value": "1"}
ID = {"system": "https://example.org/id", "value": "2"}


def profile(name, kind, *elements, base=None, **members):
    differential = [
        {"id": each["path"], **each} if "id" not in each and "sliceName" not in each else each for each in elements
    ]
    return {
        "resourceType": "StructureDefinition", "url": HERE + name, "name": name, "status": "draft", "abstract": False,
        "kind": "complex-type" if kind == "Extension" else "resource", "type": kind, "derivation": "constraint",
        "baseDefinition": base or NORM + kind, "differential": {"element": differential}, **members,
    }  # fmt: skip


def element(path, **members):
    return {"path": path, **members}


def sliced(path, *discriminators, rules="open", **members):
    parts = [{"type": kind, "path": at} for kind, at in discriminators]
    return {"path": path, "slicing": {"discriminator": parts, "rules": rules, **members}}


def part(path, name, **members):
    root, _, last = path.rpartition(".")
    return {"id": f"{root}.{last}:{name}", "path": path, "sliceName": name, **members}


def patient(**members):
    return {"resourceType": "Patient", **members}


def observation(**members):
    return {"resourceType": "Observation", "status": "final", "code": CODE, **members}


def said(resource, *profiles, severity="error", named=(), terminology=None, **options):
    validator = Validator(Definitions(profiles), terminology)
    urls = named or [profiles[0]["url"]]
    told = validator.validate(resource, profiles=urls, **options)
    return {(each.message_id, each.expression[0]) for each in told if each.severity == severity}


def test_cardinality_is_narrowed():
    one_name = profile("p", "Patient", element("Patient.name", min=1, max="1"), element("Patient.photo", max="0"))
    assert said(patient(), one_name) == {("profile-min", "Patient.name")}
    assert said(patient(name=[{"text": "a"}]), one_name) == set()
    assert said(patient(name=[{"text": "a"}, {"text": "b"}]), one_name) == {("profile-max", "Patient.name")}
    assert said(patient(name=[{"text": "a"}], photo=[{"title": "x"}]), one_name) == {("profile-max", "Patient.photo")}


def test_cardinality_inside_a_data_type_counts_for_each_value():
    family = profile("p", "Patient", element("Patient.name.family", min=1))
    assert said(patient(), family) == set()
    assert said(patient(name=[{"family": "a"}, {"text": "b"}]), family) == {("profile-min", "Patient.name[1].family")}


def test_a_primitive_with_extensions_alone_counts():
    born = profile("p", "Patient", element("Patient.birthDate", min=1))
    extension = [{"url": NORM + "data-absent-reason", "valueCode": "unknown"}]
    assert said(patient(_birthDate={"extension": extension}), born) == set()


def test_fixed_values_are_exact_and_patterns_are_parts():
    fixed = profile("f", "Observation", element("Observation.code", fixedCodeableConcept=CODE))
    pattern = profile("p", "Observation", element("Observation.code", patternCodeableConcept=CODE))
    longer = {**CODE, "text": "height"}
    assert said(observation(), fixed) == set()
    assert said(observation(code=longer), fixed) == {("profile-fixed", "Observation.code")}
    assert said(observation(code=longer), pattern) == set()
    assert said(observation(code={"text": "height"}), pattern) == {("profile-pattern", "Observation.code")}


def test_values_have_lengths_and_ranges():
    bounds = profile(
        "p", "Patient", element("Patient.name.family", maxLength=3), element("Patient.birthDate", minValueDate="1900-01-01"),
        element("Patient.multipleBirthInteger", maxValueInteger=5),
    )  # fmt: skip
    assert said(patient(birthDate="1900", multipleBirthInteger=5), bounds) == set()
    told = said(patient(name=[{"family": "abcd"}], birthDate="1899", multipleBirthInteger=6), bounds)
    assert told == {
        ("profile-max-length", "Patient.name[0].family"),
        ("profile-range", "Patient.birthDate"),
        ("profile-range", "Patient.multipleBirth"),
    }


def test_a_choice_is_narrowed_to_some_types():
    either = profile(
        "p", "Observation", element("Observation.value[x]", type=[{"code": "Quantity"}, {"code": "string"}])
    )
    assert said(observation(valueString="x"), either) == set()
    assert said(observation(valueBoolean=True), either) == {("profile-type", "Observation.value")}


def test_one_form_of_a_choice_is_meant_by_its_name():
    only = profile(
        "p",
        "Observation",
        element("Observation.valueQuantity", min=1),
        element("Observation.valueQuantity.unit", min=1),
    )
    assert said(observation(valueQuantity={"value": Decimal(1), "unit": "kg"}), only) == set()
    assert said(observation(valueQuantity={"value": Decimal(1)}), only) == {("profile-min", "Observation.value.unit")}
    assert ("profile-type", "Observation.value") in said(observation(valueString="x"), only)


def test_forms_of_a_choice_as_slices():
    two = profile(
        "p", "Observation", sliced("Observation.value[x]", ("type", "$this")),
        part("Observation.value[x]", "valueQuantity", type=[{"code": "Quantity"}]),
        {"id": "Observation.value[x]:valueQuantity.unit", "path": "Observation.value[x].unit", "min": 1},
    )  # fmt: skip
    assert said(observation(valueString="x"), two) == set()
    assert said(observation(valueQuantity={"value": 1}), two) == {("profile-min", "Observation.value.unit")}


def test_constraints_of_a_profile_are_run_where_they_stand():
    rule = {"key": "x-1", "severity": "error", "human": "a family name is short", "expression": "family.length() < 5"}
    soft = {"key": "x-2", "severity": "warning", "human": "somebody is known", "expression": "name.exists()"}
    short = profile("p", "Patient", element("Patient", constraint=[soft]), element("Patient.name", constraint=[rule]))
    assert said(patient(name=[{"family": "ok"}, {"family": "endless"}]), short) == {("x-1", "Patient.name[1]")}
    assert said(patient(), short, severity="warning") == {("x-2", "Patient")}


def test_a_constraint_on_a_primitive():
    rule = {"key": "x-1", "severity": "error", "human": "digits", "expression": "matches('^[0-9]+$')"}
    digits = profile("p", "Patient", element("Patient.identifier.value", constraint=[rule]))
    assert said(patient(identifier=[{"value": "12"}, {"value": "1b"}]), digits) == {
        ("x-1", "Patient.identifier[1].value")
    }


def test_a_constraint_that_makes_no_sense_is_said_and_harms_nothing():
    rule = {"key": "x-1", "severity": "error", "human": "?", "expression": "nonsense("}
    odd = profile("p", "Patient", element("Patient", constraint=[rule]))
    assert said(patient(), odd) == set()
    assert said(patient(), odd, severity="information") == {("x-1", "Patient")}


# ---- slicing

BY_SYSTEM = (
    sliced("Patient.identifier", ("value", "system")),
    part("Patient.identifier", "own", min=1, max="1"),
    {"id": "Patient.identifier:own.system", "path": "Patient.identifier.system", "fixedUri": ID["system"], "min": 1},
    {"id": "Patient.identifier:own.value", "path": "Patient.identifier.value", "min": 1},
)


def test_slices_by_fixed_value():
    by_system = profile("p", "Patient", *BY_SYSTEM)
    assert said(patient(identifier=[MR, ID]), by_system) == set()
    assert said(patient(identifier=[MR]), by_system) == {("profile-min", "Patient.identifier")}
    assert said(patient(identifier=[ID, ID]), by_system) == {("profile-max", "Patient.identifier")}
    bare = {"system": ID["system"]}
    assert said(patient(identifier=[MR, bare]), by_system) == {("profile-min", "Patient.identifier[1].value")}


def test_slices_without_ids_are_found_by_their_order():
    bare = profile("p", "Patient", *({k: v for k, v in each.items() if k != "id"} for each in BY_SYSTEM))
    for each in bare["differential"]["element"]:
        each.pop("id", None)
    assert said(patient(identifier=[MR, ID]), bare) == set()
    assert said(patient(identifier=[MR]), bare) == {("profile-min", "Patient.identifier")}


@pytest.mark.parametrize("kind", ["value", "pattern"])
def test_slices_by_pattern_of_an_element_around(kind):
    by_type = profile(
        "p", "Patient", sliced("Patient.identifier", (kind, "type"), rules="closed"),
        part("Patient.identifier", "record", max="1"),
        {"id": "Patient.identifier:record.type", "path": "Patient.identifier.type", "min": 1, "patternCodeableConcept": MR["type"]},
    )  # fmt: skip
    assert said(patient(identifier=[MR]), by_type) == set()
    assert said(patient(identifier=[MR, MR]), by_type) == {("profile-max", "Patient.identifier")}
    assert said(patient(identifier=[ID]), by_type) == {("profile-slicing-closed", "Patient.identifier[0]")}


def test_slices_by_a_value_deep_inside_a_pattern():
    deep = profile(
        "p", "Observation", sliced("Observation.component", ("value", "code.coding.code")),
        part("Observation.component", "height", min=1),
        {"id": "Observation.component:height.code", "path": "Observation.component.code", "patternCodeableConcept": CODE},
    )  # fmt: skip
    assert said(observation(code={"text": "y"}, component=[{"code": CODE}]), deep) == set()
    assert said(observation(component=[{"code": {"text": "x"}}]), deep) == {("profile-min", "Observation.component")}


def test_slices_by_existence():
    by_end = profile(
        "p", "Patient", sliced("Patient.name", ("exists", "period.end")),
        part("Patient.name", "now", min=1), {"id": "Patient.name:now.period", "path": "Patient.name.period"},
        {"id": "Patient.name:now.period.end", "path": "Patient.name.period.end", "max": "0"},
        part("Patient.name", "before", max="1"),
        {"id": "Patient.name:before.period.end", "path": "Patient.name.period.end", "min": 1},
    )  # fmt: skip
    now, before = {"text": "a"}, {"text": "b", "period": {"end": "2000"}}
    assert said(patient(name=[now, before]), by_end) == set()
    assert said(patient(name=[before]), by_end) == {("profile-min", "Patient.name")}
    assert said(patient(name=[now, before, before]), by_end) == {("profile-max", "Patient.name")}


def test_slices_by_type_of_what_a_bundle_holds():
    by_type = profile(
        "p", "Bundle", sliced("Bundle.entry", ("type", "resource")),
        part("Bundle.entry", "person", min=1, max="1"),
        {"id": "Bundle.entry:person.resource", "path": "Bundle.entry.resource", "type": [{"code": "Patient"}]},
    )  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection"}
    person, thing = (
        {"fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "resource": patient()},
        {"resource": observation()},
    )
    assert said({**bundle, "entry": [thing, person]}, by_type) == set()
    assert said({**bundle, "entry": [thing]}, by_type) == {("profile-min", "Bundle.entry")}


def test_slices_by_type_of_what_a_reference_names():
    by_target = profile(
        "p", "Observation", sliced("Observation.performer", ("type", "resolve()")),
        part("Observation.performer", "doctor", min=1, type=[{"code": "Reference", "targetProfile": [NORM + "Practitioner"]}]),
    )  # fmt: skip
    assert (
        said(observation(performer=[{"reference": "Patient/1"}, {"reference": "Practitioner/1"}]), by_target) == set()
    )
    assert said(observation(performer=[{"reference": "Patient/1"}]), by_target) == {
        ("profile-min", "Observation.performer")
    }


def test_slices_by_profile_of_what_a_bundle_holds():
    female = profile("female", "Patient", element("Patient.gender", min=1, fixedCode="female"))
    by_profile = profile(
        "p", "Bundle", sliced("Bundle.entry", ("profile", "resource")),
        part("Bundle.entry", "woman", min=1),
        {"id": "Bundle.entry:woman.resource", "path": "Bundle.entry.resource", "type": [{"code": "Patient", "profile": [female["url"]]}]},
    )  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection"}
    assert said({**bundle, "entry": [{"resource": patient(gender="female")}]}, by_profile, female) == set()
    assert said({**bundle, "entry": [{"resource": patient(gender="male")}]}, by_profile, female) == {
        ("profile-min", "Bundle.entry")
    }


def test_slices_by_binding():
    values = {
        "resourceType": "ValueSet",
        "url": "https://example.org/vs",
        "compose": {"include": [{"system": "https://example.org/cs", "concept": [{"code": "a"}]}]},
    }
    by_set = profile(
        "p", "Observation", sliced("Observation.category", ("value", "$this")),
        part("Observation.category", "ours", min=1, binding={"strength": "required", "valueSet": values["url"]}),
    )  # fmt: skip
    ours, other = ({"coding": [{"system": "https://example.org/cs", "code": code}]} for code in "ab")
    terms = ListedTerminology([values])
    assert said(observation(category=[other, ours]), by_set, terminology=terms) == set()
    assert said(observation(category=[other]), by_set, terminology=terms) == {("profile-min", "Observation.category")}


def test_slices_by_position():
    by_place = profile(
        "p", "Patient", sliced("Patient.name", ("position", "$this")), part("Patient.name", "0"),
        {"id": "Patient.name:0.family", "path": "Patient.name.family", "min": 1},
    )  # fmt: skip
    assert said(patient(name=[{"family": "a"}, {"text": "b"}]), by_place) == set()
    assert said(patient(name=[{"text": "b"}, {"family": "a"}]), by_place) == {("profile-min", "Patient.name[0].family")}


def ordered(**slicing):
    return profile(
        "p", "Patient", sliced("Patient.name", ("value", "use"), **slicing),
        part("Patient.name", "official"), {"id": "Patient.name:official.use", "path": "Patient.name.use", "fixedCode": "official", "min": 1},
        part("Patient.name", "usual"), {"id": "Patient.name:usual.use", "path": "Patient.name.use", "fixedCode": "usual", "min": 1},
    )  # fmt: skip


def names(*uses):
    return patient(name=[{"text": "x", "use": use} for use in uses])


def test_slices_in_order_and_open_at_the_end():
    assert said(names("official", "usual"), ordered(ordered=True)) == set()
    assert said(names("usual", "official"), ordered(ordered=True)) == {("profile-slicing-order", "Patient.name[1]")}
    assert said(names("official", "usual", "old"), ordered(rules="openAtEnd", ordered=True)) == set()
    assert said(names("official", "old", "usual"), ordered(rules="openAtEnd", ordered=True)) == {
        ("profile-slicing-open-at-end", "Patient.name[2]")
    }
    assert said(names("official", "old"), ordered(rules="closed")) == {("profile-slicing-closed", "Patient.name[1]")}


def test_slices_of_slices():
    outer = profile("outer", "Patient", *BY_SYSTEM[:1], part("Patient.identifier", "own"), BY_SYSTEM[2])
    inner = profile(
        "inner", "Patient",
        {"id": "Patient.identifier:own", "path": "Patient.identifier", "sliceName": "own", "slicing": {"discriminator": [{"type": "value", "path": "use"}], "rules": "open"}},
        {"id": "Patient.identifier:own/official", "path": "Patient.identifier", "sliceName": "own/official", "min": 1, "max": "1"},
        {"id": "Patient.identifier:own/official.use", "path": "Patient.identifier.use", "fixedCode": "official", "min": 1},
        base=outer["url"],
    )  # fmt: skip
    official = {**ID, "use": "official"}
    assert said(patient(identifier=[ID, official]), inner, outer) == set()
    assert said(patient(identifier=[ID, {**MR, "use": "official"}]), inner, outer) == {
        ("profile-min", "Patient.identifier")
    }
    assert said(patient(identifier=[official, official]), inner, outer) == {("profile-max", "Patient.identifier")}


def test_the_rest_is_a_slice_of_its_own():
    rest = profile(
        "p", "Patient", *BY_SYSTEM[:1], part("Patient.identifier", "own"), BY_SYSTEM[2], part("Patient.identifier", "@default"),
        {"id": "Patient.identifier:@default.type", "path": "Patient.identifier.type", "min": 1},
    )  # fmt: skip
    assert said(patient(identifier=[ID, MR]), rest) == set()
    assert said(patient(identifier=[ID, {"value": "3"}]), rest) == {("profile-min", "Patient.identifier[1].type")}


def test_slices_by_a_value_of_what_a_reference_names():
    female = profile("female", "Patient", element("Patient.gender", min=1, fixedCode="female"))
    through = profile(
        "p", "Observation", sliced("Observation.focus", ("value", "resolve().gender")),
        part("Observation.focus", "woman", min=1, type=[{"code": "Reference", "targetProfile": [female["url"]]}]),
    )  # fmt: skip
    people = {"Patient/1": patient(gender="female"), "Patient/2": patient(gender="male")}
    for number, wrong in ((1, set()), (2, {("profile-min", "Observation.focus")})):
        resource = observation(focus=[{"reference": f"Patient/{number}"}])
        assert said(resource, through, female, resolve=people.get) == wrong


# ---- extensions, references, profiles of profiles

COLOUR = profile("colour", "Extension", element("Extension.url", fixedUri=HERE + "colour"), element("Extension.value[x]", min=1, type=[{"code": "code"}]),
                 context=[{"type": "element", "expression": "Patient"}])  # fmt: skip


def colour(**value):
    return {"url": HERE + "colour", **value}


def test_an_extension_of_a_package_is_known():
    any_patient = profile("p", "Patient")
    assert said(patient(extension=[colour(valueCode="red")]), any_patient, COLOUR) == set()
    assert said(patient(extension=[colour(valueString="red")]), any_patient, COLOUR) == {
        ("profile-type", "Patient.extension[0].value")
    }
    told = said(patient(name=[{"extension": [colour(valueCode="red")]}]), any_patient, COLOUR)
    assert told == {("extension-context", "Patient.name[0].extension[0]")}


def test_an_extension_may_be_required():
    coloured = profile(
        "p", "Patient", part("Patient.extension", "colour", min=1, max="1", type=[{"code": "Extension", "profile": [COLOUR["url"]]}]),
    )  # fmt: skip
    assert said(patient(extension=[colour(valueCode="red")]), coloured, COLOUR) == set()
    other = {"url": "https://example.org/y", "valueCode": "red"}
    assert said(patient(extension=[other]), coloured, COLOUR) == {("profile-min", "Patient.extension")}


def test_a_reference_is_narrowed_to_a_type_and_to_a_profile():
    female = profile("female", "Patient", element("Patient.gender", min=1, fixedCode="female"))
    target = [{"code": "Reference", "targetProfile": [female["url"]]}]
    about = profile("p", "Observation", element("Observation.subject", min=1, type=target))
    assert said(observation(subject={"reference": "Patient/1"}), about, female) == set()
    assert said(observation(subject={"reference": "Group/1"}), about, female) == {
        ("profile-target", "Observation.subject")
    }
    for gender, wrong in (("female", set()), ("male", {("profile-target", "Observation.subject")})):
        inside = observation(contained=[patient(id="p", gender=gender)], subject={"reference": "#p"})
        assert said(inside, about, female) == wrong


def test_a_reference_may_have_to_be_contained_or_to_name_a_version():
    contained = [{"code": "Reference", "targetProfile": [NORM + "Patient"], "aggregation": ["contained"]}]
    versioned = [{"code": "Reference", "targetProfile": [NORM + "Patient"], "versioning": "specific"}]
    inside = profile("p", "Observation", element("Observation.subject", type=contained))
    exact = profile("q", "Observation", element("Observation.subject", type=versioned))
    outside = observation(subject={"reference": "Patient/1"})
    assert said(observation(contained=[patient(id="p")], subject={"reference": "#p"}), inside) == set()
    assert said(outside, inside) == {("profile-aggregation", "Observation.subject")}
    assert said(observation(subject={"reference": "Patient/1/_history/2"}), exact) == set()
    assert said(outside, exact) == {("profile-aggregation", "Observation.subject")}


def test_an_extension_may_say_where_it_may_stand_by_a_condition():
    of_choices = {"url": NORM + "questionnaire-choiceOrientation", "valueCode": "horizontal"}

    def asked(kind):
        return {
            "resourceType": "Questionnaire",
            "status": "draft",
            "item": [{"linkId": "1", "type": kind, "extension": [of_choices]}],
        }

    any_questions = profile("p", "Questionnaire")
    assert said(asked("choice"), any_questions) == set()
    assert said(asked("string"), any_questions) == {("extension-context", "Questionnaire.item[0].extension[0]")}


def test_profiles_lean_on_profiles_and_data_type_profiles():
    base = profile("base", "Patient", element("Patient.gender", min=1))
    short = profile("short", "HumanName", element("HumanName.family", min=1))
    leaf = profile(
        "leaf",
        "Patient",
        element("Patient.name", min=1, type=[{"code": "HumanName", "profile": [short["url"]]}]),
        base=base["url"],
    )
    told = said(patient(name=[{"text": "x"}]), leaf, base, short)
    assert told == {("profile-min", "Patient.gender"), ("profile-min", "Patient.name[0].family")}


def test_a_profile_that_a_resource_claims_is_checked():
    base = profile("base", "Patient", element("Patient.gender", min=1), version="1.2.3")
    newer = {**profile("base", "Patient"), "version": "1.10.0"}
    validator = Validator(Definitions([base, newer]))
    for version, rules in (
        ("|1.2.3", {"profile-min"}),
        ("|1.2", {"profile-min"}),
        ("", set()),
        ("|2", {"profile-unknown"}),
    ):
        told = validator.validate(patient(meta={"profile": [base["url"] + version]}))
        assert {each.message_id for each in told} == rules, version


def test_a_profile_of_another_type_is_said_so():
    assert said(observation(), profile("p", "Patient")) == {("profile-other-type", "Observation")}


def test_what_must_be_supported_is_listed():
    book = ProfileBook(
        Definitions(
            [
                profile(
                    "p",
                    "Patient",
                    element("Patient.name", mustSupport=True),
                    element("Patient.name.family", mustSupport=True),
                )
            ]
        )
    )
    assert book.profile(HERE + "p").must_support() == ["Patient.name", "Patient.name.family"]


def test_recursive_elements_are_followed():
    titled = profile("p", "Questionnaire", element("Questionnaire.item.text", min=1))
    inside = {"linkId": "2", "type": "string"}
    resource = {
        "resourceType": "Questionnaire",
        "status": "draft",
        "item": [{"linkId": "1", "type": "group", "text": "x", "item": [inside]}],
    }
    assert said(resource, titled) == {("profile-min", "Questionnaire.item[0].item[0].text")}


# ---- profiles that make no sense

NONSENSE = {
    "a base that is not there": [profile("p", "Patient", base=HERE + "nowhere")],
    "its own base": [profile("p", "Patient", base=HERE + "p")],
    "a circle of bases": [profile("p", "Patient", base=HERE + "q"), profile("q", "Patient", base=HERE + "p")],
    "an element that its base does not have": [profile("p", "Patient", element("Patient.colour", min=1))],
    "more than its base": [profile("p", "Patient", element("Patient.gender", max="2"))],
    "min above max": [profile("p", "Patient", element("Patient.name", min=3, max="2"))],
    "a type that its base does not allow": [profile("p", "Patient", element("Patient.birthDate", type=[{"code": "Period"}]))],
    "slices that need more than there may be": [
        profile("p", "Patient", sliced("Patient.name", ("value", "use")), element("Patient.name", max="1"),
                part("Patient.name", "a", min=1), part("Patient.name", "b", min=1))],
    "elements that are none": [{**profile("p", "Patient"), "differential": {"element": [{"path": "Patient.name", "min": "x"}]}}],
    "no elements at all": [{**profile("p", "Patient"), "snapshot": {"element": [{}]}}],
}  # fmt: skip


@pytest.mark.parametrize("name", NONSENSE)
def test_a_profile_that_makes_no_sense_is_refused_by_an_outcome(name):
    assert said(patient(), *NONSENSE[name]) == {("profile-unusable", "Patient")}
    with pytest.raises(ProfileError):
        ProfileBook(Definitions(NONSENSE[name])).profile(HERE + "p")


def test_profiles_and_references_in_circles_end():
    linked = profile(
        "p",
        "Patient",
        element("Patient.link.other", type=[{"code": "Reference", "targetProfile": [HERE + "p"]}]),
        element("Patient.gender", min=1),
    )

    def person(number, **members):
        others = [
            {"other": {"reference": f"Patient/{other}"}, "type": "seealso"} for other in range(8) if other != number
        ]
        return patient(id=str(number), gender="male", link=others, **members)

    began = time.perf_counter()
    people = {f"Patient/{number}": person(number) for number in range(8)}
    assert said(people["Patient/0"], linked, resolve=people.get) == set()
    del people["Patient/3"]["gender"]
    assert ("profile-target", "Patient.link[2].other") in said(people["Patient/0"], linked, resolve=people.get)
    assert time.perf_counter() - began < 10


def test_the_norms_own_profiles_are_ready():
    book = ProfileBook()
    count = 0
    for url in load().structure_urls:
        definition = load().structure(url)
        if definition.get("derivation") == "constraint" and definition["kind"] != "logical":
            assert book.profile(url) is not None
            count += 1
    assert count > 400


def test_a_vital_sign_of_the_norm():
    weight = {
        "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2020-01-01",
        "meta": {"profile": [NORM + "bodyweight"]},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "valueQuantity": {"value": Decimal("70.5"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }  # fmt: skip

    def told(**changed):
        return {
            (e.message_id, e.expression[0])
            for e in Validator().validate({**weight, **changed})
            if e.severity == "error"
        }

    assert told() == set()
    assert told(category=[CODE]) == {("profile-min", "Observation.category")}
    pounds = {**weight["valueQuantity"], "code": "[stone_av]"}
    assert told(valueQuantity=pounds) == {("binding-required", "Observation.value.code")}
    del weight["valueQuantity"]
    assert ("profile-type", "Observation.value") in told(valueString="heavy")
