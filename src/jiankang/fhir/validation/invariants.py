"""Invariants ready to run: the norm's FHIRPath, compiled for the type that it is about.

http://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from jiankang.fhir.path import Path, PathTooCostlyError, compile_path
from jiankang.fhir.path.compiled import tree_holds
from jiankang.fhir.validation.findings import ERROR, INFORMATION, Found, note
from jiankang.fhir.validation.guards import ALWAYS, NEVER, Guard
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from jiankang.fhir.definitions import Constraint, TypeDefinition
    from jiankang.fhir.path.syntax import Tree
    from jiankang.fhir.validation.context import Context

MAX_WORK = 3_000_000

# Checked by code of their own, which tests compare with the norm's expressions, or by the check of structure.
SPECIALISED = frozenset({"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1", "txt-1", "txt-2"})


# Expressions of 4.0.1 that do not say what their words say; corrected as later versions of the norm do.
CORRECTED = {
    "que-7": "operator = 'exists' implies (answer is boolean)",
    "que-12": "enableWhen.count() > 1 implies enableBehavior.exists()",
    "tim-9": "offset.empty() or (when.exists() and when.where($this in ('C' | 'CM' | 'CD' | 'CV')).empty())",
}


class Invariant:
    """A constraint on elements of one type."""

    __slots__ = ("best_practice", "expression", "may_be_undecided", "path", "rule", "text")

    def __init__(self, constraint: Constraint, type_name: str) -> None:
        self.expression = CORRECTED.get(constraint.key, constraint.expression)
        self.path = _compiled(self.expression, type_name)
        # Dates of different precision, and quantities of different units, cannot be put in order; no rule is broken then.
        self.may_be_undecided = re.search(r"[<>]", self.expression) is not None
        severity = ERROR if constraint.severity == "error" else "warning"
        self.rule = (severity, "invariant", constraint.key)
        self.text = constraint.human.rstrip(". ") + "."
        self.best_practice = constraint.best_practice

    def run(self, found: Found, element: Any, context: Context) -> Found:
        """`found`, and this invariant where it is not true for the element; what cannot be worked out is said."""
        resource = context.resource
        if self.path is None:
            return note(found, "", (INFORMATION, "not-supported", self.rule[2]), f"Was not checked: {self.text}")
        try:
            holds = self.path.holds(
                resource,
                context=None if element is resource else element,
                resolver=context.resolver,
                max_work=MAX_WORK,
            )
        except PathTooCostlyError:
            rule = (INFORMATION, "too-costly", self.rule[2])
            return note(found, "", rule, f"Was not checked, it takes too long: {self.text}")
        except Invalid:
            rule = (INFORMATION, "processing", self.rule[2])
            return note(found, "", rule, f"Could not be worked out for this data: {self.text}")
        except RecursionError:
            return found
        if holds is True or (holds is None and self.may_be_undecided):
            return found
        if holds is None and "memberOf(" in self.expression:
            rule = (INFORMATION, "not-supported", self.rule[2])
            return note(found, "", rule, f"Was not checked, its codes are not known here: {self.text}")
        return note(found, "", self.rule, self.text, self.expression)


def _compiled(expression: str, type_name: str) -> Path | None:
    """The expression compiled; None for one of a profile that makes no sense or asks for what is not known."""
    try:
        return compile_path(expression, type_name=type_name)
    except Invalid:
        return None


@cache
def invariant(constraint: Constraint, type_name: str) -> Invariant:
    """The constraint compiled, once for each type."""
    return Invariant(constraint, type_name)


def guard_of(constraint: Constraint, definition: TypeDefinition) -> str:
    """A Python condition over the object `o`, false where the constraint cannot fail."""
    path = compile_path(CORRECTED.get(constraint.key, constraint.expression), type_name=definition.name)

    def holds_bare(tree: Tree) -> bool:
        bare = {"resourceType": definition.name} if definition.kind == "resource" else {}
        try:
            return tree_holds(tree, definition.name, bare) is not False
        except Invalid:
            return False

    return Guard(definition, holds_bare).may_fail(path.tree)


__all__ = ["ALWAYS", "NEVER", "SPECIALISED", "Invariant", "guard_of", "invariant"]
