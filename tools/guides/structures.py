"""Profiles and extensions: from what a source says of elements to a StructureDefinition's differential."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guides.source import SourceError, Table
from guides.words import HL7, UCUM, Json, Words, both, spaced

if TYPE_CHECKING:
    from guides.terms import Systems

DATA_SETS = "urn:jiankang:codes:health-record-data-sets"
STRENGTHS = ("required", "extensible", "preferred", "example")
_ELEMENT = (
    "zh", "en", "note", "source", "de", "card", "must", "type", "profile", "ref", "ext", "bind", "rules", "slice", "fixed",
    "pattern", "quantity", "is-modifier", "max-length",
)  # fmt: skip
_PROFILE = ("id", "type", "base", "zh", "en", "note", "why", "source", "norm", "dataset", "rules", "elements")
_EXTENSION = ("zh", "en", "note", "source", "de", "on", "type", "ref", "bind", "parts", "rules")


@dataclass
class Sheet:
    """A StructureDefinition under way: what it says, and which line said it of which element."""

    resource: Json
    source: Table
    lines: dict[str, str] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    @property
    def elements(self) -> list[Json]:
        """The differential."""
        listed: list[Json] = self.resource["differential"]["element"]
        return listed

    def place(self, path: str) -> str:
        """The line that speaks of an element, by id or path; the profile's own where none does."""
        return self.lines.get(path) or next(
            (line for own, line in self.lines.items() if plain(own) == path), self.source.place()
        )


def plain(own_id: str) -> str:
    """An element's id without the names of slices: its path."""
    return ".".join(part.partition(":")[0] for part in own_id.split("."))


