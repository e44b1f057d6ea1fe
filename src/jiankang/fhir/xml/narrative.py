"""The XHTML of narratives, which JSON keeps as a text and XML as markup: the same characters in both.

http://hl7.org/fhir/R4/narrative.html
"""

from __future__ import annotations

import re
from html.entities import html5

from lxml import etree

from jiankang.kernel.errors import Invalid

XHTML = "http://www.w3.org/1999/xhtml"
_OWN_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_OPEN_DIV = re.compile(r"<div(?=[\s>/])")
_NAMESPACE = re.compile(r"""<div\b[^>]*?\sxmlns\s*=\s*["']http://www\.w3\.org/1999/xhtml["']""")
_MARKUP = re.compile(
    r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<(?P<end>/?)div(?=[\s>/])(?:[^>\"']|\"[^\"]*\"|'[^']*')*?(?P<empty>/?)>",
    re.DOTALL,
)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def embedded(div: str) -> str:
    """The text of a narrative as it may stand inside an XML document. Raises Invalid when it is not XHTML."""
    text = div.strip()
    if _NAMESPACE.match(text) is None:
        text = _OPEN_DIV.sub(f'<div xmlns="{XHTML}"', text, count=1)
    if "<!DOCTYPE" in text:
        raise Invalid("a narrative may not declare a document type")
    try:
        root = etree.fromstring(text, _parser())
    except (etree.XMLSyntaxError, ValueError):
        text = _ENTITY.sub(_as_characters, text)
        try:
            root = etree.fromstring(text, _parser())
        except (etree.XMLSyntaxError, ValueError) as error:
            raise Invalid(f"the narrative is not well-formed XHTML: {str(error)[:200]}") from None
    if root.tag != f"{{{XHTML}}}div":
        raise Invalid("the narrative is not a <div> of XHTML")
    return text[text.index("<div") :]


def _as_characters(entity: re.Match[str]) -> str:
    """HTML knows more names of characters than XML does."""
    if entity[1] in _OWN_ENTITIES:
        return entity[0]
    return html5.get(f"{entity[1]};", entity[0])


class Divs:
    """The narratives of a document, in order, with exactly their characters."""

    def __init__(self, text: str) -> None:
        self._texts = outermost_divs(text)
        self._next = 0

    def take(self, element: etree._Element) -> str:
        """The characters of the next narrative, which was parsed as `element`."""
        number = self._next
        self._next += 1
        if number < len(self._texts):
            text = self._texts[number]
            if _NAMESPACE.match(text) is not None:
                return text
        return written_out(element)


def written_out(element: etree._Element) -> str:
    """A narrative that leans on declarations around it, as a text that stands alone."""
    plain: str = etree.tostring(element, method="c14n", exclusive=True, with_comments=False).decode()
    return plain


def outermost_divs(text: str) -> list[str]:
    """Each `<div>` that is in no other, from its first to its last character. `text` is well-formed XML."""
    found: list[str] = []
    depth = start = 0
    for token in _MARKUP.finditer(text):
        if token["end"] is None:
            continue
        if token["end"]:
            depth -= 1
            if depth == 0:
                found.append(text[start : token.end()])
        elif token["empty"]:
            if depth == 0:
                found.append(token[0])
        else:
            if depth == 0:
                start = token.start()
            depth += 1
    return found
