"""Who wants to be told: a Subscription with channel `message` and criteria on Patient. IHE PMIR ITI-94.

https://profiles.ihe.net/ITI/PMIR/ITI-94.html, http://hl7.org/fhir/R4/subscription.html
"""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jiankang.foundation.access import keep
from jiankang.foundation.record.store import prepare
from jiankang.foundation.record.wire.http import query_pairs
from jiankang.kernel.errors import Unprocessable
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jiankang.foundation.record.store import Coming, Prepared, Transaction
    from jiankang.foundation.record.wire.server import Server

Json = dict[str, Any]
TYPE = "Subscription"

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
            if prepared is None or resource is None or not _is_for_persons(resource):
                await tx.db.execute("DELETE FROM identity_subscriber WHERE id = %s", (write.id,))
            elif resource.get("status") == "requested" or (resource.get("status") == "active" and write.old):
                await self._take_on(tx, write.id, prepared)
            elif resource.get("status") != "error":  # whoever was given up keeps the place to go on from
                await tx.db.execute("DELETE FROM identity_subscriber WHERE id = %s", (write.id,))

    async def _take_on(self, tx: Transaction, id_: str, prepared: Prepared) -> None:
        resource = prepared.resource
        channel = resource["channel"]
        endpoint = channel.get("endpoint", "")
        self._check_endpoint(endpoint)
        if channel.get("payload", "application/fhir+json") not in {"application/fhir+json", "application/json"}:
            raise _wrong("messages are sent as application/fhir+json", "Subscription.channel.payload")
        await self._check_criteria(tx, resource["criteria"])
        if resource["status"] != "active":
            _activate(prepared)
        await tx.db.execute(
            _PUT,
            {
                "id": id_, "endpoint": endpoint, "headers": channel.get("header", []), "criteria": resource["criteria"],
                "actor": encode(keep(tx.actor)).decode(),
                "ends": datetime.fromisoformat(resource["end"]) if resource.get("end") else None,
            },
        )  # fmt: skip

    def _check_endpoint(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        allowed = [one.strip() for one in self.server.settings.notify_hosts.split(",") if one.strip()]
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise _wrong(
                "the endpoint is the http(s) address that messages are sent to", "Subscription.channel.endpoint"
            )
        if not any(fnmatch(parts.hostname, one) for one in allowed):
            raise _wrong(
                f"nothing is sent to {parts.hostname}: who runs this server has to name it in JIANKANG_NOTIFY_HOSTS",
                "Subscription.channel.endpoint",
            )

    async def _check_criteria(self, tx: Transaction, criteria: str) -> None:
        _, _, query = criteria.partition("?")
        await self.server.match_ids(tx.db, tx.actor, "Patient", query_pairs(query), 1)


def _is_for_persons(resource: Json) -> bool:
    criteria = resource.get("criteria", "")
    return bool(resource.get("channel", {}).get("type") == "message" and criteria.partition("?")[0] == "Patient")


def _activate(prepared: Prepared) -> None:
    """What was requested is active now."""
    prepared.resource["status"] = "active"
    fresh = prepare(prepared.resource)
    prepared.payload, prepared.rows = fresh.payload, fresh.rows


def _wrong(text: str, expression: str) -> Unprocessable:
    return Unprocessable(text, expression=[expression], code="business-rule")
