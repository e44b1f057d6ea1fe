"""All settings, read here and nowhere else: `JIANKANG_NAME` in the environment, or an option of the command line."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jiankang.kernel.errors import Invalid

PREFIX = "JIANKANG_"
_DATA = Path(".jiankang/data")
_IMPORT = Path(".jiankang/import")


def _setting(default: Any, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class Settings:
    """What an installation may choose. Every name is also the environment variable `JIANKANG_<NAME>`."""

    database_url: str = _setting(
        "", "Address of a PostgreSQL server ≥ 15 (`postgresql://…`). Empty: an embedded server under `data`."
    )
    direct_database_url: str = _setting(
        "",
        "The same database without a pooler in between, for schema changes, bulk work and wake-ups; empty: as above.",
    )
    data: Path = _setting(_DATA, "Folder of the embedded server, of exports and of keys made here.")
    host: str = _setting("127.0.0.1", "Address to listen on. Only loopback is allowed until people can sign in.")
    port: int = _setting(8000, "Port to listen on; 0 takes a free one.")
    workers: int = _setting(2, "Server processes.")
    connections: int = _setting(8, "Database connections of each server process.")
    base_url: str = _setting(
        "", "Public address of the FHIR API, as in `https://health.example/fhir`; empty: as asked."
    )
    prepare_statements: bool = _setting(True, "Keep prepared statements; `false` behind a pooler that cannot.")
    shared_buffers: str = _setting("256MB", "Page cache of the embedded server.")
    max_resource_bytes: int = _setting(16 * 1024 * 1024, "Largest single resource taken.")
    max_bundle_bytes: int = _setting(128 * 1024 * 1024, "Largest Bundle taken, unpacked.")
    max_bundle_entries: int = _setting(20_000, "Most entries of one Bundle.")
    body_seconds: int = _setting(60, "How long a request's body may take to arrive.")
    header_seconds: int = _setting(10, "How long a request's headers may take to arrive.")
    search_cost: int = _setting(200_000, "Most index rows that a search may be expected to touch before it is refused.")
    logical_references: str = _setting(
        "Practitioner,PractitionerRole,Organization,Location",
        "Types whose conditional references in a transaction become logical ones when nothing matches; others are refused.",
    )
    validation: str = _setting(
        "flag",
        "What becomes of a resource that is not valid by norm, profiles and codes: `refuse` it, `flag` it (stored with a tag), "
        "`warn` (told, stored as it is), or `shape` (only the shape is checked). `flag, Patient=refuse` says it for one type.",
    )
    notify_hosts: str = _setting(
        "",
        "Hosts that notifications may be sent to, as `his.example,*.hospital.example,10.1.2.3`; `*`: any. Empty: none.",
    )
    smtp_url: str = _setting(
        "",
        "Mail server that notifications go out by, as `smtp://user:password@mail.example:587` (with STARTTLS) or `smtps://…`; "
        "empty: no mail is sent.",
    )
    mail_from: str = _setting("jiankang@localhost", "Address that mail is sent from.")
    mllp_port: int = _setting(0, "Port for HL7 v2 messages by MLLP; 0: that door is closed.")
    mllp_host: str = _setting(
        "127.0.0.1", "Address of the MLLP door; one that others reach asks for client certificates (`mllp_clients`)."
    )
    mllp_certificate: str = _setting("", "File with the certificate chain of the MLLP door (PEM); empty: without TLS.")
    mllp_key: str = _setting("", "File with its private key (PEM).")
    mllp_clients: str = _setting("", "File with the authorities whose client certificates are taken (PEM).")
    max_message_bytes: int = _setting(32 * 1024 * 1024, "Largest message, document or row taken from a sender.")
    unknown_senders: str = _setting(
        "refuse", "`refuse` messages of systems that are not registered, or `accept` them and register the system."
    )
    exchange_workers: int = _setting(1, "Processes that land what arrives in the record; 0: none here.")
    dicom: str = _setting(
        "",
        "Image archive: `own` starts an Orthanc (Debian packages orthanc, orthanc-dicomweb) with its images in `data`; or the "
        "address of one whose DICOMweb root is `/dicomweb/`, as `http://user:password@127.0.0.1:8042`. Empty: none.",
    )
    dicom_port: int = _setting(4242, "Port on which our own image archive takes images by DICOM; 0 takes a free one.")
    dicom_certificate: str = _setting(
        "", "File with the certificate chain for images by DICOM over TLS (PEM); empty: without TLS."
    )
    dicom_key: str = _setting("", "File with its private key (PEM).")
    dicom_clients: str = _setting(
        "", "File with the authorities whose certificates devices must have (PEM); empty: any device may send."
    )
    package_registries: str = _setting(
        "https://packages.fhir.org,https://registry.npmjs.org",
        "Where `jiankang package install NAME` asks for FHIR packages, one after another.",
    )
    conditional_delete: str = _setting(
        "multiple", "`multiple`: a conditional delete takes all that matches; `single`: 412."
    )
    import_dir: Path = _setting(_IMPORT, "Folder that `$import` may read files from; none while it does not exist.")
    import_urls: str = _setting("", "Addresses that `$import` may read below, separated by commas; empty: none.")
    max_import_bytes: int = _setting(64 * 1024 * 1024 * 1024, "Largest input of an import, unpacked where it is sent.")
    secret: str = _setting("", "Key that signs page and download links; empty: made once and kept in `data`.")
    cors_origins: str = _setting(
        "", "Origins of browser programs that may call the API, separated by commas; `*` for all."
    )
    log_level: str = _setting("INFO", "DEBUG, INFO, WARNING or ERROR.")


def _parsed(kind: Any, text: str, name: str) -> Any:
    try:
        if kind == "bool":
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
        if kind == "int":
            return int(text)
    except (KeyError, ValueError):
        raise Invalid(
            f"{PREFIX}{name.upper()} is {text!r}, but {'true or false' if kind == 'bool' else 'a whole number'} is expected"
        ) from None
    return Path(text) if kind == "Path" else text


def load_settings(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """The settings in force: `given` before the environment before the defaults; None in `given` means not given.

    Raises Invalid for a value that cannot be read and for a `JIANKANG_` name that is no setting.
    """
    variables = os.environ if environment is None else environment  # noqa: TID251 - the one place
    values: dict[str, Any] = {}
    known = {one.name: one for one in dataclasses.fields(Settings)}
    for variable, text in variables.items():
        if not variable.startswith(PREFIX) or variable.startswith((f"{PREFIX}TEST_", f"{PREFIX}CRASH_")):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in known:
            raise Invalid(f"{variable} is no setting; see docs/reference/settings.md")
        values[name] = _parsed(known[name].type, text, name)
    values.update({name: value for name, value in given.items() if value is not None})
    return Settings(**values)


def reference() -> str:
    """The reference page of all settings."""
    lines = ["# Settings", "", "Written by `make docs` from `jiankang.kernel.settings`.", ""]
    lines += ["| environment variable | default | what it is |", "| --- | --- | --- |"]
    for one in dataclasses.fields(Settings):
        default = f"`{one.default}`" if str(one.default) else "(empty)"
        lines.append(f"| `{PREFIX}{one.name.upper()}` | {default} | {one.metadata['doc']} |")
    return "\n".join(lines) + "\n"
