"""A child process runs the node's own code: one function makes its command, and no room makes one by itself."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.programs import program
from tests.support.counterparts import ROOT

ROOMS = sorted(init.parent for init in ROOT.glob("*/__init__.py") if init.parent.name not in {"benchmarks", "training"})
# The name of the file, and why it may name the interpreter.
MAY_NAME_PYTHON = {
    "config/programs.py": "makes the command",
    "console/demo/__main__.py": "shows where dicom-node lies",
    "console/cli/commands/service.py": "asks who may read it",
}


def test_no_room_starts_python_by_itself() -> None:
    files = [file for room in ROOMS for file in room.rglob("*.py")]
    naming = {file.relative_to(ROOT).as_posix() for file in files if _names_python(file)}
    assert naming == set(MAY_NAME_PYTHON)


def _names_python(file: Path) -> bool:
    tree = ast.walk(ast.parse(file.read_text("utf-8")))
    return any(isinstance(one, ast.Attribute) and one.attr == "executable" for one in tree)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    for name in ("config", "domain", "runpy", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(f'hostile: {__name__}')")
    return tmp_path


@pytest.mark.parametrize("way", ["current folder", "PYTHONPATH"])
def test_a_module_is_run_as_the_program_that_it_is_and_finds_the_rooms(hostile: Path, way: str) -> None:
    """Of libraries that somebody puts into PYTHONPATH nothing is said: it is the user's own word."""
    if way == "PYTHONPATH":
        (hostile / "json.py").unlink()
        (hostile / "runpy.py").unlink()
    env = {**os.environ, "PYTHONPATH": str(hostile) if way == "PYTHONPATH" else ""}
    done = subprocess.run(
        program("config.programs_shown_in_tests"), cwd=hostile, env=env, capture_output=True, text=True, check=False
    )
    assert "hostile" not in done.stderr
    assert "No module named config.programs_shown_in_tests" in done.stderr


def test_what_a_start_up_file_has_imported_under_a_rooms_name_is_put_away(hostile: Path) -> None:
    (hostile / "config.py").write_text("")
    code = (
        f"import sys; sys.path.insert(0, {str(hostile)!r}); import config; theirs = config\n"
        f"sys.path.insert(0, {str(ROOT)!r}); import dicom_node_start; dicom_node_start.secure()\n"
        "import config; print(config is theirs, config.__file__)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == f"False {ROOT / 'config' / '__init__.py'}\n"
