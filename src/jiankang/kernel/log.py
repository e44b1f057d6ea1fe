"""What the server says of itself: one JSON object a line on standard error, no names and no results of people."""

from __future__ import annotations

import json
import logging
import sys
import traceback

from jiankang.kernel.clock import instant, system_clock


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": instant(system_clock()),
            "level": record.levelname,
            "from": record.name,
            "says": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["trace"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(line, ensure_ascii=False)


def set_up(level: str = "INFO") -> None:
    """Send all logging to standard error in our form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("psycopg.pool").setLevel("ERROR")
    logging.getLogger("httpx").setLevel("WARNING")  # it says whole addresses, and people are searched for by them
