"""The pages of this room."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Route

from jiankang.foundation.conformance.pages.validating import PATH, judge_pasted, show_form
from jiankang.ui import N_, Entry, Room

HELD = N_("Profiles held here")
"""What the front page calls their number."""

PAGES = Room(
    folder=Path(__file__).parent,
    routes=(Route(PATH, show_form, methods=["GET"]), Route(PATH, judge_pasted, methods=["POST"])),
    menu=(
        Entry(
            PATH,
            N_("Validate a resource"),
            N_("Paste a FHIR resource and see beside its lines what is wrong, by the norm, by profiles and by codes."),
        ),
    ),
)
