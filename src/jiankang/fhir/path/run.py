"""One evaluation: what it is about, what it may use, and how much work it may still do."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from jiankang.fhir.path.errors import PathRunError, PathTooCostlyError
from jiankang.fhir.path.moments import DATE, DATE_TIME, TIME, Moment
from jiankang.fhir.path.values import Node, resource_node
from jiankang.kernel.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Resolver = Callable[[str], dict[str, Any] | None]

MAX_WORK = 1_000_000

_CONSTANTS = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}


class Run:
    """Everything that an evaluation knows besides its focus."""

    __slots__ = ("_now", "context", "resolver", "resource", "root", "traced", "variables", "work")

    def __init__(
        self,
        context: Node,
        resource: Node,
        root: Node,
        variables: Mapping[str, Any] | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self.context = context
        self.resource = resource
        self.root = root
        self.variables = variables
        self.resolver = resolver
        self.work = MAX_WORK
        self.traced: list[tuple[str, list[Any]]] = []
        self._now: datetime | None = None

    def spend(self, steps: int) -> None:
        """Count work done. Raises PathTooCostlyError when it is more than is allowed."""
        self.work -= steps
        if self.work < 0:
            raise PathTooCostlyError(f"The FHIRPath expression took more than {MAX_WORK} steps.")

    @property
    def now(self) -> datetime:
        """The time of this evaluation: the same for all of it (http://hl7.org/fhirpath/N1/#current-date-and-time-functions)."""
        if self._now is None:
            self._now = system_clock()
        return self._now

    def now_moment(self, kind: str) -> Moment:
        """Now as Date, DateTime or Time."""
        at = self.now
        day, clock = (at.year, at.month, at.day), (at.hour, at.minute, at.second)
        fraction = f"{at.microsecond // 1000:03d}"
        if kind == DATE:
            return Moment(DATE, day)
        return Moment(TIME, clock, fraction) if kind == TIME else Moment(DATE_TIME, day + clock, fraction, 0)

    def variable(self, name: str) -> list[Any]:
        """The value of %name. Raises PathRunError for an unknown one (http://hl7.org/fhir/R4/fhirpath.html#variables)."""
        if self.variables is not None and name in self.variables:
            value = self.variables[name]
            items = value if isinstance(value, list) else [value]
            return [_item(item) for item in items if item is not None]
        if name in ("context", "resource", "rootResource"):
            return [{"context": self.context, "resource": self.resource, "rootResource": self.root}[name]]
        constant = _CONSTANTS.get(name)
        if constant is None and name.startswith("vs-"):
            constant = f"http://hl7.org/fhir/ValueSet/{name[3:]}"
        if constant is None and name.startswith("ext-"):
            constant = f"http://hl7.org/fhir/StructureDefinition/{name[4:]}"
        if constant is None:
            raise PathRunError(f"The variable %{name} is not known.")
        return [constant]


def _item(value: Any) -> Any:
    """A value handed in from outside as an item: resources become nodes."""
    return resource_node(value) if isinstance(value, dict) and "resourceType" in value else value
