"""Compiles the check of each type when it is first needed, and runs it."""

from __future__ import annotations

import linecache
from functools import cache
from typing import TYPE_CHECKING, Any, TypeGuard

from jiankang.fhir.definitions import Definitions, load
from jiankang.fhir.structure import problems, references
from jiankang.fhir.structure.emit import check_name, emit_check
from jiankang.fhir.structure.others import extension_rule, rest_of
from jiankang.fhir.structure.primitives import EXPLAIN, QUICK_NAMES
from jiankang.kernel.errors import Issue

if TYPE_CHECKING:
    from types import CodeType

    from jiankang.fhir.structure.problems import Check, Found

MAX_ISSUES = 100


def check(resource: object, *, expected_type: str | None = None) -> list[Issue]:
    """All that is wrong with the shape of a resource, [] when nothing is; after MAX_ISSUES a closing one.

    `expression` of each issue is a FHIRPath into the resource, `Patient.name[0].given[1]`.
    http://hl7.org/fhir/R4/validation.html (structure, cardinality, value domains)
    """
    return _checks().issues(resource, expected_type)


def source(type_name: str) -> str:
    """The generated Python source of a type's check, for the curious and for tests."""
    definitions = load()
    return emit_check(definitions.types[type_name], definitions)


@cache
def _checks() -> _Checks:
    return _Checks(load())


class _Checks:
    """The checks of all types, in one namespace in which they find each other."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._resource_names = frozenset(definitions.resource_names)
        self._by_resource_type: dict[str, Check] = {}
        self._namespace: dict[str, Any] = {
            **QUICK_NAMES,
            **{f"explain_{name}": explain for name, explain in EXPLAIN.items()},
            "aligned": problems.aligned,
            "explain_reference": references.explain_reference,
            "explain_target": references.explain_target,
            "extension_rule": extension_rule,
            "items": problems.items,
            "items_from": problems.items_from,
            "match_local": references.match_local,
            "missing": problems.missing,
            "not_an_object": problems.not_an_object,
            "note": problems.note,
            "primitive": problems.primitive,
            "primitive_items": problems.primitive_items,
            "resource_names": self._resource_names,
            "under": problems.under,
            check_name("Resource"): self._check_resource,
        }
        for name in definitions.types:
            self._namespace.setdefault(check_name(name), self._compile_later(name))

    def issues(self, resource: object, expected_type: str | None) -> list[Issue]:
        """The problems of a whole resource as issues."""
        found = self._wrong_type(resource, expected_type)
        if found is None:
            try:
                found = self._check_resource(resource)
            except RecursionError:
                found = [("", "structure", "is nested too deep")]
        if found is None:
            return []
        root = self._root_name(resource, expected_type)
        issues = [Issue(code, _sentence(root + path, text), (root + path,)) for path, code, text in found[:MAX_ISSUES]]
        if len(found) > MAX_ISSUES:
            issues.append(Issue("too-long", f"There are more problems; these are the first {MAX_ISSUES}.", (root,)))
        return issues

    def _root_name(self, resource: object, expected_type: str | None) -> str:
        name = resource.get("resourceType") if isinstance(resource, dict) else None
        return name if self._is_resource_type(name) else expected_type or "Resource"

    def _is_resource_type(self, name: object) -> TypeGuard[str]:
        return isinstance(name, str) and name in self._resource_names

    def _wrong_type(self, resource: object, expected_type: str | None) -> Found:
        if not isinstance(resource, dict):
            return [("", "structure", "must be a JSON object { … }")]
        name = resource.get("resourceType")
        if expected_type is not None and self._is_resource_type(name) and name != expected_type:
            return [("", "invalid", f"is the resourceType, but {expected_type} is expected here")]
        return None

    def _check_resource(self, o: Any) -> Found:
        """The check of any resource: top level, contained, or an entry of a Bundle."""
        if o.__class__ is not dict or not o:
            return problems.not_an_object(o)
        name = o.get("resourceType")
        run = self._by_resource_type.get(name) if name.__class__ is str else None
        if run is None:
            if name is None:
                return [(".resourceType", "required", "is required: say what kind of resource this is")]
            if not self._is_resource_type(name):
                return problems.unknown_type(name, self._definitions.resource_names)
            run = self._by_resource_type[name] = self._compile(name)
        return run(o)

    def _compile_later(self, name: str) -> Check:
        """A check that compiles its type when it is first called, and is replaced by the compiled one."""

        def compile_first(o: Any) -> Found:
            return self._compile(name)(o)

        return compile_first

    def _compile(self, name: str) -> Check:
        definition = self._definitions.types[name]
        text = emit_check(definition, self._definitions)
        rest = rest_of(definition, self._definitions, self._check_of)
        self._namespace["rest_" + name.replace(".", "_")] = rest
        exec(_code(name, text), self._namespace)  # noqa: S102 - source that emit.py wrote from the definitions
        run: Check = self._namespace[check_name(name)]
        return run

    def _check_of(self, name: str) -> Check:
        """The check of a type by whatever is in the namespace when it is called."""
        key, namespace = check_name(name), self._namespace

        def run(o: Any) -> Found:
            found: Found = namespace[key](o)
            return found

        return run


def _code(name: str, text: str) -> CodeType:
    """The compiled source, which tracebacks can show."""
    file = f"<structure of {name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    return compile(text, file, "exec")


def _sentence(path: str, text: str) -> str:
    return f"{path} {text}."
