"""What this room shows: DICOMweb for programs, and pages on which people look at images."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import BaseRoute, Route

from jiankang.capabilities.exchange.dicom.pages.finding import invoke_display, show_list
from jiankang.capabilities.exchange.dicom.pages.looking import show_series, show_study
from jiankang.capabilities.exchange.dicom.pages.words import PATH
from jiankang.capabilities.exchange.dicom.proxy import of_study, search
from jiankang.capabilities.exchange.dicom.storing import store
from jiankang.ui import N_, Entry, Room

WEB = "/dicomweb"


def routes() -> tuple[BaseRoute, ...]:
    """Addresses of DICOMweb and of the viewer; they ask `state.imaging` and `state.server` of the app they are in."""
    return (
        Route(f"{WEB}/studies", search, methods=["GET"]),
        Route(f"{WEB}/series", search, methods=["GET"]),
        Route(f"{WEB}/instances", search, methods=["GET"]),
        Route(f"{WEB}/studies", store, methods=["POST"]),
        Route(f"{WEB}/studies/{{study}}", store, methods=["POST"]),
        Route(f"{WEB}/studies/{{study}}", of_study, methods=["GET"]),
        Route(f"{WEB}/studies/{{study}}/{{rest:path}}", of_study, methods=["GET"]),
        Route(PATH, show_list, methods=["GET"]),
        Route(f"{PATH}/IHEInvokeImageDisplay", invoke_display, methods=["GET"]),
        Route(f"{PATH}/{{study}}", show_study, methods=["GET"]),
        Route(f"{PATH}/{{study}}/{{series}}", show_series, methods=["GET"]),
    )


PAGES = Room(
    folder=Path(__file__).parent,
    routes=routes(),
    menu=(Entry(PATH, N_("Images"), N_("Find an imaging study and look at its images.")),),
)
