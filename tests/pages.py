"""Asks the pages of the platform in process, and says what is wrong with their HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import httpx
from lxml import html

from jiankang.capabilities.exchange import open_exchange
from jiankang.main import compose, create_pages

FORM = "application/x-www-form-urlencoded"
TONGUES = {"zh": "zh-CN,zh;q=0.9", "en": "en-GB,en;q=0.8"}


@dataclass
class Shown:
    """A page that came back."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @cached_property
    def tree(self) -> Any:
        return html.document_fromstring(self.text)

    def all(self, path: str) -> list[Any]:
        """Elements, by XPath."""
        return self.tree.xpath(path)

    def words(self, path: str) -> list[str]:
        """The texts of elements, each in one line."""
        return [" ".join(each.text_content().split()) for each in self.all(path)]

    def links(self) -> list[str]:
        return [each.get("href") for each in self.all("//main//a[@href]")]


class Pages:
    """The pages over the record of `platform`."""

    def __init__(self, platform: Any) -> None:
        self.platform = platform
        self.server = platform.app.server
        if self.server.judge is None:
            compose(self.server)
        self.app = create_pages()
        self.app.state.record, self.app.state.server = platform.record, self.server
        self.app.state.exchange = open_exchange(self.server)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Shown:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://here.example") as client:
                return await client.request(method, path, content=body, headers=headers)

        response = self.platform.run(asked())
        return Shown(response.status_code, response.headers, response.content)

    def get(self, path: str, tongue: str = "en", *, status: int = 200, **headers: str) -> Shown:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        shown = self.ask("GET", path, **{"accept-language": TONGUES[tongue], **named})
        assert shown.status == status, (shown.status, shown.text[-1500:])
        return shown

    def post(self, path: str, tongue: str = "en", *, status: int = 200, **fields: str) -> Shown:
        headers = {"accept-language": TONGUES[tongue], "content-type": FORM, "sec-fetch-site": "same-origin"}
        shown = self.ask("POST", path, urlencode(fields).encode(), **headers)
        assert shown.status == status, (shown.status, shown.text[-1500:])
        return shown


# ---- what may be wrong with a page

_OURS = re.compile(r"(/(?![/\\])|#|\?)")
_NAMES = {
    "API", "FHIR", "FHIRPath", "HIS", "HL", "JSON", "Jiankang", "MB", "MLLP", "MSH", "SHA", "OperationOutcome", "README", "UCUM", "URL", "XHTML", "XML", "best",
    "canonical", "designation", "docs", "fullUrl", "id", "import", "jiankang", "meta", "md", "practice", "profile",
    "request", "terminology", "validate",
}  # fmt: skip
"""What stays Latin in Chinese sentences."""


def complaints(shown: Shown, language: str) -> list[str]:
    """Everything that is wrong with the HTML of a page."""
    return [
        *_ids(shown),
        *_inline(shown),
        *_foreign(shown),
        *_unlabelled(shown),
        *_headings(shown),
        *_tongue(shown, language),
    ]


def _ids(shown: Shown) -> list[str]:
    ids = shown.all("//@id")
    twice = {each for each in ids if ids.count(each) > 1}
    named = shown.all("//@for | //@aria-labelledby | //@aria-controls")
    named += [name for each in shown.all("//@aria-describedby") for name in each.split()]
    lost = {each for each in named if each not in ids}
    anchors = {each[1:] for each in shown.all("//a/@href") if each.startswith("#")} - set(ids)
    return [f"the id {each} twice" for each in twice] + [f"no id {each}" for each in lost | anchors]


def _inline(shown: Shown) -> list[str]:
    found = [f"inline {each.tag}" for each in shown.all("//style | //script[not(@src)]")]
    for element in shown.all("//*[@*]"):
        found += [f"{name} on {element.tag}" for name in element.attrib if name == "style" or name.startswith("on")]
        found += [
            f"script address on {element.tag}" for each in element.attrib.values() if each.startswith("javascript:")
        ]
    return found


def _foreign(shown: Shown) -> list[str]:
    addresses = shown.all("//@href | //@src | //@action | //@formaction | //@hx-get | //@hx-post")
    return [f"a foreign address {each}" for each in addresses if not _OURS.match(each)]


def _unlabelled(shown: Shown) -> list[str]:
    fields = shown.all("//input[not(@type='hidden')] | //textarea | //select")
    labels = shown.all("//label/@for")
    return [
        *(
            f"no label for {each.get('name')}"
            for each in fields
            if each.get("id") not in labels and not each.get("aria-label")
        ),
        *(
            f"a {each.tag} without words"
            for each in shown.all("//a | //button")
            if not each.text_content().strip() and not each.get("aria-label")
        ),
        *(f"an image without alt: {each.get('src')}" for each in shown.all("//img[not(@alt)]")),
    ]


def _headings(shown: Shown) -> list[str]:
    levels = [int(each.tag[1]) for each in shown.all("//h1 | //h2 | //h3 | //h4")]
    wrong = [] if levels.count(1) == 1 else [f"{levels.count(1)} first headings"]
    return wrong + [f"a heading {after} after {before}" for before, after in pairwise(levels) if after > before + 1]


def _tongue(shown: Shown, language: str) -> list[str]:
    if shown.tree.get("lang") != {"zh": "zh-Hans", "en": "en"}[language]:
        return [f"lang is {shown.tree.get('lang')}"]
    found = []
    spoken = (
        "//text()[normalize-space()][not(ancestor::title or ancestor::script or ancestor::code or ancestor::textarea)]"
    )
    for text in shown.all(spoken):
        near = text.getparent().xpath("ancestor-or-self::*[@lang][1]/@lang")
        if language == "zh" and near == ["zh-Hans"] and (words := set(re.findall(r"[A-Za-z]{2,}", text)) - _NAMES):
            found.append(f"not translated: {text.strip()[:80]!r} ({', '.join(sorted(words))})")
        if language == "en" and near == ["en"] and re.search(r"[\u4e00-\u9fff]", text):
            found.append(f"Chinese in English: {text.strip()[:80]!r}")
    return found
