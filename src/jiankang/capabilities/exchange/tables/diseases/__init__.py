"""Cases of notifiable diseases as report cards in a table, for the national front-end software (传染病前置软件)."""

from __future__ import annotations

from jiankang.capabilities.exchange.tables.diseases.exporting import Export, export_diseases, write_export

__all__ = ["Export", "export_diseases", "write_export"]
