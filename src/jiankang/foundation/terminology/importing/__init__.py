"""Large code systems from files, straight into the tables: they are not resources of the record."""

from __future__ import annotations

from jiankang.foundation.terminology.importing.running import FORMATS, Imported, cli_import, cli_list, import_path
from jiankang.foundation.terminology.importing.sources import Named

__all__ = ["FORMATS", "Imported", "Named", "cli_import", "cli_list", "import_path"]
