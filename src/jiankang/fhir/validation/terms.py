"""Codes: who knows them, and what the norm's own packages know without asking anybody.

http://hl7.org/fhir/R4/terminologies.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from jiankang.fhir.definitions import load
from jiankang.fhir.definitions.composing import Composer, concepts, expansion
from jiankang.fhir.search import ucum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jiankang.fhir.definitions import CodeSystemCodes

VALUE_SETS = "http://hl7.org/fhir/ValueSet/"
Json = dict[str, Any]
_MAX_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a terminology says of a code. `known` is False where it cannot tell: system or set are not there.

    `pending` is what it could tell later; anything else a Validator may go by as long as it lives.
    """

    ok: bool
    known: bool = True
    display: str | None = None
    message: str = ""
    pending: bool = False


class Terminology(Protocol):
    """Who knows codes besides the norm's packages: the record's terminology room, or a test's table."""

    def validate_code(
        self, system: str | None, code: str, value_set: str | None = None, display: str | None = None
    ) -> Verdict:
        """Whether `code` of `system` is in `value_set` (canonical, perhaps with |version), or, without one, exists at all.

        http://hl7.org/fhir/R4/valueset-operation-validate-code.html
        """


class PackageTerminology:
    """What the norm's own packages say: code systems that are published whole, value sets that can be counted up."""

    def validate_code(
        self, system: str | None, code: str, value_set: str | None = None, display: str | None = None
    ) -> Verdict:
        """Whether the code is in the set, or in its system."""
        if value_set is not None:
            member = membership(value_set.partition("|")[0])
            if member is None:
                return Verdict(ok=False, known=False, message="the value set is not known here")
            return Verdict(member(system, code))
        return code_in_system(system or "", code, display)


PACKAGES = PackageTerminology()


class ListedTerminology:
    """What ValueSets and CodeSystems say that are held in memory, where their codes can be counted up."""

    def __init__(self, value_sets: Iterable[Json] = (), code_systems: Iterable[Json] = ()) -> None:
        published = {each["url"]: each for each in value_sets}
        self._systems = {
            each["url"]: {concept["code"]: concept.get("display", "") for concept in concepts(each.get("concept", ()))}
            for each in code_systems
            if each.get("content") == "complete"
        }
        self._composer = Composer(published, self._systems, {url: expansion(each) for url, each in published.items()})

    def validate_code(
        self, system: str | None, code: str, value_set: str | None = None, display: str | None = None
    ) -> Verdict:
        """Whether the code is in the set, or in its system."""
        if value_set is None:
            listed = self._systems.get(system or "")
            if listed is None:
                return Verdict(ok=False, known=False)
            own = listed.get(code)
            differs = display is not None and own and _folded(display) != _folded(own)
            return Verdict(own is not None, display=own if differs else None, message="is not a code of its system")
        codes = self._composer.codes(value_set.partition("|")[0])
        if codes is None:
            return Verdict(ok=False, known=False, message="the value set is not known here")
        inside = any(code in listed for listed in codes.values()) if system is None else code in codes.get(system, {})
        return Verdict(inside)


# ---- code systems


@lru_cache(maxsize=2048)
def _system(url: str) -> CodeSystemCodes | None:
    return load().code_system(url)


@lru_cache(maxsize=_MAX_KEPT)
def code_in_system(system: str, code: str, display: str | None = None) -> Verdict:
    """Whether a code system has the code, and calls it so; `known` is False where its codes are not all here."""
    if system == ucum.SYSTEM:
        return Verdict(ucum.is_valid(code), message="is not a UCUM code")
    if system == "urn:ietf:bcp:47":
        return Verdict(is_language(code), message="is not a language tag of BCP 47")
    if system == "urn:ietf:bcp:13":
        return Verdict(is_mime_type(code), message="is not a media type of BCP 13")
    found = _system(system)
    if found is None:
        return Verdict(ok=False, known=False)
    own = found.displays.get(code)
    if own is None and not found.case_sensitive:
        own = next((text for each, text in found.displays.items() if each.lower() == code.lower()), None)
    if own is None:
        return Verdict(ok=False, known=found.content == "complete", message="is not a code of its system")
    if display is not None and own and _folded(display) != _folded(own):
        return Verdict(ok=True, display=own)
    return Verdict(ok=True)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


# ---- value sets


@lru_cache(maxsize=2048)
def codes_of(value_set: str) -> frozenset[str] | None:
    """The codes of a value set for an element that says no system; None when they cannot be counted up."""
    by_system = load().value_set(value_set)
    return None if by_system is None else frozenset().union(*by_system.values())


@lru_cache(maxsize=2048)
def pairs_of(value_set: str) -> frozenset[tuple[str, str]] | None:
    """System and code of each member of a value set; None when they cannot be counted up."""
    by_system = load().value_set(value_set)
    return None if by_system is None else frozenset((s, code) for s, codes in by_system.items() for code in codes)


@lru_cache(maxsize=2048)
def membership(value_set: str) -> Callable[[str | None, str], bool] | None:
    """A test for membership in a set of the norm; None when it can only be made by a terminology."""
    if (grammar := GRAMMARS.get(value_set)) is not None:
        home, is_right = grammar
        return lambda system, code: system in (None, home) and is_right(code)
    codes, pairs = codes_of(value_set), pairs_of(value_set)
    if codes is None or pairs is None:
        return None
    return lambda system, code: code in codes if system is None else (system, code) in pairs


_LANGUAGE = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?"
    r"|x(?:-[a-z0-9]{1,8})+|i-[a-z]+",
    re.IGNORECASE,
)
_TOKEN = r"[A-Za-z0-9!#$&^_.+\-]{1,127}"  # noqa: S105 - a token of RFC 6838, no secret
_MIME = re.compile(rf"{_TOKEN}/{_TOKEN}(?:\s*;\s*{_TOKEN}=(?:\"[^\"]*\"|[^;\"]+))*")
_SHORT_FORMATS = frozenset({"xml", "json", "ttl", "html"})


@lru_cache(maxsize=2048)
def is_language(code: str) -> bool:
    """Whether the text is a language tag (https://www.rfc-editor.org/info/bcp47)."""
    return len(code) <= 100 and _LANGUAGE.fullmatch(code) is not None


@lru_cache(maxsize=2048)
def is_mime_type(code: str) -> bool:
    """Whether the text is a media type (https://www.rfc-editor.org/info/bcp13), or one of FHIR's short names."""
    return len(code) <= 500 and (_MIME.fullmatch(code) is not None or code in _SHORT_FORMATS)


GRAMMARS: dict[str, tuple[str, Callable[[str], bool]]] = {
    VALUE_SETS + "mimetypes": ("urn:ietf:bcp:13", is_mime_type),
    "http://www.rfc-editor.org/bcp/bcp13.txt": ("urn:ietf:bcp:13", is_mime_type),
    VALUE_SETS + "all-languages": ("urn:ietf:bcp:47", is_language),
    VALUE_SETS + "ucum-units": (ucum.SYSTEM, ucum.is_valid),
    VALUE_SETS + "all-time-units": (ucum.SYSTEM, lambda code: ucum.is_valid(code) and _dimension(code) == "s"),
    VALUE_SETS + "all-distance-units": (ucum.SYSTEM, lambda code: ucum.is_valid(code) and _dimension(code) == "m"),
}


def _dimension(code: str) -> str:
    known = ucum.canonical(code)
    return "" if known is None else known.unit
