"""Local codes that nothing translates: what they are, and saying once what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse

from jiankang.capabilities.exchange.pages import records
from jiankang.capabilities.exchange.pages.asking import PATH, intake_of
from jiankang.capabilities.exchange.pages.overview import common
from jiankang.ui import N_, Mistake, expect_same_site, gettext, page, read_form

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_FORM_BYTES = 20_000
SYSTEMS = ("http://loinc.org", "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10", "http://www.whocc.no/atc")
"""What local codes are translated to most."""


async def show_codes(request: Request) -> Response:
    """Open gaps, the commonest first, and what was answered."""
    return await _show(request)


async def translate_code(request: Request) -> Response:
    """Say what a code means; the letters that have it land again. Or take it back."""
    expect_same_site(request)
    form = await read_form(request, _FORM_BYTES)
    intake = intake_of(request)
    names = tuple(form.get(name, "") for name in ("sender", "from_system", "from_code"))
    answer = None
    if form.get("do") != "undo":
        system, code = form.get("system", "").strip(), form.get("code", "").strip()
        mistakes = []
        if not system or " " in system or ":" not in system:
            mistakes.append(
                Mistake("system", gettext(request, N_("Enter the address of a code system, such as http://loinc.org")))
            )
        if not code:
            mistakes.append(Mistake("code", gettext(request, N_("Enter the code"))))
        if mistakes:
            return await _show(request, mistakes=mistakes, filled=form, status=422)
        answer = [
            {
                "system": system,
                "code": code,
                **({"display": form["display"].strip()} if form.get("display", "").strip() else {}),
            }
        ]
    async with intake.record.pool.connection() as db:
        numbers = await records.answer_gap(db, names[0], names[1], names[2], answer)
    intake.senders.forget()
    again = await intake.again(numbers)
    return RedirectResponse(f"{PATH}/codes?again={again}", 303)


async def _show(
    request: Request, *, status: int = 200, mistakes: list[Mistake] | None = None, filled: dict[str, str] | None = None
) -> Response:
    async with intake_of(request).record.pool.connection() as db:
        open_, answered = await records.gaps(db, open_=True), await records.gaps(db, open_=False)
    again = request.query_params.get("again", "")
    return page(
        request, "exchange/codes.html", fragment=None, status=status, open_=open_, answered=answered, systems=SYSTEMS,
        mistakes=mistakes or [], filled=filled or {}, again=int(again) if again.isdigit() and len(again) < 9 else None,
        **common(request, "codes"),
    )  # fmt: skip
