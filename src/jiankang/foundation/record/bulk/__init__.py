"""The record out of the database and into it again, in bulk: NDJSON, one file for each type."""

from __future__ import annotations

from jiankang.foundation.record.bulk.writing import cli_export

__all__ = ["cli_export"]
