"""Classifications in ClaML, as WHO and its members publish ICD-10: classes, their place, their rubrics."""

from __future__ import annotations

from collections.abc import Iterator
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

    def drafts(self) -> Iterator[Draft]:
        """A concept for each class, with its rubrics: the preferred one is the display."""
        for _, element in self._events():
            if element.tag != "Class":
                continue
            yield _draft(element)
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]


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
