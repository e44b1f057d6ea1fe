"""The search parameters of each type, and which of them need no rows of their own.

http://hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING

from jiankang.fhir.definitions import SearchParameter, load
from jiankang.fhir.search.expressions import Part, PlainPath, parts_for
from jiankang.fhir.search.model import Alias, ComponentParameter, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEPT_BY_THE_STORE = frozenset({"_id", "_lastUpdated", "_content", "_text", "_query"})
"""Parameters whose values are columns or words of the record, not rows of extracted values."""

_SECONDARY = frozenset({"patient", "phonetic", "fhirversion", "system", "source", "message"})
"""Codes that give way to another one with the same expression."""

_PRINCIPAL: Mapping[str, tuple[str, ...]] = {
    "Condition": ("onset-date", "recorded-date"),
    "MedicationRequest": ("authoredon",),
    "MedicationStatement": ("effective",),
    "MedicationAdministration": ("effective-time",),
    "MedicationDispense": ("whenhandedover", "whenprepared"),
    "ServiceRequest": ("occurrence", "authored"),
    "DeviceRequest": ("event-date", "authored-on"),
    "Communication": ("sent", "received"),
    "CommunicationRequest": ("occurrence", "authored"),
    "Goal": ("start-date", "target-date"),
    "ImagingStudy": ("started",),
    "Media": ("created",),
    "Specimen": ("collected",),
    "Slot": ("start",),
    "Task": ("period", "authored-on", "modified"),
    "QuestionnaireResponse": ("authored",),
    "Claim": ("created",),
    "ClaimResponse": ("created",),
    "CoverageEligibilityRequest": ("created",),
    "CoverageEligibilityResponse": ("created",),
    "EnrollmentRequest": (),
    "ExplanationOfBenefit": ("created",),
    "ChargeItem": ("occurrence", "entered-date"),
    "Contract": ("issued",),
    "DetectedIssue": ("identified",),
    "DocumentManifest": ("created",),
    "NutritionOrder": ("datetime",),
    "PaymentNotice": ("created",),
    "PaymentReconciliation": ("created",),
    "Provenance": ("when", "recorded"),
    "VisionPrescription": ("datewritten",),
    "RequestGroup": ("authored",),
    "SupplyDelivery": (),
    "Patient": (),
    "Person": (),
    "Practitioner": (),
    "RelatedPerson": (),
    "PractitionerRole": (),
    "OrganizationAffiliation": (),
}


@cache
def parameters(type_name: str) -> Mapping[str, Parameter]:
    """The official search parameters of a type by code (http://hl7.org/fhir/R4/searchparameter-registry.html)."""
    definitions = load()
    ancestry = definitions.ancestry(type_name)
    official = definitions.search_parameters(type_name)
    aliases = _aliases(official, ancestry)
    built = {code: parameter(official[code], number, aliases.get(code)) for number, code in enumerate(sorted(official))}
    return MappingProxyType(built)


def parameter(
    definition: SearchParameter, number: int, alias: Alias | None = None, *, custom: bool = False
) -> Parameter:
    """The search parameter that `definition` describes, with this bit number."""
    return Parameter(
        code=definition.code,
        type=definition.type,
        number=number,
        targets=definition.target,
        components=tuple(_components(definition)),
        alias_of=alias,
        url=definition.url,
        expression=definition.expression,
        multiple_or=definition.multiple_or,
        multiple_and=definition.multiple_and,
        comparators=definition.comparators,
        modifiers=definition.modifiers,
        custom=custom,
    )


def _components(definition: SearchParameter) -> Iterable[ComponentParameter]:
    for component in definition.components:
        meant = load().search_parameter_by_url(component.definition)
        if meant is not None:
            yield ComponentParameter(meant.code, meant.type, component.expression, meant.target)


@cache
def is_conjunction(type_name: str, code: str) -> bool:
    """Whether a composite ties together values of the whole resource, so that it says no more than its parts do.

    Observation's `code-value-quantity` is one: there is one code and one value. It has no rows of its own.
    """
    known = parameters(type_name)
    meant = known.get(code)
    if meant is None or meant.type != "composite" or meant.expression != type_name:
        return False
    return len(meant.components) == 2 and all(
        c.code in known and known[c.code].type == c.type for c in meant.components
    )


@cache
def principal_dates(type_name: str) -> tuple[str, ...]:
    """Codes of the date parameters of which the first with a value orders a type's resources in time."""
    chosen = _PRINCIPAL.get(type_name)
    if chosen is None:
        chosen = ("date",)
    known = parameters(type_name)
    return tuple(code for code in chosen if code in known and known[code].type == "date")


def principal_date(type_name: str) -> str | None:
    """Code of the date parameter that orders a type's resources in time; None where there is none."""
    found = principal_dates(type_name)
    return found[0] if found else None


_Shape = tuple[object, ...]


def _shape(definition: SearchParameter, ancestry: tuple[str, ...]) -> frozenset[_Shape]:
    """What the parameter's rows are made from: equal shapes give equal rows."""
    components = tuple(_components(definition))
    kinds = tuple((component.type, component.expression) for component in components)
    found: set[_Shape] = set()
    for part in parts_for(definition.expression, ancestry):
        if not isinstance(part, PlainPath):
            return frozenset()
        found.add((definition.type, kinds, part.steps, part.is_flag, part.resolves_to))
    return frozenset(found)


def _aliases(official: Mapping[str, SearchParameter], ancestry: tuple[str, ...]) -> dict[str, Alias]:
    """The parameters whose rows others hold already, by code."""
    shapes = {
        code: shape
        for code, definition in official.items()
        if code not in KEPT_BY_THE_STORE
        and not any(part.steps and part.steps[-1].name == "resource" for part in _plain(definition, ancestry))
        and (shape := _shape(definition, ancestry))
    }
    aliases: dict[str, Alias] = {}
    owners = _owners(official, shapes, aliases)
    for code in sorted(owners):
        if (alias := _restriction(code, official, owners)) or (alias := _union(code, official, owners)):
            aliases[code] = alias
    return aliases


def _plain(definition: SearchParameter, ancestry: tuple[str, ...]) -> list[PlainPath]:
    found: tuple[Part, ...] = parts_for(definition.expression, ancestry)
    return [part for part in found if isinstance(part, PlainPath)]


def _owners(
    official: Mapping[str, SearchParameter],
    shapes: Mapping[str, frozenset[_Shape]],
    aliases: dict[str, Alias],
) -> dict[str, frozenset[_Shape]]:
    """One parameter of each shape; the others of the same shape become aliases of it."""
    by_shape: dict[frozenset[_Shape], list[str]] = {}
    for code, shape in shapes.items():
        by_shape.setdefault(shape, []).append(code)
    owners: dict[str, frozenset[_Shape]] = {}
    for shape, codes in by_shape.items():
        first, *others = sorted(codes, key=lambda c: (-len(official[c].target), c in _SECONDARY, c))
        owners[first] = shape
        for other in others:
            narrower = official[other].target
            differs = set(narrower) != set(official[first].target)
            if differs and len(narrower) != 1:
                owners[other] = shape
            else:
                aliases[other] = Alias((first,), narrower[0] if differs else None)
    return owners


def _restriction(
    code: str, official: Mapping[str, SearchParameter], owners: Mapping[str, frozenset[_Shape]]
) -> Alias | None:
    """`X.where(resolve() is T)` asks rows of the parameters for X, if there are some."""
    targets = {shape[-1] for shape in owners[code]}
    if official[code].type != "reference" or len(targets) != 1 or None in targets:
        return None
    wanted = frozenset((*shape[:-1], None) for shape in owners[code])
    holders = _cover(wanted, [other for other in sorted(owners) if other != code], owners)
    return Alias(holders, str(targets.pop())) if holders else None


def _union(code: str, official: Mapping[str, SearchParameter], owners: Mapping[str, frozenset[_Shape]]) -> Alias | None:
    """A parameter for several elements asks rows of the parameters for each of them, if all have one."""
    if len(owners[code]) < 2:
        return None
    smaller = [
        other
        for other in sorted(owners)
        if owners[other] < owners[code] and official[other].type == official[code].type
    ]
    holders = _cover(owners[code], smaller, owners)
    return Alias(holders) if holders else None


def _cover(
    wanted: frozenset[_Shape], candidates: list[str], owners: Mapping[str, frozenset[_Shape]]
) -> tuple[str, ...]:
    """The fewest candidates that hold exactly what is wanted, at most three."""
    within = [code for code in candidates if owners[code] <= wanted]
    for size in (1, 2, 3):
        for chosen in combinations(within, size):
            if frozenset().union(*(owners[code] for code in chosen)) == wanted:
                return chosen
    return ()
