"""What the pages name is there: other pages, settings, commands, make's targets, tests."""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from jiankang.cli import _parser
from jiankang.kernel.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {".venv", "node_modules", ".jiankang", ".git"}
PAGES = sorted(path for path in ROOT.rglob("*.md") if not SKIPPED & set(path.relative_to(ROOT).parts))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_setting_that_a_page_names_exists(page):
    known = {PREFIX + one.name.upper() for one in fields(Settings)}
    named = set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", page.read_text()))
    assert {one for one in named - known if not one.startswith((f"{PREFIX}TEST_", f"{PREFIX}CRASH_"))} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_target_and_command_that_a_page_names_exists(page):
    text = page.read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) | set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE)) <= targets
    commands = set(
        next(action for action in _parser()._actions if action.choices and "serve" in action.choices).choices
    )
    assert set(re.findall(r"`jiankang ([a-z]+)|/jiankang ([a-z]+) ", text)) <= {
        pair for name in commands for pair in ((name, ""), ("", name))
    }


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_of_tests_bench_and_deploy_that_a_page_names_exists(page):
    for path in re.findall(r"`((?:tests|bench|deploy|tools)/[\w./@-]+)`", page.read_text()):
        if not path.startswith(("deploy/tls", "deploy/secrets")) or path.endswith(".sh"):
            assert (ROOT / path).exists(), path


def test_every_page_of_docs_is_in_their_list_or_in_its_folders():
    docs = ROOT / "docs"
    for page in docs.rglob("*.md"):
        if page.name != "README.md" and _kept(page):
            lists = [folder for folder in {docs, page.parent} if (folder / "README.md").exists()]
            listed = [f"({page.relative_to(each).as_posix()})" in (each / "README.md").read_text() for each in lists]
            assert any(listed), f"docs/README.md does not list {page.relative_to(docs)}"


def _kept(page: Path) -> bool:
    ignored = subprocess.run(["git", "check-ignore", "-q", page], cwd=ROOT, check=False)
    return ignored.returncode != 0
