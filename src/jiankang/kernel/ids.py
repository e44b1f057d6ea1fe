"""Identifiers that this server assigns, and 64-bit keys derived from names."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from hashlib import blake2b

NewId = Callable[[], str]

_unpack = struct.Struct(">q").unpack


def new_uuid7() -> str:
    """A UUID version 7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then 74 random bits."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def key64(text: str) -> int:
    """The signed 64-bit BLAKE2b digest of `text`: the number by which the database knows a name."""
    return _unpack(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())[0]  # type: ignore[no-any-return]
