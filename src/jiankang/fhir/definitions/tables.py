"""Reads the compiled tables: the names at once, each type when it is first asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from jiankang.fhir.definitions.model import CodeSystemCodes, SearchParameter, TypeDefinition

COMPILED = Path(__file__).parent / "compiled"
TYPES, SEARCH, COMPARTMENTS, CODES, STRUCTURES, SYSTEMS, VALUE_SETS = (
    "types.msgpack",
    "search.msgpack",
    "compartments.msgpack",
    "codes.msgpack",
    "structures.msgpack",
    "systems.msgpack",
    "valuesets.msgpack",
)

_type_decoder = msgspec.msgpack.Decoder(TypeDefinition)
_search_decoder = msgspec.msgpack.Decoder(tuple[SearchParameter, ...])
_raw_decoder = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])
_codes_decoder = msgspec.msgpack.Decoder(dict[str, str])
_system_decoder = msgspec.msgpack.Decoder(CodeSystemCodes)
_value_set_decoder = msgspec.msgpack.Decoder(dict[str, frozenset[str]])
_structure_decoder = msgspec.msgpack.Decoder(dict[str, Any])
_packed_decoder = msgspec.msgpack.Decoder(dict[str, bytes])
_compartments_decoder = msgspec.msgpack.Decoder(dict[str, dict[str, tuple[str, ...]]])


class _Types(Mapping[str, TypeDefinition]):
    """All types by name; each is decoded when it is first asked for."""

    def __init__(self, raw: dict[str, msgspec.Raw]) -> None:
        self._raw = raw
        self._ready: dict[str, TypeDefinition] = {}

    def __getitem__(self, name: str) -> TypeDefinition:
        found = self._ready.get(name)
        if found is None:
            found = self._ready[name] = _type_decoder.decode(self._raw[name])
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class Definitions:
    """The definitions of FHIR R4, read from the tables in `folder` (http://hl7.org/fhir/R4/downloads.html)."""

    def __init__(self, folder: Path = COMPILED) -> None:
        self._folder = folder
        names: list[str]
        raw: dict[str, msgspec.Raw]
        names, raw = msgspec.msgpack.decode(self._read(TYPES), type=tuple[list[str], dict[str, msgspec.Raw]])
        self.types: Mapping[str, TypeDefinition] = _Types(raw)
        self.resource_names: tuple[str, ...] = tuple(names)
        self._type_codes = {name: code for code, name in enumerate(names)}
        self._codes_ready: dict[str, Mapping[str, str] | None] = {}
        self._by_type: dict[str, Mapping[str, SearchParameter]] = {}

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError as missing:
            raise RuntimeError(
                f"The FHIR definitions are not compiled ({name} is missing): run `make setup`, "
                "or `npm ci` and `python tools/definitions.py`."
            ) from missing

    def type_code(self, name: str) -> int:
        """The small stable number of a concrete resource type: its place in `resource_names`."""
        return self._type_codes[name]

    def is_resource(self, name: object) -> bool:
        """Whether `name` is a concrete resource type of R4."""
        return isinstance(name, str) and name in self._type_codes

    @cached_property
    def all_search_parameters(self) -> tuple[SearchParameter, ...]:
        """Every official search parameter (http://hl7.org/fhir/R4/searchparameter-registry.html)."""
        return _search_decoder.decode(self._read(SEARCH))

    @cached_property
    def _by_base(self) -> dict[str, dict[str, SearchParameter]]:
        by_base: dict[str, dict[str, SearchParameter]] = {}
        for parameter in self.all_search_parameters:
            for base in parameter.base:
                by_base.setdefault(base, {})[parameter.code] = parameter
        return by_base

    @cached_property
    def _by_url(self) -> dict[str, SearchParameter]:
        return {parameter.url: parameter for parameter in self.all_search_parameters}

    def search_parameters(self, type_name: str) -> Mapping[str, SearchParameter]:
        """Search parameters of a type by code, those of Resource and DomainResource included."""
        found = self._by_type.get(type_name)
        if found is None:
            merged: dict[str, SearchParameter] = {}
            for ancestor in reversed(self.ancestry(type_name)):
                merged.update(self._by_base.get(ancestor, {}))
            found = self._by_type[type_name] = merged
        return found

    def search_parameter_by_url(self, url: str) -> SearchParameter | None:
        """The search parameter with this canonical URL, or None."""
        return self._by_url.get(url)

    def ancestry(self, type_name: str) -> tuple[str, ...]:
        """The type and those it specialises, nearest first: Patient, DomainResource, Resource."""
        line = [type_name]
        while (base := self.types[line[-1]].base) is not None:
            line.append(base)
        return tuple(line)

    @cached_property
    def _compartments(self) -> dict[str, dict[str, tuple[str, ...]]]:
        return _compartments_decoder.decode(self._read(COMPARTMENTS))

    @property
    def compartment_names(self) -> tuple[str, ...]:
        """Types that have a compartment: Device, Encounter, Patient, Practitioner, RelatedPerson."""
        return tuple(self._compartments)

    def compartment(self, name: str, type_name: str) -> tuple[str, ...] | None:
        """Parameters that put a `type_name` into the compartment of a `name`; None when it is never in one.

        `{def}` stands for the resource that owns the compartment itself.
        http://hl7.org/fhir/R4/compartmentdefinition.html
        """
        return self._compartments.get(name, {}).get(type_name)

    @cached_property
    def _codes(self) -> dict[str, msgspec.Raw]:
        return _raw_decoder.decode(self._read(CODES))

    def value_set_codes(self, url: str) -> Mapping[str, str] | None:
        """Code to system for a value set of a required binding; None when its codes cannot be counted up."""
        key = url.split("|", 1)[0]
        if key not in self._codes_ready:
            raw = self._codes.get(key)
            self._codes_ready[key] = None if raw is None else _codes_decoder.decode(raw)
        return self._codes_ready[key]

    @cached_property
    def _value_sets(self) -> dict[str, msgspec.Raw]:
        return _raw_decoder.decode(self._read(VALUE_SETS))

    def value_set(self, url: str) -> Mapping[str, frozenset[str]] | None:
        """Codes by system of a value set of the norm; None when they cannot be counted up, or it is not the norm's.

        http://hl7.org/fhir/R4/terminologies-valuesets.html
        """
        raw = self._value_sets.get(url)
        return None if raw is None else _value_set_decoder.decode(raw)

    @cached_property
    def _systems(self) -> dict[str, msgspec.Raw]:
        return _raw_decoder.decode(self._read(SYSTEMS))

    def code_system(self, url: str) -> CodeSystemCodes | None:
        """The codes of a code system that the norm publishes (http://hl7.org/fhir/R4/terminologies-systems.html)."""
        raw = self._systems.get(url)
        return None if raw is None else _system_decoder.decode(raw)

    @cached_property
    def _structures(self) -> dict[str, bytes]:
        return _packed_decoder.decode(self._read(STRUCTURES))

    @property
    def structure_urls(self) -> Collection[str]:
        """Canonical URLs of all types, profiles and extensions that the norm publishes."""
        return self._structures.keys()

    def structure(self, url: str) -> dict[str, Any] | None:
        """A StructureDefinition of the norm with its snapshot, read anew each time; None when there is none.

        http://hl7.org/fhir/R4/structuredefinition.html
        """
        packed = self._structures.get(url)
        return None if packed is None else _structure_decoder.decode(zstandard.decompress(packed))


@cache
def load() -> Definitions:
    """The definitions, read once for each process."""
    return Definitions()
