"""A writer that is going to be killed: prints the id of each resource once its write was acknowledged."""

from __future__ import annotations

import asyncio
import os
import sys

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.store import Change, Record, prepare


async def main(database_url: str, prefix: str) -> None:
    async with Record.open(database_url, connections=4) as record:

        async def write(lane: int) -> None:
            number = 0
            while True:
                id_ = f"{prefix}-{lane}-{number}"
                raw = b'{"resourceType":"Basic","id":"%s","code":{"text":"x"},"created":"2026-01-02"}' % id_.encode()
                ready = prepare(raw)
                if number % 5 == 4:  # bundles too
                    others = [prepare(raw.replace(id_.encode(), f"{id_}-{n}".encode())) for n in range(3)]
                    changes = [Change("PUT", "Basic", one.id, one) for one in (ready, *others)]
                else:
                    changes = [Change("PUT", "Basic", id_, ready)]
                await record.run(LOCAL_OPERATOR, lambda tx, changes=changes: tx.apply(changes))
                os.write(1, "".join(f"{change.id}\n" for change in changes).encode())
                number += 1

        await asyncio.gather(*(write(lane) for lane in range(4)))


asyncio.run(main(sys.argv[1], sys.argv[2]))
