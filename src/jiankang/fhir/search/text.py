"""Words and strings as people search them: width, case and accents folded, Chinese found without spaces."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache, lru_cache
from html import unescape
from typing import Any

from jiankang.fhir.definitions import load

_CJK = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af"
_RUN = re.compile(f"[{_CJK}]+|[^\\W_{_CJK}]+")
_CJK_START = re.compile(f"[{_CJK}]")
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|<[^<>]*>", re.DOTALL)
_SPACE = re.compile(r"\s+")
_NOT_SPOKEN = re.compile(r"https?://|urn:|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")
_ASCII_RUN = re.compile(r"[a-z0-9]+")
_TEXT_TYPES = frozenset({"string", "markdown"})
_NO_TEXT_TYPES = frozenset(
    {"code", "uri", "url", "canonical", "oid", "uuid", "id", "base64Binary", "date", "dateTime", "instant"}
)
_NOT_CONTENT = frozenset({"id", "reference", "data", "versionId", "expression", "xpath"})
MAX_WORD = 64
"""Longer runs of letters are cut to this many characters."""

_CACHED_LENGTH = 200
"""Longer texts are not likely to come again, and would fill the memory."""


def words(text: str) -> tuple[str, ...]:
    """The words under which `text` is found, in no order, without repeats.

    Letters and digits in lower case; of Chinese, Japanese and Korean runs every character and every pair.
    """
    return _short_words(text) if len(text) <= _CACHED_LENGTH else _words(text)


@lru_cache(maxsize=65536)
def _short_words(text: str) -> tuple[str, ...]:
    return _words(text)


def _words(text: str) -> tuple[str, ...]:
    if text.isascii():
        return tuple({run[:MAX_WORD] for run in _ASCII_RUN.findall(text.lower())})
    found: set[str] = set()
    for run in _RUN.findall(_folded(text)):
        if _CJK_START.match(run):
            found.update(run)
            found.update(run[i : i + 2] for i in range(len(run) - 1))
        else:
            found.add(run[:MAX_WORD])
    return tuple(found)


def query_words(text: str) -> tuple[str, ...]:
    """The words that must all be there for `text` to be found, in order; of a Chinese run its pairs."""
    found: dict[str, None] = {}
    for run in _RUN.findall(_folded(text)):
        if len(run) > 1 and _CJK_START.match(run):
            found.update(dict.fromkeys(run[i : i + 2] for i in range(len(run) - 1)))
        else:
            found[run[:MAX_WORD]] = None
    return tuple(found)


def _folded(text: str) -> str:
    """Compatibility-composed, without accents, in lower case."""
    text = unicodedata.normalize("NFKC", text)
    if not text.isascii():
        text = strip_accents(text)
    return text.lower()


def strip_accents(text: str) -> str:
    """`text` without combining marks on letters: José as Jose. Kana and Hangul keep theirs."""
    kept = [c for c in unicodedata.normalize("NFD", text) if not "\u0300" <= c <= "\u036f"]
    return unicodedata.normalize("NFC", "".join(kept))


def normalise_string(text: str) -> str:
    """`text` as string parameters compare it: full and half width alike, no accents, no case, single spaces.

    http://hl7.org/fhir/R4/search.html#string
    """
    return _short_normal(text) if len(text) <= _CACHED_LENGTH else _normal(text)


@lru_cache(maxsize=65536)
def _short_normal(text: str) -> str:
    return _normal(text)


def _normal(text: str) -> str:
    if not text.isascii():
        text = strip_accents(unicodedata.normalize("NFKC", text)).casefold()
        text = strip_accents(unicodedata.normalize("NFKC", text))
    else:
        text = text.lower()
    return _SPACE.sub(" ", text).strip()


def narrative_text(div: str) -> str:
    """What a person reads in a narrative: XHTML without its tags."""
    return unescape(_TAG.sub(" ", div))


def narrative_words(resource: dict[str, Any]) -> tuple[str, ...]:
    """The words of the resource's narrative, sorted (`_text`)."""
    text = resource.get("text")
    if text is None or (div := text.get("div")) is None:
        return ()
    return tuple(sorted(_words(narrative_text(div))))


def content_words(resource: dict[str, Any], names: frozenset[str]) -> tuple[str, ...]:
    """The words of all members named in `names`, contained resources included, sorted (`_content`)."""
    strings: set[str] = set()
    _collect(resource, names, strings)
    found: set[str] = set()
    for text in strings:
        found.update(_spoken_words(text) if len(text) <= _CACHED_LENGTH else _words(text))
    return tuple(sorted(found))


@lru_cache(maxsize=65536)
def _spoken_words(text: str) -> tuple[str, ...]:
    """The words of `text`, none when it is an address or a UUID: nobody looks for parts of those."""
    return () if _NOT_SPOKEN.match(text) else _words(text)


def _collect(value: dict[str, Any], names: frozenset[str], strings: set[str]) -> None:
    for name, child in value.items():
        kind = child.__class__
        if kind is str:
            if name in names:
                strings.add(child)
        elif kind is dict:
            _collect(child, names, strings)
        elif kind is list:
            for item in child:
                if item.__class__ is dict:
                    _collect(item, names, strings)
                elif item.__class__ is str and name in names:
                    strings.add(item)


@cache
def content_names() -> frozenset[str]:
    """Member names under which people write words: texts, names, displays, and codes of codings.

    A name that is text in one type and a code, address or date in another goes with the majority.
    """
    balance: Counter[str] = Counter()
    for type_name in load().types:
        for element in load().types[type_name].children:
            for json_name, kind in element.json_names.items():
                balance[json_name] += 1 if kind in _TEXT_TYPES else -(kind in _NO_TEXT_TYPES)
    return frozenset({name for name, count in balance.items() if count > 0} - _NOT_CONTENT | {"code"})
