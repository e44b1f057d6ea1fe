"""Whether codes are from the value set that an element is bound to (http://hl7.org/fhir/R4/terminologies.html#strength)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jiankang.fhir.validation.findings import ERROR, INFORMATION, WARNING, Found, note
from jiankang.fhir.validation.terms import codes_of, membership

if TYPE_CHECKING:
    from jiankang.fhir.validation.context import Context

_SEVERITY = {"required": ERROR, "extensible": WARNING, "preferred": INFORMATION}


class Bound:
    """A value set that an element is bound to, with the severity of what is not in it."""

    __slots__ = ("canonical", "codes", "member", "most", "rule", "strength", "url")

    def __init__(self, strength: str, canonical: str, most: str | None = None) -> None:
        self.strength = strength
        self.canonical = canonical
        self.url = canonical.partition("|")[0]
        self.member = membership(self.url)
        self.codes = codes_of(self.url)
        self.rule = (_SEVERITY[strength], "code-invalid", f"binding-{strength}")
        self.most = None if most is None else bound("required", most)

    def has(self, system: str | None, code: str, context: Context) -> bool | None:
        """Whether a code is in the set; None where nobody here can tell, which is noted once."""
        if self.member is not None:
            return self.member(system, code)
        if context.asks_others:
            verdict = context.terminology.validate_code(system, code, self.canonical)
            if verdict.known:
                return verdict.ok
        context.unchecked.setdefault(self.canonical, self.strength)
        return None


@cache
def bound(strength: str, canonical: str, most: str | None = None) -> Bound:
    """The binding, made once."""
    return Bound(strength, canonical, most)


def bound_code(found: Found, step: str, value: Any, to: Bound, context: Context) -> Found:
    """A primitive that is a code."""
    if value.__class__ is not str or to.has(None, value, context) is not False:
        return (
            found if to.most is None or value.__class__ is not str else bound_code(found, step, value, to.most, context)
        )
    if to.most is not None and to.most.has(None, value, context) is False:
        return _refuse(found, step, to.most)
    return _refuse(found, step, to)


def bound_coding(found: Found, step: str, value: Any, to: Bound, context: Context) -> Found:
    """A Coding or a Quantity: system and code. Without a code a quantity says nothing of its unit."""
    code = value.get("code")
    if code is None:
        return found
    if to.has(value.get("system") or "", code, context) is False:
        return _refuse(found, step, to)
    if to.most is not None and to.most.has(value.get("system") or "", code, context) is False:
        return _refuse(found, step, to.most)
    return found


def bound_concept(found: Found, step: str, value: Any, to: Bound, context: Context) -> Found:
    """A CodeableConcept: one of its codings must be from the set; text alone is enough unless the set is required."""
    codings = value.get("coding") or ()
    undecided = False
    for each in codings:
        code = each.get("code")
        if code is not None:
            has = to.has(each.get("system") or "", code, context)
            if has is True:
                break
            undecided = undecided or has is None
    else:
        if not undecided and (codings or to.strength == "required"):
            found = _refuse(found, step, to)
    if to.most is not None and codings:
        most = [to.most.has(each.get("system") or "", each.get("code", ""), context) for each in codings]
        if all(each is False for each in most):
            found = _refuse(found, step, to.most)
    return found


def _refuse(found: Found, step: str, to: Bound) -> Found:
    verb = {"required": "must", "extensible": "should, where one fits,", "preferred": "had better"}[to.strength]
    few = sorted(to.codes)[:12] if to.codes is not None and len(to.codes) <= 40 else []
    listed = f" ({', '.join(few)}{' …' if to.codes is not None and len(to.codes) > len(few) else ''})" if few else ""
    return note(found, step, to.rule, f"The code {verb} be from {to.url}{listed}.", to.canonical)
