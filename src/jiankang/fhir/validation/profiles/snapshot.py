"""Snapshots from differentials: what a profile says, laid over what its base says.

http://hl7.org/fhir/R4/profiling.html#snapshot
"""

from __future__ import annotations

from typing import Any

from jiankang.fhir.validation.profiles.tree import Elements, Json, Node, ProfileError, is_form, tree

# What a differential replaces where it says it; all else it adds to.
_ADDED = frozenset({"constraint", "alias", "mapping", "condition", "example", "code"})
_KEPT = frozenset({"path", "id", "base"})


def laid_over(base: list[Json], differential: list[Json], elements: Elements) -> Node:
    """The tree of a profile: its base with the differential laid over. Raises ProfileError where they contradict."""
    root = tree(base).copy()
    open_slices: dict[str, str] = {}
    for change in differential:
        segments = _segments(change, open_slices)
        node = root
        for depth, (name, slice_name) in enumerate(segments):
            node = _step(node, name, slice_name, elements, root, change, is_last=depth == len(segments) - 1)
        _merge(node, change)
    _narrow_to_only_form(root, {change["path"] for change in differential if "slicing" in change})
    _forbid_contradictions(root)
    return root


def flat(root: Node) -> list[Json]:
    """The elements of a tree as a snapshot lists them, with paths and ids of their places."""
    return [*_flat(root, root.name, root.name)]


def _flat(node: Node, path: str, own_id: str) -> list[Json]:
    listed = [{**node.definition, "path": path, "id": own_id}]
    for child in node.children:
        listed += _flat(child, f"{path}.{child.name}", f"{own_id}.{child.name}")
    for each in node.slices:
        listed += _flat(
            each, path, f"{own_id.partition(':')[0] if '.' not in own_id else _plain(own_id)}:{each.slice_name}"
        )
    return listed


def _plain(own_id: str) -> str:
    """An id whose last step names no slice."""
    start, _, last = own_id.rpartition(".")
    return f"{start}.{last.partition(':')[0]}"


def _segments(change: Json, open_slices: dict[str, str]) -> list[tuple[str, str | None]]:
    """The steps to an element, each with its slice: by the id, else by the slices that were opened before."""
    path: str = change["path"]
    names = path.split(".")[1:]
    parts = change.get("id", "").split(".")[1:]
    if len(parts) == len(names) and all(_fits(part, name) for part, name in zip(parts, names, strict=True)):
        return [(name, part.partition(":")[2] or None) for part, name in zip(parts, names, strict=True)]
    steps: list[tuple[str, str | None]] = []
    here = path.partition(".")[0]
    for number, name in enumerate(names):
        here = f"{here}.{name}"
        if number == len(names) - 1:
            own = change.get("sliceName")
            for known in [each for each in open_slices if each == here or each.startswith(here + ".")]:
                del open_slices[known]
            if own is not None:
                open_slices[here] = own
            steps.append((name, own))
        else:
            steps.append((name, open_slices.get(here)))
    return steps


def _fits(part: str, name: str) -> bool:
    plain = part.partition(":")[0]
    return plain == name or (plain.endswith("[x]") and is_form(plain, name))


def _step(
    node: Node, name: str, slice_name: str | None, elements: Elements, root: Node, change: Json, *, is_last: bool
) -> Node:
    """The child, and its slice; written out or made where it is not there."""
    if not node.children and not node.expand_reference(root):
        node.expand(elements)
    child = node.child(name)
    if child is None:
        raise ProfileError(f"{change['path']}: its base has no element {name}.", expression=[change["path"]])
    if child.name != name and slice_name is None and child.name.endswith("[x]"):
        slice_name = _single_form(child, name)
        if slice_name is None:
            return child
    if slice_name is None:
        return child
    if is_last and "slicing" in change and "sliceName" not in change:
        return child
    return _slice(child, slice_name, name)


def _single_form(child: Node, name: str) -> str | None:
    """The slice for a choice's form; None where the choice has only that form left, so that it is meant itself."""
    wanted = name[len(child.name) - 3 :]
    codes = child.type_codes()
    if len(codes) == 1 and codes[0].lower() == wanted.lower() and not child.slices:
        return None
    return name


