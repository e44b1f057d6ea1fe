"""What this terminology service can do: http://hl7.org/fhir/R4/terminologycapabilities.html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang import __version__
from jiankang.foundation.terminology.builtin import builtin
from jiankang.foundation.terminology.grammars import GRAMMARS
from jiankang.foundation.terminology.model import version_order

if TYPE_CHECKING:
    from jiankang.foundation.record.wire.http import Request
    from jiankang.foundation.terminology.codes import Terminology

_DATE = "2026-11-23"
_LOADED = """
SELECT url, version FROM code_system
WHERE ready AND origin <> 'built-in' AND coalesce(header::json->>'content', '') NOT IN ('not-present', 'supplement')
"""
_PARAMETERS = {
    "activeOnly": "inactive codes are left out",
    "check-system-version": "refuses to use another version",
    "count": "at most 10,000 codes a page",
    "designation": "only designations in these languages",
    "displayLanguage": "displays in this language where there is one",
    "exclude-system": "codes of these systems are left out",
    "excludeNested": "a list even where there is a tree",
    "filter": "words by their beginnings, in any language; Chinese by its characters",
    "force-system-version": "this version whatever the value set says",
    "includeDefinition": "the value set's definition comes along",
    "includeDesignations": "designations come along",
    "offset": "where the page begins",
    "system-version": "this version where the value set names none",
}


async def terminology_capabilities(room: Terminology, request: Request) -> dict[str, Any]:
    """The TerminologyCapabilities of this server as it is now: the code systems that are loaded or come along."""
    async with room.asking(None if request.tx is None else request.tx.db) as codes:
        rows = await codes.rows(_LOADED, ())
    return {
        "resourceType": "TerminologyCapabilities",
        "url": f"{request.base_url}/metadata?mode=terminology",
        "version": __version__,
        "name": "JiankangTerminologyCapabilities",
        "title": "Jiankang terminology service",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "Jiankang 健康", "version": __version__},
        "implementation": {"description": "A region's terminology", "url": request.base_url},
        "lockedDate": False,
        "codeSystem": _systems(rows),
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": name, "documentation": text} for name, text in _PARAMETERS.items()],
            "textFilter": "Words by their beginnings, every word of the filter; Chinese by characters that follow one another.",
        },
        "codeSearch": "all",
        "validateCode": {"translations": True},
        "translation": {"needsMap": False},
        "closure": {"translation": False},
    }


def _systems(loaded: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Each code system once with all its versions, the one that is used by default first."""
    found: dict[str, list[str]] = {}
    for url, version in sorted(loaded, key=lambda row: version_order(row[1]), reverse=True):
        found.setdefault(url, []).append(version)
    for url, entries in builtin().systems.items():
        known = found.setdefault(url, [])
        known += [entry.version for entry in entries if entry.version not in known]
    listed = [{"uri": url, "version": _versions(found[url]), "subsumption": True} for url in sorted(found)]
    grammars = [
        {"uri": url, "version": [{"isDefault": True, "compositional": True}], "subsumption": False}
        for url in sorted(GRAMMARS)
        if url not in found
    ]
    return listed + grammars


def _versions(known: list[str]) -> list[dict[str, Any]]:
    """Versions for the answer; one without a name can only be told where it is the only one (tcp-7)."""
    named = [version for version in known if version]
    if not named:
        return [{"isDefault": True}]
    return [{"code": version, "isDefault": version == known[0]} for version in named]
