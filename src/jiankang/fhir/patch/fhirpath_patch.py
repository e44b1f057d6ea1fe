"""FHIRPath Patch: operations in a Parameters resource, places named by FHIRPath (http://hl7.org/fhir/R4/fhirpatch.html)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.fhir.patch.json_patch import copied
from jiankang.fhir.path import Node, compile_path
from jiankang.fhir.path.syntax import Call, Member
from jiankang.fhir.path.values import Child, shape
from jiankang.kernel.errors import Invalid, Problem, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Callable

    from jiankang.fhir.path.syntax import Tree

MAX_OPERATIONS = 1_000


@dataclass(frozen=True, slots=True)
class Given:
    """A value that an operation brings: JSON, what stands beside it if primitive, and its type where it says one."""

    value: Any
    extra: dict[str, Any] | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as sent, its parts not yet understood."""

    number: int
    parts: dict[str, dict[str, Any]]

    @property
    def where(self) -> str:
        """Its place in the Parameters, for messages."""
        return f"Parameters.parameter[{self.number}]"

    def malformed(self, why: str) -> Invalid:
        """The refusal of an operation that is not well made."""
        return Invalid(f"Operation {self.number}: {why}.", expression=[self.where])

    def refused(self, why: str) -> Unprocessable:
        """The refusal of an operation that does not fit the resource."""
        return Unprocessable(f"Operation {self.number}: {why}.", expression=[self.where])

    def text(self, name: str) -> str:
        """A part that is a string or code."""
        value = next((self._part(name)[key] for key in ("valueString", "valueCode") if key in self._part(name)), None)
        if not isinstance(value, str):
            raise self.malformed(f"the part '{name}' is to be a string")
        return value

    def whole(self, name: str) -> int:
        """A part that is a number from 0."""
        value = self._part(name).get("valueInteger")
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.malformed(f"the part '{name}' is to be an integer from 0")
        return value

    def _part(self, name: str) -> dict[str, Any]:
        if name not in self.parts:
            raise self.malformed(f"the part '{name}' is missing")
        return self.parts[name]

    def given(self, type_names: tuple[str, ...]) -> Given:
        """The part 'value'; parts inside of it are members of an element of one of the types."""
        return self._given(self._part("value"), type_names)

    def _given(self, part: dict[str, Any], type_names: tuple[str, ...]) -> Given:
        if "resource" in part:
            return Given(copied(part["resource"]))
        for json_name, child in shape("Parameters.parameter").children.items():
            if child.element == "value" and (json_name in part or "_" + json_name in part):
                return Given(copied(part.get(json_name)), copied(part.get("_" + json_name)), child.type)
        if "part" in part:
            return Given(self._built(part["part"], type_names))
        raise self.malformed("a 'value' has neither value[x] nor parts nor a resource")

    def _built(self, parts: Any, type_names: tuple[str, ...]) -> dict[str, Any]:
        """An element put together from parts that are named like its members."""
        holder: dict[str, Any] = {}
        for part in parts if isinstance(parts, list) else []:
            name = part.get("name") if isinstance(part, dict) else None
            found = [known for t in type_names if (known := _child_called(t, name, part)) is not None]
            if not found:
                raise self.refused(f"there is no element '{name}' to be given")
            json_name, child = found[0]
            _add(holder, json_name, child, self._given(part, (child.type,)), self)
        return holder


def apply_fhirpath_patch(resource: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """`resource` with the operations of the Parameters applied in their order; the input stays as it is.

    Raises Invalid (400) for what is no patch, Unprocessable (422) where an operation does not fit the resource; both
    name the operation by its number from 0. http://hl7.org/fhir/R4/fhirpatch.html
    """
    whole: dict[str, Any] = copied(resource)
    for operation in _operations(parameters):
        kind = operation.text("type")
        if kind not in _KINDS:
            raise operation.malformed("'type' is one of add, insert, delete, replace, move")
        _KINDS[kind](whole, operation)
    return whole


def _operations(parameters: Any) -> list[Operation]:
    if not isinstance(parameters, dict) or parameters.get("resourceType") != "Parameters":
        raise Invalid("A FHIRPath Patch is a Parameters resource.")
    listed = parameters.get("parameter", [])
    if not isinstance(listed, list) or len(listed) > MAX_OPERATIONS:
        raise Invalid(f"A FHIRPath Patch has an array of at most {MAX_OPERATIONS} operations.")
    return [_operation(number, parameter) for number, parameter in enumerate(listed)]


def _operation(number: int, parameter: Any) -> Operation:
    parts = parameter.get("part") if isinstance(parameter, dict) else None
    operation = Operation(number, {})
    if not isinstance(parts, list) or parameter.get("name") != "operation":
        raise operation.malformed("it is to be a parameter 'operation' with parts")
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("name"), str):
            raise operation.malformed("a part has no name")
        operation.parts[part["name"]] = part
    return operation


