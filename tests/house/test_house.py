"""The house keeps its own promises."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in done.stdout.splitlines()]


def texts() -> list[tuple[Path, str]]:
    kept = [path for path in tracked() if path.suffix in {".py", ".md", ".toml", ".sh", ".json", ""} and path.is_file()]
    return [(path, path.read_text(errors="replace")) for path in kept if path.name != "test_house.py"]


def test_no_file_holds_a_path_of_a_machine():
    pattern = re.compile(r"/(?:work|home|root)/[a-z]")
    found = [path.name for path, text in texts() if pattern.search(text)]
    assert found == []


def test_the_environment_is_read_in_one_place():
    found = [
        path.relative_to(ROOT).as_posix()
        for path, text in texts()
        if path.is_relative_to(ROOT / "src") and re.search(r"os\.(environ|getenv)", text)
    ]
    assert found == ["src/jiankang/kernel/settings.py"]


def test_other_rooms_are_entered_by_their_front_door():
    inside = re.compile(r"from jiankang\.foundation\.access\.\w+ import")
    found = [
        path.name
        for path, text in texts()
        if path.is_relative_to(ROOT / "src") and "foundation/access" not in path.as_posix() and inside.search(text)
    ]
    assert found == []


def test_reference_pages_say_what_the_code_says():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, text in module.pages().items():
        assert (ROOT / "docs" / "reference" / name).read_text() == text, f"run `make docs`: {name} is old"


def test_every_page_that_the_readme_names_is_there():
    text = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_nothing_licensed_under_the_gpl_is_needed_at_run_time():
    import importlib.metadata
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        name = re.split(r"[\[<>=;]", requirement)[0].strip()
        meta = importlib.metadata.metadata(name)
        said = " ".join(
            [meta.get("License-Expression") or "", meta.get("License") or "", *(meta.get_all("Classifier") or [])]
        )
        assert not re.search(r"(?<!L)GPL|Affero", said.replace("LGPL", "")), (name, said[:200])
