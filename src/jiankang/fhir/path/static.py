"""What can be known of an expression before it meets data: its types, and whether it makes sense."""

from __future__ import annotations

from dataclasses import dataclass

from jiankang.fhir.definitions import load
from jiankang.fhir.path.errors import PathMeaningError
from jiankang.fhir.path.syntax import Member, Tree
from jiankang.fhir.path.values import ANY_RESOURCE, ancestors, shape, system_type_of

SYSTEM_NAMES = frozenset({"Any", "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity"})


@dataclass(frozen=True, slots=True)
class Static:
    """The types that items can have ("FHIR.HumanName", "System.String"), None where unknown, and whether order has meaning."""

    types: frozenset[str] | None = None
    ordered: bool = True

    def names(self) -> tuple[str, ...] | None:
        """The FHIR type names, None where a type is unknown or of the System."""
        if self.types is None or any(not name.startswith("FHIR.") for name in self.types):
            return None
        return tuple(sorted(name[5:] for name in self.types))


UNKNOWN = Static()
NOTHING = Static(frozenset())


def fhir(*names: str) -> Static:
    """Static knowledge of FHIR types; unknown where one is any resource."""
    if any(name in ANY_RESOURCE or not shape(name).names for name in names):
        return UNKNOWN
    return Static(frozenset(f"FHIR.{name}" for name in names))


def system(name: str) -> Static:
    """Static knowledge of one System type."""
    return Static(frozenset({f"System.{name}"}))


def merged(left: Static, right: Static) -> Static:
    """What is known of either."""
    if left.types is None or right.types is None:
        return Static(None, left.ordered and right.ordered)
    return Static(left.types | right.types, left.ordered and right.ordered)


def member_types(source: Static, name: str, *, strict: bool) -> Static:
    """The types of children called `name`. Raises PathMeaningError where no type has such, if `strict`."""
    if source.types is None:
        return UNKNOWN
    found: set[str] = set()
    known = False
    for type_name in source.types:
        if type_name == "System.TypeInfo":
            return system("String")
        own = shape(type_name[5:]) if type_name.startswith("FHIR.") else None
        if own is None or name not in own.names:
            continue
        known = True
        found.update(own.children[json_name].type for json_name in own.names[name])
    if not known and strict and source.types:
        raise PathMeaningError(f"{_shown(source)} has no element '{name}'.")
    static = fhir(*sorted(found)) if found else NOTHING
    return Static(static.types, source.ordered)


def _shown(source: Static) -> str:
    return " or ".join(sorted(name.split(".", 1)[1] for name in source.types or ()))


def type_name_of(tree: Tree) -> str:
    """The type that an argument names. Raises PathMeaningError where it names none."""
    if isinstance(tree, Member) and tree.source is None:
        return checked_type(tree.name)
    if isinstance(tree, Member) and isinstance(tree.source, Member) and tree.source.source is None:
        return checked_type(f"{tree.source.name}.{tree.name}")
    raise PathMeaningError("A type is expected as the argument.")


def checked_type(name: str) -> str:
    """The name, if there is such a type. Raises PathMeaningError where there is none."""
    namespace, _, plain = name.rpartition(".")
    if namespace == "System" or (not namespace and plain in SYSTEM_NAMES):
        return name
    if namespace in ("", "FHIR") and plain in load().types:
        return name
    raise PathMeaningError(f"The type {name} is not known.")


def cast_types(source: Static, type_name: str) -> Static:
    """The types left after `as` or `ofType`."""
    namespace, _, plain = type_name.rpartition(".")
    if namespace == "System" or plain not in load().types:
        return Static(frozenset({f"System.{plain}"}), source.ordered)
    if source.types is not None:
        kept = {name for name in source.types if name.startswith("FHIR.") and plain in ancestors(name[5:])}
        if kept:
            return Static(frozenset(kept), source.ordered)
    static = fhir(plain)
    return Static(static.types, source.ordered)


def need_text(source: Static, function: str) -> None:
    """Raise PathMeaningError where no type of the input can be a String."""
    if source.types and not any(as_system(name) == "String" for name in source.types):
        raise PathMeaningError(f"{function}() takes a String, not {_shown(source)}.")


def need_order(source: Static, function: str) -> None:
    """Raise PathMeaningError where the input has no order."""
    if not source.ordered:
        raise PathMeaningError(f"{function} needs an order, and children have none.")


def need_condition(source: Static, function: str) -> None:
    """Raise PathMeaningError where no type of a condition is Boolean."""
    if source.types and not any(as_system(name) == "Boolean" for name in source.types):
        raise PathMeaningError(f"{function} takes a Boolean as its condition, not {_shown(source)}.")


def as_system(name: str) -> str | None:
    """The System type of a qualified type name."""
    namespace, _, plain = name.partition(".")
    return plain if namespace == "System" else system_type_of(plain)
