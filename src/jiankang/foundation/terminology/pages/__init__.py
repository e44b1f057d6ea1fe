"""The pages of this room: a browser of code systems, their codes, value sets and concept maps."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Route

from jiankang.foundation.terminology.pages.asking import PATH
from jiankang.foundation.terminology.pages.concepts import show_concept, show_used
from jiankang.foundation.terminology.pages.lists import show_list
from jiankang.foundation.terminology.pages.maps import show_map
from jiankang.foundation.terminology.pages.systems import show_branch, show_system
from jiankang.foundation.terminology.pages.value_sets import show_value_set
from jiankang.ui import N_, Entry, Room

PAGES = Room(
    folder=Path(__file__).parent,
    routes=(
        Route(PATH, show_list),
        Route(f"{PATH}/system", show_system),
        Route(f"{PATH}/branch", show_branch),
        Route(f"{PATH}/concept", show_concept),
        Route(f"{PATH}/used", show_used),
        Route(f"{PATH}/value-set", show_value_set),
        Route(f"{PATH}/map", show_map),
    ),
    menu=(
        Entry(
            PATH,
            N_("Terminology"),
            N_(
                "Look up code systems, codes and value sets, their names in Chinese and English, and where they are used."
            ),
        ),
    ),
)
