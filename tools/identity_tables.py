"""Writes the tables of characters and countries that the identity room reads: `foundation/identity/data/`.

    uv run --with pypinyin --with opencc-python-reimplemented --with iso3166 --with phonenumbers tools/identity_tables.py

What is taken are facts: the first Mandarin reading of a character (pypinyin, MIT), its simplified form (OpenCC's
TSCharacters, Apache-2.0), country codes (iso3166, MIT) and calling codes (phonenumbers, Apache-2.0).
"""

from __future__ import annotations

import unicodedata
from importlib import resources
from pathlib import Path

import iso3166
import phonenumbers
from pypinyin.pinyin_dict import pinyin_dict

DATA = Path(__file__).parents[1] / "src" / "jiankang" / "foundation" / "identity" / "data"


def main() -> None:
    """Writes the three tables."""
    simplified = _simplified()
    _write(
        "simplified.tsv",
        "traditional characters<TAB>simplified character; OpenCC TSCharacters, Apache-2.0",
        _grouped(simplified),
    )
    _write(
        "pinyin.tsv",
        "syllable without tone<TAB>characters first read so; pypinyin, MIT",
        _grouped(_readings(simplified)),
    )
    _write("countries.tsv", "ISO 3166-1 alpha-3, alpha-2, numeric, calling code (ITU E.164)", _countries())


def _simplified() -> dict[str, str]:
    """Each traditional character's simplified one, followed to the end, so that doing it twice is doing it once."""
    text = (resources.files("opencc") / "dictionary" / "TSCharacters.txt").read_text("utf-8")
    pairs = {one: others.split(" ")[0] for one, others in (line.split("\t") for line in text.splitlines() if line)}
    pairs = {one: other for one, other in pairs.items() if one != other}
    for one, other in pairs.items():
        seen = {one}
        while other in pairs and other not in seen:
            seen.add(other)
            other = pairs[other]
        pairs[one] = other
    return {one: other for one, other in pairs.items() if one != other}


def _readings(simplified: dict[str, str]) -> dict[str, str]:
    readings = {chr(number): _toneless(text.split(",")[0]) for number, text in pinyin_dict.items()}
    return {
        one: sound for one, sound in readings.items() if one not in simplified and one.isalpha() and sound.isascii()
    }


def _toneless(sound: str) -> str:
    """Ü is written u: passports write it YU, U or V, and one sound must be one text."""
    plain = "".join(c for c in unicodedata.normalize("NFD", sound) if not unicodedata.combining(c))
    return plain if len(plain) > 1 or plain in {"a", "e", "o"} else "en"


def _grouped(pairs: dict[str, str]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for one, other in pairs.items():
        groups.setdefault(other, []).append(one)
    return [f"{other}\t{''.join(sorted(ones))}" for other, ones in sorted(groups.items())]


def _countries() -> list[str]:
    return [
        f"{each.alpha3}\t{each.alpha2}\t{each.numeric}\t{phonenumbers.country_code_for_region(each.alpha2) or ''}"
        for each in sorted(iso3166.countries, key=lambda each: each.alpha3)
    ]


def _write(name: str, note: str, lines: list[str]) -> None:
    path = DATA / name
    path.write_text("\n".join([f"# {note}", *lines, ""]), "utf-8")
    print(f"{path.name}: {len(lines)} lines, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
