"""A patch changes what a resource says, never which resource it is."""

from __future__ import annotations

from typing import Any

from jiankang.kernel.errors import Unprocessable


def need_same_identity(before: dict[str, Any], after: object) -> dict[str, Any]:
    """`after`, if it is still the resource that `before` was.

    Raises Unprocessable where the patch changed `resourceType` or `id` (http://hl7.org/fhir/R4/http.html#patch).
    """
    if not isinstance(after, dict):
        raise Unprocessable("The patch leaves no resource: what remains is not an object.")
    for member in ("resourceType", "id"):
        if after.get(member) != before.get(member):
            raise Unprocessable(f"A patch may not change the resource's {member}.", expression=[member])
    return after
