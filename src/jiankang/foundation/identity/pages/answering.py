"""Two registrations side by side, the answer whether they are one person, and taking an answer back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from jiankang.foundation.identity import desk, linking, queue
from jiankang.foundation.identity.operations.linking import note_down
from jiankang.foundation.identity.pages import asking
from jiankang.foundation.identity.pages.asking import KEYS_COOKIE, PATH, actor_of, ids_of, room_of, task_number
from jiankang.foundation.identity.pages.comparing import bar, rows_of
from jiankang.foundation.identity.pages.listing import helpers, told_of
from jiankang.foundation.identity.persons import person_id
from jiankang.kernel.errors import Conflict
from jiankang.ui import N_, Mistake, expect_same_site, gettext, link, page, read_form

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from starlette.requests import Request
    from starlette.responses import Response

    from jiankang.foundation.identity.linking import Done
    from jiankang.foundation.identity.queue import Shown
    from jiankang.foundation.record.store import Transaction

MOST_NOTE = 500
_FORM_BYTES = 20_000
_YEAR = 31_536_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page asks: the question `task`, or, for task 0, about the registrations `ids`; `reason` filters the queue."""

    task: int = 0
    ids: tuple[str, str] = ("", "")
    reason: str = ""

    @property
    def path(self) -> str:
        """Where the page is."""
        return f"{PATH}/questions/{self.task}" if self.task else f"{PATH}/pairs/{self.ids[0]}/{self.ids[1]}"

    async def shown(self, request: Request, db: AsyncConnection[Any]) -> Shown:
        """Both registrations. Raises NotFound."""
        room, actor = room_of(request), actor_of(request)
        if self.task:
            return await queue.shown(room.record, db, actor, self.task, room.weights)
        return await queue.compared(room.record, db, actor, self.ids, room.weights)

    async def around(self, request: Request, db: AsyncConnection[Any]) -> tuple[int | None, int | None]:
        """The open questions before and after."""
        return await desk.around(db, actor_of(request), self.task, self.reason) if self.task else (None, None)


async def show_question(request: Request) -> Response:
    """Both registrations of a question, side by side."""
    return await _show(
        request, Asked(task_number(request), reason=asking.reason_of(request.query_params.get("reason")))
    )


async def show_pair(request: Request) -> Response:
    """Any two registrations, side by side."""
    return await _show(request, Asked(ids=ids_of(request)))


async def answer_question(request: Request) -> Response:
    """Take an answer, and go on to the next question; a question that somebody else answered is shown as it is now."""
    expect_same_site(request)
    actor, form = actor_of(request), await read_form(request, _FORM_BYTES)
    asked, note = Asked(task_number(request), reason=asking.reason_of(form.get("reason"))), form.get("note", "").strip()
    if mistake := _mistake(request, form.get("answer", ""), note):
        return await _show(request, asked, mistakes=[mistake], note=note, status=422)
    room = room_of(request)

    async def work(tx: Transaction) -> Done:
        done = await queue.decided(tx, asked.task, form["answer"], room.weights, note=note)
        await note_down(tx, done, note)
        return done

    try:
        done = await room.record.run(actor, work)
    except Conflict as conflict:
        return await _show(request, asked, note=note, status=409, conflict=conflict)
    async with room.record.reading(None) as db:
        _, after = await asked.around(request, db)
        if after is None:
            _, after = await desk.around(db, actor, 0, asked.reason)
    following = f"{PATH}/questions/{after}" if after else PATH
    return RedirectResponse(link(following, reason=asked.reason, done=done.operation), 303)


async def answer_pair(request: Request) -> Response:
    """Say of any two registrations, for good, that they are one person or two."""
    expect_same_site(request)
    actor, form = actor_of(request), await read_form(request, _FORM_BYTES)
    asked, note = Asked(ids=ids_of(request)), form.get("note", "").strip()
    if mistake := _mistake(request, form.get("answer", ""), note):
        return await _show(request, asked, mistakes=[mistake], note=note, status=422)
    room = room_of(request)

    async def work(tx: Transaction) -> Done:
        shown = await asked.shown(request, tx.db)
        if form["answer"] == "same":
            done = await linking.always(tx, shown.left.rid, shown.right.rid, note=note)
        else:
            done = await linking.never(tx, shown.right.rid, shown.left.rid, note=note)
        await note_down(tx, done, note)
        return done

    try:
        done = await room.record.run(actor, work)
    except Conflict as conflict:
        return await _show(request, asked, note=note, status=409, conflict=conflict)
    return RedirectResponse(link(asked.path, done=done.operation), 303)


async def undo(request: Request) -> Response:
    """Take an operation back, and go to the question that it had answered."""
    expect_same_site(request)
    actor, form = actor_of(request), await read_form(request, _FORM_BYTES)
    operation, reason = asking.operation_of(form.get("operation") or "-"), asking.reason_of(form.get("reason"))
    room = room_of(request)
    async with room.record.reading(None) as db:
        task = (await desk.tasks_of(db, [operation])).get(operation)

    async def work(tx: Transaction) -> Done:
        done = await linking.undo(tx, operation)
        await note_down(tx, done, "")
        return done

    try:
        done = await room.record.run(actor, work)
    except Conflict as conflict:
        return page(request, "identity/conflict.html", status=409, conflict=conflict, path_=PATH)
    if task is None:
        return RedirectResponse(link(f"{PATH}/history", done=done.operation), 303)
    return RedirectResponse(link(f"{PATH}/questions/{task}", reason=reason, done=done.operation), 303)


async def choose_keys(request: Request) -> Response:
    """Turn the keys on or off that decide by themselves."""
    expect_same_site(request)
    form = await read_form(request, _FORM_BYTES)
    response = RedirectResponse(asking.back_to(form.get("back")), 303)
    secure = request.url.scheme == "https"
    value = "off" if form.get("keys") == "off" else "on"
    response.set_cookie(KEYS_COOKIE, value, max_age=_YEAR, httponly=True, samesite="lax", secure=secure)
    return response


def _mistake(request: Request, answer: str, note: str) -> Mistake | None:
    if answer not in {"same", "different"}:
        return Mistake("decide", gettext(request, N_("Say whether they are the same person or different people.")))
    if len(note) > MOST_NOTE or "\x00" in note:
        return Mistake("note", gettext(request, N_("The note is longer than 500 characters.")))
    return None


async def _show(request: Request, asked: Asked, *, note: str = "", status: int = 200, **values: Any) -> Response:
    room, actor = room_of(request), actor_of(request)
    async with room.record.reading(None) as db:
        shown = await asked.shown(request, db)
        before, after = await asked.around(request, db)
        told = await told_of(request, db, actor)
        names = await desk.called(db, told.patients if told else ())
        settled = await queue.history(db, actor, only=shown.operation, count=1) if shown.operation else []
        await room.record.shown(actor, "read", [("Patient", shown.left.id), ("Patient", shown.right.id)], db)
    rows, silent = rows_of(request, shown)
    return page(
        request, "identity/question.html", status=status, path_=PATH, asked=asked, shown=shown, rows=rows, silent=silent,
        reason=asked.reason, before=before, after=after, told=told, names=names, settled=settled[0] if settled else None,
        note=note, person_id=person_id, bar=bar, prior=room.weights.prior, most_note=MOST_NOTE,
        **{"mistakes": [], "conflict": None, **helpers(request), **values},
    )  # fmt: skip
