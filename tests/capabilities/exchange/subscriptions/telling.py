"""A process that tells subscribers until it is killed: `python telling.py DATABASE_URL`."""

from __future__ import annotations

import asyncio
import sys

from jiankang.capabilities.exchange.subscriptions import Couriers, Patience, open_subscriptions
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.store import Record
from jiankang.kernel.settings import Settings


async def main(database_url: str) -> None:
    async with Record.open(database_url) as record:
        server = create_fhir_app(record, settings=Settings(notify_hosts="127.0.0.1"), secret=b"k" * 32).server
        open_subscriptions(server)
        async with Couriers(server, Patience(held_seconds=1.0)):
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
