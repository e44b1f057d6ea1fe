"""Resources that define: that their expressions can be read, and that they do not contradict what they build on.

http://hl7.org/fhir/R4/conformance-module.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.fhir.path import compile_path
from jiankang.fhir.validation.bundles import bundle_rules
from jiankang.fhir.validation.findings import ERROR, WARNING, Found, note
from jiankang.fhir.validation.terms import code_in_system
from jiankang.kernel.errors import Invalid, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from jiankang.fhir.validation.context import Context

Json = dict[str, Any]

_EXPRESSION = (ERROR, "invalid", "expression-syntax")
_PROFILE = (ERROR, "invalid", "profile-contradiction")
_PARAMETER = (ERROR, "invalid", "search-parameter-type")
_DERIVED = (ERROR, "invalid", "search-parameter-derived")
_CODE = (WARNING, "code-invalid", "value-set-code")
_LONGEST = 20_000


def structure_definition_rules(o: Json, c: Context) -> Found:
    """Constraints can be read; the differential can be laid over the base (where the base is known)."""
    found: Found = None
    for view in ("snapshot", "differential"):
        for number, element in enumerate((o.get(view) or {}).get("element") or ()):
            for place, constraint in enumerate(element.get("constraint") or ()):
                expression = constraint.get("expression")
                if expression is not None:
                    found = _readable(found, f".{view}.element[{number}].constraint[{place}].expression", expression)
    if o.get("derivation") == "constraint" and o.get("differential") and c.profiles.definition(o["baseDefinition"]):
        try:
            c.profiles.snapshot(o)
        except Problem as wrong:
            found = note(found, ".differential", _PROFILE, str(wrong))
    return found


def search_parameter_rules(o: Json, c: Context) -> Found:  # noqa: ARG001 - all rules are called alike
    """The expression can be read; what is derived has the type and bases of what it is derived from."""
    found: Found = None
    if (expression := o.get("expression")) is not None:
        found = _readable(found, ".expression", expression)
    origin = load().search_parameter_by_url((o.get("derivedFrom") or "").partition("|")[0])
    if origin is None:
        return found
    if o.get("type") != origin.type:
        found = note(found, ".type", _DERIVED, f"What this is derived from is of type {origin.type}.", origin.type)
    if not set(o.get("base") or ()) <= set(origin.base) and "Resource" not in origin.base:
        listed = ", ".join(origin.base)
        found = note(found, ".base", _DERIVED, f"What this is derived from is for {listed}.", listed)
    return found


def capability_statement_rules(o: Json, c: Context) -> Found:  # noqa: ARG001 - all rules are called alike
    """Search parameters of the norm are of the type that the norm gives them."""
    found: Found = None
    for side, rest in enumerate(o.get("rest") or ()):
        for number, resource in enumerate(rest.get("resource") or ()):
            for place, parameter in enumerate(resource.get("searchParam") or ()):
                known = load().search_parameter_by_url((parameter.get("definition") or "").partition("|")[0])
                if known is not None and parameter.get("type") != known.type:
                    step = f".rest[{side}].resource[{number}].searchParam[{place}].type"
                    found = note(found, step, _PARAMETER, f"This search parameter is of type {known.type}.", known.type)
    return found


def value_set_rules(o: Json, c: Context) -> Found:  # noqa: ARG001 - all rules are called alike
    """Codes that are listed are codes of their systems, where those are known."""
    found: Found = None
    for sign in ("include", "exclude"):
        for number, part in enumerate((o.get("compose") or {}).get(sign) or ()):
            system = part.get("system")
            if system is None or "version" in part:
                continue
            for place, concept in enumerate(part.get("concept") or ()):
                verdict = code_in_system(system, concept.get("code") or "")
                if verdict.known and not verdict.ok:
                    step = f".compose.{sign}[{number}].concept[{place}].code"
                    found = note(found, step, _CODE, f"The code is not in {system}.", f"a code of {system}")
    return found


def _readable(found: Found, step: str, expression: str) -> Found:
    if len(expression) > _LONGEST:
        return found
    try:
        compile_path(expression)
    except Invalid as wrong:
        return note(found, step, _EXPRESSION, f"This is no FHIRPath: {wrong}", "an expression in FHIRPath")
    return found


RULES: dict[str, Callable[[Json, Context], Found]] = {
    "Bundle": bundle_rules,
    "CapabilityStatement": capability_statement_rules,
    "SearchParameter": search_parameter_rules,
    "StructureDefinition": structure_definition_rules,
    "ValueSet": value_set_rules,
}
