"""What the norm asks beyond shape: each rule is broken once, and what is in order passes."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal

import pytest

from jiankang.fhir.outcome import outcome
from jiankang.fhir.validation import Validator, validate

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
CODE = {"coding": [{"system": LOINC, "code": "8302-2"}]}
NORM = "http://hl7.org/fhir/StructureDefinition/"
V3 = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
UUID = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
DATA = base64.b64encode(b"fourteen bytes").decode()


def patient(**members):
    return {"resourceType": "Patient", **members}


def observation(**members):
    return {"resourceType": "Observation", "status": "final", "code": CODE, **members}


def narrative(inside, attributes=XHTML):
    return patient(text={"status": "generated", "div": f"<div {attributes}>{inside}</div>"})


def attachment(**members):
    return {
        "resourceType": "Media",
        "status": "completed",
        "content": {"contentType": "text/plain", "data": DATA, **members},
    }


def bundle(kind, *entries, **members):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries), **members}


def entry(resource, url=UUID, **members):
    return {"fullUrl": url, "resource": resource, **members}


def document(*entries, **composition):
    first = {
        "resourceType": "Composition",
        "status": "final",
        "type": CODE,
        "date": "2020-01-01",
        "title": "x",
        "author": [{"reference": "https://example.org/fhir/Practitioner/1"}],
        **composition,
    }
    return bundle(
        "document",
        entry(first),
        *entries,
        identifier={"system": "https://example.org/d", "value": "1"},
        timestamp="2020-01-01T00:00:00Z",
    )


def said(resource, severity="error", **options):
    return {
        (each.message_id, each.expression[0]) for each in validate(resource, **options) if each.severity == severity
    }


RIGHT = {
    "a period": patient(name=[{"period": {"start": "2020", "end": "2020-05"}}]),
    "an open period": patient(name=[{"period": {"end": "2020-05"}}]),
    "a contained resource that is referred to": observation(
        contained=[patient(id="p")], subject={"reference": "#p"}
    ),
    "a contained resource that refers to its container": patient(
        contained=[{"resourceType": "Provenance", "id": "x", "target": [{"reference": "#"}], "recorded": "2020-01-01T00:00:00Z",
                    "agent": [{"who": {"display": "x"}}]}]
    ),
    "a required concept": {
        "resourceType": "Condition", "subject": {"reference": "Patient/1"},
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
    },
    "a known extension": patient(extension=[{"url": NORM + "patient-birthPlace", "valueAddress": {"city": "海口"}}]),
    "an extension of a primitive": patient(_birthDate={"extension": [{"url": NORM + "patient-birthTime", "valueDateTime": "1970-01-01T10:00:00Z"}]}),
    "a narrative": narrative("<p>x <b>y</b> <img src='#a' alt='z'/></p>"),
    "an attachment": attachment(size=14, hash=base64.b64encode(hashlib.sha1(b"fourteen bytes").digest()).decode()),
    "a unit": observation(valueQuantity={"value": Decimal("1.0"), "system": UCUM, "code": "mmol/L"}),
    "a language": patient(language="zh-Hans-CN"),
    "a media type with a parameter": attachment(contentType="text/plain; charset=utf-8"),
    "a document": document(),
    "a transaction": bundle(
        "transaction",
        entry(patient(), request={"method": "POST", "url": "Patient"}),
        entry(observation(subject={"reference": UUID}), "urn:uuid:c757873d-ec9a-4326-a141-556f43239521",
              request={"method": "POST", "url": "Observation"}),
    ),
    "an answer to exists": {
        "resourceType": "Questionnaire", "status": "draft",
        "item": [{"linkId": "1", "type": "boolean"},
                 {"linkId": "2", "type": "string", "enableWhen": [{"question": "1", "operator": "exists", "answerBoolean": True}]}],
    },
    "two moments of an offset": {
        "resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": {"reference": "Patient/1"},
        "activity": [{"detail": {"status": "scheduled", "scheduledTiming": {"repeat": {"offset": 30, "when": ["AC", "HS"]}}}}],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name):
    assert said(RIGHT[name]) == set()


WRONG = {
    # invariants
    "a period that ends before it starts": (
        patient(name=[{"period": {"start": "2020", "end": "2019"}}]), "per-1", "Patient.name[0].period"),
    "a contact without details": (patient(contact=[{"gender": "male"}]), "pat-1", "Patient.contact[0]"),
    "a value in the code of a component": (
        observation(valueString="x", component=[{"code": CODE, "valueString": "y"}]), "obs-7", "Observation"),
    "a value and a reason for its absence": (
        observation(valueString="x", dataAbsentReason={"text": "y"}), "obs-6", "Observation"),
    "a range the wrong way round": (
        observation(valueRange={"low": {"value": 5, "code": "mg", "system": UCUM, "unit": "mg"},
                                "high": {"value": 1, "code": "mg", "system": UCUM, "unit": "mg"}}), "rng-2", "Observation.value"),
    "a code without system": (observation(valueQuantity={"value": 1, "code": "mg"}), "qty-3", "Observation.value"),
    "an organization at home": (
        {"resourceType": "Organization", "name": "x", "address": [{"use": "work"}, {"use": "home"}]},
        "org-2", "Organization.address[1]"),
    "two conditions without a word between them": (
        {"resourceType": "Questionnaire", "status": "draft", "item": [{"linkId": "1", "type": "string", "enableWhen": [
            {"question": "1", "operator": "exists", "answerBoolean": True},
            {"question": "1", "operator": "exists", "answerBoolean": False}]}]}, "que-12", "Questionnaire.item[0]"),
    "a link id twice": (
        {"resourceType": "Questionnaire", "status": "draft",
         "item": [{"linkId": "1", "type": "string"}, {"linkId": "1", "type": "string"}]}, "que-2", "Questionnaire"),
    "an id alone": (patient(name=[{"id": "x"}]), "ele-1", "Patient.name[0]"),
    "an id alone beside a primitive": (patient(name=[{"given": [None], "_given": [{"id": "x"}]}]), "ele-1", "Patient.name[0].given[0]"),
    "a comparator where it may not be": (
        observation(referenceRange=[{"low": {"value": 1, "comparator": "<"}}]), "sqty-1", "Observation.referenceRange[0].low"),
    # bindings
    "a code that is not in its set": (patient(gender="x"), "binding-required", "Patient.gender"),
    "a code of a list": (patient(address=[{"use": "home"}, {"use": "x"}]), "binding-required", "Patient.address[1].use"),
    "a concept that is not in its set": (
        {"resourceType": "Condition", "subject": {"reference": "Patient/1"},
         "clinicalStatus": {"coding": [{"system": LOINC, "code": "active"}]}}, "binding-required", "Condition.clinicalStatus"),
    "a required concept in words": (
        {"resourceType": "Condition", "subject": {"reference": "Patient/1"}, "clinicalStatus": {"text": "active"}},
        "binding-required", "Condition.clinicalStatus"),
    "a language that is none": (patient(language="x y"), "binding-required", "Patient.language"),
    "a media type that is none": (attachment(contentType="plain"), "binding-required", "Media.content.contentType"),
    "a code that its system does not have": (
        observation(category=[{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "nonsense"}]}]),
        "coding-unknown", "Observation.category[0].coding[0].code"),
    "a value set for a code system": (
        observation(method={"coding": [{"system": "http://hl7.org/fhir/ValueSet/x", "code": "y"}]}),
        "coding-value-set", "Observation.method.coding[0].system"),
    # references
    "a contained resource that is not there": (observation(subject={"reference": "#p"}), "ref-1", "Observation.subject.reference"),
    "a type that says otherwise": (
        observation(subject={"reference": "Patient/1", "type": "Group"}), "reference-type", "Observation.subject.type"),
    "a contained resource of a wrong type": (
        observation(contained=[{"resourceType": "Medication", "id": "m"}], subject={"reference": "#m"}),
        "reference-target", "Observation.subject"),
    # contained resources
    "a contained resource that nobody refers to": (observation(contained=[patient(id="p")]), "dom-3", "Observation.contained[0]"),
    "contained in contained": (
        observation(contained=[patient(id="p", contained=[patient(id="q")])], subject={"reference": "#p"}), "dom-2", "Observation.contained[0]"),
    "a version of a contained resource": (
        observation(contained=[patient(id="p", meta={"versionId": "1"})], subject={"reference": "#p"}), "dom-4", "Observation.contained[0].meta"),
    "security of a contained resource": (
        observation(contained=[patient(id="p", meta={"security": [{"system": V3, "code": "MASK"}]})], subject={"reference": "#p"}),
        "dom-5", "Observation.contained[0].meta"),
    "two contained resources with one id": (
        observation(contained=[patient(id="p"), patient(id="p")], subject={"reference": "#p"}), "contained-id-twice", "Observation.contained[1].id"),
    "a rule in a contained resource": (
        observation(contained=[patient(id="p", gender="x")], subject={"reference": "#p"}), "binding-required", "Observation.contained[0].gender"),
    # identifiers and URIs
    "a relative system": (patient(identifier=[{"system": "ids", "value": "1"}]), "uri-relative", "Patient.identifier[0].system"),
    "a relative profile": (patient(meta={"profile": ["x"]}), "uri-relative", "Patient.meta.profile[0]"),
    "a canonical with two bars": (
        {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "http://x.org/q|1|2"},
        "canonical-syntax", "QuestionnaireResponse.questionnaire"),
    "a canonical of another type": (
        {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "http://hl7.org/fhir/ValueSet/administrative-gender"},
        "canonical-target", "QuestionnaireResponse.questionnaire"),
    "a profile that is no profile": (
        patient(meta={"profile": ["http://hl7.org/fhir/administrative-gender"]}), "canonical-target", "Patient.meta.profile[0]"),
    # extensions
    "an extension in the wrong place": (
        observation(extension=[{"url": NORM + "patient-birthPlace", "valueAddress": {"city": "x"}}]), "extension-context", "Observation.extension[0]"),
    "an extension with a value of a wrong type": (
        patient(extension=[{"url": NORM + "patient-birthPlace", "valueString": "x"}]), "profile-type", "Patient.extension[0].value"),
    "a modifier extension among the others": (
        {"resourceType": "Basic", "code": {"text": "x"}, "extension": [{"url": NORM + "condition-ruledOut", "valueCodeableConcept": {"text": "x"}}]},
        "extension-context", "Basic.extension[0]"),
    "an extension among the modifiers": (
        patient(modifierExtension=[{"url": NORM + "patient-birthPlace", "valueAddress": {"city": "x"}}]),
        "extension-not-modifier", "Patient.modifierExtension[0]"),
    "a complex extension without a required part": (
        patient(extension=[{"url": NORM + "patient-nationality", "extension": [{"url": "code", "valueString": "x"}]}]),
        "profile-type", "Patient.extension[0].extension[0].value"),
    "an extension of a primitive in the wrong place": (
        patient(_gender={"extension": [{"url": NORM + "patient-birthTime", "valueDateTime": "2020"}]}), "extension-context", "Patient.gender.extension[0]"),
    "a rule inside an extension": (
        patient(extension=[{"url": "https://example.org/x", "valuePeriod": {"start": "2020", "end": "2019"}}]), "per-1", "Patient.extension[0].value"),
    # narrative
    "a script": (narrative("<script>x</script>"), "txt-1", "Patient.text.div"),
    "an event": (narrative("<p onclick='x'>y</p>"), "txt-1", "Patient.text.div"),
    "an object": (narrative("<object>x</object>"), "txt-1", "Patient.text.div"),
    "a link that runs": (narrative("<a href='javascript:x'>y</a>"), "txt-1", "Patient.text.div"),
    "no namespace": (narrative("x", ""), "narrative-namespace", "Patient.text.div"),
    "another namespace": (narrative("x", 'xmlns="http://www.w3.org/1999/xhtmlx"'), "narrative-namespace", "Patient.text.div"),
    # attachments
    "a wrong size": (attachment(size=100), "attachment-size", "Media.content.size"),
    "a wrong hash": (attachment(hash=base64.b64encode(b"0" * 20).decode()), "attachment-hash", "Media.content.hash"),
    # bundles
    "a document that does not open with a composition": (
        bundle("document", entry(patient()), identifier={"system": "https://x.org", "value": "1"}, timestamp="2020-01-01T00:00:00Z"),
        "bdl-11", "Bundle"),
    "a document without a date": (
        {key: value for key, value in document().items() if key != "timestamp"}, "bdl-10", "Bundle"),
    "a document without what its composition speaks of": (
        document(subject={"reference": "Patient/none"}), "reference-unresolved", "Bundle.entry[0].resource.subject.reference"),
    "a message that does not open with its header": (bundle("message", entry(patient())), "bdl-12", "Bundle"),
    "a transaction without requests": (bundle("transaction", entry(patient())), "bdl-3", "Bundle"),
    "an address twice": (bundle("collection", entry(patient()), entry(patient())), "bdl-7", "Bundle"),
    "an address with a version": (
        bundle("searchset", entry(patient(id="1"), "https://x.org/Patient/1/_history/2")), "bdl-8", "Bundle.entry[0]"),
    "an address of another resource": (
        bundle("searchset", entry(patient(id="1"), "https://x.org/Patient/2")), "bundle-full-url", "Bundle.entry[0].fullUrl"),
    "an address that is not absolute": (
        bundle("searchset", entry(patient(id="1"), "Patient/1")), "bundle-full-url", "Bundle.entry[0].fullUrl"),
    "a request about another type": (
        bundle("transaction", entry(patient(), request={"method": "POST", "url": "Observation"})), "bundle-request", "Bundle.entry[0].request.url"),
    "a request without a resource": (
        bundle("transaction", {"fullUrl": UUID, "request": {"method": "POST", "url": "Patient"}}), "bundle-request", "Bundle.entry[0]"),
    "a urn that no entry has": (
        bundle("transaction", entry(observation(subject={"reference": UUID}), "urn:uuid:00000000-0000-0000-0000-000000000000",
                                    request={"method": "POST", "url": "Observation"})),
        "reference-unresolved", "Bundle.entry[0].resource.subject.reference"),
    "a urn of a wrong type": (
        bundle("transaction", entry({"resourceType": "Medication"}, request={"method": "POST", "url": "Medication"}),
               entry(observation(subject={"reference": UUID}), "urn:uuid:00000000-0000-0000-0000-000000000000",
                     request={"method": "POST", "url": "Observation"})),
        "reference-target", "Bundle.entry[1].resource.subject"),
    # shape, by the check of structure
    "an unknown element": (patient(nam=[]), "shape-structure", "Patient.nam"),
    "a missing element": ({"resourceType": "Observation", "code": CODE}, "shape-required", "Observation.status"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_its_rule_and_place(name):
    resource, rule, place = WRONG[name]
    assert (rule, place) in said(resource)


WARNED = {
    "a canonical that is to become an OID": (
        {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "urn:oid:X.Y.Z"},
        "canonical-syntax", "QuestionnaireResponse.questionnaire"),
    "a concept outside an extensible set": (
        patient(maritalStatus={"coding": [{"system": "https://example.org/x", "code": "y"}]}), "binding-extensible", "Patient.maritalStatus"),
    "a wrong display": (
        observation(category=[{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs", "display": "Weather"}]}]),
        "coding-display", "Observation.category[0].coding[0].display"),
    "a code without a system": (observation(method={"coding": [{"code": "x"}]}), "coding-no-system", "Observation.method.coding[0]"),
    "a unit that UCUM does not have": (
        observation(valueQuantity={"value": 1, "system": UCUM, "code": "tbl"}), "quantity-ucum", "Observation.value.code"),
    "a narrative without content": (narrative(" "), "txt-2", "Patient.text.div"),
    "a modifier extension that nobody knows": (
        patient(modifierExtension=[{"url": "https://example.org/x", "valueBoolean": True}]), "extension-modifier-unknown", "Patient.modifierExtension[0]"),
    "a profile that nobody knows": (patient(meta={"profile": ["https://example.org/x"]}), "profile-unknown", "Patient.meta.profile[0]"),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNED)
def test_what_is_doubtful_is_a_warning(name):
    resource, rule, place = WARNED[name]
    assert (rule, place) in said(resource, "warning")
    assert said(resource) == set()


def test_an_unknown_extension_is_mentioned():
    resource = patient(extension=[{"url": "https://example.org/x", "valueBoolean": True}])
    assert said(resource, "information") == {("extension-unknown", "Patient.extension[0]")}


def test_unknown_extensions_may_be_refused():
    resource = patient(extension=[{"url": "https://example.org/x", "valueBoolean": True}])
    told = Validator(unknown_extensions="error").validate(resource)
    assert [(each.severity, each.message_id) for each in told] == [("error", "extension-unknown")]


def test_advice_is_given_on_request_only():
    assert said(observation(), "warning") == set()
    advice = said(observation(), "warning", best_practice=True)
    assert ("dom-6", "Observation") in advice


def test_codes_that_cannot_be_known_are_mentioned_once():
    code = {"coding": [{"system": LOINC, "code": "1"}]}
    resource = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": V3, "code": "AMB"},
        "reasonCode": [code, code],
    }
    told = [each for each in validate(resource) if each.message_id == "binding-not-checked"]
    assert len(told) == 1
    assert "encounter-reason" in told[0].text


def test_all_problems_are_told_at_once_shape_included():
    resource = patient(gender="x", nam="y", name=[{"period": {"start": "2020", "end": "2019"}, "use": 3}], contact=[{}])
    rules = {each.message_id for each in validate(resource)}
    assert {"binding-required", "shape-structure", "per-1"} <= rules


def test_a_finding_says_what_was_expected_and_what_kind_of_value_is_there():
    (finding,) = validate(patient(gender="unheard"))
    assert finding.expected == "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"
    assert finding.kind == "string of 7 characters"
    assert finding.expression == ("Patient.gender",)
    assert "unheard" not in finding.text


def test_findings_make_an_outcome_that_is_valid_itself():
    shown = outcome(validate(patient(gender="x", nam="y")))
    assert {each["expression"][0] for each in shown["issue"]} == {"Patient.gender", "Patient.nam"}
    by_place = {each["expression"][0]: each for each in shown["issue"]}
    assert by_place["Patient.gender"]["extension"][0]["valueString"] == "binding-required"
    assert by_place["Patient.gender"]["diagnostics"].endswith("found: string of 1 characters")
    assert said(shown) == set()


def test_no_findings_make_an_outcome_that_says_so():
    assert outcome([])["issue"][0]["severity"] == "information"


def test_what_a_reference_names_may_be_asked_for():
    team = {
        "resourceType": "CareTeam",
        "participant": [{"member": {"reference": "Patient/1"}, "onBehalfOf": {"reference": "Organization/1"}}],
    }
    practitioner = {"resourceType": "Practitioner", "id": "1"}
    assert said(team) == set()
    assert said(team, resolve=lambda _: patient(id="1")) == {("ctm-1", "CareTeam.participant[0]")}
    assert said(team, resolve=lambda _: practitioner) == set()


def test_entries_have_contained_resources_of_their_own():
    inside = observation(contained=[patient(id="p")], subject={"reference": "#p"})
    stranger = observation(subject={"reference": "#p"})
    resource = bundle("collection", entry(inside), entry(stranger, "urn:uuid:00000000-0000-0000-0000-000000000000"))
    assert said(resource) == {("ref-1", "Bundle.entry[1].resource.subject.reference")}


@pytest.mark.parametrize("resource", [None, 3, [], "x", {}, {"resourceType": 3}, {"resourceType": "Nothing"}])
def test_what_is_no_resource_is_said_so(resource):
    assert [each.severity for each in validate(resource)] == ["error"]


def test_a_validator_may_be_kept():
    validator = Validator()
    assert validator.validate(patient(gender="male")) == []
    assert [each.message_id for each in validator.validate(patient(gender="x"))] == ["binding-required"]
    assert validator.validate(patient(gender="male")) == []


DEFINITIONS = {
    "an expression that cannot be read": (
        {"resourceType": "SearchParameter", "url": "https://x.org/s", "name": "X", "status": "draft", "description": "x", "code": "x",
         "base": ["Patient"], "type": "string", "expression": "Patient.name("}, "expression-syntax", "SearchParameter.expression"),
    "a derived parameter of another type": (
        {"resourceType": "SearchParameter", "url": "https://x.org/s", "name": "X", "status": "draft", "description": "x", "code": "x",
         "base": ["Patient"], "type": "token", "expression": "Patient.name", "derivedFrom": "http://hl7.org/fhir/SearchParameter/Patient-name"},
        "search-parameter-derived", "SearchParameter.type"),
    "a parameter of the norm with another type": (
        {"resourceType": "CapabilityStatement", "status": "draft", "date": "2020", "kind": "requirements", "fhirVersion": "4.0.1", "format": ["json"],
         "description": "x", "rest": [{"mode": "server", "resource": [{"type": "Patient", "searchParam": [
             {"name": "name", "type": "token", "definition": "http://hl7.org/fhir/SearchParameter/Patient-name"}]}]}]},
        "search-parameter-type", "CapabilityStatement.rest[0].resource[0].searchParam[0].type"),
    "a profile that contradicts its base": (
        {"resourceType": "StructureDefinition", "url": "https://x.org/p", "name": "P", "status": "draft", "kind": "resource", "abstract": False,
         "type": "Patient", "derivation": "constraint", "baseDefinition": NORM + "Patient",
         "differential": {"element": [{"id": "Patient.gender", "path": "Patient.gender", "max": "*"}]}}, "profile-contradiction", "StructureDefinition.differential"),
    "an element id twice": (patient(name=[{"id": "a", "text": "x"}, {"id": "a", "text": "y"}]), "element-id-twice", "Patient.name[1].id"),
    "an extension without an absolute address": (patient(extension=[{"url": "x", "valueString": "y"}]), "extension-url", "Patient.extension[0].url"),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFINITIONS)
def test_what_defines_is_checked_for_what_it_defines(name):
    resource, rule, place = DEFINITIONS[name]
    assert said(resource) == {(rule, place)}


def test_vital_signs_are_held_to_the_norms_profiles_where_that_is_asked():
    weight = {"coding": [{"system": LOINC, "code": "29463-7"}]}
    assert said(observation(code=weight)) == set()
    told = Validator(vital_signs=True).validate(observation(code=weight))
    assert ("profile-min", "Observation.subject") in {(each.message_id, each.expression[0]) for each in told}


def test_errors_are_told_even_after_many_warnings():
    strange = [{"url": "https://example.org/x", "valueBoolean": True}] * 300
    resource = patient(extension=strange, name=[{"period": {"start": "2020", "end": "2019"}}])
    assert said(resource) == {("per-1", "Patient.name[0].period")}
    last = bundle(
        "collection",
        *(entry(patient(extension=strange), f"https://x.org/Patient/{n}") for n in range(3)),
        entry(patient(gender="x")),
    )
    assert said(last) == {("binding-required", "Bundle.entry[3].resource.gender")}
