"""Which codes a value set has, where they can be counted up from its definition (http://hl7.org/fhir/R4/valueset.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]
Codes = dict[str, dict[str, None]]

CUT_AT = 1000  # the norm's own expansions stop here
_LARGEST = 10_000


class Composer:
    """Counts up value sets. `systems` answers all codes of a code system, or None; `known` are those counted before."""

    def __init__(
        self, published: Mapping[str, Json], systems: Mapping[str, Iterable[str]], known: dict[str, Codes | None]
    ) -> None:
        self._published = published
        self._systems = systems
        self._known = known

    def codes(self, url: str, above: tuple[str, ...] = ()) -> Codes | None:
        """The codes of a value set by system; None where that takes more than counting, or the set imports itself."""
        if self._known.get(url) is not None:
            return self._known[url]
        compose = self._published.get(url, {}).get("compose")
        if compose is None or url in above:
            return None
        codes: Codes = {}
        for part in compose.get("include", ()):
            included = self._part(part, (*above, url))
            if included is None:
                return None
            for system, listed in included.items():
                codes.setdefault(system, {}).update(listed)
        for part in compose.get("exclude", ()):
            excluded = self._part(part, (*above, url))
            if excluded is None:
                return None
            for system, listed in excluded.items():
                codes[system] = {code: None for code in codes.get(system, {}) if code not in listed}
        self._known[url] = codes
        return codes

    def _part(self, part: Json, above: tuple[str, ...]) -> Codes | None:
        """One include or exclude: a system's codes and imported sets, of which all must hold."""
        if part.get("filter"):
            return None
        sets: list[Codes | None] = []
        if "concept" in part:
            sets.append({part["system"]: {each["code"]: None for each in part["concept"]}})
        elif "system" in part:
            sets.append(self._whole(part["system"]))
        sets += [self.codes(canonical.partition("|")[0], above) for canonical in part.get("valueSet", ())]
        common: Codes | None = None
        for each in sets:
            if each is None:
                return None
            common = each if common is None else _both(common, each)
        return common or {}

    def _whole(self, system: str) -> Codes | None:
        listed = self._systems.get(system)
        if listed is None:
            return None
        codes = dict.fromkeys(listed)
        return {system: codes} if len(codes) < _LARGEST else None


def _both(left: Codes, right: Codes) -> Codes:
    return {system: {code: None for code in listed if code in right.get(system, {})} for system, listed in left.items()}


def expansion(value_set: Json) -> Codes | None:
    """The codes of an expansion that comes with a value set; None where it was cut, or there is none."""
    contains = list(_flat((value_set.get("expansion") or {}).get("contains", ())))
    if not 0 < len(contains) < CUT_AT:
        return None
    codes: Codes = {}
    for each in contains:
        codes.setdefault(each.get("system", ""), {})[each["code"]] = None
    return codes


def _flat(contains: Iterable[Json]) -> Iterator[Json]:
    for each in contains:
        if not each.get("abstract") and "code" in each:
            yield each
        yield from _flat(each.get("contains", ()))


def concepts(listed: Iterable[Json]) -> Iterator[Json]:
    """All concepts of a code system, those below others included."""
    for each in listed:
        yield each
        yield from concepts(each.get("concept", ()))
