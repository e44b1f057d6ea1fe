"""No sentence is left in English, none is translated that nobody says any more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

from jiankang.ui.languages import CHINESE, ENGLISH, Catalogue, catalogues, read_catalogue

SOURCE = Path(__file__).resolve().parents[2] / "src" / "jiankang"
FOLDERS = sorted(path.parent for path in SOURCE.rglob("languages") if path.is_dir())
_WAYS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}
_PLACE = re.compile(r"%\((\w+)\)s")


def said_in(folder: Path) -> set[str]:
    """All sentences of a folder's pages, of plural ones the singular."""
    options = {"**.html": {"newstyle_gettext": "true", "silent": "false"}}
    found = extract_from_dir(str(folder), method_map=_WAYS, options_map=options, keywords=_KEYWORDS)
    return {each[2] if isinstance(each[2], str) else each[2][0] for each in found}


def translated_in(folder: Path) -> dict[str, object]:
    catalogue = read_catalogue(folder / "languages" / "zh.po")
    return {each.id if isinstance(each.id, str) else each.id[0]: each for each in catalogue if each.id}


COMMON = translated_in(SOURCE / "ui")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(SOURCE)))
def test_every_sentence_is_translated_and_no_other(folder):
    said, translated = said_in(folder), translated_in(folder)
    assert len(said) > 20
    assert said - set(translated) - set(COMMON) == set()
    assert set(translated) - said == set()
    assert folder == SOURCE / "ui" or set(translated) & set(COMMON) == set()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(SOURCE)))
def test_translations_are_chinese_and_keep_their_places(folder):
    for sentence, message in translated_in(folder).items():
        text = message.string if isinstance(message.string, str) else message.string[0]
        assert re.search(r"[\u4e00-\u9fff]", text), sentence
        assert not message.fuzzy
        assert set(_PLACE.findall(text)) == set(_PLACE.findall(sentence)), sentence
        assert not re.search(r"[\u4e00-\u9fff][,;!?]", text), f"half-width punctuation: {text}"


def test_sentences_are_said_in_the_language_of_the_catalogue():
    words = catalogues(FOLDERS)
    assert words["zh"].gettext("Terminology") == "术语"
    assert words["en"].gettext("Terminology") == "Terminology"
    assert words["zh"].gettext("nobody says this") == "nobody says this"
    assert words["zh"].gettext("") == ""
    assert words["en"].ngettext("%(num)s code", "%(num)s codes", 1) == "%(num)s code"
    assert words["en"].ngettext("%(num)s code", "%(num)s codes", 2) == "%(num)s codes"
    assert words["zh"].ngettext("%(num)s code", "%(num)s codes", 1) == "%(num)s 个代码"
    assert Catalogue(CHINESE, ()).gettext("Terminology") == "Terminology"
    assert Catalogue(ENGLISH, ()).number(1234567) == "1,234,567"
