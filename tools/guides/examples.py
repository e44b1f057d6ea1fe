"""Examples of a guide: right ones as resources, wrong ones as changes of right ones with the message they must get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guides.source import SourceError
from jiankang.fhir.patch import apply_json_patch
from jiankang.kernel.errors import Problem
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from guides.words import Json
    from jiankang.fhir.validation import Finding, Validator


@dataclass(frozen=True)
class Wrong:
    """A wrong example: the right one it was made from, what is wrong in it, and what validation must say."""

    profile: str
    zh: str
    en: str
    resource: Json
    message_id: str
    severity: str
    place: str


@dataclass(frozen=True)
class Examples:
    """Right examples by id, and wrong ones."""

    right: dict[str, Json]
    wrong: list[Wrong]

    def resolve(self, reference: str) -> Json | None:
        """The example that a reference names."""
        found = self.right.get(reference.rpartition("/")[2])
        return found if found is not None and reference.startswith(f"{found['resourceType']}/") else None

    def of(self, url: str) -> list[Json]:
        """Right examples that claim a profile."""
        return [each for each in self.right.values() if url in each.get("meta", {}).get("profile", ())]

    def findings(self, resource: Json, validator: Validator) -> list[Finding]:
        """What validation says of an example, the others being within reach."""
        return validator.validate(resource, resolve=self.resolve)


def check(examples: Examples, validator: Validator, folder: str) -> None:
    """Right examples have no error, wrong ones get their message. Raises SourceError."""
    for name, resource in examples.right.items():
        for finding in examples.findings(resource, validator):
            if finding.severity == "error":
                raise SourceError(f"{finding.message_id}: {finding.text}", f"{folder}/{name}.json")
    for wrong in examples.wrong:
        told = {(each.message_id, *each.expression) for each in examples.findings(wrong.resource, validator)}
        if (wrong.message_id, wrong.place) not in told:
            text = f"`{wrong.en}` does not get {wrong.message_id} at {wrong.place}"
            raise SourceError(text, f"{folder}/{wrong.profile}.wrong.json")


def load_examples(folder: Path, root: Path) -> Examples:
    """All examples: `NAME.json` is a right resource, `NAME.wrong.json` a list of wrong ones."""
    right: dict[str, Json] = {}
    for path in sorted(folder.glob("*.json")):
        if not path.name.endswith(".wrong.json"):
            resource = _json(path, root)
            if resource.get("id") != path.stem:
                raise SourceError(f"its id is {resource.get('id')}", path.relative_to(root).as_posix())
            right[path.stem] = resource
    wrong = [each for path in sorted(folder.glob("*.wrong.json")) for each in _wrong(path, root, right)]
    return Examples(right, wrong)


def _wrong(path: Path, root: Path, right: dict[str, Json]) -> Iterator[Wrong]:
    place = path.relative_to(root).as_posix()
    for number, each in enumerate(_json(path, root)):
        try:
            changed = apply_json_patch(right[each["of"]], each["patch"])
            made = (each["zh"], each["en"], changed, each["gets"], each.get("severity", "error"), each["at"])
        except KeyError as error:
            raise SourceError(f"number {number}: {error} is missing", place) from None
        except Problem as error:
            raise SourceError(f"number {number}: {error}", place) from None
        yield Wrong(path.name.removesuffix(".wrong.json"), *made)


def _json(path: Path, root: Path) -> Any:
    try:
        return decode(path.read_bytes())
    except (Problem, ValueError) as error:
        raise SourceError(f"this is not JSON: {error}", path.relative_to(root).as_posix()) from None
