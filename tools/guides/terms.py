"""Value sets, code systems and concept maps of a guide, checked against the code systems that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guides.words import Json, Words, spaced

if TYPE_CHECKING:
    from guides.source import Table

EQUIVALENCES = ("equal", "equivalent", "wider", "narrower", "inexact", "unmatched")


class Systems:
    """Code systems by URL with their codes; None where a system is known but its codes are not here (LOINC)."""

    def __init__(self, resources: list[Json], open_systems: tuple[str, ...]) -> None:
        self.codes: dict[str, dict[str, str] | None] = dict.fromkeys(open_systems)
        self.versions: dict[str, str] = {}
        for each in resources:
            self.add(each)

    def add(self, resource: Json) -> None:
        """Take a CodeSystem in; the first of a URL counts."""
        url = resource["url"]
        if self.codes.get(url) is None:
            self.codes[url] = {each["code"]: each.get("display", "") for each in _flat(resource.get("concept", ()))}
            self.versions[url] = resource.get("version", "")

    def display(self, system: str, code: str, said: Table, key: str | None) -> str:
        """The display of a code; an error where system or code does not exist."""
        if system not in self.codes:
            raise said.error(f"there is no code system {system}", key)
        codes = self.codes[system]
        if codes is not None and code not in codes:
            raise said.error(f"the code system {system} has no code `{code}`", key)
        return codes[code] if codes is not None else ""


def code_system(own_id: str, table: Table, words: Words) -> Json:
    """A code system of the guide's own."""
    table.only("zh", "en", "note", "source", "alias", "concepts")
    made = words.head("CodeSystem", own_id, table)
    made["url"] = words.system(table.need("alias"), table, "alias")
    concepts = []
    for code, said in table.need("concepts").items():
        said.only("zh", "en", "de", "loinc", "note")
        concept: Json = {"code": code, "display": said.need("zh")}
        if "note" in said:
            concept["definition"] = said["note"]
        concept["designation"] = [{"language": "en", "value": said.need("en")}]
        properties = [{"code": name, "valueString": said[name]} for name in ("de", "loinc") if name in said]
        if properties:
            concept["property"] = properties
        concepts.append(concept)
    used = sorted({each["code"] for concept in concepts for each in concept.get("property", ())})
    made.update(caseSensitive=True, content="complete", count=len(concepts))
    if used:
        told = {"de": "WS/T 363 data element identifier", "loinc": "LOINC code of the same observable"}
        made["property"] = [{"code": name, "description": told[name], "type": "string"} for name in used]
    made["concept"] = concepts
    return made


def value_set(own_id: str, table: Table, words: Words, systems: Systems) -> Json:
    """A value set of the guide: whole systems, or codes of them."""
    table.only("zh", "en", "note", "source", "from")
    made = words.head("ValueSet", own_id, table)
    includes = []
    chosen: Table = table.need("from")
    for alias, said in chosen.items():
        system = words.system(alias, chosen, alias)
        include: Json = {"system": system}
        if system not in systems.codes:
            raise chosen.error(f"there is no code system {system}", alias)
        if said != "all":
            names = [(code, systems.display(system, code, chosen, alias)) for code in spaced(said)]
            include["concept"] = [{"code": code, "display": name} if name else {"code": code} for code, name in names]
        includes.append(include)
    made["compose"] = {"include": includes}
    return made


def concept_map(own_id: str, table: Table, words: Words, systems: Systems) -> Json:
    """A concept map: `code: target equivalence`, `code: unmatched`."""
    table.only("zh", "en", "note", "source", "from", "to", "source-set", "target-set", "codes")
    made = words.head("ConceptMap", own_id, table)
    made.update(sourceUri=table.need("source-set"), targetUri=table.need("target-set"))
    source = words.system(table.need("from"), table, "from")
    groups: dict[str, list[Json]] = {}
    codes: Table = table.need("codes")
    for code, said in codes.items():
        name = systems.display(source, code, codes, code)
        system, mapped = _target(str(said), table, codes, code, words, systems)
        element: Json = {"code": code, **({"display": name} if name else {}), "target": [mapped]}
        groups.setdefault(system, []).append(element)
    made["group"] = [{"source": source, "target": target, "element": listed} for target, listed in groups.items()]
    return made


def _target(text: str, table: Table, codes: Table, key: str, words: Words, systems: Systems) -> tuple[str, Json]:
    """`code equivalence`, perhaps with a comment after it, or `unmatched`."""
    parts = text.split(maxsplit=2)
    named, equivalence = ("", parts[0]) if parts[:1] == ["unmatched"] else (parts[0], "".join(parts[1:2]))
    if equivalence not in EQUIVALENCES:
        raise codes.error(f"`{text}` is no target (code {' | '.join(EQUIVALENCES)})", key)
    alias, hash_, code = named.rpartition("#")
    system = words.system(alias if hash_ else table.need("to"), codes, key)
    comment = {"comment": parts[2]} if len(parts) == 3 else {}
    if not named:
        return system, {"equivalence": "unmatched", **comment}
    name = systems.display(system, code, codes, key)
    return system, {"code": code, **({"display": name} if name else {}), "equivalence": equivalence, **comment}


def _flat(concepts: Any) -> list[Json]:
    found: list[Json] = []
    for each in concepts:
        found += [each, *_flat(each.get("concept", ()))]
    return found
