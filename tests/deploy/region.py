"""A whole installation from the files of deploy/, on this machine's loopback: databases, pooler, door, servers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path("/usr/lib/postgresql/15/bin")
NEEDED = {"nginx": shutil.which("nginx", path="/usr/sbin:/usr/bin"), "openssl": shutil.which("openssl")}
NEEDED["pgbouncer"] = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
NEEDED["PostgreSQL 15 of Debian"] = str(BIN) if (BIN / "postgres").exists() else None
# Nobody else may come in; and the disk's own flush and large caches make a test slow and show nothing.
QUICK = [
    "-c",
    "listen_addresses=127.0.0.1",
    "-c",
    "fsync=off",
    "-c",
    "shared_buffers=64MB",
    "-c",
    "min_wal_size=64MB",
    "-c",
    "wal_buffers=1MB",
]


def missing() -> list[str]:
    return [name for name, found in NEEDED.items() if found is None]


def account() -> pwd.struct_passwd:
    """Whom PostgreSQL and PgBouncer run as: not root."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid())
    return pwd.getpwnam("postgres")


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def within(seconds: float, question: Any) -> Any:
    """The first true answer; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if answer := question():
                return answer
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.03)


def family(pid: int) -> list[int]:
    """A process and all below it; PostgreSQL's are in groups of their own."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    return found


