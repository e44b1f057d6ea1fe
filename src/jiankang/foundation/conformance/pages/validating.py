"""/-/validate: paste a resource, choose a profile, see the problems beside the lines. Nothing is stored."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from jiankang.fhir.outcome import outcome
from jiankang.fhir.validation import validate as by_the_norm
from jiankang.foundation.conformance.pages.headlines import headline
from jiankang.foundation.conformance.pages.reading import MAX_BYTES, Pasted, Unreadable, read_pasted
from jiankang.foundation.conformance.pages.showing import SEVERITIES, Shown, shown
from jiankang.foundation.conformance.shelf import Held, shelf_of
from jiankang.foundation.record.judging import findings_of
from jiankang.kernel.errors import Issue
from jiankang.kernel.jsontext import encode
from jiankang.ui import N_, Mistake, expect_same_site, gettext, page, read_form

if TYPE_CHECKING:
    from starlette.requests import Request

    from jiankang.foundation.record.wire.server import Server

PATH = "/-/validate"
SAMPLES = {path.stem: path for path in sorted((Path(__file__).parent / "samples").glob("*.*"))}
_FORM_BYTES = 3 * MAX_BYTES + 20_000  # each byte may be written as %XX


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form says."""

    text: str = ""
    profile: str = ""
    canonical: str = ""
    advice: bool = False
    as_outcome: bool = False

    @property
    def profiles(self) -> list[str]:
        """Canonical URLs of the profiles asked for."""
        return [each for each in (self.profile, self.canonical.strip()) if each]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page tells besides the form: mistakes in it, where the text cannot be read, or what was found."""

    mistakes: list[Mistake] = field(default_factory=list)
    unreadable: Unreadable | None = None
    shown: Shown | None = None
    type_name: str = ""


async def show_form(request: Request) -> Response:
    """The empty form, or with an example in it."""
    _server(request).authenticate(request.scope)
    sample = SAMPLES.get(request.query_params.get("sample", ""))
    text = sample.read_text() if sample else ""
    return await _show(request, Asked(text), Answer())


async def judge_pasted(request: Request) -> Response:
    """The form with what is to be said of the resource in it."""
    expect_same_site(request)
    server = _server(request)
    server.authenticate(request.scope)
    asked = _read(await read_form(request, _FORM_BYTES))
    if mistake := _mistake(request, asked):
        return await _show(request, asked, Answer([mistake]), 422)
    pasted = await asyncio.to_thread(read_pasted, asked.text)
    if isinstance(pasted, Unreadable):
        if asked.as_outcome:
            return _outcome([Issue("structure", pasted.text)], 422)
        text = gettext(request, N_("The text cannot be read as JSON or XML."))
        return await _show(request, asked, Answer([Mistake("unreadable", text)], pasted), 422)
    findings = await _judged(server, pasted, asked)
    if asked.as_outcome:
        return _outcome(findings)
    result = await asyncio.to_thread(shown, pasted.printed, findings)
    return await _show(request, asked, Answer(shown=result, type_name=pasted.type_name))


def _server(request: Request) -> Server:
    found: Server = request.app.state.server
    return found


def _read(form: dict[str, str]) -> Asked:
    return Asked(
        form.get("resource", ""), form.get("profile", ""), form.get("canonical", "")[:2_000],
        form.get("advice") == "yes", form.get("answer") == "outcome",
    )  # fmt: skip


def _mistake(request: Request, asked: Asked) -> Mistake | None:
    if not asked.text.strip():
        return Mistake("resource", gettext(request, N_("Paste a resource, or take an example.")))
    if len(asked.text.encode("utf-8", "replace")) > MAX_BYTES:
        return Mistake(
            "resource", gettext(request, N_("The text is larger than 2 MB; use $validate of the API for it."))
        )
    return None


async def _judged(server: Server, pasted: Pasted, asked: Asked) -> list[Issue]:
    how: dict[str, Any] = {"profiles": asked.profiles, "best_practice": asked.advice}
    judge = server.judge
    if judge is None or not isinstance(pasted.value, dict):
        return await asyncio.to_thread(functools.partial(by_the_norm, pasted.value, **how))
    await judge.refresh()
    return list((await findings_of(judge, [pasted.value], aside=True, **how))[0].findings)


def _outcome(findings: list[Issue], status: int = 200) -> Response:
    said = findings or [Issue("informational", "No problem was found.", (), "information")]
    return Response(encode(outcome(said)), status, media_type="application/fhir+json; charset=utf-8")


async def _show(request: Request, asked: Asked, answer: Answer, status: int = 200) -> Response:
    return page(
        request, "validate/show.html", status=status, asked=asked, answer=answer, samples=list(SAMPLES),
        groups=await _profiles(request, answer.type_name), severities=SEVERITIES, headline=headline,
    )  # fmt: skip


async def _profiles(request: Request, type_name: str) -> list[tuple[str, list[Held]]]:
    """The profiles that may be chosen, by resource type; those of the type at hand first."""
    server = _server(request)
    if not server.authenticate(request.scope).restriction.permits("StructureDefinition", ()):
        return []
    if server.judge is not None:
        await server.judge.refresh()
    groups: dict[str, list[Held]] = {}
    for each in shelf_of(server.record).profiles():
        groups.setdefault(each.type, []).append(each)
    return sorted(groups.items(), key=lambda each: (each[0] != type_name, each[0]))
