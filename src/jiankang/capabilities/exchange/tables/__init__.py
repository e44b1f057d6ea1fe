"""Tables of small institutions: CSV and Excel files, database views; each row a letter, by a declarative mapping."""

from __future__ import annotations

from jiankang.capabilities.exchange.tables.format import TableFormat
from jiankang.capabilities.exchange.tables.parsing import WrongMapping, read_mapping
from jiankang.capabilities.exchange.tables.sheets import WrongFile, read_sheet
from jiankang.capabilities.exchange.tables.sources import Source, Sources
from jiankang.capabilities.exchange.tables.uploads import Uploads
from jiankang.capabilities.exchange.tables.working import TableWorker

__all__ = [
    "Source", "Sources", "TableFormat", "TableWorker", "Uploads", "WrongFile", "WrongMapping", "read_mapping", "read_sheet",
]  # fmt: skip
