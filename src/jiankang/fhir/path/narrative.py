"""Which XHTML a narrative may have: formatting, nothing active (http://hl7.org/fhir/R4/narrative.html#rules)."""

from __future__ import annotations

from functools import lru_cache
from html.parser import HTMLParser
from xml.parsers import expat

_ELEMENTS = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "big",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "li",
        "ol",
        "p",
        "pre",
        "q",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "tt",
        "ul",
        "var",
    ]
)
_ATTRIBUTES = frozenset(
    [
        "title",
        "style",
        "class",
        "id",
        "lang",
        "xml:lang",
        "dir",
        "accesskey",
        "tabindex",
        "span",
        "width",
        "align",
        "valign",
        "char",
        "charoff",
        "abbr",
        "axis",
        "headers",
        "scope",
        "rowspan",
        "colspan",
        "href",
        "name",
        "src",
        "alt",
        "height",
        "border",
        "cellpadding",
        "cellspacing",
        "frame",
        "rules",
        "summary",
        "cite",
        "hreflang",
        "rel",
        "rev",
        "type",
        "charset",
        "coords",
        "shape",
        "longdesc",
        "ismap",
        "usemap",
        "nowrap",
        "start",
        "value",
        "compact",
        "bgcolor",
        "color",
        "face",
        "size",
        "xmlns",
        "noshade",
    ]
)
_SAFE_LINKS = ("http:", "https:", "mailto:", "tel:", "urn:", "ftp:", "cid:", "data:image/")
_VOID = frozenset({"br", "hr", "img", "col"})


class _Checker(HTMLParser):
    """Looks at every element and attribute; `safe` says what it found."""

    def __init__(self) -> None:
        super().__init__()
        self.safe = True
        self.open: list[str] = []
        self.is_first = True
        self.has_content = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check an element that opens."""
        if self.is_first and tag != "div":
            self.safe = False
        if not self.is_first and not self.open:
            self.safe = False
        self.is_first = False
        self.safe = self.safe and tag in _ELEMENTS and all(_allowed(name, value or "") for name, value in attrs)
        self.has_content = self.has_content or tag == "img"
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check an element without content."""
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that what closes is what was opened last."""
        if tag in _VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.safe = False

    def handle_data(self, data: str) -> None:
        """Note whether there is text, all of it inside the div."""
        if data.strip():
            self.has_content = True
            self.safe = self.safe and bool(self.open)

    def handle_decl(self, decl: str) -> None:  # noqa: ARG002 - the base class names it
        """Refuse document types."""
        self.safe = False

    def handle_pi(self, data: str) -> None:  # noqa: ARG002 - the base class names it
        """Refuse processing instructions."""
        self.safe = False

    def unknown_decl(self, data: str) -> None:  # noqa: ARG002 - the base class names it
        """Refuse sections that are no HTML."""
        self.safe = False


def _allowed(name: str, value: str) -> bool:
    if name.startswith("xmlns"):
        return True
    if name not in _ATTRIBUTES:
        return False
    if name in ("href", "src", "cite", "longdesc"):
        link = "".join(value.split()).lower()
        return link.startswith(_SAFE_LINKS) or ":" not in link.split("/", 1)[0].split("#", 1)[0].split("?", 1)[0]
    return not (name == "style" and ("expression(" in value.lower() or "javascript:" in value.lower()))


def _is_well_formed(text: str) -> bool:
    reader = expat.ParserCreate("utf-8")
    reader.UseForeignDTD(True)  # so that names of HTML entities are passed over
    try:
        reader.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError:
        return False
    return True


@lru_cache(maxsize=256)
def is_safe_narrative(text: str) -> bool:
    """Whether `text` is one <div> of allowed elements and attributes, well-formed, with some content."""
    if not _is_well_formed(text):  # which takes linear time; the parser of HTML may not on what is no markup
        return False
    checker = _Checker()
    checker.feed(text)
    checker.close()
    return checker.safe and not checker.open and not checker.is_first and checker.has_content
