"""Restrictions as plain JSON values, so that work done later is bound by what its actor might see when they asked."""

from __future__ import annotations

from typing import Any

from jiankang.foundation.access.model import Actor
from jiankang.foundation.access.restrictions import (
    EVERYTHING,
    NOTHING,
    AllOf,
    AnyOf,
    Not,
    Restriction,
    TypeIn,
    _AnyKey,
)
from jiankang.kernel.errors import NotSupported


def keep(actor: Actor) -> dict[str, Any]:
    """The actor as a JSON value. Raises NotSupported for a restriction that cannot be written down."""
    writes = None if actor.write_restriction is None else _kept(actor.write_restriction)
    return {"id": actor.id, "sees": _kept(actor.restriction), "writes": writes}


def restore(value: dict[str, Any]) -> Actor:
    """The actor that `keep` wrote down."""
    writes = None if value["writes"] is None else _restored(value["writes"])
    return Actor(value["id"], _restored(value["sees"]), writes)


def _kept(restriction: Restriction) -> dict[str, Any]:
    if restriction is EVERYTHING or restriction is NOTHING:
        return {"everything": restriction is EVERYTHING}
    match restriction:
        case TypeIn(types):
            return {"types": sorted(types)}
        case _AnyKey(keys):
            return {"keys": [str(key) for key in sorted(keys)]}
        case Not(inner):
            return {"not": _kept(inner)}
        case AllOf(parts):
            return {"all": [_kept(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [_kept(part) for part in parts]}
    raise NotSupported("what you may see cannot be kept until later, so nothing can be done for you in the background")


def _restored(value: dict[str, Any]) -> Restriction:
    ((kind, inner),) = value.items()
    match kind:
        case "everything":
            return EVERYTHING if inner else NOTHING
        case "types":
            return TypeIn(frozenset(inner))
        case "keys":
            return _AnyKey(frozenset(int(key) for key in inner))
        case "not":
            return Not(_restored(inner))
        case "all":
            return AllOf(tuple(_restored(part) for part in inner))
        case "any":
            return AnyOf(tuple(_restored(part) for part in inner))
    raise NotSupported(f"a restriction of the kind {kind!r} is not known to this version")