@dataclass
class Region:
    """Where everything is; `home` holds the edited copy of deploy/, data, certificates and logs."""

    home: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("door", "health", "server1", "server2", "pgbouncer", "primary", "replica")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.etc = self.home / "etc"
        self.secrets = self.etc / "secrets"
        shutil.copytree(DEPLOY, self.etc, ignore=shutil.ignore_patterns("secrets", "tls"))
        subprocess.run(["sh", self.etc / "secrets.sh", self.secrets], check=True)
        owner = account()
        # The account is named as in the file, and this machine's paths and ports stand for the installation's.
        self._edit("postgresql/pg_ident.conf", ("owner   jiankang", f"owner   {owner.pw_name}"))
        for name in ("postgresql/primary.conf", "postgresql/replica.conf"):
            self._edit(name, ("/etc/jiankang", str(self.etc)))
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def _edit(self, name: str, *changes: tuple[str, str]) -> Path:
        path = self.etc / name
        text = path.read_text()
        for old, new in changes:
            assert old in text or name.endswith("replica.conf"), f"{name} does not say {old!r} any more"
            text = text.replace(old, new)
        path.write_text(text)
        return path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin:/usr/sbin", "LC_ALL": "C.UTF-8", "PGBIN": str(BIN), "SECRETS": str(self.secrets),
            "PGPASSFILE": str(self.secrets / "pgpass"), "WAL_ARCHIVE": str(self.home / "backup" / "wal"),
            "BACKUP": str(self.home / "backup"), "PRIMARY_HOST": "127.0.0.1",
            "PRIMARY_PORT": str(self.ports["primary"]),
        }  # fmt: skip

    def log(self, name: str) -> str:
        path = self.home / f"{name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def start(self, name: str, command: list[Any], *, plain: bool = True, **environment: str) -> None:
        """Run a program until `stop`; as the unprivileged account when `plain`."""
        owner = account()
        who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if plain and os.geteuid() == 0 else {}
        log = self.home / f"{name}.log"
        log.touch()
        os.chown(log, owner.pw_uid, owner.pw_gid)
        with log.open("ab") as sink:
            self.running[name] = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=self.home,
                env=self.environment | environment, start_new_session=True, **who,
            )  # fmt: skip

    def run(self, *command: Any, **environment: str) -> str:
        """Run a program to its end as the unprivileged account; what it printed."""
        owner = account()
        who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=False, cwd=self.home,
            env=self.environment | environment, **who,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM, seconds: float = 30) -> int:
        process = self.running.pop(name)
        process.send_signal(how)
        return process.wait(seconds)

    def kill_all_of(self, name: str) -> None:
        """kill -9 of a program and all it started."""
        self.signal(name, signal.SIGKILL)
        self.running.pop(name).wait(10)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a program and all it started, as nearly at once as can be."""
        for pid in family(self.running[name].pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self) -> None:
        for name in list(self.running):
            self.kill_all_of(name)

    # -- the parts

    def database(self, name: str, data: Path | None = None, **environment: str) -> None:
        socket_folder = self.home / "run"
        socket_folder.mkdir(exist_ok=True)
        os.chown(socket_folder, account().pw_uid, account().pw_gid)
        own = ["-c", f"port={self.ports[name]}", "-c", f"unix_socket_directories={socket_folder}", *QUICK]
        script = self.etc / "postgresql" / f"{name}.sh"
        self.start(name, [script, *own], PGDATA=str(data or self.home / name), **environment)
        ready = [str(BIN / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.ports[name])]

        def answers() -> bool:
            assert self.running[name].poll() is None, self.log(name)
            return subprocess.run(ready, check=False).returncode == 0

        within(30, answers)

    def sql(self, name: str, statement: str) -> str:
        """What the superuser is answered, through the private socket of a database."""
        where = ["-h", self.home / "run", "-p", self.ports[name], "-U", "postgres", "-d", "jiankang"]
        return self.run(BIN / "psql", "-X", "-A", "-t", *where, "-c", statement).strip()

    def url(self, name: str) -> str:
        """The address of the database by way of `name`: primary, replica or pgbouncer."""
        return f"postgresql://jiankang@127.0.0.1:{self.ports[name]}/jiankang?passfile={self.secrets / 'pgpass'}"

    def pooler(self, database: str = "primary") -> None:
        path = self.etc / "pgbouncer.ini"
        if not path.with_suffix(".used").exists():
            self._edit(
                "pgbouncer.ini",
                ("listen_addr = *", "listen_addr = 127.0.0.1"),
                ("6432", str(self.ports["pgbouncer"])),
                ("/etc/jiankang", str(self.etc)),
            )
            path.with_suffix(".used").touch()
        text = re.sub(r"host=\S+ port=\d+", f"host=127.0.0.1 port={self.ports[database]}", path.read_text())
        path.write_text(text)
        if "pgbouncer" in self.running:
            self.running["pgbouncer"].send_signal(signal.SIGHUP)
        else:
            self.start("pgbouncer", [NEEDED["pgbouncer"], path])

    def server(self, name: str, direct: str = "primary") -> None:
        """One instance of `jiankang serve`, with the settings of deploy/jiankang.env."""
        given = dict(line.split("=", 1) for line in (self.etc / "jiankang.env").read_text().splitlines() if "=" in line[:40] and line[0] != "#")  # fmt: skip
        given |= {
            "JIANKANG_DATABASE_URL": self.url("pgbouncer"), "JIANKANG_DIRECT_DATABASE_URL": self.url(direct),
            "JIANKANG_PORT": str(self.ports[name]), "JIANKANG_DATA": str(self.home / "files"), "JIANKANG_WORKERS": "1",
            "JIANKANG_SECRET": "a secret for this test",
        }  # fmt: skip
        given.pop("PGPASSFILE")
        self.start(name, [ROOT / ".venv/bin/python", "-m", "jiankang.cli", "serve"], plain=False, **given)

    def up(self, name: str) -> bool:
        assert self.running[name].poll() is None, self.log(name)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=2)) as connection:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200

    def until_up(self, *names: str, seconds: float = 60) -> None:
        for name in names:
            within(seconds, lambda name=name: self.up(name))

    def door(self) -> None:
        self.certificates()
        port = str(self.ports["door"])
        path = self._edit(
            "nginx.conf",
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("127.0.0.1:8001", f"127.0.0.1:{self.ports['server1']}"),
            ("127.0.0.1:8002", f"127.0.0.1:{self.ports['server2']}"),
            ("127.0.0.1:8090", f"127.0.0.1:{self.ports['health']}"),
            ("/etc/jiankang", str(self.etc)),
            ("pid /run/nginx.pid", f"pid {self.home}/nginx.pid"),
            ("server_tokens off;", "server_tokens off;" + self._nginx_folders()),
        )
        self.start("door", [NEEDED["nginx"], "-c", path, "-g", "daemon off;"], plain=False)

    def _nginx_folders(self) -> str:
        """Debian's are for root."""
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return "".join(f" {kind}_temp_path {self.home}/nginx-{kind};" for kind in kinds)

    def certificates(self) -> None:
        """An authority of the region's own, a certificate of the server and one of a client."""
        tls = self.etc / "tls"
        tls.mkdir()

        def make(*arguments: Any) -> None:
            subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=tls)

        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        make("req", "-x509", *new, "-subj", "/CN=authority", "-keyout", "authority.key", "-out", "clients.pem")
        for name in ("server", "client"):
            (tls / "names").write_text("subjectAltName=IP:127.0.0.1\n")
            make("req", *new[:-2], "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            make("x509", "-req", "-in", f"{name}.csr", "-CA", "clients.pem", "-CAkey", "authority.key", "-days", "2",
                 "-CAcreateserial", "-extfile", "names", "-out", f"{name}.pem")  # fmt: skip

    def ask(
        self, method: str, path: str, body: Any = None, *, known: bool = True, raw: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """One request through the door, with a client's certificate when `known`."""
        trust = ssl.create_default_context(cafile=self.etc / "tls" / "clients.pem")
        if known:
            trust.load_cert_chain(self.etc / "tls" / "client.pem", self.etc / "tls" / "client.key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.ports["door"], timeout=30, context=trust)
        with contextlib.closing(connection):
            sent = raw if raw is not None else None if body is None else json.dumps(body).encode()
            named = {"Content-Type": "application/fhir+json"} | {k.replace("_", "-"): v for k, v in headers.items()}
            connection.request(method, path, sent, named)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
