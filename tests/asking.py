"""Short ways to ask the API and to say what was expected."""

from __future__ import annotations

import json
import uuid
from typing import Any


class Asking:
    """Asks an API in this process; bodies are values or bytes, queries are strings."""

    def __init__(self, platform: Any) -> None:
        self.platform = platform

    def __call__(
        self, method: str, path: str, body: Any = None, *, query: str = "", status: int | None = None, **headers: str
    ) -> Any:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.platform(method, path, raw, query=query.encode(), headers=named)
        if status is not None:
            assert answer.status == status, (answer.status, answer.body[:600])
        return answer

    def patient(self, **members: Any) -> dict[str, Any]:
        """A new patient with an identifier of its own, stored."""
        resource = {"resourceType": "Patient", "identifier": [{"system": "urn:test", "value": fresh()}], **members}
        return self("POST", "/Patient", resource, status=201).value

    def ids(self, path: str, query: str = "") -> set[str]:
        """Ids of what a search finds."""
        bundle = self("GET", path, query=query, status=200).value
        return {entry["resource"]["id"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"}


def fresh() -> str:
    return uuid.uuid4().hex
