"""The rendered pages are those of the sources, and lead nowhere that is not there."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "cn-hainan"


def test_pages_are_those_of_the_sources(builder, guide):
    made = builder.pages(guide)
    assert {path.name for path in DOCS.glob("*")} == set(made), "run `make docs`"
    for name, text in made.items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, f"{name}: run `make docs`"


def test_links_between_pages_lead_somewhere(builder, guide):
    made = builder.pages(guide)
    anchors = {name: set(re.findall(r'<a id="([^"]+)">', text)) for name, text in made.items()}
    for name, text in made.items():
        for target, anchor in re.findall(r"\]\(([\w-]+\.md)?(?:#([\w-]+))?\)", text):
            assert not target or target in made, (name, target)
            assert not anchor or anchor in anchors[target or name], (name, target, anchor)


def test_every_profile_has_a_page_with_its_elements_rules_and_examples(builder, guide):
    made = builder.pages(guide)
    for sheet in guide.sheets:
        if sheet.resource["type"] == "Extension":
            continue
        text = made[f"{sheet.resource['id']}.md"]
        assert sheet.resource["url"] in text
        for element in sheet.elements:
            if element.get("mustSupport"):
                assert f"`{element['id'].partition('.')[2]}`" in text, element["id"]
            for rule in element.get("constraint", ()):
                assert f"**{rule['key']}**" in text
        assert "```json" in text
