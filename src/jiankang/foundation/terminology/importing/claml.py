"""Classifications in ClaML, as WHO and its members publish ICD-10: classes, their place, their rubrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lxml import etree

from jiankang.foundation.terminology.importing.sources import Named, code_property, text_property
from jiankang.foundation.terminology.model import Draft
from jiankang.kernel.errors import Invalid

_KNOWN = (("ICD-10-GM", "http://fhir.de/CodeSystem/bfarm/icd-10-gm"), ("ICD-10", "http://hl7.org/fhir/sid/icd-10"))
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


class ClaML:
    """A ClaML file."""

    def __init__(self, path: Path, named: Named) -> None:
        self.path = path
        title: dict[str, str] = {}
        language = None
        for event, element in self._events("start"):
            if event == "start" and element.tag == "Title":
                title = dict(element.attrib)
            elif element.tag == "ClaML":
                language = element.get(_LANGUAGE)
            elif element.tag == "Class":
                break
        name = title.get("name", "")
        url = next((url for start, url in _KNOWN if name.upper().startswith(start)), None)
        self.header = named.header(
            url, title.get("version"), title=name or path.stem, hierarchyMeaning="classified-with"
        )
        if language and "language" not in self.header:
            self.header["language"] = language

    def _events(self, *kinds: str) -> Iterator[tuple[str, Any]]:
        try:
            with self.path.open("rb") as file:
                yield from etree.iterparse(
                    file, events=kinds or ("end",), load_dtd=False, no_network=True, resolve_entities=False,
                    huge_tree=False, remove_comments=True, remove_pis=True,
                )  # fmt: skip
        except etree.XMLSyntaxError as error:
            raise Invalid(f"{self.path.name} is not well-formed ClaML: {error}") from None

    def _elements(self, *tags: str) -> Iterator[Any]:
        """Whole elements one after the other, each forgotten when the next is read."""
        for _, element in self._events():
            if element.tag not in tags:
                continue
            yield element
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]

    @cached_property
    def _modifiers(self) -> _Modifiers:
        """Characters that are added to many codes alike, such as the fourth of E10 to E14."""
        found = _Modifiers()
        for element in self._elements("Class", "ModifierClass"):
            code = element.get("code", "")
            if element.tag == "ModifierClass":
                found.classes.setdefault(element.get("modifier", ""), []).append((code, _preferred(element)))
                continue
            found.above[code] = [each.get("code", "") for each in element.findall("SuperClass")]
            if element.find("SubClass") is not None:
                found.divided.add(code)
            found.excluded[code] = {each.get("code", "") for each in element.findall("ExcludeModifier")}
            for each in element.findall("ModifiedBy"):
                valid = {one.get("code", "") for one in each.findall("ValidModifierClass")} or None
                found.modified.setdefault(code, []).append((each.get("code", ""), valid))
        return found

    def drafts(self) -> Iterator[Draft]:
        """A concept for each class, with its rubrics: the preferred one is the display; and those that modifiers make."""
        modifiers = self._modifiers
        for element in self._elements("Class"):
            draft = _draft(element)
            yield draft
            yield from modifiers.made(draft)


@dataclass
class _Modifiers:
    """Which classes are modified by what, and how (ClaML: ModifiedBy, ExcludeModifier, ModifierClass)."""

    classes: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    modified: dict[str, list[tuple[str, set[str] | None]]] = field(default_factory=dict)
    excluded: dict[str, set[str]] = field(default_factory=dict)
    above: dict[str, list[str]] = field(default_factory=dict)
    divided: set[str] = field(default_factory=set)

    def _of(self, code: str) -> list[tuple[str, set[str] | None]]:
        """The modifiers of a class: its own and those of the classes above it that it does not exclude."""
        found: dict[str, set[str] | None] = {}
        excluded: set[str] = set()
        line, seen = [code], {code}
        while line:
            each = line.pop(0)
            excluded |= self.excluded.get(each, set())
            for modifier, valid in self.modified.get(each, ()):
                if modifier not in excluded:
                    found.setdefault(modifier, valid)
            line += [one for one in self.above.get(each, ()) if one not in seen]
            seen.update(self.above.get(each, ()))
        return list(found.items())

    def made(self, draft: Draft) -> Iterator[Draft]:
        """The codes below an undivided class, one level for each modifier."""
        if draft.code in self.divided:
            return
        level = [draft]
        for modifier, valid in self._of(draft.code):
            below: list[Draft] = []
            for above in level:
                for code, label in self.classes.get(modifier, ()):
                    if valid is None or code in valid:
                        whole = above.code + (code.lstrip(".") if "." in above.code else code)
                        below.append(
                            Draft(
                                whole,
                                f"{above.display} : {label}",
                                properties=above.properties[:1],
                                parents=(above.code,),
                            )
                        )
            yield from below
            level = below or level


def _preferred(element: Any) -> str:
    """The text of the preferred rubric."""
    for rubric in element.findall("Rubric"):
        if rubric.get("kind") == "preferred":
            return " ".join(" ".join("".join(label.itertext()) for label in rubric.findall("Label")).split())
    return ""


def _draft(element: Any) -> Draft:
    display, definition = "", None
    designations: list[dict[str, Any]] = []
    properties: list[dict[str, Any]] = [code_property("kind", element.get("kind", ""))]
    parents = tuple(each.get("code") for each in element.findall("SuperClass"))
    metas = [(meta.get("name"), meta.get("value")) for meta in element.findall("Meta")]
    properties += [text_property(name, value) for name, value in metas if name and value]
    for rubric in element.findall("Rubric"):
        kind = rubric.get("kind", "")
        for label in rubric.findall("Label"):
            text = " ".join("".join(label.itertext()).split())
            if not text:
                continue
            if kind == "preferred" and not display:
                display = text
            elif kind == "definition" and definition is None:
                definition = text
            elif kind.startswith("preferred"):
                language = label.get(_LANGUAGE)
                designations.append({**({"language": language} if language else {}), "value": text})
            else:
                properties.append(text_property(kind, text))
    return Draft(element.get("code", ""), display, definition, designations, properties, parents)
