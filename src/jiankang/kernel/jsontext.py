"""JSON whose text matters: decimals keep their digits, and nothing ambiguous or unbounded gets in.

Accepts what RFC 8259 allows and I-JSON (RFC 7493) recommends: UTF-8 without byte order mark, no duplicate
members, no lone surrogates; nor NUL characters, which PostgreSQL cannot keep. Numbers and depth are bounded.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec

from jiankang.kernel.errors import Invalid, TooLarge

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 64
MAX_NUMBER_LENGTH = 64
MAX_EXPONENT = 400

_TOO_DEEP = -(1 << 60)
_INTEGER_BOUND = 10**MAX_NUMBER_LENGTH
_SPACED_COLON = re.compile(rb":(?<=\s:)")
_NAME_END = re.compile(rb'"\s*+:')
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]:]', re.DOTALL)
_NUL_ESCAPE = re.compile(rb"(?:[^\\]|^)(?:\\\\)*+\\u0000")
_LONE_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]")
_BYTE_POSITION = re.compile(r"\(byte (\d+)\)")
_EXPONENT = re.compile(rb"E[-+]?[0-9]")


class _NumberRefusedError(ValueError):
    """A number that is well-formed but larger or longer than is sensible."""


class _RepeatedError(Exception):
    """An object has a member twice."""


def _decimal(text: str) -> Decimal:
    """The decimal with exactly these digits; refuses what would cost time or space out of proportion."""
    if len(text) > MAX_NUMBER_LENGTH:
        raise _NumberRefusedError(f"a number has more than {MAX_NUMBER_LENGTH} characters")
    number = Decimal(text)
    if not -MAX_EXPONENT <= number.adjusted() <= MAX_EXPONENT:
        raise _NumberRefusedError(f"a number is outside 1e-{MAX_EXPONENT} to 1e{MAX_EXPONENT}")
    return number


_decoder = msgspec.json.Decoder(float_hook=_decimal)
_members_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder(decimal_format="number")


def decode(raw: bytes | str, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """The value that `raw` says: dict, list, str, int, Decimal, bool or None.

    Raises Invalid with line and column for anything malformed, ambiguous (a member twice) or unbounded,
    TooLarge above `max_bytes`. `max_depth` counts nested objects and arrays. https://www.rfc-editor.org/rfc/rfc8259
    """
    data = _bytes(raw)
    if len(data) > max_bytes:
        raise TooLarge(f"The JSON text has {len(data)} bytes; at most {max_bytes} are taken.")
    try:
        value = _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _explained(data, error, max_depth) from None
    # Each member's name ends in `":`. As many of those as names in the decoded tree means: none came twice.
    # A string that holds `":` makes the first number larger and sends us to the exact check, never past it.
    names = _count_names(value, max_depth) if value.__class__ is dict else _count_in_list([value], max_depth + 1)
    if names < 0:
        raise _too_deep(data, max_depth)
    ends = len(_NAME_END.findall(data)) if _SPACED_COLON.search(data) else data.count(b'":')
    if names != ends:
        _refuse_repeated_names(data)
    if b"\\u0000" in data and (nul := _NUL_ESCAPE.search(data)) is not None:
        raise _refusal("a NUL character (\\u0000) in a string", data, nul.end() - 6)
    return value


def _bytes(raw: bytes | str) -> bytes:
    if isinstance(raw, bytes):
        return raw
    try:
        return raw.encode()
    except UnicodeEncodeError as error:
        raise Invalid(f"The JSON text has half a surrogate pair at character {error.start}.") from None


def _count_names(value: dict[str, Any], depth_left: int) -> int:
    """How many members all objects in `value` have together; hugely negative when nested too deep."""
    if depth_left <= 0:
        return _TOO_DEEP
    count = len(value)
    for child in value.values():
        kind = child.__class__
        if kind is str:
            continue
        if kind is dict:
            count += _count_names(child, depth_left - 1)
        elif kind is list:
            count += _count_in_list(child, depth_left - 1)
        elif kind is int and not -_INTEGER_BOUND < child < _INTEGER_BOUND:
            raise _too_many_digits()
    return count


def _count_in_list(value: list[Any], depth_left: int) -> int:
    """The same for the items of an array."""
    if depth_left <= 0:
        return _TOO_DEEP
    count = 0
    for child in value:
        kind = child.__class__
        if kind is dict:
            count += _count_names(child, depth_left - 1)
        elif kind is list:
            count += _count_in_list(child, depth_left - 1)
        elif kind is int and not -_INTEGER_BOUND < child < _INTEGER_BOUND:
            raise _too_many_digits()
    return count


# ---- the exact checks, taken when the quick ones are in doubt


def _refuse_repeated_names(data: bytes) -> None:
    """Refuse the first member that comes twice in one object. `data` is well-formed and not deep."""
    try:
        json.loads(data, object_pairs_hook=_only_distinct, parse_float=str)
    except _RepeatedError:
        raise _first_repeated(data) from None


def _only_distinct(members: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) != len(members):
        raise _RepeatedError


def _first_repeated(data: bytes) -> Invalid:
    """Walk the tokens to the first member whose name its object already has."""
    open_names: list[set[str]] = []  # of each open object or array
    last: re.Match[bytes] | None = None
    for token in _TOKEN.finditer(data):
        first = data[token.start()]
        if first == 0x22:  # "
            last = token
        elif first == 0x3A and last is not None:  # :
            name: str = json.loads(last[0])
            if name in open_names[-1]:
                shown = json.dumps(name[:100], ensure_ascii=False)
                return _refusal(f"the member {shown} twice", data, last.start())
            open_names[-1].add(name)
        elif first in b"{[":
            open_names.append(set())
        else:
            open_names.pop()
    return Invalid("The JSON text has a member twice in one object.", code="structure")


def _too_deep(data: bytes, max_depth: int) -> Invalid:
    """Refuse at the bracket that goes deeper than allowed."""
    depth = 0
    for token in _TOKEN.finditer(data):
        first = data[token.start()]
        if first in b"{[":
            depth += 1
            if depth > max_depth:
                return _refusal(f"objects and arrays nested deeper than {max_depth}", data, token.start())
        elif first in b"}]":
            depth -= 1
    return Invalid(f"The JSON text has objects and arrays nested deeper than {max_depth}.", code="structure")


# ---- saying what is wrong


def _refusal(what: str, data: bytes, position: int) -> Invalid:
    line = data.count(b"\n", 0, position) + 1
    column = position - (data.rfind(b"\n", 0, position) + 1) + 1
    return Invalid(f"The JSON text has {what} (line {line}, column {column}).", code="structure")


def _explained(data: bytes, error: Exception, max_depth: int) -> Invalid:
    """The refusal that belongs to what the decoder stumbled over."""
    if isinstance(error, RecursionError):
        return _too_deep(data, max_depth)
    for refused in (error, error.__cause__):
        if isinstance(refused, _NumberRefusedError):
            return Invalid(f"In the JSON text {refused}.", code="structure")
    if data.startswith(b"\xef\xbb\xbf"):
        return _refusal("a byte order mark; send it without", data, 0)
    try:
        data.decode()
    except UnicodeDecodeError as bad:
        return _refusal("bytes that are not UTF-8", data, bad.start)
    if "out of range" in str(error):
        return _too_many_digits()
    found = _BYTE_POSITION.search(str(error))
    if found is None or "surrogate" in str(error):  # half a pair at the end of a string reads as cut off
        half = _LONE_SURROGATE.search(data)
        if half is not None:
            return _refusal("half a surrogate pair", data, half.start())
    if found is None:
        return _refusal("an end before it is complete", data, len(data))
    said = str(error).removeprefix("JSON is malformed: ")
    said = said[: said.rindex(" (byte")]
    return _refusal(f"a mistake: {said}", data, int(found[1]))


def _too_many_digits() -> Invalid:
    return Invalid(f"A number in the JSON text has more than {MAX_NUMBER_LENGTH} digits.", code="structure")


# ---- exact text


def top_members(raw: bytes) -> dict[str, bytes]:
    """The exact text of each member of the object that `raw` is, in order. `raw` has passed `decode`."""
    try:
        return {name: bytes(text) for name, text in _members_decoder.decode(raw).items()}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise Invalid("The JSON text is not an object.", code="structure") from None
        raise _explained(raw, error, MAX_DEPTH) from None


def encode(value: Any) -> bytes:
    """`value` as compact JSON in UTF-8; a Decimal is written with exactly its digits (1.00 stays 1.00)."""
    try:
        text = _encoder.encode(value)
        if _EXPONENT.search(text):
            text = _encoder.encode(_plain(value))
    except UnicodeEncodeError:
        raise Invalid("A text holds half a surrogate pair and cannot be written as JSON.") from None
    return text


def _plain(value: Any) -> Any:
    """`value` with small decimals spelled out: 1E-8 as 0.00000001, the same number with the same digits."""
    if isinstance(value, dict):
        return {name: _plain(child) for name, child in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(child) for child in value]
    if isinstance(value, Decimal) and "E-" in str(value) and value.adjusted() > -MAX_NUMBER_LENGTH:
        return msgspec.Raw(format(value, "f").encode())
    return value
