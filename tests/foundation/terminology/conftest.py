"""A platform with the terminology room open, and small ways to ask it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from jiankang.foundation.terminology import open_room

COLOURS = "http://example.org/colours"


def colours(version: str = "1", **more: Any) -> dict[str, Any]:
    """A small hierarchy: colour > red > crimson, scarlet; colour > blue > navy (inactive)."""
    return {
        "resourceType": "CodeSystem", "url": COLOURS, "version": version, "name": "Colours", "status": "active",
        "content": "complete", "caseSensitive": True, "hierarchyMeaning": "is-a", "language": "en",
        "concept": [
            {"code": "colour", "display": "Colour", "property": [{"code": "notSelectable", "valueBoolean": True}], "concept": [
                {"code": "red", "display": "Red", "definition": "Like blood",
                 "designation": [{"language": "zh-CN", "value": "红色"}, {"language": "fr", "value": "Rouge"}],
                 "property": [{"code": "warm", "valueBoolean": True}, {"code": "wave", "valueDecimal": 700}],
                 "concept": [
                     {"code": "crimson", "display": "Crimson red", "property": [{"code": "warm", "valueBoolean": True}]},
                     {"code": "scarlet", "display": "Scarlet", "designation": [{"language": "zh-CN", "value": "猩红色"}]}]},
                {"code": "blue", "display": "Blue", "concept": [
                    {"code": "navy", "display": "Navy blue", "property": [{"code": "inactive", "valueBoolean": True}]}]}]},
            {"code": "no colour 😀", "display": "None at all"},
        ],
        **more,
    }  # fmt: skip


class Rig:
    """Asks the platform and gives back what the answer says."""

    def __init__(self, platform: Any) -> None:
        self.platform = platform

    def put(self, resource: dict[str, Any], id_: str, *, ok: bool = True) -> Any:
        body = json.dumps({**resource, "id": id_}).encode()
        answer = self.platform("PUT", f"/{resource['resourceType']}/{id_}", body)
        assert not ok or answer.status in {200, 201}, answer.value
        return answer

    def delete(self, path: str) -> None:
        assert self.platform("DELETE", path).status in {200, 204}

    def get(self, path: str, *, status: int = 200, **params: Any) -> Any:
        pairs = [(k.replace("_", "-"), str(v)) for k, v in params.items()]
        answer = self.platform("GET", path, query=urlencode(pairs).encode())
        assert answer.status == status, answer.value
        return answer.value

    def post(self, path: str, body: Any, *, status: int = 200) -> Any:
        answer = self.platform("POST", path, json.dumps(body).encode())
        assert answer.status == status, answer.value
        return answer.value

    def ask(self, path: str, **params: Any) -> dict[str, Any]:
        """The parameters of the answer by name (the last of each)."""
        return plain(self.get(path, **params))

    def codes(self, **params: Any) -> list[str]:
        found = self.get("/ValueSet/$expand", **params)
        return [each["code"] for each in found["expansion"].get("contains", [])]


def plain(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        each["name"]: next((each[key] for key in each if key.startswith("value")), each.get("part"))
        for each in parameters["parameter"]
    }


@pytest.fixture(scope="module")
def rig(platform: Any) -> Rig:
    async def opened() -> None:
        open_room(platform.record)

    platform.run(opened())
    made = Rig(platform)
    made.put(colours(), "colours")
    return made
