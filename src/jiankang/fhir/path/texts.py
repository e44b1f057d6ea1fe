"""Functions on strings (http://hl7.org/fhirpath/N1/#string-manipulation). Patterns run in linear time."""

from __future__ import annotations

import base64
import binascii
import html
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import re2

from jiankang.fhir.path.arithmetic import short
from jiankang.fhir.path.errors import PathRunError
from jiankang.fhir.path.functions import integer
from jiankang.fhir.path.narrative import is_safe_narrative
from jiankang.fhir.path.values import Node, single, system_value

if TYPE_CHECKING:
    from jiankang.fhir.path.run import Run

Items = list[Any]
MAX_PATTERN = 2_000


@lru_cache(maxsize=512)
def pattern(source: str) -> Any:
    """The compiled pattern. Raises PathRunError for one that is wrong or too large."""
    if len(source) > MAX_PATTERN:
        raise PathRunError(f"A pattern has {len(source)} characters; at most {MAX_PATTERN} are taken.")
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = 16 << 20
    try:
        return re2.compile(source, options)
    except re2.error as error:
        raise PathRunError(f"A pattern is not understood: {error}") from None


def text(items: Items, what: str) -> str | None:
    """The single String of a collection, None where it is empty."""
    value = system_value(single(items, what))
    if value is not None and not isinstance(value, str):
        raise PathRunError(f"{what} takes a String.")
    return value


def _on_text(name: str, work: Any) -> Any:
    """A function of one string."""

    def function(_run: Run, items: Items) -> Items:
        value = text(items, name)
        return [] if value is None else [work(value)]

    return function


def _with_text(name: str, work: Any) -> Any:
    """A function of a string and a string argument."""

    def function(_run: Run, items: Items, argument: Items) -> Items:
        value, other = text(items, name), text(argument, name)
        return [] if value is None or other is None else [work(value, other)]

    return function


def _with_texts(name: str, work: Any) -> Any:
    """A function of a string and two string arguments."""

    def function(_run: Run, items: Items, one: Items, other: Items) -> Items:
        value, first, second = text(items, name), text(one, name), text(other, name)
        return [] if value is None or first is None or second is None else [work(value, first, second)]

    return function


def matches(value: str, source: str) -> bool:
    """Whether the pattern is found in the string; '.' stands for line ends too."""
    return pattern(source).search(value) is not None


def _matches_full(value: str, source: str) -> bool:
    return pattern(source).fullmatch(value) is not None


def _replace_matches(value: str, source: str, substitution: str) -> str:
    if not source:
        return value
    return short(pattern(source).sub(_groups(substitution), value))


def _groups(substitution: str) -> Any:
    """$1 and ${name} as what their groups matched."""
    if "$" not in substitution:
        return lambda _: substitution
    pieces = pattern(r"\$(\d|\{\w+\})|\\(.)|([^$\\]+)|(.)")

    def filled(match: Any) -> str:
        out = []
        for piece in pieces.finditer(substitution):
            group, escaped = piece[1], piece[2]
            if group is None:
                out.append(escaped if escaped is not None else piece[0])
                continue
            name = group.strip("{}")
            try:
                out.append(match[int(name) if name.isdigit() else name] or "")
            except (IndexError, KeyError):
                raise PathRunError(f"replaceMatches() names a group {name} that the pattern does not have.") from None
        return "".join(out)

    return filled


def _replace(value: str, old: str, new: str) -> str:
    if (value.count(old) + 1) * len(new) > 1_000_000:
        raise PathRunError("replace() would make too long a text.", code="too-costly")
    return short(value.replace(old, new))


def substring(_run: Run, items: Items, start: Items, length: Items | None = None) -> Items:
    """The part of the string from a place, for a length if one is given."""
    value, place = text(items, "substring()"), integer(start, "substring()")
    if value is None or place is None or not 0 <= place < len(value):
        return []
    size = None if length is None else integer(length, "substring()")
    return [value[place:] if size is None else value[place : place + max(0, size)]]


def to_chars(run: Run, items: Items) -> Items:
    """The string's characters."""
    value = text(items, "toChars()") or ""
    run.spend(len(value))
    return list(value)


