"""What one validation knows besides the element it looks at: the resource around it, its neighbours, who to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.validation.terms import PACKAGES, Terminology

if TYPE_CHECKING:
    from collections.abc import Callable

    from jiankang.fhir.validation.bundles import Neighbours

Json = dict[str, Any]
Around = tuple[Json, Json, dict[str, Json], set[str]]
MAX_REMEMBERED = 50_000


class Context:
    """One run; `tolerant` where the resource's shape is wrong. `resource` is the nearest resource, `root` the one that contains it (itself, but for contained ones)."""

    __slots__ = (
        "best_practice",
        "contained",
        "good_codings",
        "ids",
        "neighbours",
        "profiles",
        "resolve",
        "resource",
        "root",
        "terminology",
        "tolerant",
        "unchecked",
        "unknown_extensions",
        "verdicts",
    )

    def __init__(
        self,
        resource: Json,
        *,
        terminology: Terminology,
        best_practice: bool,
        resolve: Callable[[str], Json | None] | None,
        profiles: Any,
        good_codings: set[tuple[Any, Any, Any]],
        unknown_extensions: str,
        tolerant: bool,
    ) -> None:
        self.resource = self.root = resource
        self.contained: dict[str, Json] = {}
        self.ids: set[str] = set()
        self.neighbours: Neighbours | None = None
        self.terminology = terminology
        self.best_practice = best_practice
        self.resolve = resolve
        self.profiles = profiles
        self.good_codings = good_codings
        self.tolerant = tolerant
        self.unknown_extensions = unknown_extensions
        self.unchecked: dict[str, str] = {}
        self.verdicts: dict[tuple[int, str], Any] = {}

    @property
    def asks_others(self) -> bool:
        """Whether there is a terminology besides the norm's packages."""
        return self.terminology is not PACKAGES

    def enter(self, resource: Json) -> Around:
        """Go into a resource that stands alone; answers what `leave` needs."""
        before = (self.resource, self.root, self.contained, self.ids)
        self.ids = set()
        self.resource = self.root = resource
        inside = resource.get("contained")
        self.contained = contained_of(inside) if inside else {}
        return before

    def leave(self, before: Around) -> None:
        """Go back to the resource around."""
        self.resource, self.root, self.contained, self.ids = before

    def resolver(self, reference: str) -> Json | None:
        """The resource that a reference's text names: contained, beside it in the Bundle, or known to the caller."""
        if reference.startswith("#"):
            return self.root if reference == "#" else self.contained.get(reference[1:])
        if self.neighbours is not None:
            found = self.neighbours.find(self.root, reference)
            if found is not None:
                return found
        return None if self.resolve is None else self.resolve(reference)


def contained_of(inside: Any) -> dict[str, Json]:
    """Contained resources by id."""
    if not isinstance(inside, list):
        return {}
    return {each["id"]: each for each in inside if isinstance(each, dict) and isinstance(each.get("id"), str)}
