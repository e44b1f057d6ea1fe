"""What all pages of this room begin with: who asks, what the address says, and names in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.asking import shown_display, with_supplements
from jiankang.foundation.terminology.model import Concept, System, speaks
from jiankang.foundation.terminology.operations import terminology_of
from jiankang.kernel.errors import Forbidden, Invalid
from jiankang.ui import language_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.wire.server import Server
    from jiankang.foundation.terminology.codes import AnySystem, Codes, Terminology

PATH = "/-/terminology"
_LONGEST = 2_000


def server_of(request: Request) -> Server:
    """The FHIR server whose record is asked."""
    found: Server = request.app.state.server
    return found


def room_of(request: Request) -> Terminology:
    """The terminology room."""
    return terminology_of(server_of(request).record)


def actor_for(request: Request, type_name: str) -> Actor:
    """Who asks. Raises Forbidden for who may not ask about this type, as the operations do."""
    actor = server_of(request).authenticate(request.scope)
    if not actor.restriction.permits(type_name, ()):
        raise Forbidden(f"you may not ask about {type_name}")
    return actor


def said(request: Request, name: str) -> str:
    """A part of the address, "" where it is not there. Raises Invalid for what nobody types."""
    text = request.query_params.get(name, "")
    if len(text) > _LONGEST or "\x00" in text:
        raise Invalid(f"{name} is longer than {_LONGEST} characters or holds a NUL")
    return text


def needed(request: Request, name: str) -> str:
    """A part of the address that has to be there."""
    found = said(request, name)
    if not found:
        raise Invalid(f"the address names no {name}", code="required")
    return found


@dataclass(frozen=True, slots=True)
class Named:
    """A text and the language it is in ("" where nobody says)."""

    text: str
    lang: str


async def named(request: Request, codes: Codes, system: AnySystem, concept: Concept) -> Named:
    """A concept's name in the reader's language where it has one, else as its system says it."""
    designations: list[dict[str, Any]] = []
    if isinstance(system, System):
        designations = (await with_supplements(codes, system, concept))[0]
    language = language_of(request).code
    text = shown_display(concept, system, designations, language)
    if not text:
        return Named(concept.code, "")
    if text != concept.display:
        lang = next((str(each["language"]) for each in designations if each.get("value") == text), language)
    else:
        lang = system.language or ""
    return Named(text, tag(lang))


def tag(lang: str) -> str:
    """A language tag for `lang`; plain zh is Simplified Chinese here."""
    return "zh-Hans" if speaks(lang, "zh") else lang


_TOLD = (
    "id", "title", "name", "status", "publisher", "copyright", "description", "version", "valueSet", "sourceCanonical",
    "sourceUri", "targetCanonical", "targetUri",
)  # fmt: skip


def told(resource: dict[str, Any]) -> dict[str, str]:
    """What a resource tells of itself, "" where it is silent."""
    return {name: found if isinstance(found := resource.get(name), str) else "" for name in _TOLD}