def split(run: Run, items: Items, separator: Items) -> Items:
    """The pieces of the string between separators."""
    value, by = text(items, "split()"), text(separator, "split()")
    if value is None or by is None:
        return []
    pieces = value.split(by) if by else list(value)
    run.spend(len(pieces))
    return list(pieces)


def join(_run: Run, items: Items, separator: Items | None = None) -> Items:
    """All strings as one."""
    by = "" if separator is None else text(separator, "join()") or ""
    values = [system_value(item) for item in items]
    if any(value is not None and not isinstance(value, str) for value in values):
        raise PathRunError("join() takes Strings.")
    return [short(by.join(value for value in values if value is not None))] if items else []


def _encode(value: str, how: str) -> str:
    raw = value.encode()
    if how == "hex":
        return raw.hex()
    if how == "base64":
        return base64.b64encode(raw).decode()
    if how == "urlbase64":
        return base64.urlsafe_b64encode(raw).decode()
    raise PathRunError(f"encode() does not know '{how}': base64, urlbase64 or hex.")


def _decode(value: str, how: str) -> str:
    try:
        if how == "hex":
            return bytes.fromhex(value).decode()
        if how == "base64":
            return base64.b64decode(value, validate=True).decode()
        if how == "urlbase64":
            return base64.b64decode(value, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise PathRunError(f"decode() met a text that is not {how}.") from None
    raise PathRunError(f"decode() does not know '{how}': base64, urlbase64 or hex.")


def _escape(value: str, how: str) -> str:
    if how == "html":
        return html.escape(value)
    if how == "json":
        return json.dumps(value, ensure_ascii=False)[1:-1]
    raise PathRunError(f"escape() does not know '{how}': html or json.")


def _unescape(value: str, how: str) -> str:
    if how == "html":
        return html.unescape(value)
    if how != "json":
        raise PathRunError(f"unescape() does not know '{how}': html or json.")
    try:
        return str(json.loads('"' + value.replace('\\"', '"').replace('"', '\\"') + '"'))
    except ValueError:
        raise PathRunError("unescape() met a text that is not JSON.") from None


def contains(value: str, part: str) -> bool:
    """Whether the string has the part in it."""
    return part in value


def html_checks(_run: Run, items: Items) -> Items:
    """Whether a narrative has only the HTML that is allowed (http://hl7.org/fhir/R4/narrative.html#rules)."""
    item = single(items, "htmlChecks()")
    value = item.value if item.__class__ is Node else item
    return [] if value is None else [isinstance(value, str) and is_safe_narrative(value)]


FUNCTIONS: dict[str, tuple[int, int, Any]] = {
    "indexOf": (1, 1, _with_text("indexOf()", str.find)),
    "lastIndexOf": (1, 1, _with_text("lastIndexOf()", str.rfind)),
    "substring": (1, 2, substring),
    "startsWith": (1, 1, _with_text("startsWith()", str.startswith)),
    "endsWith": (1, 1, _with_text("endsWith()", str.endswith)),
    "contains": (1, 1, _with_text("contains()", contains)),
    "upper": (0, 0, _on_text("upper()", str.upper)),
    "lower": (0, 0, _on_text("lower()", str.lower)),
    "trim": (0, 0, _on_text("trim()", str.strip)),
    "length": (0, 0, _on_text("length()", len)),
    "replace": (2, 2, _with_texts("replace()", _replace)),
    "matches": (1, 1, _with_text("matches()", matches)),
    "matchesFull": (1, 1, _with_text("matchesFull()", _matches_full)),
    "replaceMatches": (2, 2, _with_texts("replaceMatches()", _replace_matches)),
    "toChars": (0, 0, to_chars),
    "split": (1, 1, split),
    "join": (0, 1, join),
    "encode": (1, 1, _with_text("encode()", _encode)),
    "decode": (1, 1, _with_text("decode()", _decode)),
    "escape": (1, 1, _with_text("escape()", _escape)),
    "unescape": (1, 1, _with_text("unescape()", _unescape)),
    "htmlChecks": (0, 0, html_checks),
}
TAKES_TEXT = frozenset(FUNCTIONS) - {"join", "htmlChecks"}