def _slice(child: Node, slice_name: str, name: str) -> Node:
    """A slice by name, made from what it is a slice of where it is new."""
    holder = child
    parts = slice_name.split("/")
    for count in range(1, len(parts) + 1):
        prefix = "/".join(parts[:count])
        found = next((each for each in holder.slices if each.slice_name == prefix), None)
        if found is None:
            found = holder.unsliced()
            found.definition.pop("slicing", None)
            found.definition.update(sliceName=prefix, min=0)
            if child.name.endswith("[x]"):
                form = next((each for each in (name, prefix) if is_form(child.name, each)), None)
                if form is not None:
                    _form_only(child, found, form)
            holder.slices.append(found)
        holder = found
    return holder


def _form_only(choice: Node, made: Node, form: str) -> None:
    """A slice of a choice that is called like a form has that type; the choice is sliced by type."""
    choice.definition.setdefault("slicing", {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"})
    wanted = form[len(choice.name) - 3 :].lower()
    types = [each for each in choice.definition.get("type", ()) if each["code"].lower() == wanted]
    if types:
        made.definition["type"] = types


def _merge(node: Node, change: Json) -> None:
    """Lay one element of the differential over the base's."""
    merged: dict[str, Any] = node.definition
    for name, value in change.items():
        if name in _KEPT or (name == "sliceName" and node.slice_name is not None):
            continue
        if name in _ADDED and isinstance(merged.get(name), list):
            known = [each.get("key", each) if isinstance(each, dict) else each for each in value]
            kept = [e for e in merged[name] if (e.get("key", e) if isinstance(e, dict) else e) not in known]
            merged[name] = kept + list(value)
        elif name == "max" and _most(value) > _most(merged.get("max", "*")):
            text = f"{change['path']}: max {value} is more than the base allows ({merged['max']})."
            raise ProfileError(text, expression=[change["path"]])
        elif name == "type":
            _narrow(merged, value, change["path"])
        else:
            merged[name] = value
    if "type" in change or any(name.startswith(("fixed", "pattern")) for name in change):
        _drop_other_values(merged, change)


def _narrow(merged: Json, types: list[Json], path: str) -> None:
    """Types may only become fewer."""
    allowed = {each["code"] for each in merged.get("type", ())}
    if any("://" in each for each in allowed):  # FHIRPath's own types, which profiles write as FHIR's
        allowed = set()
    for each in types:
        if allowed and each["code"] not in allowed and not allowed & {"Resource", "DomainResource", "Element", "*"}:
            raise ProfileError(f"{path}: the base does not allow the type {each['code']}.", expression=[path])
    merged["type"] = types


def _drop_other_values(merged: Json, change: Json) -> None:
    """One fixed value or pattern: a new one takes the place of an inherited one."""
    own = [name for name in change if name.startswith(("fixed", "pattern"))]
    if own:
        for name in [each for each in merged if each.startswith(("fixed", "pattern")) and each not in own]:
            del merged[name]


def _narrow_to_only_form(root: Node, sliced: set[str]) -> None:
    """A profile that speaks of one form of a choice without slicing it ("valueQuantity") allows that form only."""
    for node in root.walk():
        if node.name.endswith("[x]") and len(node.slices) == 1 and node.definition["path"] not in sliced:
            types = node.slices[0].definition.get("type") or []
            own = node.slices[0].slice_name or ""
            if (
                len(types) == 1
                and is_form(node.name, own)
                and node.definition.get("slicing", {}).get("rules") == "open"
            ):
                node.definition["type"] = types


def _forbid_contradictions(root: Node) -> None:
    for node in root.walk():
        least, most = node.definition.get("min", 0), _most(node.definition.get("max", "*"))
        if least > most:
            text = f"{node.definition['path']}: min {least} is more than max {node.definition['max']}."
            raise ProfileError(text, expression=[node.definition["path"]])
        part = sum(each.definition.get("min", 0) for each in node.slices)
        if part > most:
            text = f"{node.definition['path']}: its slices need {part}, at most {most:.0f} are allowed."
            raise ProfileError(text, expression=[node.definition["path"]])


def _most(value: str) -> float:
    return float("inf") if value == "*" else int(value)
