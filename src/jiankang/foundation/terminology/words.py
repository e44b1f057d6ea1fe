"""The words by which concepts are found: folded Latin words, pairs of Chinese characters, and the code itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_LATIN = re.compile(r"[^\W_]+")
_HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_RUN = re.compile(
    r"[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|[^\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_LONGEST = 60
_MOST = 400


def folded(text: str) -> str:
    """`text` in lower case, without accents, in half width."""
    if text.isascii():
        return text.lower()
    lower = text.casefold()
    plain = unicodedata.normalize("NFKD", lower)
    return lower if plain == lower else "".join(letter for letter in plain if not unicodedata.combining(letter))


def words_of(text: str) -> set[str]:
    """The words that a text is found by. Chinese runs give each pair of neighbours, and their last character."""
    text = folded(text)
    if text.isascii():
        words = _LATIN.findall(text)
        return set(words) if len(text) <= _LONGEST else {word[:_LONGEST] for word in words}
    found: set[str] = set()
    for run in _RUN.findall(text):
        if _HAN.match(run):
            found.update([run[place : place + 2] for place in range(len(run))])
        else:
            found.update([word[:_LONGEST] for word in _LATIN.findall(run)])
    return found


def lexemes(system: int, code: str, texts: Iterable[str]) -> str:
    """The words of a concept as the text of a tsvector."""
    found: set[str] = set()
    for text in texts:
        found |= words_of(text)
        if len(found) > _MOST:
            found = set(sorted(found)[:_MOST])
            break
    found.add(_quoted(folded(code)[:_LONGEST]))  # other words are of letters and digits only
    return f"'{system}:" + f"' '{system}:".join(found) + "'"


def query_of(system: int, filter_text: str) -> str:
    """The tsquery for what a person typed: each word begins a word of the concept, in any order."""
    parts: list[str] = []
    for run in _RUN.findall(folded(filter_text)[:200]):
        if _HAN.match(run):
            pairs = [run[place : place + 2] for place in range(len(run) - 1)] or [run]
            parts += [f"'{system}:{pair}'{':*' if len(pair) == 1 else ''}" for pair in pairs]
        else:
            parts += [f"'{system}:{_quoted(word[:_LONGEST])}':*" for word in _LATIN.findall(run)]
    if not parts:
        parts = [f"'{system}:{_quoted(folded(filter_text).strip()[:_LONGEST])}':*"]
    return " & ".join(dict.fromkeys(parts))


def _quoted(word: str) -> str:
    return word.replace("\\", "\\\\").replace("'", "''")
