"""Functions on collections, types and elements (http://hl7.org/fhirpath/N1/#functions).

Each takes the run, its input collection, then the collections of its arguments, and gives a collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.fhir.path.comparing import Distinct, items_equal
from jiankang.fhir.path.errors import PathRunError
from jiankang.fhir.path.moments import DATE, DATE_TIME, TIME
from jiankang.fhir.path.values import (
    Node,
    TypeInfo,
    all_children,
    ancestors,
    element_nodes,
    from_json,
    resource_node,
    single,
    system_value,
    type_of,
)

if TYPE_CHECKING:
    from jiankang.fhir.path.run import Run

Items = list[Any]
_TRUE: Items = [True]
_FALSE: Items = [False]


def said(answer: bool | None) -> Items:
    """A collection of one Boolean, or the empty one."""
    return [] if answer is None else [answer]


# ---- operators of paths


def member(run: Run, items: Items, name: str) -> Items:
    """The children called `name` of all items."""
    found: Items = []
    for item in items:
        if item.__class__ is Node:
            found += element_nodes(item, name)
        elif isinstance(item, TypeInfo) and name in ("namespace", "name"):
            found.append(getattr(item, name))
    run.spend(len(found) + 1)
    return found


def rooted(run: Run, items: Items, name: str) -> Items:
    """The items that are of type `name`, at the start of a path; else their children called so."""
    if any(item.__class__ is Node and name in ancestors(item.type) for item in items):
        return [item for item in items if item.__class__ is Node and name in ancestors(item.type)]
    return member(run, items, name)


def at_index(items: Items, number: Items) -> Items:
    """The item at a number from 0."""
    place = integer(number, "[ ]")
    return [] if place is None or place < 0 else items[place : place + 1]


def integer(items: Items, what: str) -> int | None:
    """The single Integer of an argument."""
    value = system_value(single(items, what))
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise PathRunError(f"{what} takes an Integer.")
    return value


def truth(items: Items, what: str = "a condition") -> bool | None:
    """A collection as Boolean: a single item that is no Boolean counts as true.

    http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
    """
    if not items:
        return None
    if len(items) > 1:
        raise PathRunError(f"{what} takes a single value and met {len(items)}.")
    value = system_value(items[0])
    return value if isinstance(value, bool) else True


# ---- existence


def empty(_run: Run, items: Items) -> Items:
    """Whether there is nothing."""
    return [not items]


def exists(_run: Run, items: Items) -> Items:
    """Whether there is anything."""
    return [bool(items)]


def count(_run: Run, items: Items) -> Items:
    """How many items there are."""
    return [len(items)]


def negated(_run: Run, items: Items) -> Items:
    """Not (http://hl7.org/fhirpath/N1/#not-boolean)."""
    answer = truth(items, "not()")
    return [] if answer is None else [not answer]


def _booleans(items: Items, what: str) -> list[bool]:
    values = [system_value(item) for item in items]
    if any(not isinstance(value, bool) for value in values):
        raise PathRunError(f"{what} takes Booleans.")
    return values


def all_true(_run: Run, items: Items) -> Items:
    """Whether all items are true."""
    return [all(_booleans(items, "allTrue()"))]


def any_true(_run: Run, items: Items) -> Items:
    """Whether any item is true."""
    return [any(_booleans(items, "anyTrue()"))]


def all_false(_run: Run, items: Items) -> Items:
    """Whether all items are false."""
    return [not any(_booleans(items, "allFalse()"))]


def any_false(_run: Run, items: Items) -> Items:
    """Whether any item is false."""
    return [not all(_booleans(items, "anyFalse()"))]


def subset_of(run: Run, items: Items, other: Items) -> Items:
    """Whether all items are in the other collection."""
    run.spend(len(items) + len(other))
    known = Distinct(other)
    return [all(known.has(item) for item in items)]


def superset_of(run: Run, items: Items, other: Items) -> Items:
    """Whether the other collection's items are all here."""
    return subset_of(run, other, items)


def distinct(run: Run, items: Items) -> Items:
    """Each item once."""
    run.spend(len(items))
    return Distinct(items).items


def is_distinct(run: Run, items: Items) -> Items:
    """Whether no item comes twice."""
    run.spend(len(items))
    return [len(Distinct(items).items) == len(items)]


# ---- subsetting


def only(_run: Run, items: Items) -> Items:
    """The only item. Raises PathRunError where there are more."""
    single(items, "single()")
    return items


def first(_run: Run, items: Items) -> Items:
    """The first item."""
    return items[:1]


def last(_run: Run, items: Items) -> Items:
    """The last item."""
    return items[-1:]


def tail(_run: Run, items: Items) -> Items:
    """All but the first item."""
    return items[1:]


def skip(_run: Run, items: Items, number: Items) -> Items:
    """All but the first so many items."""
    return items[max(0, integer(number, "skip()") or 0) :]


def take(_run: Run, items: Items, number: Items) -> Items:
    """The first so many items."""
    return items[: max(0, integer(number, "take()") or 0)]


def intersect(run: Run, items: Items, other: Items) -> Items:
    """Items that are in both collections, each once."""
    run.spend(len(items) + len(other))
    known = Distinct(other)
    return Distinct([item for item in items if known.has(item)]).items


def exclude(run: Run, items: Items, other: Items) -> Items:
    """Items that are not in the other collection."""
    run.spend(len(items) + len(other))
    known = Distinct(other)
    return [item for item in items if not known.has(item)]


def union(run: Run, items: Items, other: Items) -> Items:
    """Items of both collections, each once."""
    run.spend(len(items) + len(other))
    return Distinct(items + other).items


def combine(run: Run, items: Items, other: Items) -> Items:
    """Items of both collections."""
    run.spend(len(items) + len(other))
    return items + other


def among(item: Items, items: Items) -> Items:
    """Whether an item is in a collection (http://hl7.org/fhirpath/N1/#in-membership)."""
    if not item:
        return []
    wanted = single(item, "in")
    return [any(items_equal(wanted, other) for other in items)]


# ---- navigation


def children(run: Run, items: Items) -> Items:
    """All children of all items."""
    found: Items = []
    for item in items:
        if item.__class__ is Node:
            found += all_children(item)
    run.spend(len(found) + 1)
    return found


def descendants(run: Run, items: Items) -> Items:
    """Children, their children, and so on."""
    found: Items = []
    level = children(run, items)
    while level:
        found += level
        level = children(run, level)
    return found


def extension(run: Run, items: Items, url: Items) -> Items:
    """The extensions with this URL (http://hl7.org/fhir/R4/fhirpath.html#functions)."""
    wanted = system_value(single(url, "extension()"))
    found = member(run, items, "extension")
    return [item for item in found if isinstance(item.value, dict) and item.value.get("url") == wanted]


def has_value(_run: Run, items: Items) -> Items:
    """Whether the input is a single primitive that has a value."""
    if len(items) != 1:
        return _FALSE
    item = items[0]
    if item.__class__ is Node:
        return [item.value is not None and not isinstance(item.value, dict)]
    return _TRUE


def get_value(_run: Run, items: Items) -> Items:
    """The System value of a single primitive."""
    if len(items) != 1:
        return []
    item = items[0]
    if item.__class__ is Node and (item.value is None or isinstance(item.value, dict)):
        return []
    value = system_value(item)
    return [] if value is None else [value]


# ---- references


def reference_text(item: Any) -> str | None:
    """The text of a reference, canonical or uri."""
    value = item.value if item.__class__ is Node else item
    if isinstance(value, dict):
        value = value.get("reference")
    return value if isinstance(value, str) else None


def resolve(run: Run, items: Items) -> Items:
    """The resources that references point to, as far as they can be found."""
    found: Items = []
    for item in items:
        text = reference_text(item)
        if text is not None:
            found += _resolved(run, text, item)
    run.spend(len(items) + 1)
    return found


def _resolved(run: Run, text: str, _item: Any) -> Items:
    if text == "#":
        return [run.root]
    if text[:1] == "#":
        return [node for node in element_nodes(run.root, "contained") if node.value.get("id") == text[1:]]
    if run.resolver is None:
        return []
    resource = run.resolver(text)
    return [] if resource is None else [resource_node(resource)]


def resolves_to(run: Run, items: Items, type_name: str) -> Items:
    """`resolve() is Type`, answered from the reference itself where that says it, without fetching anything."""
    answers = [_resolves_to(run, item, type_name) for item in items]
    known = [answer for answer in answers if answer is not None]
    if len(known) > 1:
        raise PathRunError(f"'is' takes a single value and met {len(known)}.")
    return list(known)


def _resolves_to(run: Run, item: Any, type_name: str) -> bool | None:
    text = reference_text(item)
    if text is not None and text[:1] != "#":
        named = referenced_type(text)
        if named is not None:
            return type_name in ancestors(named)
    value = item.value if item.__class__ is Node else item
    declared = value.get("type") if isinstance(value, dict) else None
    if text is None or text[:1] != "#":
        if isinstance(declared, str) and load().is_resource(declared):
            return type_name in ancestors(declared)
        if text is None:
            return None
    found = _resolved(run, text, item)
    return type_name in ancestors(found[0].type) if found else None


def referenced_type(reference: str) -> str | None:
    """The resource type that a reference's text names: Patient/1, http://x/fhir/Patient/1/_history/2."""
    parts = reference.split("/")
    if len(parts) > 3 and parts[-2] == "_history":
        parts = parts[:-2]
    name = parts[-2] if len(parts) >= 2 else ""
    return name if load().is_resource(name) else None


# ---- types


def is_type(item: Any, type_name: str) -> bool:
    """Whether an item is of a type, or of one that specialises it."""
    info = type_of(item)
    namespace, _, name = type_name.rpartition(".")
    if namespace and namespace != info.namespace:
        return False
    return name in ancestors(info.name) if info.namespace == "FHIR" else name in (info.name, "Any")


def is_exactly(item: Any, type_name: str) -> bool:
    """Whether `as` and `ofType` let an item through: primitives by their own type, others by ancestors too."""
    info = type_of(item)
    if info.namespace == "FHIR" and not isinstance(item.value, dict):
        return type_name.rpartition(".")[2] == info.name and not type_name.startswith("System.")
    return is_type(item, type_name)


def is_(_run: Run, items: Items, type_name: str) -> Items:
    """`is`: whether the single item is of the type."""
    item = single(items, "is")
    return [] if item is None else [is_type(item, type_name)]


def as_(run: Run, items: Items, type_name: str) -> Items:
    """`as`: the single item if it is of the type. Raises PathRunError for more than one."""
    single(items, "as")
    return of_type(run, items, type_name)


def of_type(_run: Run, items: Items, type_name: str) -> Items:
    """The items that are of the type."""
    return [item for item in items if is_exactly(item, type_name)]


def type_info(_run: Run, items: Items) -> Items:
    """The types of the items (http://hl7.org/fhirpath/#reflection)."""
    return [type_of(item) for item in items]


_BASE = "http://hl7.org/fhir/StructureDefinition/"


def conforms_to(_run: Run, items: Items, profile: Items) -> Items:
    """Whether the input conforms to a profile; answered for the base types of R4."""
    url = system_value(single(profile, "conformsTo()"))
    item = single(items, "conformsTo()")
    if url is None or item is None:
        return []
    name = url.removeprefix(_BASE)
    if not url.startswith(_BASE) or name not in load().types:
        raise PathRunError(f"The profile {url} is not known here.")
    return [is_type(item, f"FHIR.{name}")]


def member_of(_run: Run, items: Items, value_set: Items) -> Items:
    """Whether a code is in a value set, as far as the definitions list its codes; empty where they do not."""
    url = system_value(single(value_set, "memberOf()"))
    item = single(items, "memberOf()")
    codes = load().value_set_codes(url) if isinstance(url, str) else None
    if item is None or codes is None:
        return []
    return said(_in_codes(item.value if item.__class__ is Node else item, codes))


def _in_codes(value: Any, codes: Any) -> bool | None:
    if isinstance(value, str):
        return value in codes
    if not isinstance(value, dict):
        return None
    codings = value.get("coding") if "coding" in value else [value]
    if not isinstance(codings, list):
        return None
    return any(
        isinstance(coding, dict) and coding.get("code") in codes and codes[coding["code"]] == coding.get("system")
        for coding in codings
    )


# ---- now


def now(run: Run, _items: Items) -> Items:
    """The DateTime of this evaluation."""
    return [run.now_moment(DATE_TIME)]


def today(run: Run, _items: Items) -> Items:
    """The Date of this evaluation."""
    return [run.now_moment(DATE)]


def time_of_day(run: Run, _items: Items) -> Items:
    """The Time of this evaluation."""
    return [run.now_moment(TIME)]


def trace(run: Run, items: Items, name: Items) -> Items:
    """The input, noted under a name in the run."""
    return noted(run, items, name, items)


def noted(run: Run, items: Items, name: Items, shown: Items) -> Items:
    """The input, with something else noted under a name."""
    if len(run.traced) < 1000:
        run.traced.append((str(system_value(single(name, "trace()"))), shown))
    return items


def step(value: Any, type_name: str) -> Any:
    """The System value of plain JSON, for code that has no node."""
    return from_json(value, type_name)


FUNCTIONS: dict[str, tuple[int, int, Any]] = {
    "empty": (0, 0, empty),
    "exists": (0, 0, exists),
    "count": (0, 0, count),
    "not": (0, 0, negated),
    "allTrue": (0, 0, all_true),
    "anyTrue": (0, 0, any_true),
    "allFalse": (0, 0, all_false),
    "anyFalse": (0, 0, any_false),
    "subsetOf": (1, 1, subset_of),
    "supersetOf": (1, 1, superset_of),
    "distinct": (0, 0, distinct),
    "isDistinct": (0, 0, is_distinct),
    "single": (0, 0, only),
    "first": (0, 0, first),
    "last": (0, 0, last),
    "tail": (0, 0, tail),
    "skip": (1, 1, skip),
    "take": (1, 1, take),
    "intersect": (1, 1, intersect),
    "exclude": (1, 1, exclude),
    "union": (1, 1, union),
    "combine": (1, 1, combine),
    "children": (0, 0, children),
    "descendants": (0, 0, descendants),
    "extension": (1, 1, extension),
    "hasValue": (0, 0, has_value),
    "getValue": (0, 0, get_value),
    "resolve": (0, 0, resolve),
    "type": (0, 0, type_info),
    "conformsTo": (1, 1, conforms_to),
    "memberOf": (1, 1, member_of),
    "now": (0, 0, now),
    "today": (0, 0, today),
    "timeOfDay": (0, 0, time_of_day),
}
