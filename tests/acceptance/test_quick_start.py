"""docs/quick-start.md does what it says: its commands, in its order, in an empty folder."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import dcmread

from domain.profiles import (
    COMPREHENSIVE_3D_SR,
    ENHANCED_SR,
    GRAYSCALE_SOFTCOPY_PRESENTATION_STATE,
    KEY_OBJECT_SELECTION,
    SECONDARY_CAPTURE,
    SEGMENTATION,
)
from tests.support.counterparts import ROOT
from tests.support.node import let_others_pass
from tests.support.processes import free_port, kill_pid, tagged, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# So that the test finds its ports free; nothing else of the page is changed.
PORTS = ("11112", "4242")


def script() -> str:
    """Every shell block of the page; the first command that fails ends it."""
    return "\n".join(["set -eu", *blocks()])


def blocks() -> list[str]:
    page = (ROOT / "docs" / "quick-start.md").read_text("utf-8")
    for port in PORTS:
        page = page.replace(port, str(free_port()))
    return re.findall(r"```sh\n(.*?)```", page, re.DOTALL)


def run(folder: Path, typed: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the page's commands as a user would who has made the environment and activated it."""
    let_others_pass(folder / "trial")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with subprocess.Popen(
        ["bash", "-c", typed],
        cwd=folder,
        env={**os.environ, "PATH": path, "TEST_QUICK_START": str(folder), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as program:
        try:
            said, _ = program.communicate(timeout=540)
        finally:
            end(folder)
            program.kill()
    return subprocess.CompletedProcess("bash", program.returncode, said)


def end(folder: Path) -> None:
    """Wind down what a page that was cut short has left running, so that PostgreSQL ends too."""
    for pid in tagged(f"TEST_QUICK_START={folder}"):
        kill_pid(pid, signal.SIGTERM)
    wait_for(lambda: not tagged(f"TEST_QUICK_START={folder}"), 60, "what the page started to end")


def test_the_page_leads_from_nothing_to_findings_in_an_archive_and_a_trail_that_verifies(tmp_path: Path) -> None:
    done = run(tmp_path, script())

    assert done.returncode == 0, done.stdout
    stations = ("The node is up", "stored 96 of 96 instances", "results stored at ARCHIVE", "ct_lung")
    for said in (*stations, "written by the template", "intact: "):
        assert said in done.stdout
    held = [dcmread(path, stop_before_pixels=True).SOPClassUID for path in (tmp_path / "trial-archive").glob("*.dcm")]
    # As section 5 lists them.
    assert sorted(held) == sorted(
        [
            SEGMENTATION,
            COMPREHENSIVE_3D_SR,
            COMPREHENSIVE_3D_SR,
            ENHANCED_SR,
            GRAYSCALE_SOFTCOPY_PRESENTATION_STATE,
            SECONDARY_CAPTURE,
            KEY_OBJECT_SELECTION,
        ]
    )


def test_who_waits_for_a_node_that_has_ended_waits_no_longer_and_reads_why(tmp_path: Path) -> None:
    (starts,) = [block for block in blocks() if " up " in block]
    done = run(tmp_path, f"{starts}echo WAITED $second\n", DICOM_NODE_LISTENER__TRUST_LOOPBACK="false")
    assert "nobody may send" in done.stdout
    assert int(done.stdout.split("WAITED ")[1]) < 60