@dataclass
class Maker:
    """Makes sheets. `rules` are the guide's invariants by key, `value_sets` the URLs of its value sets by id."""

    words: Words
    rules: Table
    value_sets: dict[str, str]
    own: dict[str, str]  # ids of the guide's profiles and extensions → URL
    systems: Systems

    def profile(self, table: Table) -> Sheet:
        """A profile's sheet."""
        table.only(*_PROFILE)
        own_id, type_ = table.need("id"), table.need("type")
        base = table.get("base", HL7 + type_)
        head = self.words.head("StructureDefinition", own_id, table)
        head.update(
            purpose=table.get("why", ""), fhirVersion="4.0.1", mapping=_mapping(table), kind="resource",
            abstract=False, type=type_, baseDefinition=self.own.get(base, base),
            derivation="constraint", differential={"element": []},
        )  # fmt: skip
        head["purpose"] = head["purpose"].strip() or head["description"]
        if "dataset" in table:
            head["keyword"] = [self._data_set(table)]
        sheet = Sheet(head, table)
        self._add(sheet, type_, table, {"rules": table.get("rules", "")}, table)
        elements: Table = table.need("elements")
        for key, said in elements.items():
            if not isinstance(said, Table):
                raise elements.error("a table of what is said of the element is expected", key)
            for opened in self._slicing_of_extensions(sheet, f"{type_}.{key}", elements.place(key)):
                sheet.elements.append(opened)
            self._add(sheet, f"{type_}.{key}", said, said, elements, key)
        return sheet

    def extension(self, own_id: str, table: Table) -> Sheet:
        """An extension's sheet: with a value, or with parts."""
        table.only(*_EXTENSION)
        head = self.words.head("StructureDefinition", own_id, table)
        contexts = [{"type": "element", "expression": each} for each in spaced(table.need("on"))]
        head.update(
            fhirVersion="4.0.1", mapping=_mapping(table), kind="complex-type", abstract=False, context=contexts,
            type="Extension", baseDefinition=HL7 + "Extension", derivation="constraint", differential={"element": []},
        )  # fmt: skip
        sheet = Sheet(head, table)
        self._add(sheet, "Extension", table, {"rules": table.get("rules", "")}, table)
        if "parts" in table:
            self._parts(sheet, table)
        else:
            sheet.elements.append({"id": "Extension.extension", "path": "Extension.extension", "max": "0"})
            self._url(sheet, "Extension", head["url"])
            self._value(sheet, "Extension", table, table)
        return sheet

    def _parts(self, sheet: Sheet, table: Table) -> None:
        opened = {"id": "Extension.extension", "path": "Extension.extension", **_slicing("value:url closed", table)}
        sheet.elements.append(opened)
        for name, said in table["parts"].items():
            own = f"Extension.extension:{name}"
            said.only("zh", "en", "note", "source", "de", "card", "type", "ref", "bind")
            self._add(sheet, own, said, {**said, "type": "", "bind": "", "ref": ""}, table["parts"], name)
            sheet.elements[-1].setdefault("max", "1")
            sheet.elements.append({"id": f"{own}.extension", "path": "Extension.extension.extension", "max": "0"})
            self._url(sheet, own, name)
            self._value(sheet, own, said, table["parts"], name)
        self._url(sheet, "Extension", sheet.resource["url"])
        sheet.elements.append({"id": "Extension.value[x]", "path": "Extension.value[x]", "max": "0"})

    def _url(self, sheet: Sheet, holder: str, url: str) -> None:
        sheet.elements.append({"id": f"{holder}.url", "path": f"{plain(holder)}.url", "fixedUri": url})

    def _value(self, sheet: Sheet, holder: str, said: Table, around: Table, key: str | None = None) -> None:
        element: Json = {"id": f"{holder}.value[x]", "path": f"{plain(holder)}.value[x]", "min": 1}
        said.need("type")
        self._types(element, said)
        if "bind" in said:
            element["binding"] = self._binding(said)
        sheet.lines[element["id"]] = around.place(key)
        sheet.elements.append(element)

    def _data_set(self, table: Table) -> Json:
        """The basic data set that the profile is for."""
        code = table["dataset"]
        return {"system": DATA_SETS, "code": code, "display": self.systems.display(DATA_SETS, code, table, "dataset")}

    # ---- one element

    def _add(self, sheet: Sheet, own_id: str, words: Table, said: Any, around: Table, key: str | None = None) -> None:
        """One element of the differential."""
        if said is words:
            words.only(*_ELEMENT)
        element: Json = {"id": own_id, "path": plain(own_id)}
        last = own_id.rpartition(".")[2]
        if ":" in last:
            element["sliceName"] = last.partition(":")[2]
        if "slice" in said:
            element.update(_slicing(said["slice"], words))
        self._text(element, words, sheet)
        if said.get("card"):
            _cardinality(element, words)
        if said.get("ext"):
            element["type"] = [{"code": "Extension", "profile": [self._own(said["ext"], words, "ext")]}]
        if said.get("type") or said.get("ref"):
            self._types(element, words)
        self._values(element, words, said)
        if "max-length" in said:
            element["maxLength"] = int(said["max-length"])
        if said.get("rules"):
            element["constraint"] = [
                {**self._rule(each, words), "source": sheet.resource["url"]} for each in spaced(said["rules"])
            ]
        if words.get("must") == "yes" and said is words:
            element["mustSupport"] = True
        if said.get("bind"):
            element["binding"] = self._binding(words)
        if "de" in words:
            element["mapping"] = [{"identity": "wst363", "map": words["de"], "comment": words.get("zh", "")}]
        sheet.lines[own_id] = around.place(key)
        sheet.tables[own_id] = words
        sheet.elements.append(element)

    def _text(self, element: Json, words: Table, sheet: Sheet) -> None:
        if "zh" not in words:
            return
        element["short"] = both(words)
        element["definition"] = self.words.told(words, sheet.source.get("source", ""))
        if "." in element["id"]:
            element["alias"] = [words["zh"]]

    def _values(self, element: Json, words: Table, said: Any) -> None:
        """Fixed values, patterns."""
        if "fixed" in said:
            kind, value = _kind_and_value(words, "fixed")
            element[f"fixed{kind}"] = self._value_of(kind, value, words, "fixed")
        if "pattern" in said:
            kind, value = _kind_and_value(words, "pattern")
            element[f"pattern{kind}"] = self._value_of(kind, value, words, "pattern")
        if "quantity" in said:
            element["patternQuantity"] = {"system": UCUM, "code": said["quantity"]}

    def _value_of(self, kind: str, value: str, words: Table, key: str) -> Any:
        if kind in ("Coding", "CodeableConcept"):
            system, _, code = value.partition("#")
            coding = {"system": self.words.system(system, words, key), "code": code}
            self.systems.display(coding["system"], code, words, key)
            return coding if kind == "Coding" else {"coding": [coding]}
        if kind == "Boolean":
            return value == "true"
        if kind in ("Integer", "PositiveInt", "UnsignedInt"):
            return int(value)
        return self.words.system(value, words, key) if kind == "Uri" and ":" not in value else value

    def _types(self, element: Json, said: Table) -> None:
        codes = spaced(said.get("type", ""))
        listed: list[Json] = [{"code": code} for code in codes if code != "Reference"]
        if "profile" in said:
            listed[0]["profile"] = [self._own(said["profile"], said, "profile")]
        if "ref" in said:
            targets = [self.own.get(each) or _norm_type(each, said) for each in spaced(said["ref"])]
            listed.append({"code": "Reference", "targetProfile": targets})
        elif "Reference" in codes:
            listed.append({"code": "Reference"})
        element["type"] = listed

    def _binding(self, said: Table) -> Json:
        name, _, strength = said["bind"].partition(" ")
        if strength not in STRENGTHS:
            raise said.error(f"a binding is `value-set strength`, the strength one of {', '.join(STRENGTHS)}", "bind")
        url = name if ":" in name else self.value_sets.get(name)
        if url is None:
            raise said.error(f"the value set `{name}` is not in value-sets.yaml", "bind")
        return {"strength": strength, "description": said.get("zh", name), "valueSet": url}

    def _rule(self, key: str, said: Table) -> Json:
        if key not in self.rules:
            raise said.error(f"the rule `{key}` is not in rules.yaml", "rules")
        rule: Table = self.rules[key]
        rule.only("zh", "en", "severity", "expression", "source", "note")
        expression = " ".join(rule.need("expression").split())
        return {"key": key, "severity": rule.get("severity", "error"), "human": both(rule), "expression": expression}

    def _own(self, name: str, said: Table, key: str) -> str:
        if name in self.own:
            return self.own[name]
        if ":" in name:
            return name
        raise said.error(f"the guide has no {key} `{name}`", key)

    def _slicing_of_extensions(self, sheet: Sheet, own_id: str, place: str) -> Iterator[Json]:
        """Where the first extension of an element is named, its extensions are sliced by URL."""
        holder, _, last = own_id.rpartition(".")
        kind, named, _ = last.partition(":")
        whole = f"{holder}.{kind}"
        if named and kind in ("extension", "modifierExtension") and whole not in sheet.lines:
            sheet.lines[whole] = place
            discriminator = {"discriminator": [{"type": "value", "path": "url"}], "ordered": False, "rules": "open"}
            yield {"id": whole, "path": plain(whole), "slicing": discriminator}


