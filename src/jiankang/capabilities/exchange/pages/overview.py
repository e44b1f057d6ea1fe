"""/-/exchange: who sends how much, what waits, what is wrong; and how much of HL7's tables is covered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from jiankang.capabilities.exchange.hl7v2.mapping.structures import coverage
from jiankang.capabilities.exchange.pages import records
from jiankang.capabilities.exchange.pages.asking import (
    PATH,
    SENDER_STATES,
    actor_of,
    age,
    here,
    intake_of,
    number_in,
    sparkline,
)
from jiankang.ui import expect_same_site, page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from jiankang.capabilities.exchange.intake import Known


async def show_overview(request: Request) -> Response:
    """Traffic of each sender within the hour, with alerts above it."""
    intake = intake_of(request)
    async with intake.record.pool.connection() as db:
        hours = await records.hours(db)
        waiting, oldest, dead, oldest_dead = await records.waiting(db)
        alerts = await records.alerts(db)
    known = await intake.senders.all()
    ids = [one.sender.id for one in known]
    rows: list[tuple[str, Known | None, records.Hour]] = [
        (one.sender.id, one, hours.get(one.sender.id, records.Hour())) for one in known
    ]
    rows += [(sender, None, hour) for sender, hour in sorted(hours.items()) if sender not in ids]
    return page(
        request, "exchange/overview.html", fragment=None, rows=rows, waiting=waiting, oldest=oldest, dead=dead,
        oldest_dead=oldest_dead, alerts=alerts, **common(request, "overview"),
    )  # fmt: skip


async def mark_seen(request: Request) -> Response:
    """Somebody looked at an alert."""
    expect_same_site(request)
    async with intake_of(request).record.pool.connection() as db:
        await records.see(db, number_in(request), actor_of(request).id)
    return RedirectResponse(PATH, 303)


async def show_coverage(request: Request) -> Response:
    """How much of HL7's tables our maps cover, by message structure."""
    return page(request, "exchange/coverage.html", fragment=None, covered=coverage(), **common(request, "coverage"))


def common(request: Request, name: str) -> dict[str, Any]:
    """What the templates of this room need."""
    return {
        "path_": PATH, "here_": name, "at": here, "age": lambda since: age(request, since), "sparkline": sparkline,
        "sender_states": SENDER_STATES, "naming": _name,
    }  # fmt: skip


def _name(patient: dict[str, Any]) -> str:
    """What people call a patient, as far as it is known."""
    names = patient.get("name") or [{}]
    return str(names[0].get("text") or names[0].get("family") or patient.get("id", ""))
