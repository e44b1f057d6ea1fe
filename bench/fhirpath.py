"""How long compiled FHIRPath takes for one resource, beside hand-written Python: `python bench/fhirpath.py`."""

from __future__ import annotations

import timeit

from jiankang.fhir.path import compile_path

PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "name": [{"use": "official", "family": "F", "given": ["A", "B"]}, {"use": "usual", "given": ["C"]}],
    "telecom": [{"system": "phone", "value": "1"}],
    "contact": [{"name": {"text": "x"}}],
}
OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "1-1"}]},
    "subject": {"reference": "Patient/1"},
    "valueQuantity": {"value": 1, "code": "g"},
}

# (expression, type, resource, most microseconds allowed)
CASES = [
    ("Observation.code", "Observation", OBSERVATION, 0.5),
    ("(Observation.value as Quantity)", "Observation", OBSERVATION, 0.5),
    ("name.exists() or telecom.exists()", "Patient", PATIENT, 3),
    ("name.given", "Patient", PATIENT, 3),
    ("Patient.name.where(use = 'official').given", "Patient", PATIENT, 3),
    ("Observation.subject.where(resolve() is Patient)", "Observation", OBSERVATION, 3),
    ("dataAbsentReason.empty() or value.empty()", "Observation", OBSERVATION, 3),
    ("contact.all(name.exists() or telecom.exists())", "Patient", PATIENT, 3),
    ("descendants().count() > 3", "Patient", PATIENT, 50),
]


def measure(work, number: int = 20_000) -> float:
    """The best of five, in microseconds."""
    return min(timeit.repeat(work, number=number, repeat=5)) / number * 1e6


def main() -> None:
    """Print a table."""
    floor = measure(lambda: OBSERVATION.get("code"))
    print(f"floor: one dict.get in a lambda  {floor:.3f} us")
    compiling = measure(
        lambda: compile_path.__globals__["Path"]("name.exists() or telecom.exists()", "Patient", strict=False), 200
    )
    print(f"compiling `name.exists() or telecom.exists()`  {compiling:.0f} us\n")
    print(f"{'expression':<52} {'values':>8} {'evaluate':>9} {'promise':>8}   (us)")
    for expression, type_name, resource, most in CASES:
        path = compile_path(expression, type_name=type_name)
        fast = measure(lambda path=path, resource=resource: path.values(resource))
        general = measure(lambda path=path, resource=resource: path.evaluate(resource), 4_000)
        print(f"{expression:<52} {fast:>8.2f} {general:>9.2f} {most:>8}  {'ok' if fast <= most else 'SLOW'}")


if __name__ == "__main__":
    main()