def _mapping(table: Table) -> list[Json]:
    return [{"identity": "wst363", "name": table.get("norm", "WS/T 363 卫生信息数据元目录")}]


def _cardinality(element: Json, said: Table) -> None:
    least, dots, most = said["card"].partition("..")
    if not dots or (least and not least.isdigit()) or (most and most != "*" and not most.isdigit()):
        raise said.error(f"`{said['card']}` is no cardinality (0..1, 1.., ..1)", "card")
    if least:
        element["min"] = int(least)
    if most:
        element["max"] = most


def _slicing(text: str, said: Table) -> Json:
    """`value:system open`, `pattern:code value:use closed ordered`."""
    parts = text.split()
    discriminators = [part.partition(":") for part in parts if ":" in part]
    if not discriminators or any(
        kind not in ("value", "pattern", "exists", "type", "profile") for kind, *_ in discriminators
    ):
        raise said.error(f"`{text}` is no slicing (value:system open)", "slice")
    rules = next((part for part in parts if part in ("open", "closed", "openAtEnd")), "open")
    return {
        "slicing": {
            "discriminator": [{"type": kind, "path": path} for kind, _, path in discriminators],
            "ordered": "ordered" in parts, "rules": rules,
        }
    }  # fmt: skip


def _kind_and_value(said: Table, key: str) -> tuple[str, str]:
    """`Uri urn:…`, `CodeableConcept loinc#85354-9`: the type first, then the value."""
    kind, space, value = str(said[key]).partition(" ")
    if not space or not kind[:1].isupper():
        raise said.error(
            f"`{said[key]}` is no value: the type stands first (`Uri …`, `CodeableConcept system#code`)", key
        )
    return kind, value


def _norm_type(name: str, said: Table) -> str:
    if not name[:1].isupper():
        raise SourceError(f"the guide has no profile `{name}`", said.place("ref"))
    return HL7 + name
