"""Validates resources: shape, rules, codes, extensions, profiles."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jiankang.fhir import structure
from jiankang.fhir.validation.bundles import Neighbours
from jiankang.fhir.validation.compiled import rules
from jiankang.fhir.validation.context import Context
from jiankang.fhir.validation.findings import ERROR, INFORMATION, MAX_PROBLEMS, Finding, findings, kind_of, value_at
from jiankang.fhir.validation.profiles import ProfileBook
from jiankang.fhir.validation.terms import PACKAGES, Terminology

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jiankang.fhir.validation.profiles import Packages

Json = dict[str, Any]


class Validator:
    """Validates against the norm, and against the profiles of `packages`. It may be shared by threads.

    `terminology` is asked for codes that the norm's own packages do not hold. `vital_signs` holds observations with the
    LOINC codes of vital signs to the norm's profiles for them (http://hl7.org/fhir/R4/observation-vitalsigns.html). `unknown_extensions` is the severity
    of an extension that nobody here defines; one of the norm's own namespace, or a modifier, is at least a warning.
    """

    def __init__(
        self,
        packages: Packages | None = None,
        terminology: Terminology | None = None,
        *,
        vital_signs: bool = False,
        unknown_extensions: str = INFORMATION,
    ) -> None:
        self._unknown_extensions = unknown_extensions
        self.profiles = ProfileBook(packages, vital_signs=vital_signs)
        self._terminology = terminology or PACKAGES
        self._good_codings: set[tuple[Any, Any, Any]] = set()

    def asking(self, terminology: Terminology) -> Validator:
        """The same with another terminology, compiled profiles kept."""
        made = Validator(terminology=terminology, unknown_extensions=self._unknown_extensions)
        made.profiles = self.profiles
        return made

    def validate(
        self,
        resource: object,
        *,
        profiles: Sequence[str] = (),
        best_practice: bool = False,
        resolve: Callable[[str], Json | None] | None = None,
        expected_type: str | None = None,
        shaped: bool = False,
    ) -> list[Finding]:
        """All that is to be said of a resource: errors, warnings, information; [] when all is well.

        `profiles` are canonical URLs besides those of `meta.profile`. `resolve` gives the resource that a reference
        names, or None. `best_practice` asks for the norm's advice, too. `shaped` says that its structure was checked
        already and is right.
        """
        shape = [] if shaped else structure.check(resource, expected_type=expected_type)
        told = [_as_finding(issue, resource) for issue in shape]
        if not isinstance(resource, dict) or any("nested too deep" in issue.text for issue in shape):
            return told
        context = Context(
            resource,
            terminology=self._terminology,
            best_practice=best_practice,
            resolve=resolve,
            profiles=self.profiles,
            good_codings=self._good_codings,
            unknown_extensions=self._unknown_extensions,
            tolerant=bool(shape),
        )
        context.enter(resource)
        if resource.get("resourceType") == "Bundle":
            context.neighbours = _neighbours(resource)
        try:
            found = rules(tolerant=bool(shape)).resource(resource, context)
            if profiles or self.profiles.wants(resource):
                found = self.profiles.resource_rules(found, resource, context, profiles)
        except RecursionError:
            place = (str(resource.get("resourceType")),)
            text = "This is nested too deep to be validated."
            return [*told, Finding("too-costly", text, place, message_id="too-deep")]
        if found is not None:
            told += findings(resource, str(resource.get("resourceType")), found)
            if len(found) >= MAX_PROBLEMS:
                text = f"There are more problems; these are the first {MAX_PROBLEMS}."
                severity = ERROR if len(found) >= 2 * MAX_PROBLEMS else INFORMATION
                place = (str(resource.get("resourceType")),)
                told.append(Finding("too-long", text, place, severity, message_id="too-many"))
        if context.unchecked:
            told += [_unchecked(resource, url, strength) for url, strength in context.unchecked.items()]
        return told


def validate(
    resource: object,
    *,
    profiles: Sequence[str] = (),
    terminology: Terminology | None = None,
    best_practice: bool = False,
    resolve: Callable[[str], Json | None] | None = None,
    packages: Packages | None = None,
    expected_type: str | None = None,
) -> list[Finding]:
    """All that is to be said of a resource by the norm, by its profiles, and by `profiles`.

    For many resources keep a `Validator`, which keeps compiled profiles. http://hl7.org/fhir/R4/validation.html
    """
    validator = _plain() if packages is None and terminology is None else Validator(packages, terminology)
    return validator.validate(
        resource, profiles=profiles, best_practice=best_practice, resolve=resolve, expected_type=expected_type
    )


@cache
def _plain() -> Validator:
    return Validator()


def _neighbours(bundle: Json) -> Neighbours | None:
    entries = bundle.get("entry")
    return Neighbours(bundle) if entries is None or isinstance(entries, list) else None


def _as_finding(issue: Any, resource: Any) -> Finding:
    place = issue.expression[0] if issue.expression else ""
    kind = kind_of(value_at(resource, "." + place.partition(".")[2]) if "." in place else resource)
    return Finding(issue.code, issue.text, issue.expression, issue.severity, f"shape-{issue.code}", "", kind)


def _unchecked(resource: Json, url: str, strength: str) -> Finding:
    text = f"Codes bound to {url} ({strength}) were not checked: its codes are not known here."
    return Finding("not-supported", text, (str(resource.get("resourceType")),), INFORMATION, "binding-not-checked", url)
