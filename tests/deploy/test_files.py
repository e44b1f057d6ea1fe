"""The files of deploy/ agree with one another, with the settings and with what the code does."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from jiankang.kernel.database import SESSION_SETTINGS
from jiankang.kernel.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MADE_THERE = {"secrets", "tls"}  # not in the repository: each installation has its own


def env_file() -> dict[str, str]:
    lines = (DEPLOY / "jiankang.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def compose() -> dict:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML of the group dev: run `make setup` again")
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def services(compose: dict) -> dict[str, dict]:
    return compose["services"]


def test_every_file_that_compose_mounts_is_there(compose):
    for name, service in services(compose).items():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            if source.startswith("./"):
                first = source.removeprefix("./")
                assert first in MADE_THERE or (DEPLOY / first).exists(), (name, source)
            else:
                assert source in compose["volumes"], (name, source)


def test_every_build_names_a_stage_of_the_containerfile(compose):
    stages = re.findall(r"^FROM \S+ AS (\w+)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    for service in services(compose).values():
        if "build" in service:
            assert service["build"]["target"] in stages
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    built = {service["image"] for service in services(compose).values() if "build" in service}
    assert {service["image"] for service in services(compose).values()} == built


def test_commands_and_scripts_of_compose_are_where_they_are_mounted(compose):
    for service in services(compose).values():
        mounts = dict(mount.split(":")[:2][::-1] for mount in service["volumes"])
        for word in [*service.get("entrypoint", []), *service.get("command", [])]:
            if word.startswith("/etc/jiankang"):
                inside = next(target for target in mounts if word == target or word.startswith(target + "/"))
                path = DEPLOY / mounts[inside].removeprefix("./") / word.removeprefix(inside).lstrip("/")
                assert path.is_file(), word
                assert not word.endswith(".sh") or path.stat().st_mode & 0o111, word


def test_only_the_door_is_published_and_the_servers_share_its_loopback(compose):
    assert [name for name, service in services(compose).items() if "ports" in service] == ["edge"]
    servers = [service for name, service in services(compose).items() if name.startswith("server")]
    assert len(servers) == 2
    assert {service["network_mode"] for service in servers} == {"service:edge"}
    assert env_file()["JIANKANG_HOST"] == "127.0.0.1"


def test_the_door_leads_to_the_ports_where_the_servers_listen(compose):
    ports = {service["environment"]["JIANKANG_PORT"] for name, service in services(compose).items() if name.startswith("server")}  # fmt: skip
    door = (DEPLOY / "nginx.conf").read_text()
    assert set(re.findall(r"server 127\.0\.0\.1:(\d+) max_fails", door)) == ports
    assert re.findall(r"listen (\d+) ssl", door) == [services(compose)["edge"]["ports"][0].split(":")[1]]


def test_addresses_of_the_servers_are_those_of_pooler_and_primary(compose):
    settings = load_settings({name: value for name, value in env_file().items() if name.startswith("JIANKANG_")})
    pooler = (DEPLOY / "pgbouncer.ini").read_text()
    port = re.search(r"^listen_port = (\d+)", pooler, re.MULTILINE).group(1)
    assert settings.database_url == f"postgresql://jiankang@pgbouncer:{port}/jiankang"
    assert "jiankang = host=primary port=5432 dbname=jiankang" in pooler
    assert settings.direct_database_url == "postgresql://jiankang@primary:5432/jiankang"
    assert {"pgbouncer", "primary"} <= set(services(compose))
    assert not settings.prepare_statements, "PgBouncer below 1.22 cannot keep them"


def test_the_doors_limits_are_those_of_the_server():
    door, known = (DEPLOY / "nginx.conf").read_text(), Settings()
    assert f"client_max_body_size {known.max_bundle_bytes >> 20}m;" in door
    assert f"client_max_body_size {known.max_import_bytes >> 30}g;" in door
    assert f"client_header_timeout {known.header_seconds}s;" in door
    assert f"client_body_timeout {known.body_seconds}s;" in door


def test_the_role_is_given_what_sessions_ask_for():
    text = (DEPLOY / "postgresql" / "role.sql").read_text()
    given = dict(re.findall(r"^ALTER ROLE jiankang IN DATABASE jiankang SET (\w+) = '([^']+)';$", text, re.MULTILINE))
    assert given == SESSION_SETTINGS


def test_databases_let_all_connections_in(compose):
    env, pooler = env_file(), (DEPLOY / "pgbouncer.ini").read_text()
    servers = sum(name.startswith("server") for name in services(compose)) * int(env["JIANKANG_WORKERS"])
    most = int(
        re.search(r"^max_connections = (\d+)", (DEPLOY / "postgresql/primary.conf").read_text(), re.MULTILINE)[1]
    )
    pooled = int(re.search(r"^default_pool_size = (\d+)", pooler, re.MULTILINE)[1])
    direct = servers * (3 + 6)  # of a process: two at the side, one waiting for wake-ups; of its job: three more
    assert pooled + direct + 20 < most
    assert servers * int(env["JIANKANG_CONNECTIONS"]) <= int(re.search(r"^max_client_conn = (\d+)", pooler, re.MULTILINE)[1])  # fmt: skip


@pytest.mark.parametrize("script", sorted(DEPLOY.rglob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_plain_shell_that_stops_at_the_first_failure(script):
    text = script.read_text()
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in text
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0


def test_the_unit_starts_a_command_and_reads_files_that_the_recipe_names():
    unit = (DEPLOY / "systemd" / "jiankang@.service").read_text()
    assert "ExecStart=/opt/jiankang/.venv/bin/jiankang serve" in unit
    page = (ROOT / "docs" / "operations" / "production.md").read_text()
    for path in re.findall(r"^EnvironmentFile=(\S+)$", unit, re.MULTILINE):
        assert path in page, path


def test_secrets_are_made_once_and_only_for_their_owner(tmp_path):
    folder = tmp_path / "secrets"
    both = []
    for _ in range(2):
        subprocess.run(["sh", DEPLOY / "secrets.sh", folder], check=True)
        both.append({path.name: path.read_text() for path in folder.iterdir()})
    first, found = both
    assert found == first
    assert len(set(found.values())) == len(found)
    assert len(found["database_password"]) == 64
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    settings = load_settings(dict([found["jiankang.secret.env"].strip().split("=", 1)]))
    assert settings.secret == found["signing_key"]
