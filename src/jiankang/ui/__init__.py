"""The base of all pages: layout, components, languages, static files. Knows no health word and no room."""

from __future__ import annotations

from jiankang.ui.forms import Mistake, page_number, read_form
from jiankang.ui.front import State, front_page
from jiankang.ui.languages import language_of
from jiankang.ui.patterns import show_patterns
from jiankang.ui.protection import expect_same_site
from jiankang.ui.site import HANDLERS, MIDDLEWARE, N_, Entry, Room, Site, gettext, link, page

__all__ = [
    "HANDLERS",
    "MIDDLEWARE",
    "N_",
    "Entry",
    "Mistake",
    "Room",
    "Site",
    "State",
    "expect_same_site",
    "front_page",
    "gettext",
    "language_of",
    "link",
    "page",
    "page_number",
    "read_form",
    "show_patterns",
]
