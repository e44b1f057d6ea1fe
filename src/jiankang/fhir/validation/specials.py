"""Rules of single data types that no expression of the norm says, or that code says faster.

Each takes and answers the problems found so far. http://hl7.org/fhir/R4/datatypes.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.fhir.path.narrative import is_safe_narrative
from jiankang.fhir.search import ucum
from jiankang.fhir.structure.primitives import match_oid
from jiankang.fhir.structure.references import target_type
from jiankang.fhir.validation.context import MAX_REMEMBERED
from jiankang.fhir.validation.findings import ERROR, WARNING, Found, note, under
from jiankang.fhir.validation.narrative import explain_narrative
from jiankang.fhir.validation.terms import code_in_system

if TYPE_CHECKING:
    from jiankang.fhir.validation.context import Context

Json = dict[str, Any]

ONLY_ID = (ERROR, "invariant", "ele-1")
_REF_1 = (ERROR, "invariant", "ref-1")
_TXT_1 = (ERROR, "invariant", "txt-1")
_TXT_2 = (WARNING, "invariant", "txt-2")
_SQTY_1 = (ERROR, "invariant", "sqty-1")
_UNIT = (WARNING, "code-invalid", "quantity-ucum")
_SIZE = (ERROR, "value", "attachment-size")
_HASH = (ERROR, "value", "attachment-hash")
_CODE = (ERROR, "code-invalid", "coding-unknown")
_DISPLAY = (WARNING, "code-invalid", "coding-display")
_CODE_WARNING = (WARNING, "code-invalid", "coding-unknown")
_SYSTEM_OF_SET = (ERROR, "code-invalid", "coding-value-set")
_RELATIVE = (ERROR, "value", "uri-relative")
_RELATIVE_WARNING = (WARNING, "value", "uri-relative")
_NOT_CONTAINED = (WARNING, "not-found", "canonical-fragment")
_CANONICAL = (ERROR, "value", "canonical-syntax")
_CANONICAL_TARGET = (ERROR, "structure", "canonical-target")
_MAX_KNOWN = 1_000
_TARGET = (ERROR, "structure", "reference-target")
_TYPE = (ERROR, "invalid", "reference-type")
_UNRESOLVED = (ERROR, "not-found", "reference-unresolved")

_XHTML = "http://www.w3.org/1999/xhtml"
_NAMESPACE = (ERROR, "structure", "narrative-namespace")
_FIND_NAMESPACE = re.compile(rf"xmlns(?::\w+)?\s*=\s*['\"]{re.escape(_XHTML)}['\"]")
_NAMED_ELSEWHERE = ("http://hl7.org/fhir/sid/", "http://hl7.org/fhir/us/", "http://hl7.org/fhir/uv/")
_SAME_ID = (ERROR, "duplicate", "element-id-twice")
_NO_SYSTEM = (WARNING, "code-invalid", "coding-no-system")
good_canonicals: set[str] = set()


def only_id(found: Found, step: str) -> Found:
    """ele-1 for what has an id alone."""
    return note(found, step, ONLY_ID, "All FHIR elements must have a value or children; here is an id alone.")


def element_id(found: Found, o: Json, c: Context) -> Found:
    """The id of an element: not alone, and not of another element (http://hl7.org/fhir/R4/element.html#id)."""
    if len(o) == 1:
        found = only_id(found, "")
    own = o["id"]
    if own in c.ids:
        return note(found, ".id", _SAME_ID, "Another element of this resource has the same id.", "an id of its own")
    c.ids.add(own)
    return found


def no_comparator(found: Found, step: str) -> Found:
    """SimpleQuantity (http://hl7.org/fhir/R4/datatypes.html#SimpleQuantity)."""
    return note(found, step, _SQTY_1, "The comparator is not used on a SimpleQuantity.", "no comparator")


def canonical_rules(found: Found, step: str, value: Any, context: Context) -> Found:
    """A canonical is an absolute URI, perhaps with |version, or #id of something contained."""
    if value.__class__ is not str:
        return found
    if value.startswith("#"):
        if value[1:] not in context.contained and value != "#":
            return note(
                found, step, _NOT_CONTAINED, "Nothing contained here has this id.", "an id of a contained resource"
            )
        return found
    base, bar, version = value.partition("|")
    if bar and (not version or "|" in version):
        return note(
            found, step, _CANONICAL, "A canonical is URL|version: one bar, and a version behind it.", "URL|version"
        )
    if ":" not in base.partition("/")[0]:
        return note(
            found, step, (WARNING, "value", "canonical-syntax"), "A canonical is an absolute URL.", "an absolute URL"
        )
    if base.startswith("urn:oid:") and not match_oid(base):
        return note(found, step, (WARNING, "value", "canonical-syntax"), "This is not an OID.", "urn:oid: and an OID")
    if len(good_canonicals) < MAX_REMEMBERED:
        good_canonicals.add(value)
    return found


def canonical_target(found: Found, step: str, value: Any, allowed: tuple[str, ...], known: set[str]) -> Found:
    """Whether a canonical of the norm names something of a type that may stand here; what is right goes into `known`."""
    if value.__class__ is not str:
        return found
    kind = defined_as(value.partition("|")[0])
    if kind is not None and kind not in allowed:
        listed = ", ".join(allowed)
        return note(found, step, _CANONICAL_TARGET, f"This is a {kind}; here it may be {listed}.", listed)
    if len(known) < _MAX_KNOWN:
        known.add(value)
    return found


def defined_as(url: str) -> str | None:
    """The resource type that the norm defines by a canonical URL; None where the norm has nothing of that name."""
    norm = load()
    if url in norm.structure_urls:
        return "StructureDefinition"
    if norm.value_set(url) is not None:
        return "ValueSet"
    return None if norm.code_system(url) is None else "CodeSystem"


def special_reference(found: Found, o: Json, c: Context) -> Found:
    """ref-1, that `type` says what `reference` says, and in a Bundle that it can be found there."""
    text = o.get("reference")
    if text is None:
        return found
    if text[:1] == "#":
        if text != "#" and text[1:] not in c.contained:
            return note(
                found, ".reference", _REF_1, "Nothing contained here has this id.", "an id of a contained resource"
            )
        return found
    said = o.get("type")
    if said is not None:
        named = target_type(text)
        if named is not None and said.rpartition("/")[2] != named:
            found = note(found, ".type", _TYPE, f"The reference names a {named}, its type says otherwise.", named)
    if c.neighbours is not None:
        wrong = c.neighbours.explain(c.root, text)
        if wrong is not None:
            found = note(found, ".reference", (wrong[0], "not-found", "reference-unresolved"), wrong[1])
    return found


def target(found: Found, step: str, text: Any, allowed: tuple[str, ...], c: Context) -> Found:
    """Whether what a reference finds inside this resource or Bundle is of a type that may stand here."""
    if text.__class__ is not str or (text[:1] != "#" and not text.startswith("urn:")):
        return found
    there = c.resolver(text) if text[:1] == "#" or c.neighbours is not None else None
    name = None if there is None else there.get("resourceType")
    if name is None or name in allowed:
        return found
    return note(found, step, _TARGET, f"Points to a {name}; here it may be {', '.join(allowed)}.", ", ".join(allowed))


def special_coding(found: Found, o: Json, c: Context) -> Found:
    """That the system has the code and calls it so, where the system's codes are known."""
    key = (o.get("system"), o.get("code"), o.get("display"))
    if key in c.good_codings:
        return found
    system, code, display = key
    before, pending = found, False
    if system is None:
        if code is not None:
            found = note(found, "", _NO_SYSTEM, "A code without its system says nothing to others.", "a system")
        return found
    if system.startswith("http://hl7.org/fhir/ValueSet/"):
        text = "The system of a coding is a code system, this is a value set."
        return note(found, ".system", _SYSTEM_OF_SET, text, "a code system")
    if ":" not in system:
        found = note(found, ".system", _RELATIVE, "The system of a coding is an absolute URI.", "an absolute URI")
    if code is not None:
        verdict = code_in_system(system, code, display)
        if not verdict.known and c.asks_others:
            verdict = c.terminology.validate_code(system, code, None, display)
            pending = verdict.pending
        if not verdict.known and system.startswith("http://hl7.org/fhir/") and not system.startswith(_NAMED_ELSEWHERE):
            found = note(
                found, ".system", _CODE_WARNING, f"The norm has no code system {system}.", "a known code system"
            )
        elif verdict.known and not verdict.ok:
            found = note(found, ".code", _CODE, f"The code is not in {system}.", f"a code of {system}")
        elif verdict.ok and verdict.display is not None and display is not None:
            expected = f"“{verdict.display}”"
            found = note(found, ".display", _DISPLAY, f"The code system calls this code {expected}.", expected)
    if found is before and not pending:
        if len(c.good_codings) >= MAX_REMEMBERED:
            c.good_codings.clear()
        c.good_codings.add(key)
    return found


def special_quantity(found: Found, o: Json, c: Context) -> Found:  # noqa: ARG001 - all specials are called alike
    """That a unit said to be of UCUM is one (http://hl7.org/fhir/R4/datatypes.html#Quantity)."""
    if o.get("system") == ucum.SYSTEM:
        code = o.get("code")
        if code is not None and not code_in_system(ucum.SYSTEM, code).ok:
            found = note(found, ".code", _UNIT, "This is no UCUM code (https://ucum.org/ucum).", "a UCUM code")
    return found


def special_attachment(found: Found, o: Json, c: Context) -> Found:  # noqa: ARG001 - all specials are called alike
    """That size and hash are those of the data (http://hl7.org/fhir/R4/datatypes.html#Attachment)."""
    data = o.get("data")
    if data is None or ("size" not in o and "hash" not in o):
        return found
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return found  # said already: it is not base64
    size, said = o.get("size"), o.get("hash")
    if size is not None and size != len(content):
        found = note(
            found, ".size", _SIZE, f"The data has {len(content)} bytes, the size says {size}.", str(len(content))
        )
    if said is not None:
        digest = hashlib.sha1(content, usedforsecurity=False).digest()
        if base64.b64encode(digest).decode() != said:
            rule = _HASH if len(said) == 28 else (WARNING, *_HASH[1:])
            found = note(found, ".hash", rule, "The hash is not the SHA-1 of the data, in base64.", "SHA-1 in base64")
    return found


def special_narrative(found: Found, o: Json, c: Context) -> Found:  # noqa: ARG001 - all specials are called alike
    """txt-1 and txt-2: formatting only, nothing active, some content (http://hl7.org/fhir/R4/narrative.html#rules)."""
    div = o.get("div")
    if div is None:
        return found
    if 'xmlns="http://www.w3.org/1999/xhtml"' not in div and not _has_namespace(div):
        found = note(found, ".div", _NAMESPACE, 'The <div> must say xmlns="http://www.w3.org/1999/xhtml".', _XHTML)
    if not is_safe_narrative(div):
        if is_safe_narrative(div.replace(">", ">x", 1)):
            text = "The narrative must have some content besides white space."
            return note(found, ".div", _TXT_2, text, "some content")
        found = note(found, ".div", _TXT_1, explain_narrative(div), "XHTML of basic formatting")
    return found


def _has_namespace(div: str) -> bool:
    return _FIND_NAMESPACE.search(div[: div.find(">")]) is not None


def special_identifier(found: Found, o: Json, c: Context) -> Found:  # noqa: ARG001 - all specials are called alike
    """That the system is absolute (http://hl7.org/fhir/R4/datatypes.html#Identifier)."""
    system = o.get("system")
    if system is None:
        return found
    if ":" not in system:
        return note(found, ".system", _RELATIVE, "The system of an identifier is an absolute URI.", "an absolute URI")
    if system == "urn:ietf:rfc:3986" and ":" not in (o.get("value") or ":"):
        return note(
            found, ".value", _RELATIVE_WARNING, "With urn:ietf:rfc:3986 the value is a whole URI.", "an absolute URI"
        )
    return found


def special_meta(found: Found, o: Json, c: Context) -> Found:  # noqa: ARG001 - all specials are called alike
    """That profiles are absolute; whether they hold is asked where the resource is."""
    for number, each in enumerate(o.get("profile") or ()):
        if each is not None and ":" not in each:
            found = note(
                found, f".profile[{number}]", _RELATIVE, "A profile is named by an absolute URL.", "an absolute URL"
            )
    return found


def special_extension(found: Found, o: Json, c: Context) -> Found:
    """Extensions inside an extension."""
    if "extension" in o:
        from jiankang.fhir.validation.extensions import extensions, place_of

        found = extensions(found, "", o, place_of("Extension.extension", "Extension"), c)
    return found


def beside(found: Found, o: Json, places: dict[str, Any], c: Context) -> Found:
    """`_name` of primitives: an id alone without a value is nothing, and extensions have rules of their own."""
    from jiankang.fhir.validation.extensions import extensions

    for name, value in o.items():
        if name[:1] != "_" or name not in places:
            continue
        element, repeats, plain, place = places[name]
        items = enumerate(value) if repeats else ((-1, value),)
        for number, each in items:
            if each is None:
                continue
            step = f".{element}[{number}]" if repeats else f".{element}"
            inner = None
            if "extension" in each:
                inner = extensions(None, "", each, place, c)
            elif plain not in o or (repeats and o[plain][number] is None):
                inner = only_id(None, "")
            if inner is not None:
                found = under(found, step, inner)
    return found
