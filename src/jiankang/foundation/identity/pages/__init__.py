"""The pages of this room: the desk of a steward, who decides what score and rules leave open."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Route

from jiankang.foundation.identity.pages.answering import (
    answer_pair,
    answer_question,
    choose_keys,
    show_pair,
    show_question,
    undo,
)
from jiankang.foundation.identity.pages.asking import PATH
from jiankang.foundation.identity.pages.listing import show_automatic, show_history, show_queue, show_unmatchable
from jiankang.ui import N_, Entry, Room

PAGES = Room(
    folder=Path(__file__).parent,
    routes=(
        Route(PATH, show_queue),
        Route(f"{PATH}/unmatchable", show_unmatchable),
        Route(f"{PATH}/history", show_history),
        Route(f"{PATH}/automatic", show_automatic),
        Route(f"{PATH}/questions/{{task:int}}", show_question, methods=["GET"]),
        Route(f"{PATH}/questions/{{task:int}}", answer_question, methods=["POST"]),
        Route(f"{PATH}/pairs/{{left}}/{{right}}", show_pair, methods=["GET"]),
        Route(f"{PATH}/pairs/{{left}}/{{right}}", answer_pair, methods=["POST"]),
        Route(f"{PATH}/undo", undo, methods=["POST"]),
        Route(f"{PATH}/keys", choose_keys, methods=["POST"]),
    ),
    menu=(
        Entry(
            PATH,
            N_("Who is who"),
            N_("Decide whether two registrations are one person, see why it is asked, and take decisions back."),
        ),
    ),
)
