"""JSON whose text matters: decimals keep their digits, and nothing ambiguous or unbounded gets in.

Accepts what RFC 8259 allows and I-JSON (RFC 7493) recommends: UTF-8 without byte order mark, no duplicate members,
no lone surrogates; also no NUL characters, which PostgreSQL cannot keep. Numbers and nesting are bounded.
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

_INTEGER_BOUND = 10**MAX_NUMBER_LENGTH
_SPACED_COLON = re.compile(rb":(?<=\s:)")
_KEY_END = re.compile(rb'"\s*+:')
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]', re.DOTALL)
_NUL_ESCAPE = re.compile(rb"(?:[^\\]|^)(?:\\\\)*+\\u0000")
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]"
)
_BYTE_POSITION = re.compile(r"\(byte (\d+)\)")
_EXPONENT = re.compile(rb"E[-+]?[0-9]")


class _NumberRefusedError(ValueError):
    """A number that is well-formed but larger or longer than is sensible."""


class _SuspectError(Exception):
    """The quick walk met something that the exact scan must look at."""


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

    Raises Invalid with line and column for anything malformed, ambiguous (a member twice) or unbounded, TooLarge
    above `max_bytes`. `max_depth` counts nested objects and arrays. https://www.rfc-editor.org/rfc/rfc8259
    """
    data = _bytes(raw)
    if len(data) > max_bytes:
        raise TooLarge(f"The JSON text has {len(data)} bytes; at most {max_bytes} are taken.")
    try:
        value = _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _explained(data, error, max_depth) from None
    try:
        keys = _count_keys(value, max_depth)
    except _SuspectError:
        keys = -1
    # Each member's name ends in `":`. So as many of those as names in the decoded tree means: no name came twice.
    # A string that holds `":` makes the first number larger and sends us to the exact scan, never past it.
    ends = len(_KEY_END.findall(data)) if _SPACED_COLON.search(data) else data.count(b'":')
    if keys != ends or b"\\u0000" in data:
        _scan(data, max_depth)
    return value


def _bytes(raw: bytes | str) -> bytes:
    if isinstance(raw, bytes):
        return raw
    try:
        return raw.encode()
    except UnicodeEncodeError as error:
        raise Invalid(f"The JSON text has half a surrogate pair at character {error.start}.") from None


def _count_keys(value: Any, depth_left: int) -> int:
    """How many members all objects in `value` have together. Raises _SuspectError when nested too deep."""
    kind = value.__class__
    if kind is dict:
        count = len(value)
        children = value.values()
    elif kind is list:
        count = 0
        children = value
    else:
        return _bounded(value)
    if depth_left <= 0:
        raise _SuspectError
    depth_left -= 1
    for child in children:
        kind = child.__class__
        if kind is str:
            continue
        if kind is dict or kind is list or kind is int:
            count += _count_keys(child, depth_left)
    return count


def _bounded(value: Any) -> int:
    """No members; but an integer must not be out of all proportion."""
    if value.__class__ is int and not -_INTEGER_BOUND < value < _INTEGER_BOUND:
        raise Invalid(f"A number in the JSON text has more than {MAX_NUMBER_LENGTH} digits.")
    return 0


def _scan(data: bytes, max_depth: int) -> None:
    """Walk the tokens of well-formed JSON: refuse the first member that comes twice, NUL, or depth beyond bound."""
    names: list[set[str] | None] = []  # the names so far of each open object, None for an open array
    last: re.Match[bytes] | None = None
    for token in _TOKEN.finditer(data):
        first = data[token.start()]
        if first == 0x22:  # "
            last = token
            if (nul := _NUL_ESCAPE.search(token[0])) is not None:
                raise _refusal("a NUL character (\\u0000) in a string", data, token.start() + nul.start())
        elif first == 0x3A and last is not None:  # :
            _take_name(names[-1], last, data)
        elif first in b"{[":
            if len(names) >= max_depth:
                raise _refusal(f"objects and arrays nested deeper than {max_depth}", data, token.start())
            names.append(set() if first == 0x7B else None)
        elif first in b"}]":
            names.pop()


def _take_name(names: set[str] | None, token: re.Match[bytes], data: bytes) -> None:
    name: str = json.loads(token[0])
    if names is None:
        raise AssertionError("a colon inside an array: the text is not well-formed JSON")
    if name in names:
        raise _refusal(f"the member {json.dumps(name[:100], ensure_ascii=False)} twice", data, token.start())
    names.add(name)


# ---- saying what is wrong


def _refusal(what: str, data: bytes, position: int) -> Invalid:
    line = data.count(b"\n", 0, position) + 1
    column = position - (data.rfind(b"\n", 0, position) + 1) + 1
    return Invalid(f"The JSON text has {what} (line {line}, column {column}).", code="structure")


def _explained(data: bytes, error: Exception, max_depth: int) -> Invalid:
    """The refusal that belongs to what the decoder stumbled over."""
    if isinstance(error, RecursionError):
        return Invalid(f"The JSON text has objects and arrays nested deeper than {max_depth}.", code="structure")
    if isinstance(error, _NumberRefusedError):
        return Invalid(f"In the JSON text {error}.", code="structure")
    if data.startswith(b"\xef\xbb\xbf"):
        return _refusal("a byte order mark; send it without", data, 0)
    try:
        data.decode()
    except UnicodeDecodeError as bad:
        return _refusal("bytes that are not UTF-8", data, bad.start)
    if (half := _LONE_SURROGATE.search(data)) is not None:
        return _refusal("half a surrogate pair", data, half.start())
    if "out of range" in str(error):
        return Invalid(f"A number in the JSON text has more than {MAX_NUMBER_LENGTH} digits.", code="structure")
    found = _BYTE_POSITION.search(str(error))
    if found is None:
        return _refusal("an end before it is complete", data, len(data))
    said = str(error).removeprefix("JSON is malformed: ")
    said = said[: said.rindex(" (byte")]
    return _refusal(f"a mistake: {said}", data, int(found[1]))


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
    """`value` with small decimals spelled out: 1E-8 as 0.00000001, which is the same number with the same digits."""
    if isinstance(value, dict):
        return {name: _plain(child) for name, child in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(child) for child in value]
    if isinstance(value, Decimal) and "E-" in str(value) and value.adjusted() > -MAX_NUMBER_LENGTH:
        return msgspec.Raw(format(value, "f").encode())
    return value