# ---- finding places


def _found(whole: dict[str, Any], operation: Operation) -> list[Node]:
    """The elements that an operation's path names."""
    text = operation.text("path")
    try:
        path = compile_path(text, type_name=_type_of(whole))
        found = path.evaluate(whole)
    except Problem as error:
        raise operation.malformed(f"the path is refused: {error}".rstrip(".")) from error
    if any(item.__class__ is not Node for item in found):
        raise operation.malformed("the path names a computed value, no element")
    return found


def _type_of(whole: dict[str, Any]) -> str | None:
    name = whole.get("resourceType")
    return name if isinstance(name, str) else None


def _one(whole: dict[str, Any], operation: Operation) -> Node:
    found = _found(whole, operation)
    if len(found) != 1:
        raise operation.refused(f"the path names {len(found)} elements and must name one")
    return found[0]


def _list_at(whole: dict[str, Any], operation: Operation) -> tuple[dict[str, Any], str, Child]:
    """The list that a path names: the object that holds it, its JSON name, and what its items are."""
    found = _found(whole, operation)
    holders = {(id(node.parent.value), node.key) for node in found if node.parent is not None}
    if not found:
        return _absent_list(whole, operation)
    node = found[0]
    if len(holders) != 1 or node.parent is None or node.key[:1] == "_" or any(item.number < 0 for item in found):
        raise operation.refused("the path does not name one list")
    return node.parent.value, node.key, shape(node.parent.type).children[node.key]


def _absent_list(whole: dict[str, Any], operation: Operation) -> tuple[dict[str, Any], str, Child]:
    """A list without items: the last name of the path, on the one element that the rest of it names."""
    text = operation.text("path")
    tree: Tree = compile_path(text, type_name=_type_of(whole)).tree
    if isinstance(tree, Member) and tree.source is not None and not isinstance(tree.source, Call):
        holders = _found(whole, Operation(operation.number, {"path": {"valueString": text.rpartition(".")[0]}}))
        found = _child_called(holders[0].type, tree.name, None) if len(holders) == 1 else None
        if found is not None and found[1].repeats and isinstance(holders[0].value, dict):
            return holders[0].value, found[0], found[1]
    raise operation.refused("the path names no list")


def _child_called(type_name: str, name: Any, part: dict[str, Any] | None) -> tuple[str, Child] | None:
    """The JSON name and the kind of a child; of a choice, the one that the part's value[x] is."""
    own = shape(type_name)
    if name in own.children:
        return name, own.children[name]
    json_names = own.names.get(name, ())
    if len(json_names) == 1:
        return json_names[0], own.children[json_names[0]]
    for json_name in json_names:
        suffix = json_name.removeprefix(name)
        if part is not None and (f"value{suffix}" in part or f"_value{suffix}" in part):
            return json_name, own.children[json_name]
    return None


# ---- changing


def _add(holder: dict[str, Any], json_name: str, child: Child, given: Given, operation: Operation) -> None:
    """Set a member, or append to a list."""
    if child.repeats:
        _insert(holder, json_name, child, given, len(_items(holder, json_name)))
        return
    if json_name in holder or "_" + json_name in holder:
        raise operation.refused(f"there is a '{child.element}' already, and there can be only one")
    _set(holder, json_name, given)


def _items(holder: dict[str, Any], json_name: str) -> list[Any]:
    """The list, as long as the one beside it."""
    values = holder.get(json_name)
    beside = holder.get("_" + json_name)
    size = max(len(values) if isinstance(values, list) else 0, len(beside) if isinstance(beside, list) else 0)
    values = values if isinstance(values, list) else []
    return values + [None] * (size - len(values))


def _set(holder: dict[str, Any], json_name: str, given: Given) -> None:
    for name, value in ((json_name, given.value), ("_" + json_name, given.extra)):
        if value is None:
            holder.pop(name, None)
        else:
            holder[name] = value


def _insert(holder: dict[str, Any], json_name: str, child: Child, given: Given, place: int) -> None:
    """Put a value into a list and, for primitives, keep what stands beside in step."""
    values = _items(holder, json_name)
    beside = _items(holder, "_" + json_name) if child.primitive else []
    beside += [None] * (len(values) - len(beside))
    values.insert(place, given.value)
    beside.insert(place, given.extra)
    _put_lists(holder, json_name, values, beside)


