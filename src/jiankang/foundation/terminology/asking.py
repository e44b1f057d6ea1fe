"""Questions about one code: what it means, whether it is valid, how it stands to another.

http://hl7.org/fhir/R4/codesystem-operations.html, http://hl7.org/fhir/R4/valueset-operation-validate-code.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.composing import Members, Versions
from jiankang.foundation.terminology.grammars import Grammar
from jiankang.foundation.terminology.model import Coding, Concept, System, UnknownSystem, same_text, speaks
from jiankang.kernel.errors import Invalid, NotFound

if TYPE_CHECKING:
    from jiankang.foundation.terminology.codes import AnySystem, Codes

Parameter = dict[str, Any]
_ALWAYS = frozenset({"name", "version", "display"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether codes are valid, what is wrong, and the code that was found."""

    result: bool
    messages: tuple[str, ...] = ()
    display: str | None = None
    system: AnySystem | None = None
    concept: Concept | None = None
    coding: Coding | None = None


def parameters(items: Sequence[Parameter]) -> dict[str, Any]:
    """A Parameters resource (http://hl7.org/fhir/R4/parameters.html)."""
    return {"resourceType": "Parameters", "parameter": list(items)}


async def with_supplements(
    codes: Codes, system: System, concept: Concept
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Designations and properties of a concept, those of supplements included."""
    designations, properties = list(concept.designations), list(concept.properties)
    for supplement in await codes.supplements(system):
        more = await codes.concept(supplement, concept.code)
        if more is not None:
            designations += more.designations
            properties += more.properties
    return designations, properties


def shown_display(
    concept: Concept, system: AnySystem, designations: Sequence[dict[str, Any]], language: str | None
) -> str:
    """The display in `language` where there is one, else the system's own."""
    if language is None or speaks(system.language, language):
        return concept.display
    found = [each for each in designations if speaks(each.get("language"), language)]
    if not found:
        return concept.display
    preferred = next(
        (each for each in found if each.get("use", {}).get("code") in {"display", "preferredForLanguage"}), found[0]
    )
    return str(preferred.get("value", concept.display))


# ---- $lookup


async def lookup(
    codes: Codes, coding: Coding, *, language: str | None = None, wanted: Sequence[str] = ()
) -> dict[str, Any]:  # fmt: skip
    """What a code means: name and version of its system, display, designations and properties.

    Raises NotFound for an unknown system or code. http://hl7.org/fhir/R4/codesystem-operation-lookup.html
    """
    system = await codes.system(coding.system, coding.version)
    concept = await codes.concept(system, coding.code)
    if concept is None:
        raise NotFound(f"the code {coding.code[:100]!r} is not in {system.canonical}", code="not-found")
    designations: list[dict[str, Any]] = []
    properties: list[dict[str, Any]] = []
    if isinstance(system, System):
        designations, properties = await with_supplements(codes, system, concept)
    name = (
        system.name
        if isinstance(system, Grammar)
        else system.header.get("title") or system.header.get("name") or system.url
    )
    out: list[Parameter] = [{"name": "name", "valueString": name}]
    if system.version:
        out.append({"name": "version", "valueString": system.version})
    out.append(
        {"name": "display", "valueString": shown_display(concept, system, designations, language) or concept.code}
    )
    if "abstract" in wanted or concept.abstract:
        out.append({"name": "abstract", "valueBoolean": concept.abstract})
    asked = set(wanted) - _ALWAYS
    everything = not asked or "*" in asked
    if everything or "designation" in asked or any(each.startswith("lang.") for each in asked):
        out += [_designation(each) for each in _spoken(designations, asked)]
    if isinstance(system, System):
        out += await _properties(codes, system, concept, properties, asked, everything=everything)
    return parameters(out)


def _spoken(designations: list[dict[str, Any]], asked: set[str]) -> list[dict[str, Any]]:
    languages = [each[5:] for each in asked if each.startswith("lang.")]
    if not languages:
        return designations
    return [each for each in designations if any(speaks(each.get("language"), language) for language in languages)]


def _designation(each: dict[str, Any]) -> Parameter:
    part: list[Parameter] = []
    if each.get("language"):
        part.append({"name": "language", "valueCode": each["language"]})
    if each.get("use"):
        part.append({"name": "use", "valueCoding": each["use"]})
    part.append({"name": "value", "valueString": each.get("value", "")})
    return {"name": "designation", "part": part}


async def _properties(
    codes: Codes, system: System, concept: Concept, properties: list[dict[str, Any]], asked: set[str], *, everything: bool
) -> list[Parameter]:  # fmt: skip
    out: list[Parameter] = []
    definition = concept.more.get("definition")
    if definition and (everything or "definition" in asked):
        out.append(_property("definition", {"valueString": definition}))
    if concept.inactive or "inactive" in asked:
        out.append(_property("inactive", {"valueBoolean": concept.inactive}))
    for each in properties:
        name = each.get("code", "")
        if name in {"parent", "child", "inactive"} or not (everything or name in asked):
            continue
        out.append(_property(name, {key: value for key, value in each.items() if key.startswith("value")}))
    if concept.parents and (everything or "parent" in asked):
        above = await codes.at(system, concept.parents)
        out += [_property("parent", {"valueCode": each.code}, each.display) for each in above]
    if everything or "child" in asked:
        below = await codes.children(system, concept)
        out += [_property("child", {"valueCode": each.code}, each.display) for each in below]
    return out


def _property(name: str, value: dict[str, Any], description: str = "") -> Parameter:
    part: list[Parameter] = [{"name": "code", "valueCode": name}, {"name": "value", **value}]
    if description:
        part.append({"name": "description", "valueString": description})
    return {"name": "property", "part": part}


# ---- $validate-code


async def validate_in_system(
    codes: Codes, coding: Coding, *, language: str | None = None, abstract: bool = True
) -> Verdict:  # fmt: skip
    """Whether a code is one of its system, and its display one of the code's."""
    if not coding.system:
        return Verdict(False, ("no code system is named, so nobody can say what the code means",), coding=coding)
    try:
        system = await codes.system(coding.system, coding.version)
    except UnknownSystem as unknown:
        return Verdict(False, (f"{str(unknown)[0].upper()}{str(unknown)[1:]}",), coding=coding)
    if system.content == "not-present":
        return Verdict(False, (f"The codes of {system.url} are not loaded here.",), system=system, coding=coding)
    concept = await codes.concept(system, coding.code)
    if concept is None:
        partial = " (only a part of the system is here)" if system.content in {"fragment", "example"} else ""
        return Verdict(
            False,
            (f"The code {coding.code[:100]!r} is not in {system.canonical}{partial}.",),
            system=system,
            coding=coding,
        )
    return await judged(codes, coding, system, concept, None, language=language, abstract=abstract)


async def judged(
    codes: Codes, coding: Coding, system: AnySystem, concept: Concept, said: dict[str, Any] | None, *,
    language: str | None, abstract: bool,
) -> Verdict:  # fmt: skip
    """A code that exists: is its display right, is it abstract, is it inactive? `said` is what a value set says of it."""
    designations = list((said or {}).get("designation", []))
    if isinstance(system, System):
        designations += (await with_supplements(codes, system, concept))[0]
    display = shown_display(concept, system, designations, language) or (said or {}).get("display") or concept.code
    messages: list[str] = []
    result = True
    if concept.abstract and not abstract:
        result = False
        messages.append(f"The code {concept.code[:100]!r} groups others and may not be chosen itself.")
    if concept.inactive:
        messages.append(f"The code {concept.code[:100]!r} is inactive.")
    if coding.display is not None:
        names = [
            concept.display,
            display,
            (said or {}).get("display", ""),
            *(each.get("value", "") for each in designations),
        ]
        if not any(same_text(coding.display, name) for name in names if name):
            result = False
            messages.append(f"The display {coding.display[:200]!r} is not one of the code; it is called {display!r}.")
    return Verdict(result, tuple(messages), display, system, concept, coding)


async def validate_in_value_set(
    codes: Codes, value_set: dict[str, Any], coding: Coding, *, versions: Versions | None = None,
    language: str | None = None, abstract: bool = True, infer: bool = False,
) -> Verdict:  # fmt: skip
    """Whether the value set holds the code. With `infer`, a code without a system takes that of the value set."""
    members = Members(codes, versions or Versions())
    if not coding.system and infer:
        coding = Coding(await _inferred(codes, value_set, coding.code), coding.code, coding.version, coding.display)
    name = _named(value_set)
    if not coding.system:
        return Verdict(
            False, (f"The code {coding.code[:100]!r} has no system and is not in {name} by itself.",), coding=coding
        )
    held = await members.holds(value_set, coding.system, coding.code, coding.version)
    if not held:
        return await _not_held(codes, members, coding, name)
    said = _said(value_set, coding)
    try:
        system = await codes.system(
            coding.system, members.versions.of(coding.system, coding.version or _pinned(value_set, coding))
        )
        concept = None if system.content == "not-present" else await codes.concept(system, coding.code)
    except UnknownSystem:
        return _listed_only(coding, said, None)
    if concept is None:
        return _listed_only(coding, said, system)
    return await judged(codes, coding, system, concept, said, language=language, abstract=abstract)


async def _inferred(codes: Codes, value_set: dict[str, Any], code: str) -> str:
    """The one system of the value set that has the code; "" when none or several have."""
    found = set()
    for include in value_set.get("compose", {}).get("include", []):
        url = include.get("system")
        if not url:
            continue
        if any(each.get("code") == code for each in include.get("concept", [])):
            found.add(url)
        elif not include.get("concept"):
            verdict = await validate_in_system(codes, Coding(url, code, include.get("version")))
            if verdict.concept is not None:
                found.add(url)
    return found.pop() if len(found) == 1 else ""


def _named(value_set: dict[str, Any]) -> str:
    url = value_set.get("url") or f"ValueSet/{value_set.get('id', '')}"
    return f"the value set {url}|{value_set['version']}" if value_set.get("version") else f"the value set {url}"


async def _not_held(codes: Codes, members: Members, coding: Coding, name: str) -> Verdict:
    if members.unknown:
        texts = [str(each) for each in members.unknown]
        return Verdict(False, tuple(f"{text[0].upper()}{text[1:]}." for text in texts), coding=coding)
    verdict = await validate_in_system(codes, Coding(coding.system, coding.code, coding.version))
    text = f"The code {coding.code[:100]!r} of {coding.system} is not in {name}."
    if verdict.concept is None:
        return Verdict(False, (text, *verdict.messages), system=verdict.system, coding=coding)
    return Verdict(False, (text,), verdict.display, verdict.system, verdict.concept, coding)


def _said(value_set: dict[str, Any], coding: Coding) -> dict[str, Any] | None:
    """What the value set itself says of a code that it lists."""
    for include in value_set.get("compose", {}).get("include", []):
        if include.get("system") == coding.system:
            for each in include.get("concept", []):
                if each.get("code") == coding.code:
                    found: dict[str, Any] = each
                    return found
    return None


def _pinned(value_set: dict[str, Any], coding: Coding) -> str | None:
    includes = value_set.get("compose", {}).get("include", [])
    return next((each.get("version") for each in includes if each.get("system") == coding.system), None)


def _listed_only(coding: Coding, said: dict[str, Any] | None, system: AnySystem | None) -> Verdict:
    """A code that a value set lists while its system is not here: only the list can be gone by."""
    display = (said or {}).get("display")
    names = [display, *(each.get("value") for each in (said or {}).get("designation", []))]
    if coding.display is not None and display and not any(same_text(coding.display, name) for name in names if name):
        message = f"The display {coding.display[:200]!r} is not one of the code; it is called {display!r}."
        return Verdict(False, (message,), display, system, coding=coding)
    return Verdict(True, (), display, system, coding=coding)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be validated: one code, a Coding, or a CodeableConcept of which one code has to be valid."""

    codings: tuple[Coding, ...]
    infer: bool = False
    text: str | None = field(default=None)


def answer(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The Parameters that tell of the best of several verdicts."""
    if not verdicts:
        raise Invalid("there is no code to validate: send code and system, coding or codeableConcept")
    best = next((each for each in verdicts if each.result), None) or verdicts[0]
    messages = (
        best.messages
        if best.result or len(verdicts) == 1
        else tuple(text for each in verdicts for text in each.messages)
    )
    out: list[Parameter] = [{"name": "result", "valueBoolean": best.result}]
    if messages:
        out.append({"name": "message", "valueString": " ".join(messages)})
    if best.display:
        out.append({"name": "display", "valueString": best.display})
    if best.coding is not None:
        out.append({"name": "code", "valueCode": best.coding.code})
        if best.coding.system:
            out.append({"name": "system", "valueUri": best.coding.system})
    if best.system is not None and best.system.version:
        out.append({"name": "version", "valueString": best.system.version})
    if best.concept is not None and best.concept.inactive:
        out.append({"name": "inactive", "valueBoolean": True})
    return parameters(out)


# ---- $subsumes


async def subsumes(codes: Codes, one: Coding, other: Coding) -> str:
    """How the first concept stands to the second: equivalent, subsumes, subsumed-by, not-subsumed.

    Raises NotFound for an unknown system or code, Invalid for codes of two systems.
    http://hl7.org/fhir/R4/codesystem-operation-subsumes.html
    """
    if one.system != other.system:
        raise Invalid("$subsumes compares codes of one code system")
    system = await codes.system(one.system, one.version or other.version)
    a, b = await asyncio.gather(codes.concept(system, one.code), codes.concept(system, other.code))
    if a is None or b is None:
        missing = one.code if a is None else other.code
        raise NotFound(f"the code {missing[:100]!r} is not in {system.canonical}")
    if a.code == b.code or (isinstance(system, System) and a.n == b.n):
        return "equivalent"
    if a.n in b.ancestors:
        return "subsumes"
    return "subsumed-by" if b.n in a.ancestors else "not-subsumed"
