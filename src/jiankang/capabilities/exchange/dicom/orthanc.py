"""An image archive of our own: Orthanc with its DICOMweb plugin, as Debian packages them, under a launcher of our own.

It runs as the calling user, or as its own when the caller is root. It answers HTTP to this machine only and to a
password that is made anew for each folder; others reach the images through `/dicomweb`, behind the policy gate.
DICOM peers whose titles are connected may send (C-STORE), any may ask whether it is there (C-ECHO), nothing else: queries
and retrieval by DICOM would pass the gate by. https://orthanc.uclouvain.be/book/
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from jiankang.kernel.errors import Unavailable

START_SECONDS = 30.0
STOP_SECONDS = 20.0
_PORT_SECONDS = 3.0
USER = "jiankang"
_PROGRAMS = ("/usr/sbin/Orthanc", "/usr/bin/Orthanc", "/usr/local/sbin/Orthanc")
_PLUGINS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc", "/usr/local/share/orthanc/plugins")
_PLUGIN = "libOrthancDicomWeb.so"
_ROOT_HOME = Path("/var/lib/jiankang")
_USERS = ("orthanc", "nobody")
_children: list[subprocess.Popen[bytes]] = []


def program() -> Path | None:
    """Where Orthanc is installed; None where it is not."""
    found = shutil.which("Orthanc")
    return next((Path(one) for one in (found, *_PROGRAMS) if one and Path(one).is_file()), None)


def plugin() -> Path | None:
    """Where its DICOMweb plugin is installed; None where it is not."""
    return next((Path(one) / _PLUGIN for one in _PLUGINS if (Path(one) / _PLUGIN).exists()), None)


MISSING = "Orthanc and its DICOMweb plugin are not installed: apt-get install orthanc orthanc-dicomweb"


def is_installed() -> bool:
    """Whether an archive of our own can be started here."""
    return program() is not None and plugin() is not None


@dataclass(frozen=True, slots=True)
class Tls:
    """Files (PEM) with which peers are spoken to by TLS: PS3.15, annex B.

    `clients` are the authorities whose certificates a peer must have; without, any peer is listened to.
    """

    certificate: Path
    key: Path
    clients: Path | None = None


@dataclass(frozen=True, slots=True)
class Orthanc:
    """A running archive: where it answers and how it is stopped."""

    url: str = field(repr=False)
    """`http://user:password@127.0.0.1:port`: for us alone."""
    dicom_port: int
    title: str
    """Its application entity title."""
    folder: Path

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "orthanc.log"

    @property
    def pid(self) -> int | None:
        """Its process id; None when it is not running."""
        return _running(self.folder)

    @classmethod
    def start(
        cls, folder: Path, *, dicom_port: int = 0, title: str = "JIANKANG", quiet_seconds: int = 3, strangers: bool = False,
        tls: Tls | None = None,
    ) -> Orthanc:  # fmt: skip
        """The archive whose images lie in `folder`, started unless it runs already.

        `dicom_port` 0 takes a free one, the same each time. A study is taken to be whole when nothing came for
        `quiet_seconds`. With `strangers` peers of any title may send. Raises Unavailable with the end of its log when it does not answer within `START_SECONDS`.
        """
        home = _home(folder.absolute())
        with _only_one(home):
            while True:
                settings = _settings(home, dicom_port, title, quiet_seconds, strangers, tls)
                archive = _described(settings, home)
                launched = archive.pid is None
                if launched:
                    _launch(home, settings)
                if _answers(archive, settings):
                    return archive
                if launched or archive.pid is not None:  # else it was just about to end
                    raise Unavailable(
                        f"the image archive did not start within {START_SECONDS:.0f} s: {_tail(archive.log)}"
                    )

    @classmethod
    def running(cls, folder: Path) -> Orthanc | None:
        """The archive whose images lie in `folder`, when it is running."""
        home = _home(folder.absolute())
        if _running(home) is None:
            return None
        return _described(json.loads((home / "orthanc.json").read_text()), home)

    def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """Stop it; what it has taken is on disk."""
        pid = self.pid
        if pid is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and self.pid == pid:
                _bury()
                time.sleep(0.02)
            if self.pid != pid:
                break
        (self.folder / "orthanc.pid").unlink(missing_ok=True)


# -- its folder ---------------------------------------------------------------------------------------------------


def _account() -> pwd.struct_passwd | None:
    """Whom it runs as where we are root; None: as the caller."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def _home(folder: Path) -> Path:
    """Its own folder: `folder`, or one beside the system's other state when its account cannot reach that."""
    account = _account()
    folder.mkdir(parents=True, exist_ok=True)
    if account is not None and not all(one.stat().st_mode & stat.S_IXOTH for one in folder.resolve().parents):
        _ROOT_HOME.mkdir(parents=True, exist_ok=True)
        _ROOT_HOME.chmod(0o755)
        folder = _ROOT_HOME / f"orthanc-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}"
    for one in (folder, folder / "images"):
        one.mkdir(mode=0o700, exist_ok=True)
        if account is not None:
            os.chown(one, account.pw_uid, account.pw_gid)
    return folder


