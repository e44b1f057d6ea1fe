"""`jiankang demo`: example people, a server, and a day of messages from hospitals, clinics and laboratories through the real door."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import functools
import importlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from jiankang.kernel.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
MLLP_PORT = 2575
"""The port that IANA keeps for HL7 messages."""
_PEOPLE, _SEED = 150, 7
_PATIENCE_SECONDS = 120.0


def demo(settings: Settings, say: Callable[[str], None], tell: Callable[[str], None]) -> int:
    """Load example people once, start the server, send it messages once, and say what to try; the exit code."""
    from jiankang.serving import bind, database, serve

    if settings.port:
        bind(settings.host, settings.port).close()
    if not settings.mllp_port:
        settings = dataclasses.replace(settings, mllp_port=_free_port(settings.mllp_host, MLLP_PORT))
    settings = _with_archive(settings, tell)
    loaded, sent = settings.data / "demo-loaded", settings.data / "demo-sent"
    messages = _messages(tell)
    with database(settings, shared=True) as url:
        if loaded.exists():
            tell("-- the example people are loaded already")
        else:
            _load_example(settings, url, tell)
        if messages is not None and not sent.exists():
            _register(url, messages)
    loaded.parent.mkdir(parents=True, exist_ok=True)
    loaded.touch()

    def ready(text: str) -> None:
        say(text)
        base = text.rsplit(" ", 1)[-1]
        _say_what_to_try(base, settings, say)
        if messages is not None and not sent.exists():
            threading.Thread(target=_send, args=(settings, messages, base, sent, say), daemon=True).start()

    return serve(settings, ready)


def _say_what_to_try(base: str, settings: Settings, say: Callable[[str], None]) -> None:
    say(
        f"in a browser: {base.removesuffix('fhir')}\n"
        f"HL7 v2 by MLLP: {settings.mllp_host} port {settings.mllp_port}\n"
        f"{_say_images(base, settings)}"
        "try:\n"
        f"  curl -s '{base}/Patient?_count=3&_pretty=true'\n"
        f"  curl -s '{base}/Observation?code=http://loinc.org|8302-2&_sort=-date&_count=5&_pretty=true'\n"
        f"  curl -s '{base}/Patient?_has:Condition:patient:code=http://snomed.info/sct|44054006&_summary=count'\n"
        f"  curl -s '{base}/Patient/ID/$everything?_pretty=true'     (take an ID from the first answer)\n"
        f"  curl -s '{base}/metadata?_pretty=true' | head -50\n"
        "Ctrl-C stops the server."
    )


def _free_port(host: str, wanted: int) -> int:
    """The customary port, or any where that one is taken."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return 0


def _with_archive(settings: Settings, tell: Callable[[str], None]) -> Settings:
    """The settings with an image archive of our own, where Orthanc is installed."""
    from jiankang.capabilities.exchange.dicom import MISSING, is_installed

    if settings.dicom:
        return settings
    if not is_installed():
        tell(f"-- no images: {MISSING}")
        return settings
    return dataclasses.replace(settings, dicom="own", dicom_port=_free_port("0.0.0.0", settings.dicom_port))  # noqa: S104


def _say_images(base: str, settings: Settings) -> str:
    if not settings.dicom:
        return ""
    return f"images: {base.removesuffix('fhir')}-/imaging, DICOM port {settings.dicom_port} (called title JIANKANG)\n"


# -- messages -------------------------------------------------------------------------------------------------------


def _messages(tell: Callable[[str], None]) -> Any:
    """The maker of messages beside the checkout; None where the package was installed without it."""
    if not (ROOT / "tools" / "region" / "messages").is_dir():
        tell("-- the maker of messages is not here (it comes with the checkout): nothing is sent")
        return None
    sys.path.insert(0, str(ROOT / "tools"))
    return importlib.import_module("region.messages")


def _register(url: str, messages: Any) -> None:
    """Register the systems that will send, as a region does before they may."""
    from jiankang.capabilities.exchange.intake.senders import Senders
    from jiankang.capabilities.exchange.model import Sender
    from jiankang.foundation.record.store import Record
    from jiankang.kernel.errors import Conflict

    async def work() -> None:
        async with Record.open(url, connections=1) as record:
            senders = Senders(record)
            for one in (*messages.SENDERS, *importlib.import_module("region.images").ARCHIVES):
                sender = Sender(one.id, one.name, authorities=one.authorities)
                try:
                    await senders.add(sender, names=one.names, state="connected")
                except Conflict:
                    continue

    asyncio.run(work())


