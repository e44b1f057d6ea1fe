"""The pages of this room, for those who keep a region's connections running: 交换平台值班."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Route

from jiankang.capabilities.exchange.pages.asking import PATH
from jiankang.capabilities.exchange.pages.codes import show_codes, translate_code
from jiankang.capabilities.exchange.pages.letters import act_on_letter, show_letter, show_letters
from jiankang.capabilities.exchange.pages.overview import mark_seen, show_coverage, show_overview
from jiankang.capabilities.exchange.pages.senders import act_on_sender, add_sender, show_sender, show_senders
from jiankang.capabilities.exchange.pages.trying import show_try, try_letter
from jiankang.ui import N_, Entry, Room

PAGES = Room(
    folder=Path(__file__).parent,
    routes=(
        Route(PATH, show_overview),
        Route(f"{PATH}/alerts/{{number:int}}", mark_seen, methods=["POST"]),
        Route(f"{PATH}/coverage", show_coverage),
        Route(f"{PATH}/letters", show_letters),
        Route(f"{PATH}/letters/{{number:int}}", show_letter, methods=["GET"]),
        Route(f"{PATH}/letters/{{number:int}}", act_on_letter, methods=["POST"]),
        Route(f"{PATH}/codes", show_codes, methods=["GET"]),
        Route(f"{PATH}/codes", translate_code, methods=["POST"]),
        Route(f"{PATH}/try", show_try, methods=["GET"]),
        Route(f"{PATH}/try", try_letter, methods=["POST"]),
        Route(f"{PATH}/senders", show_senders, methods=["GET"]),
        Route(f"{PATH}/senders", add_sender, methods=["POST"]),
        Route(f"{PATH}/senders/{{id}}", show_sender, methods=["GET"]),
        Route(f"{PATH}/senders/{{id}}", act_on_sender, methods=["POST"]),
    ),
    menu=(
        Entry(
            PATH,
            N_("Exchange"),
            N_("See what hospitals send and what becomes of it, mend what cannot be used, and connect systems."),
        ),
    ),
)