@contextlib.contextmanager
def _only_one(home: Path) -> Iterator[None]:
    with (home / "launch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _settings(
    home: Path, dicom_port: int, title: str, quiet_seconds: int, strangers: bool, tls: Tls | None
) -> dict[str, Any]:  # fmt: skip
    """What it is configured with: ports and password stay the same when it is started again, as far as they are free."""
    path = home / "orthanc.json"
    before: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if before and _running(home) is not None:
        return before
    port = _still_free(before.get("HttpPort", 0))
    password = before.get("RegisteredUsers", {}).get(USER) or secrets.token_urlsafe(32)
    settings = {
        "Name": "Jiankang", "StorageDirectory": str(home / "images"), "IndexDirectory": str(home / "images"),
        "Plugins": [str(plugin())], "HttpPort": port, "RemoteAccessAllowed": False, "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: password}, "OrthancExplorerEnabled": False, "HttpThreadsCount": 16,
        "HttpDescribeErrors": False, "HttpRequestTimeout": 60, "KeepAlive": True, "ExecuteLuaEnabled": False,
        "DicomAet": title, "DicomPort": dicom_port or _still_free(before.get("DicomPort", 0), port),
        "DicomCheckCalledAet": False, "DicomAlwaysAllowStore": strangers, "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowFind": False, "DicomAlwaysAllowGet": False, "DicomAlwaysAllowMove": False,
        "UnknownSopClassAccepted": True, "DicomScpTimeout": 60, "StableAge": quiet_seconds, "OverwriteInstances": True,
        "DefaultEncoding": "Chinese", "SyncStorageArea": True, "StorageCompression": False, "LimitFindResults": 0,
        "DicomModalities": {}, "DicomModalitiesInDatabase": True, "OrthancPeers": {},
        "DicomWeb": {
            "Enable": True, "Root": "/dicomweb/", "EnableWado": False, "StudiesMetadata": "Full",
            "SeriesMetadata": "Full", "QidoCaseSensitive": False,
        },
    }  # fmt: skip
    settings |= _encrypted(home, tls) if tls is not None else {}
    _keep(path, json.dumps(settings, indent=1).encode())
    return settings


def _encrypted(home: Path, tls: Tls) -> dict[str, Any]:
    """Copies of the files that the archive's own account can read, and the settings that name them."""
    copies = {"certificate.pem": tls.certificate, "key.pem": tls.key, "clients.pem": tls.clients or tls.certificate}
    for name, file in copies.items():
        try:
            _keep(home / name, file.read_bytes())
        except OSError as error:
            raise Unavailable(f"{file} cannot be read ({error.strerror}), so images cannot be taken by TLS") from None
    return {
        "DicomTlsEnabled": True, "DicomTlsCertificate": str(home / "certificate.pem"),
        "DicomTlsPrivateKey": str(home / "key.pem"), "DicomTlsTrustedCertificates": str(home / "clients.pem"),
        "DicomTlsRemoteCertificateRequired": tls.clients is not None,
    }  # fmt: skip


def _keep(path: Path, body: bytes) -> None:
    """Write a file that only the archive's account can read."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(body)
    account = _account()
    if account is not None:
        os.chown(fresh, account.pw_uid, account.pw_gid)
    fresh.replace(path)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _still_free(port: int, *taken: int) -> int:
    """The port if nobody has taken it, else another one. A process that was killed holds its ports for a moment."""
    deadline = time.monotonic() + _PORT_SECONDS
    while port and port not in taken and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("0.0.0.0", port))  # noqa: S104 - peers send from elsewhere
            return port
        time.sleep(0.05)
    return _free_port()


def _described(settings: dict[str, Any], home: Path) -> Orthanc:
    password = settings["RegisteredUsers"][USER]
    url = f"http://{USER}:{password}@127.0.0.1:{settings['HttpPort']}"
    return Orthanc(url, settings["DicomPort"], settings["DicomAet"], home)


# -- its process --------------------------------------------------------------------------------------------------


def _launch(home: Path, settings: dict[str, Any]) -> None:
    found = program()
    if found is None or not Path(settings["Plugins"][0]).exists():
        raise Unavailable(MISSING)
    account = _account()
    log = home / "orthanc.log"
    log.touch(mode=0o600)
    as_whom: dict[str, Any] = {}
    if account is not None:
        os.chown(log, account.pw_uid, account.pw_gid)
        as_whom = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    with log.open("ab") as sink:
        process = subprocess.Popen(  # noqa: S603
            [str(found), str(home / "orthanc.json")], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}, start_new_session=True, **as_whom,
        )  # fmt: skip
    _children.append(process)
    (home / "orthanc.pid").write_text(str(process.pid))


def _bury() -> None:
    for child in list(_children):
        if child.poll() is not None:
            _children.remove(child)


def _running(home: Path) -> int | None:
    """The process that works with this folder's settings."""
    _bury()
    try:
        pid = int((home / "orthanc.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if str(home / "orthanc.json").encode() in command else None


def _answers(archive: Orthanc, settings: dict[str, Any]) -> bool:
    """Whether it answers; waits for it as long as it runs."""
    token = b64encode(f"{USER}:{settings['RegisteredUsers'][USER]}".encode()).decode()
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and archive.pid is not None:
        connection = HTTPConnection("127.0.0.1", settings["HttpPort"], timeout=5)
        with contextlib.suppress(OSError, HTTPException), contextlib.closing(connection):
            connection.request("GET", "/system", headers={"Authorization": f"Basic {token}"})
            if connection.getresponse().status == 200:
                return True
        time.sleep(0.03)
    return False


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-600:] if log.exists() else ""