def _put_lists(holder: dict[str, Any], json_name: str, values: list[Any], beside: list[Any]) -> None:
    """Write a list and the one beside it, each only if it says something."""
    for name, items in ((json_name, values), ("_" + json_name, beside)):
        if any(item is not None for item in items):
            holder[name] = items
        else:
            holder.pop(name, None)


def _do_add(whole: dict[str, Any], operation: Operation) -> None:
    node = _one(whole, operation)
    name = operation.text("name")
    if not isinstance(node.value, dict):
        _add_beside(node, name, operation)
        return
    found = _child_called(node.type, name, operation.parts.get("value"))
    if found is None:
        raise operation.refused(f"{node.type} has no element '{name}' that takes this value")
    json_name, child = found
    siblings = [other for other in shape(node.type).names[child.element] if other != json_name]
    if any(other in node.value or "_" + other in node.value for other in siblings):
        raise operation.refused(f"there is a '{child.element}' already, and there can be only one")
    _add(node.value, json_name, child, operation.given((child.type,)), operation)


def _add_beside(node: Node, name: str, operation: Operation) -> None:
    """Add an id or extension to a primitive."""
    child = shape("Element").children.get(name)
    if child is None or node.parent is None:
        raise operation.refused(f"{node.type} has no element '{name}'")
    extra = dict(node.extra or {})
    _add(extra, name, child, operation.given((child.type,)), operation)
    holder = node.parent.value
    if node.number < 0:
        holder["_" + node.key] = extra
        return
    beside = _items(holder, "_" + node.key)
    beside += [None] * (len(_items(holder, node.key)) - len(beside))
    beside[node.number] = extra
    holder["_" + node.key] = beside


def _do_insert(whole: dict[str, Any], operation: Operation) -> None:
    holder, json_name, child = _list_at(whole, operation)
    place = operation.whole("index")
    size = len(_items(holder, json_name))
    if place > size:
        raise operation.refused(f"there is no place {place} in a list of {size}")
    _insert(holder, json_name, child, operation.given((child.type,)), place)


def _do_delete(whole: dict[str, Any], operation: Operation) -> None:
    found = _found(whole, operation)
    if len(found) > 1:
        raise operation.refused(f"the path names {len(found)} elements and may name one")
    for node in found:
        if node.parent is None:
            raise operation.refused("the resource itself cannot be deleted by a patch")
        _remove(node)


def _remove(node: Node) -> None:
    """Take an element out, and what is left without content by that."""
    holder = node.parent.value if node.parent is not None else None
    if not isinstance(holder, dict):
        return
    if node.key[:1] == "_" or node.number < 0:
        holder.pop(node.key, None)
        holder.pop("_" + node.key, None)
    else:
        values, beside = _items(holder, node.key), _items(holder, "_" + node.key)
        beside += [None] * (len(values) - len(beside))
        del values[node.number], beside[node.number : node.number + 1]
        _put_lists(holder, node.key, values, beside)
    if not holder and node.parent is not None and node.parent.parent is not None:
        _remove(node.parent)


def _do_replace(whole: dict[str, Any], operation: Operation) -> None:
    node = _one(whole, operation)
    if node.parent is None:
        raise operation.refused("the resource itself cannot be replaced by a patch; update it")
    holder = node.parent.value
    given = operation.given((node.type,))
    own = shape(node.parent.type)
    child = own.children.get(node.key)
    if child is None or not isinstance(holder, dict):
        raise operation.refused("this place cannot be replaced")
    if node.number >= 0:
        values, beside = _items(holder, node.key), _items(holder, "_" + node.key)
        beside += [None] * (len(values) - len(beside))
        values[node.number], beside[node.number] = given.value, given.extra
        _put_lists(holder, node.key, values, beside)
        return
    target = _child_called(node.parent.type, child.element, operation.parts["value"])
    _set(holder, node.key, Given(None))
    _set(holder, node.key if target is None else target[0], given)


def _do_move(whole: dict[str, Any], operation: Operation) -> None:
    holder, json_name, _ = _list_at(whole, operation)
    source, destination = operation.whole("source"), operation.whole("destination")
    values = _items(holder, json_name)
    if max(source, destination) >= len(values):
        raise operation.refused(f"there are {len(values)} items in the list, numbered from 0")
    beside = _items(holder, "_" + json_name)
    beside += [None] * (len(values) - len(beside))
    for items in (values, beside):
        items.insert(destination, items.pop(source))
    _put_lists(holder, json_name, values, beside)


_KINDS: dict[str, Callable[[dict[str, Any], Operation], None]] = {
    "add": _do_add,
    "insert": _do_insert,
    "delete": _do_delete,
    "replace": _do_replace,
    "move": _do_move,
}
