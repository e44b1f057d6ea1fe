"""Registrations that a steward has to look at, put into the record by the API."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

CITIZEN = "urn:oid:2.16.156.10011.1.3"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def number(first: str) -> str:
    """A citizen's number of 17 digits and its check character (GB 11643, ISO 7064 MOD 11-2)."""
    return first + "10X98765432"[sum(int(a) * b for a, b in zip(first, WEIGHTS, strict=True)) % 11]


def registration(
    id_: str, name: str, born: str = "", *, order: int = 0, phone: str = "", address: str = "", **more: Any
) -> dict[str, Any]:  # fmt: skip
    """A Patient; `order` numbers the people born that day, 0 leaves the citizen's number out."""
    one: dict[str, Any] = {"resourceType": "Patient", "id": id_, "name": [{"text": name}], **more}
    if born:
        one["birthDate"] = born
    if order:
        one["identifier"] = [{"system": CITIZEN, "value": number(f"469050{born.replace('-', '')}{order:03}")}]
    if phone:
        one["telecom"] = [{"system": "phone", "value": phone}]
    if address:
        one["address"] = [{"text": address}]
    return one


@pytest.fixture
def patient() -> Any:
    """Makes a Patient."""
    return registration


@pytest.fixture(scope="module")
def put(pages: Any) -> Any:
    """Registers patients; tells the newest open question."""

    def done(*ones: dict[str, Any]) -> int:
        for one in ones:
            answer = pages.platform("PUT", f"/Patient/{one['id']}", json.dumps(one).encode())
            assert answer.status in {200, 201}, answer.body

        async def newest() -> int:
            async with pages.platform.record.pool.connection() as db:
                row = await (await db.execute("SELECT coalesce(max(id), 0) FROM identity_task")).fetchone()
                return row[0]

        return pages.platform.run(newest())

    return done


@pytest.fixture(scope="module")
def ask(put: Any) -> Any:
    """Makes a question about two registrations of one number and two names; tells it and their ids."""
    days = iter(
        date(1950, 1, 1) + timedelta(number * 199) for number in range(130)
    )  # far apart: nobody resembles another

    def asked(name: str = "王建国", other: str = "陈秀英", mine: Any = None, **more: Any) -> tuple[int, str, str]:
        born = next(days).isoformat()
        one, two = f"one-{born}", f"two-{born}"
        put(registration(one, name, born, order=1, gender="male", **(mine or {})))
        return put(registration(two, other, born, order=1, gender="female", **more)), one, two

    return asked


@pytest.fixture
def person_of(pages: Any) -> Any:
    """Tells which person a registration is linked to."""

    def found(id_: str) -> str:
        async def asked() -> str:
            async with pages.platform.record.pool.connection() as db:
                query = "SELECT person::text FROM identity_record WHERE id = %s"
                return (await (await db.execute(query, (id_,))).fetchone())[0]

        return pages.platform.run(asked())

    return found
