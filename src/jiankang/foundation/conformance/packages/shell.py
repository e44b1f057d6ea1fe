"""`jiankang package install|list|remove`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jiankang.foundation.conformance.packages.fetching import fetched
from jiankang.foundation.conformance.packages.installing import (
    EXTENSIONS,
    Installed,
    Outcome,
    install,
    installed,
    is_ours,
    missing,
    remove,
)
from jiankang.kernel.errors import Problem, Unprocessable

if TYPE_CHECKING:
    from jiankang.foundation.conformance.packages.reading import Package
    from jiankang.foundation.record.wire.server import Server

Say = Callable[[str], None]
Opening = Callable[[], AbstractAsyncContextManager["Server"]]
"""Opens a server over the record, all rooms brought together, so that what is installed takes effect."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How to install: from which registries (none when `offline`), older over newer, without what cannot be had."""

    registries: Sequence[str] = ()
    offline: bool = False
    force: bool = False
    incomplete: bool = False


def cli_install(opening: Opening, wanted: Sequence[str], wish: Wish, tell: Say) -> int:
    """Install packages with what they lean on, each wholly or not at all; 0 when all were, 1 when some were not."""

    async def work() -> int:
        async with opening() as server:
            record = server.record
            present = {one.name: one.version for one in await installed(record)}
            try:
                queue = _in_order([_fetched(one, wish, tell) for one in wanted])
                queue = _with_needed(queue, present, wish, tell)
            except Problem as problem:
                tell(f"BAD  {problem}")
                return 1
            _tell_of_extensions(queue, present, tell)
            failed = 0
            for package in queue:
                try:
                    _told(
                        await install(record, package, force=wish.force, incomplete=wish.incomplete, progress=tell),
                        tell,
                    )
                except Problem as problem:
                    tell(f"BAD  {problem}")
                    failed += 1
            return 1 if failed else 0

    return asyncio.run(work())


def _fetched(wanted: str, wish: Wish, tell: Say) -> Package:
    return fetched(wanted, registries=wish.registries, offline=wish.offline, progress=tell)


def _with_needed(queue: list[Package], present: Mapping[str, str], wish: Wish, tell: Say) -> list[Package]:
    """The packages and, before each, those that it leans on and that are not there yet."""
    found: dict[str, Package] = {one.name: one for one in queue}
    waiting = list(queue)
    while waiting:
        package = waiting.pop()
        for label in missing(package, {**present, **{one.name: one.version for one in found.values()}}):
            tell(f"-- {package.label} leans on {label}")
            try:
                needed = _fetched(label, wish, tell)
            except Problem as problem:
                if not wish.incomplete:
                    hint = "give it as a file, or say --incomplete to install without it"
                    raise Unprocessable(
                        f"{package.label} leans on {label}, which cannot be had ({problem}): {hint}"
                    ) from None
                tell(f"   without {label}: {problem}")
                continue
            found[needed.name] = needed
            waiting.append(needed)
    return _in_order(list(found.values()))


def _tell_of_extensions(queue: Sequence[Package], present: Iterable[str], tell: Say) -> None:
    there = {*present, *(one.name for one in queue)}
    for package in queue:
        for name, version in package.requires.items():
            if name.startswith(EXTENSIONS) and name not in there:
                tell(
                    f"-- {package.label} names {name}@{version}: install it, too, for extensions that are newer than R4"
                )


def _in_order(packages: list[Package]) -> list[Package]:
    """Each after those that it leans on."""
    by_name = {one.name: one for one in packages}
    done: dict[str, Package] = {}

    def take(package: Package, above: tuple[str, ...]) -> None:
        for name in package.requires:
            if name in by_name and name not in done and name not in above:
                take(by_name[name], (*above, name))
        done.setdefault(package.name, package)

    for package in packages:
        take(package, (package.name,))
    return list(done.values())


def _told(outcome: Outcome, tell: Say) -> None:
    was = f" (was {outcome.before})" if outcome.before else ""
    gone = f", {outcome.removed} taken away" if outcome.removed else ""
    tell(f"ok   {outcome.package.label}{was}: {outcome.written} resources{gone}")
    for word, names in (
        ("is there already", outcome.left),
        ("left out", outcome.unfit),
        ("without its narrative", outcome.bare),
    ):
        for name in names[:10]:
            tell(f"     {word}: {name}")
        if len(names) > 10:
            tell(f"     and {len(names) - 10} more")


def cli_list(opening: Opening, *, as_json: bool, say: Say) -> int:
    """What is installed."""

    async def work() -> list[Installed]:
        async with opening() as server:
            return await installed(server.record)

    found = asyncio.run(work())
    if as_json:
        shown = [
            {"name": one.name, "version": one.version, "title": one.title, "canonical": one.canonical,
             "requires": dict(one.requires), "resources": len(one.brought), "installed": one.installed.isoformat()}
            for one in found
        ]  # fmt: skip
        say(json.dumps(shown, ensure_ascii=False, indent=2))
        return 0
    for one in found:
        say(f"{one.label:40} {len(one.brought):5} resources  {one.installed:%Y-%m-%d}  {one.title}")
        needed = [f"{name}@{version}" for name, version in one.requires.items() if not is_ours(name)]
        if needed:
            say(f"{'':40} leans on {', '.join(needed)}")
    if not found:
        say("no package is installed; try: jiankang package install cn-hainan")
    return 0


def cli_remove(opening: Opening, names: Sequence[str], tell: Say) -> int:
    """Take packages out; 0 when all were there, 1 otherwise."""

    async def work() -> int:
        failed = 0
        async with opening() as server:
            for name in names:
                try:
                    gone = await remove(server.record, name)
                    tell(f"ok   {gone.label} is removed, with {len(gone.brought)} resources")
                except Problem as problem:
                    tell(f"BAD  {problem}")
                    failed += 1
        return 1 if failed else 0

    return asyncio.run(work())
