"""Which cases were handed over, and what their cards said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Db = Any
_TELL = """
INSERT INTO exchange_disease_card (condition, digest, disease)
SELECT * FROM unnest(%s::text[], %s::bytea[], %s::text[])
ON CONFLICT (condition) DO UPDATE SET digest = excluded.digest, disease = excluded.disease, told = now()
"""


async def told(db: Db, conditions: Sequence[str]) -> dict[str, tuple[bytes, str]]:
    """What was handed over of these cases: digest of the card, name of the disease."""
    rows = await db.execute(
        "SELECT condition, digest, disease FROM exchange_disease_card WHERE condition = ANY(%s::text[])",
        (list(conditions),),
    )
    return {condition: (bytes(digest), disease) for condition, digest, disease in await rows.fetchall()}


async def tell(db: Db, marks: Sequence[tuple[str, bytes, str]]) -> None:
    """Note cases that were handed over."""
    if marks:
        await db.execute(_TELL, tuple(list(column) for column in zip(*marks, strict=True)))
