"""The commands that the documentation names exist, and all of them lead to the same tests."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path for path in [*(ROOT / "scripts").glob("*"), ROOT / ".ci" / "run"] if path.is_file())


@pytest.fixture(scope="module")
def targets() -> dict[str, str]:
    """Each target of the Makefile with what it does."""
    blocks = re.split(r"\n(?=[a-z]+:)", (ROOT / "Makefile").read_text())
    return {block.partition(":")[0]: block.partition(":")[2] for block in blocks if re.match(r"[a-z]+:", block)}


def test_the_makefile_has_the_promised_targets(targets: dict[str, str]) -> None:
    assert {"help", "demo", "test", "unit", "check", "bench", "faults", "clean"} <= set(targets)


@pytest.mark.parametrize(("page", "shown"), [("README.md", {"demo", "test"}), ("CONTRIBUTING.md", {"test", "check"})])
def test_every_make_command_that_a_page_shows_is_a_target(page: str, shown: set[str], targets: dict[str, str]) -> None:
    commands = set(re.findall(r"(?:^|`|\$ )make ([a-z]+)", (ROOT / page).read_text(), re.MULTILINE))
    assert shown <= commands <= set(targets)


def test_make_test_installs_checks_and_runs_everything(targets: dict[str, str]) -> None:
    assert targets["test"].split("##")[0].split() == ["counterparts", "everything", "check"]
    assert "pytest $(PARALLEL)\n" in targets["test"] + "\n"


@pytest.mark.parametrize("tool", ["ruff check", "ruff format --check", "mypy", "lint-imports"])
def test_make_check_runs_every_judge_of_the_code(tool: str, targets: dict[str, str]) -> None:
    assert tool in targets["check"]


def test_ci_runs_the_command_that_everybody_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script
    assert "export CI=true" in script
    assert re.search(r"^make --no-print-directory test < /dev/null", script.splitlines()[-1])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_can_be_run_and_parses(script: Path) -> None:
    assert os.access(script, os.X_OK)
    if script.read_text().startswith("#!/usr/bin/env python3\n"):
        compile(script.read_text(), str(script), "exec")
    else:
        subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_list_of_counterparts_names_each_one_and_its_state() -> None:
    command = [str(ROOT / "scripts" / "counterparts"), "--list"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert all(line.startswith(("present  ", "missing  ")) for line in lines)
    names = " ".join(lines)
    for counterpart in (
        "orthanc",
        "dcmtk",
        "libgdcm-tools",
        "ctn",
        "odil",
        "dicom3tools",
        "pixelmed",
        "chromium",
        "ohif 3",
        "dcmjs-dimse 0",
        "kafka 4",
        "compose 2",
        "java",
    ):
        assert counterpart in names