def _send(settings: Settings, messages: Any, base: str, sent: Path, say: Callable[[str], None]) -> None:
    """Send a week of messages, each system over a connection of its own, and tell what became of them."""
    stream = messages.stream(_SEED, _PEOPLE)
    say(
        f"-- {len(messages.SENDERS)} systems send {len(stream)} HL7 v2 messages about {_PEOPLE} residents and visitors …"
    )
    started = time.monotonic()
    answers = asyncio.run(_all_sent(settings, stream))
    seconds = time.monotonic() - started
    told = ", ".join(f"{count} {code}" for code, count in sorted(answers.items()))
    say(
        f"   acknowledged in {seconds:.1f} s: {told} (AE and AR: broken on purpose, see {base.removesuffix('fhir')}-/exchange)"
    )
    if settings.dicom:
        _send_images(base, say)
    person, registrations = _landed(settings)
    say(
        f"   landed after {time.monotonic() - started:.1f} s, who is who decided; {registrations} registrations are one person:"
    )
    say(f"  curl -s '{base}/Patient/person-{person}/$everything?_summary=text&_pretty=true'")
    sent.touch()


def _send_images(base: str, say: Callable[[str], None]) -> None:
    """Send imaging studies of the same people by DICOMweb (STOW-RS)."""
    import httpx

    studies = list(importlib.import_module("region.images").studies(_SEED, _PEOPLE))
    with httpx.Client(base_url=base.removesuffix("fhir"), timeout=60, trust_env=False) as client:
        for one in studies:
            for file in one.files:
                path = f"dicomweb/studies?sender={one.archive.id}"
                client.post(path, content=file, headers={"content-type": "application/dicom"}).raise_for_status()
    say(
        f"   {len(studies)} imaging studies were sent by DICOMweb: {base.removesuffix('fhir')}-/imaging in a few seconds"
    )


async def _all_sent(settings: Settings, stream: list[Any]) -> collections.Counter[str]:
    from jiankang.capabilities.exchange.hl7v2.mllp import Outlet

    lanes: dict[str, list[bytes]] = {}
    for one in stream:
        lanes.setdefault(one.system.id, []).append(one.raw)
    answers: collections.Counter[str] = collections.Counter()

    async def lane(raws: list[bytes]) -> None:
        async with Outlet(settings.mllp_host, settings.mllp_port) as outlet:
            for raw in raws:
                answer = await outlet.send(raw)
                answers[answer.partition(b"MSA|")[2][:2].decode()] += 1

    await asyncio.gather(*(lane(raws) for raws in lanes.values()))
    return answers


def _landed(settings: Settings) -> tuple[str, int]:
    """Wait until every letter landed; the person with the most registrations, and how many they are."""
    import psycopg

    from jiankang.kernel.postgres import running_embedded

    embedded = running_embedded(settings.data)
    url = settings.database_url or (embedded.dsn if embedded is not None else "")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with psycopg.connect(url, autocommit=True) as db:
        while time.monotonic() < deadline:
            row = db.execute("SELECT EXISTS (SELECT FROM exchange_letter WHERE state = 'waiting')").fetchone()
            if row is not None and not row[0]:
                break
            time.sleep(0.2)
        found = db.execute(
            "SELECT person::text, count(*) FROM identity_record GROUP BY person ORDER BY 2 DESC, 1 LIMIT 1"
        ).fetchone()
    return (str(found[0]), int(found[1])) if found is not None else ("", 0)


# -- example people -------------------------------------------------------------------------------------------------


def _load_example(settings: Settings, url: str, tell: Callable[[str], None]) -> None:
    """Real input beside the checkout when it is there, else people made by our own generator; and our own guide."""
    from jiankang.foundation.conformance.packages import shell
    from jiankang.foundation.record.bulk.working import server_for
    from jiankang.foundation.record.loading import load_paths
    from jiankang.main import compose

    tell("-- installing the guide cn-hainan")
    opening = functools.partial(server_for, url, settings, compose)
    shell.cli_install(opening, ["cn-hainan"], shell.Wish(offline=True), tell)
    load = functools.partial(load_paths, workers=settings.workers, progress=tell, compose=compose, settings=settings)
    real = ROOT.parent / "shared" / "data" / "synthea"
    if real.is_dir():
        tell("-- loading the Synthea bundles")
        load(url, [real])
        return
    with tempfile.TemporaryDirectory() as folder:
        tell("-- making people of Chengmai and loading them")
        generator = ROOT / "tools" / "region" / "generate.py"
        subprocess.run(  # noqa: S603
            [sys.executable, str(generator), "--people", "60", "--seed", "1", "--out", folder], check=True
        )
        load(url, [Path(folder)])
