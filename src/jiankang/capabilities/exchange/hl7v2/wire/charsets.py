"""Character sets of messages: MSH-18, table HL70211, and what to do where it is missing or wrong.

https://www.hl7.eu/HL7v2x/v28/std28/ch02.html#section-2.13.9.18
"""

from __future__ import annotations

import codecs
import re

_BY_NAME = {
    "ASCII": "ascii",
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "UNICODE UTF-16": "utf-16",
    "UNICODE UTF-32": "utf-32",
    "GB 18030-2000": "gb18030",
    "GB18030-2000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
    "CP936": "gb18030",
    "BIG-5": "big5hkscs",
    "BIG5": "big5hkscs",
    "CNS 11643-1992": "big5hkscs",
    "KS X 1001": "euc_kr",
    "ISO IR87": "iso2022_jp",
    "ISO IR6": "ascii",
} | {f"8859/{part}": f"iso8859-{part}" for part in (*range(1, 12), 13, 14, 15, 16)}

_WIDE = (
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    ("MSH".encode("utf-16-le"), "utf-16-le"),
    ("MSH".encode("utf-16-be"), "utf-16-be"),
)
_AMBIGUOUS = frozenset({"utf-16-le", "utf-16-be", "big5hkscs", "iso2022_jp"})
"""They write some texts in more than one way, so that what was read need not be what is written again."""
_HEAD = 4096
DAMAGED = "some bytes are no text of any character set: they are shown as ?"
_ENDS = re.compile(rb"[\r\n]")


def codec_of(name: str) -> str | None:
    """The Python name of a character set of table HL70211, or of one that its users write; None when not known."""
    wanted = " ".join(name.upper().replace("_", "-").split())
    return _BY_NAME.get(wanted) or _BY_NAME.get(wanted.replace(" ", "")) or _BY_NAME.get(wanted.replace("-", " "))


def decode(raw: bytes, default: str = "") -> tuple[str, str, list[str]]:
    """The text, the Python name of its character set, and doubts: what MSH-18 says and what is there may differ.

    Whatever cannot be read is kept, so that the text encodes into the same bytes (`surrogateescape`).
    """
    for start, wide in _WIDE:
        if raw.startswith(start) and (found := _faithful(raw, wide)) is not None:
            return found, wide, []
    named = _named(raw)
    chosen = codec_of(named) if named else codec_of(default) or default or None
    doubts = [f"MSH-18 names {named}, which is no character set of table 0211"] if named and chosen is None else []
    if chosen in {
        "ascii",
        "utf-16",
        "utf-32",
    }:  # most who say ASCII mean something larger; the others could not be read so far
        chosen = None
    if chosen is not None:
        if (found := _faithful(raw, chosen)) is not None:
            return found, chosen, doubts
        if named:
            doubts.append(f"MSH-18 says {named}, but the text is not")
    text, codec, whole = _found_out(raw, chosen)
    return text, codec, doubts if whole else [*doubts, DAMAGED]


def _named(raw: bytes) -> str:
    """MSH-18 as it is written, before anything is decoded: the header's structure is ASCII in every set that is used."""
    start = raw.find(b"MSH", 0, 16)
    if start < 0 or len(raw) < start + 8:
        return ""
    end = _ENDS.search(raw, start, start + _HEAD)
    line = raw[start : end.start() if end else start + _HEAD]
    fields = line.split(line[3:4])
    if len(fields) < 18:
        return ""
    repetition = line[5:6] if len(fields[1]) > 1 else b"~"
    return fields[17].split(repetition)[0].decode("ascii", "replace").strip()


def _found_out(raw: bytes, tried: str | None) -> tuple[str, str, bool]:
    """What it is by the look of it: UTF-8 is hardly ever met by accident, then the Chinese norm, else kept as it is."""
    for codec in ("utf-8", "gb18030"):
        if codec != tried and (found := _faithful(raw, codec)) is not None:
            return found, codec, True
    for codec in (tried or "utf-8", "utf-8"):
        if (found := _faithful(raw, codec, "surrogateescape")) is not None:
            break
    return found or "", codec, False


def _faithful(raw: bytes, codec: str, errors: str = "strict") -> str | None:
    """The text; None when it is none of this character set, or when writing it again would give other bytes."""
    try:
        text = raw.decode(codec, errors)
        checked = codec in _AMBIGUOUS or (errors != "strict" and codec != "utf-8")
        return None if checked and text.encode(codec, errors) != raw else text
    except UnicodeError:
        return None
