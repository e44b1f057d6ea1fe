"""Profiles compiled, each when it is first named, and kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from jiankang.fhir.definitions import load
from jiankang.fhir.path import compile_path
from jiankang.fhir.path.values import ANY_RESOURCE, Node, ancestors, plain_value
from jiankang.fhir.validation.compiled import rules
from jiankang.fhir.validation.findings import ERROR, INFORMATION, WARNING, Found, note, under
from jiankang.fhir.validation.invariants import SPECIALISED, Invariant, invariant
from jiankang.fhir.validation.profiles.elements import ElementCompiler
from jiankang.fhir.validation.profiles.packages import NormPackage, Packages
from jiankang.fhir.validation.profiles.snapshot import flat, laid_over
from jiankang.fhir.validation.profiles.tree import NORM, Json, ProfileError, plain_name, tree
from jiankang.fhir.validation.profiles.tree import Node as Described
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jiankang.fhir.definitions import Definitions
    from jiankang.fhir.validation.context import Context
    from jiankang.fhir.validation.extensions import Place

_NOT_KNOWN = (WARNING, "not-found", "profile-unknown")
_NOT_USABLE = (ERROR, "invalid", "profile-unusable")
_OTHER_TYPE = (ERROR, "invalid", "profile-other-type")
_OF_TYPE = (ERROR, "structure", "profile-of-type")
_TARGET = (ERROR, "structure", "profile-target")
_ABSTRACT = frozenset({"http://hl7.org/fhir/StructureDefinition/Element"})
MAX_NESTING = 30
_MAX_KEPT = 10_000
# HL7's editors put these on their own definitions wherever they like.
_EDITORIAL = NORM + "structuredefinition-"
_VITAL_SIGNS = {
    "85353-1": "vitalspanel", "9279-1": "resprate", "8867-4": "heartrate", "59408-5": "oxygensat", "2708-6": "oxygensat",
    "8310-5": "bodytemp", "8302-2": "bodyheight", "9843-4": "headcircum", "29463-7": "bodyweight", "39156-5": "bmi",
    "85354-9": "bp",
}  # fmt: skip


class Profile:
    """A profile or extension definition, ready to check what claims to conform to it."""

    def __init__(self, definition: Json, root: Described, book: ProfileBook, definitions: Definitions) -> None:
        self.url: str = definition["url"]
        self.type: str = definition["type"]
        self.definition = definition
        self.root = root
        self.is_modifier = bool(root.definition.get("isModifier"))
        self._compiler = ElementCompiler(book, definitions, root)
        self._definitions = definitions
        self._check: Callable[[Found, Json, Context], Found] | None = None
        self._invariants: list[Invariant] = []
        self._contexts = frozenset(
            each["expression"] for each in definition.get("context") or () if each["type"] in ("element", "extension")
        )
        self._wider = any(each["type"] == "fhirpath" for each in definition.get("context") or ())

    def prepare(self) -> None:
        """Compile it. Raises what a definition raises that is none."""
        self._check = self._compiler.holder(self.root, self.type)
        own = self._definitions.types.get(self.type)
        known = set(SPECIALISED) | {each.key for each in own.constraints} if own else set(SPECIALISED)
        from jiankang.fhir.definitions import Constraint

        self._invariants = [
            invariant(
                Constraint(e["key"], e.get("severity", "error"), e.get("human", e["key"]), e["expression"]), self.type
            )
            for e in self.root.definition.get("constraint") or ()
            if e["key"] not in known and e.get("expression")
        ]

    def check(self, o: Json, context: Context) -> Found:
        """What the profile has to say of an object of its type, beyond the norm."""
        found: Found = None
        for each in self._invariants:
            found = each.run(found, o, context)
        return found if self._check is None else self._check(found, o, context)

    def wrong_place(self, place: Place, context: Context) -> str | None:  # noqa: ARG002 - for contexts in FHIRPath
        """Where the extension may stand, if that is not here (http://hl7.org/fhir/R4/defining-extensions.html#context)."""
        if self._wider or not self._contexts or self._contexts & place.names:
            return None
        if self.url.startswith(_EDITORIAL) or self.url == NORM + "regex":
            return None
        return f"it belongs to {', '.join(sorted(self._contexts)[:8])}"

    def broken_context_rules(self, extension: Json, holder: Json, place: Place, context: Context) -> list[str]:
        """Conditions on the element around the extension that are not true for it (contextInvariant)."""
        broken = []
        for text in self.definition.get("contextInvariant") or ():
            try:
                path = compile_path(text, type_name=place.type_name)
                found = path.evaluate(
                    context.resource, context=holder, variables={"extension": Node(extension, "Extension")}
                )
            except Invalid:
                continue
            if [plain_value(each) for each in found] == [False]:
                broken.append(text)
        return broken

    def must_support(self) -> list[str]:
        """Ids of the elements that a system must support (http://hl7.org/fhir/R4/profiling.html#mustsupport)."""
        return [each["id"] for each in flat(self.root) if each.get("mustSupport")]


class ProfileBook:
    """Compiled profiles by canonical URL, over packages and the norm."""

    def __init__(self, packages: Packages | None = None, *, vital_signs: bool = False) -> None:
        self._vital_signs = vital_signs
        self._layers: list[Packages] = [each for each in (packages, NormPackage()) if each is not None]
        self._definitions = load()
        self._ready: dict[str, Profile | ProfileError | None] = {}
        self._making: set[str] = set()
        self._lock = threading.RLock()
        self._rules = rules().namespace

    # ---- definitions

    def definition(self, canonical: str) -> Json | None:
        """The StructureDefinition of a canonical URL, perhaps with |version."""
        url, _, version = canonical.partition("|")
        for layer in self._layers:
            found = layer.structure(url, version or None)
            if found is not None:
                return found
        return None

    def elements(self, canonical: str) -> list[Json] | None:
        """The snapshot of a definition, made where it has none; None when the definition is not known."""
        definition = self.definition(canonical)
        if definition is None:
            return None
        listed = (definition.get("snapshot") or {}).get("element")
        return list(listed) if listed else flat(self._tree(definition))

    def snapshot(self, definition: Json) -> Json:
        """The definition with its snapshot made anew from base and differential. Raises ProfileError.

        http://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html
        """
        bare = {name: value for name, value in definition.items() if name != "snapshot"}
        with self._lock:
            return {**bare, "snapshot": {"element": flat(self._tree(bare))}}

    def _tree(self, definition: Json) -> Described:
        listed = (definition.get("snapshot") or {}).get("element")
        if listed:
            return tree(listed)
        url, base = definition.get("url", ""), definition.get("baseDefinition")
        if not base:
            raise ProfileError(f"{url} has neither a snapshot nor a base.")
        if url in self._making or len(self._making) > MAX_NESTING:
            raise ProfileError(f"{url} is its own base, by {', '.join(sorted(self._making))}.")
        self._making.add(url)
        try:
            below = self.elements(base)
            if below is None:
                raise ProfileError(f"{url} leans on {base}, which is not known.")
            return laid_over(below, (definition.get("differential") or {}).get("element") or [], self.elements)
        finally:
            self._making.discard(url)

    def profile(self, canonical: str) -> Profile | None:
        """The compiled profile, None when it is not known. Raises ProfileError for one that makes no sense."""
        try:
            found = self._ready[canonical]
        except KeyError:
            found = self._keep(canonical)
        if isinstance(found, ProfileError):
            raise found
        return found

    def _keep(self, canonical: str) -> Profile | ProfileError | None:
        with self._lock:
            if len(self._ready) >= _MAX_KEPT:  # names that nobody knows cost memory, too
                self._ready = {name: made for name, made in self._ready.items() if made is not None}
            found = self._ready[canonical] = self._make(canonical)
            return found

    def _make(self, canonical: str) -> Profile | ProfileError | None:
        definition = self.definition(canonical)
        if definition is None:
            return None
        try:
            made = Profile(definition, self._tree(definition), self, self._definitions)
            made.prepare()
            return made
        except ProfileError as error:
            return error
        except (Invalid, KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
            return ProfileError(f"{canonical} cannot be used: {type(error).__name__} in its elements.")

    def extension(self, url: str) -> Profile | None:
        """The definition of an extension; None when it is not known, or cannot be used."""
        try:
            found = self.profile(url)
        except ProfileError:
            return None
        return found if found is not None and found.type == "Extension" else None

    def type_of(self, canonical: str) -> str | None:
        """The type that a profile is about."""
        plain = plain_name(canonical)
        if plain in self._definitions.types:
            return plain
        definition = self.definition(canonical)
        return None if definition is None else definition.get("type")

    # ---- checks

    def extension_rules(self, extension: Json, context: Context) -> Found:
        """What the norm says of any extension."""
        found: Found = self._rules["rules_Extension"](extension, context)
        return found

    def wants(self, resource: Json) -> bool:
        """Whether the resource claims to conform to profiles, or is of a kind that has to."""
        meta = resource.get("meta")
        if meta.__class__ is dict and "profile" in meta:
            return True
        return self._vital_signs and resource.get("resourceType") == "Observation"

    def resource_rules(self, found: Found, o: Json, context: Context, more: Sequence[str] = ()) -> Found:
        """What the profiles say that a resource claims, and `more`."""
        meta = o.get("meta")
        claimed = meta.get("profile") if isinstance(meta, dict) else None
        if self._vital_signs and o.get("resourceType") == "Observation":
            more = (*more, *vital_signs_of(o))
        for number, url in enumerate(claimed if isinstance(claimed, list) else ()):
            if isinstance(url, str) and url not in more:
                found = self._whole(found, f".meta.profile[{number}]", url, o, context)
        for url in more:
            found = self._whole(found, "", url, o, context)
        return found

    def _whole(self, found: Found, step: str, url: str, o: Json, context: Context) -> Found:
        try:
            profile = self.profile(url)
        except ProfileError as error:
            return note(found, step, _NOT_USABLE, f"The profile {url} cannot be used: {error}")
        if profile is None:
            return note(found, step, _NOT_KNOWN, f"The profile {url} is not known here, so it was not checked.", url)
        name = o.get("resourceType")
        if profile.type != name and profile.type not in ancestors(str(name)):
            return note(found, step, _OTHER_TYPE, f"The profile {url} is about {profile.type}.", profile.type)
        try:
            inner = profile.check(o, context)
        except ProfileError as error:
            return note(found, step, _NOT_USABLE, f"The profile {url} cannot be used: {error}")
        except (AttributeError, TypeError, KeyError, ValueError, IndexError) as error:
            if context.tolerant:
                return found  # the shape is so wrong that it was told already
            text = f"The profile {url} could not be checked: {type(error).__name__} in its elements."
            return note(found, step, _NOT_USABLE, text)
        return found if inner is None else under(found, "", inner)

    def conforms(self, value: Json, url: str, context: Context) -> bool:
        """Whether an object conforms to a profile, by what can be known."""
        return not _has_errors(self._against(value, url, context))

    def _against(self, value: Json, url: str, context: Context) -> Found:
        """What a profile, or a type named like one, has against an object; nothing where it is not known."""
        plain, own = plain_name(url), value.get("resourceType")
        if plain in self._definitions.types:
            fits = own is None or plain in ancestors(own) or plain in ANY_RESOURCE
            return None if fits else note(None, "", _OF_TYPE, f"This is a {own}, not a {plain}.", plain)
        profile = self.profile(url)
        if profile is None:
            return note(None, "", (INFORMATION, *_NOT_KNOWN[1:]), f"The profile {url} is not known here.", url)
        if own is not None and profile.type != own and profile.type not in ANY_RESOURCE:
            return note(None, "", _OF_TYPE, f"This is a {own}, the profile is about {profile.type}.", profile.type)
        key = (id(value), url)
        if key in context.verdicts:  # while it is under way (profiles and references may go in circles): nothing yet
            known: Found = context.verdicts[key]
            return known
        context.verdicts[key] = None
        before = context.resource
        if own is not None:
            context.resource = value
        try:
            found = profile.check(value, context)
            context.verdicts[key] = found
            return found
        finally:
            context.resource = before

    def conforms_to_one(self, value: Json, type_name: str, urls: tuple[str, ...], context: Context) -> Found:
        """Nothing when the value conforms to one of the profiles; else what the only one has against it."""
        del type_name
        answers = []
        for url in urls:
            found = self._against(value, url, context)
            if not _has_errors(found):
                return found
            answers.append(found)
        if len(answers) == 1:
            return answers[0]
        return note(None, "", _OF_TYPE, f"This conforms to none of {', '.join(urls)}.", ", ".join(urls))

    def points_to_one(self, text: str, urls: list[str], context: Context, named: str | None) -> Found:
        """Whether a reference points to one of the types, and, where what it names is here, to one of the profiles."""
        there = context.resolver(text)
        if there is not None:
            named = there.get("resourceType")
        if named is None:
            return None
        fitting = [url for url in urls if self.type_of(url) in (None, named)]
        if not fitting:
            listed = ", ".join(sorted({str(self.type_of(url)) for url in urls}))
            return note(None, "", _TARGET, f"This points to a {named}; the profile takes {listed}.", listed)
        profiled = [url for url in fitting if plain_name(url) not in self._definitions.types]
        if there is None or len(profiled) < len(fitting):
            return None
        if any(self.conforms(there, url, context) for url in profiled):
            return None
        return note(
            None, "", _TARGET, f"What this points to conforms to none of {', '.join(profiled)}.", ", ".join(profiled)
        )


def vital_signs_of(observation: Json) -> tuple[str, ...]:
    """The profiles that an observation of a vital sign has to conform to, by its LOINC codes.

    http://hl7.org/fhir/R4/observation-vitalsigns.html
    """
    code = observation.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    found = {
        _VITAL_SIGNS.get(each["code"])
        for each in (codings if isinstance(codings, list) else ())
        if isinstance(each, dict) and each.get("system") == "http://loinc.org" and isinstance(each.get("code"), str)
    }
    return tuple(NORM + each for each in sorted(found - {None}, key=str) if each)


def _has_errors(found: Found) -> bool:
    return found is not None and any(each[1] == ERROR for each in found)


__all__ = ["Invalid", "Profile", "ProfileBook", "compile_path"]
