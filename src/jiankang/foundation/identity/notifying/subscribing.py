"""Who wants to be told: a Subscription with channel `message` and criteria on Patient. IHE PMIR ITI-94.

https://profiles.ihe.net/ITI/PMIR/ITI-94.html, http://hl7.org/fhir/R4/subscription.html
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from jiankang.foundation.access import keep
from jiankang.foundation.identity.notifying.sending import check_endpoint, wrong
from jiankang.foundation.record.store import prepare
from jiankang.foundation.record.wire.http import query_pairs
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jiankang.foundation.record.store import Coming, Prepared, Transaction
    from jiankang.foundation.record.wire.server import Server

Json = dict[str, Any]

_PUT = """
INSERT INTO identity_subscriber (id, endpoint, headers, criteria, actor, xid, seq, ends)
SELECT %(id)s, %(endpoint)s, %(headers)s::text[], %(criteria)s, %(actor)s::jsonb, pg_snapshot_xmin(pg_current_snapshot()), 0, %(ends)s
ON CONFLICT (id) DO UPDATE SET endpoint = excluded.endpoint, headers = excluded.headers, criteria = excluded.criteria,
    actor = excluded.actor, ends = excluded.ends, failures = 0, due = now(), error = NULL
"""


class Subscribing:
    """The guard of Subscription: those for persons are taken on, or refused with the reason."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def __call__(self, tx: Transaction, writes: Sequence[Coming]) -> None:
        """Take on what asks for persons, and let go what no longer does. Raises Unprocessable for what cannot be served."""
        for write in writes:
            prepared = write.change.prepared
            resource = None if prepared is None else prepared.resource
            if prepared is None or resource is None or not is_for_persons(resource):
                await tx.db.execute("DELETE FROM identity_subscriber WHERE id = %s", (write.id,))
            elif resource.get("status") == "requested" or (resource.get("status") == "active" and write.old):
                await self._take_on(tx, write.id, prepared)
            elif resource.get("status") != "error":  # whoever was given up keeps the place to go on from
                await tx.db.execute("DELETE FROM identity_subscriber WHERE id = %s", (write.id,))

    async def _take_on(self, tx: Transaction, id_: str, prepared: Prepared) -> None:
        resource = prepared.resource
        channel = resource["channel"]
        endpoint = channel.get("endpoint", "")
        check_endpoint(self.server.settings, endpoint)
        if channel.get("payload", "application/fhir+json") not in {"application/fhir+json", "application/json"}:
            raise wrong("messages are sent as application/fhir+json", "Subscription.channel.payload")
        await self._check_criteria(tx, resource["criteria"])
        if resource["status"] != "active":
            activate(prepared)
        await tx.db.execute(
            _PUT,
            {
                "id": id_, "endpoint": endpoint, "headers": channel.get("header", []), "criteria": resource["criteria"],
                "actor": encode(keep(tx.actor)).decode(),
                "ends": datetime.fromisoformat(resource["end"]) if resource.get("end") else None,
            },
        )  # fmt: skip

    async def _check_criteria(self, tx: Transaction, criteria: str) -> None:
        _, _, query = criteria.partition("?")
        await self.server.match_ids(tx.db, tx.actor, "Patient", query_pairs(query), 1)


def is_for_persons(resource: Json) -> bool:
    """Whether a Subscription asks for the messages of PMIR."""
    criteria = resource.get("criteria", "")
    return bool(resource.get("channel", {}).get("type") == "message" and criteria.partition("?")[0] == "Patient")


def activate(prepared: Prepared) -> None:
    """What was requested is active now."""
    prepared.resource["status"] = "active"
    fresh = prepare(prepared.resource)
    prepared.payload, prepared.rows = fresh.payload, fresh.rows
