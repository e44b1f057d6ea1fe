"""The pages of this part: upload a table, look at what it will become, confirm, see what became of each row."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Route

from jiankang.capabilities.exchange.tables.pages.asking import PATH
from jiankang.capabilities.exchange.tables.pages.mapping import add_mapping, show_mapping, show_mappings
from jiankang.capabilities.exchange.tables.pages.uploading import (
    download_corrected,
    show_list,
    show_upload,
    take_file,
    take_step,
)
from jiankang.ui import N_, Entry, Room

PAGES = Room(
    folder=Path(__file__).parent,
    routes=(
        Route(PATH, show_list, methods=["GET"]),
        Route(PATH, take_file, methods=["POST"]),
        Route(f"{PATH}/mappings", show_mappings, methods=["GET"]),
        Route(f"{PATH}/mappings", add_mapping, methods=["POST"]),
        Route(f"{PATH}/mappings/{{name}}", show_mapping, methods=["GET"]),
        Route(f"{PATH}/{{upload}}", show_upload, methods=["GET"]),
        Route(f"{PATH}/{{upload}}", take_step, methods=["POST"]),
        Route(f"{PATH}/{{upload}}/corrected", download_corrected, methods=["GET"]),
    ),
    menu=(Entry(PATH, N_("Tables"), N_("Upload an Excel or CSV file of a clinic, and see what becomes of each row.")),),
)
