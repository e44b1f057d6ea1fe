"""The shapes in which the definitions are kept: small, frozen, decoded straight from the compiled tables."""

from __future__ import annotations

from functools import cached_property

import msgspec


class Constraint(msgspec.Struct, frozen=True, array_like=True):
    """An invariant in FHIRPath (http://hl7.org/fhir/R4/conformance-rules.html#constraints)."""

    key: str
    severity: str
    human: str
    expression: str
    best_practice: bool = False


class Binding(msgspec.Struct, frozen=True, array_like=True):
    """Which codes an element takes, and how strictly (http://hl7.org/fhir/R4/terminologies.html#strength).

    `max_value_set`: the set that even codes of an extensible or preferred binding must be from.
    """

    strength: str
    value_set: str
    max_value_set: str | None = None


class Element(msgspec.Struct, frozen=True, array_like=True):
    """One child of a type. A choice (`value[x]`) is one element with several JSON names.

    `types` are type names; a backbone, an element with children of its own, is named by its path
    ("Observation.component"). `max` is None when unbounded. `target_profiles` are the resource types that a
    reference may point to; () is any. `profiles` are those that a type must conform to here ("SimpleQuantity").
    http://hl7.org/fhir/R4/elementdefinition.html
    """

    name: str
    path: str
    min: int
    max: int | None
    types: tuple[str, ...]
    is_choice: bool
    json_names: dict[str, str]
    target_profiles: tuple[str, ...] = ()
    is_modifier: bool = False
    is_summary: bool = False
    binding: Binding | None = None
    constraints: tuple[Constraint, ...] = ()
    short: str = ""
    max_length: int | None = None
    profiles: dict[str, tuple[str, ...]] = {}


class TypeDefinition(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """A resource, a data type, or a backbone inside one (http://hl7.org/fhir/R4/datatypes.html).

    `kind` is 'resource', 'complex-type', 'primitive-type' or 'backbone'; `children` are in the norm's order.
    `constraints` hold for every instance of the type, those of a backbone's own element included.
    """

    name: str
    kind: str
    base: str | None
    abstract: bool
    children: tuple[Element, ...]
    constraints: tuple[Constraint, ...] = ()
    regex: str | None = None
    short: str = ""

    @cached_property
    def elements(self) -> dict[str, Element]:
        """Children by JSON member name: a choice appears once for each concrete name."""
        return {name: element for element in self.children for name in element.json_names}


class Component(msgspec.Struct, frozen=True, array_like=True):
    """A part of a composite search parameter: the parameter it follows, and where its value is."""

    definition: str
    expression: str


class SearchParameter(msgspec.Struct, frozen=True, array_like=True):
    """What resources are searched by; `base` names their types (http://hl7.org/fhir/R4/searchparameter.html)."""

    url: str
    code: str
    type: str
    base: tuple[str, ...]
    expression: str
    target: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    multiple_or: bool = True
    multiple_and: bool = True
    comparators: tuple[str, ...] = ()
    modifiers: tuple[str, ...] = ()
    description: str = ""


class CodeSystemCodes(msgspec.Struct, frozen=True, array_like=True):
    """The codes of a code system with their displays ("" where there is none).

    `content` is 'complete' when these are all codes there are, else 'fragment', 'example' or 'not-present'.
    http://hl7.org/fhir/R4/codesystem.html
    """

    content: str
    case_sensitive: bool
    displays: dict[str, str]
