"""`make demo` as a user runs it: to its end, twice in a row, and interrupted at any moment."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from config.programs import program
from tests.support import phantoms
from tests.support.counterparts import ROOT, data, require, require_file
from tests.support.door import Caller
from tests.support.http import fetch
from tests.support.node import let_others_pass
from tests.support.packages import NAME, write_package
from tests.support.phantoms import Phantom
from tests.support.processes import Process, kill_pid, postmasters, tagged, tail, wait_for
from tests.support.provider_server import fails, serving

# Two demonstrations on a machine that has other work take as long as they take; this only ends one that hangs.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DEMO = tuple(program("console.demo"))
# Where the viewer is, once the line is whole.
PAGE = r"(http://\S+)(/viewer\?StudyInstanceUIDs=([0-9.]+)\S*)\s"
NOT_VERIFIED = "AI generated, not verified"


def demonstrate(place: Path, *arguments: str | Path, env: dict[str, str] | None = None) -> str:
    """What a demonstration in `place` says; fails where it does not come to its end."""
    let_others_pass(place)
    command = [*DEMO, *map(str, arguments), "--data", str(place)]
    # It ends by itself where nothing comes of it, so that no time is set here.
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{tail(place / 'node.log')}"
    return done.stdout


def await_said(process: Process, words: str) -> None:
    """Wait until a program has said `words`, a pattern; fails at once where it has ended without."""

    def said() -> bool:
        ended = not process.running  # asked first: what it said last is in its log then
        found = re.search(words, process.log.read_text()) is not None
        assert found or not ended, f"it ended without {words!r}\n{tail(process.log)}"
        return found

    wait_for(said, 900, words, lambda: tail(process.log))


def coloured(png: bytes) -> float:
    """The share of pixels with a colour: everything else on the picture is grey."""
    pixels = np.asarray(Image.open(BytesIO(png)).convert("RGB"), np.int16)
    return float((pixels.max(axis=2) - pixels.min(axis=2) > 30).mean())


def left(place: Path, tag: str) -> list[int]:
    """Processes of a demonstration that still run."""
    return [*tagged(tag), *postmasters(place)]


def _killed(place: Path, tag: str) -> bool:
    """Whether nothing of a demonstration runs; what does is killed."""
    for pid in (running := left(place, tag)):
        kill_pid(pid)
    return not running


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that is quick."""
    folder = tmp_path_factory.mktemp("models")
    write_package(folder)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study of the user's own."""
    folder = tmp_path_factory.mktemp("study")
    phantoms.write(Phantom(slices=24, size=(64, 64), spacing=(5.0, 6.0, 6.0)).datasets(), folder)
    return folder


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory: pytest.TempPathFactory, models: Path, study: Path) -> tuple[Path, str]:
    """A folder in which a user's own study was shown, and what was said."""
    place = tmp_path_factory.mktemp("demonstrated") / "demo"
    return place, demonstrate(place, study, "--models", models)


@pytest.fixture
def running(tmp_path: Path, models: Path, study: Path) -> Iterator[tuple[Process, Path, str]]:
    """A demonstration that has just begun, its folder, and the variable by which its processes are found."""
    place = tmp_path / "demo"
    tag = f"TEST_DEMO={place}"
    let_others_pass(place)
    command = [*DEMO, str(study), "--data", str(place), "--models", str(models), "--keep"]
    process = Process(command, tmp_path / "demo.log", env={"TEST_DEMO": str(place)}, cwd=ROOT)
    yield process, place, tag
    process.kill()
    wait_for(lambda: _killed(place, tag), 60, "the demonstration to be dead")


def test_the_demonstration_without_any_data_shows_the_lungs_of_a_phantom(tmp_path: Path) -> None:
    said = demonstrate(tmp_path / "demo", env={"DICOM_NODE_TEST_DATA": str(tmp_path / "nothing")})
    findings = tmp_path / "demo" / "findings" / "ct_lung"

    for step in ("received", "complete", "model chosen", "inferred", "written", "delivered"):
        assert f" s  {step}" in said
    report = (findings / "report.txt").read_text()
    assert report in said
    assert "to the archive, where its images are read" in said
    assert NOT_VERIFIED in report
    assert "Right lung" in report
    assert "volume" in report
    assert coloured((findings / "segmentation.png").read_bytes()) > 0.005


def test_the_demonstration_shows_the_lungs_of_a_real_chest_ct(tmp_path: Path) -> None:
    data("ct_chest_lidc0003")

    said = demonstrate(tmp_path / "demo")

    assert "140 instances" in said
    picture = (tmp_path / "demo" / "findings" / "ct_lung" / "segmentation.png").read_bytes()
    assert coloured(picture) > 0.005
    assert len(picture) < 400_000


def test_the_viewer_shows_images_and_results_of_a_demonstration_and_ends_its_archive_with_itself(
    demonstrated: tuple[Path, str], tmp_path: Path
) -> None:
    require("Orthanc")
    require_file(Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"))
    place, said = demonstrated
    assert f"viewer --data {place}" in said
    (tmp_path / "index.html").write_text("the viewer's pages")
    command: list[str | Path] = [
        *program("console.cli.main"),
        "viewer",
        "--data",
        place,
        "--pages",
        tmp_path,
        "--port",
        "0",
    ]
    process = Process(command, tmp_path / "viewer.log", env={"TEST_DEMO": str(place)}, cwd=ROOT)
    try:
        await_said(process, PAGE)
        printed = re.findall(PAGE, process.log.read_text())
        (address, page, uid) = printed[0]
        assert fetch(f"{address}/dicom-web/studies/{uid}/series")[0] == 403
        status, series = Caller(address + page).get(f"/dicom-web/studies/{uid}/series")
        assert status == 200
        assert {"CT", "SEG", "SR"} <= {one["00080060"]["Value"][0] for one in json.loads(series)}
        process.send(signal.SIGINT)
        assert process.wait(120) == 0
        assert left(place, f"TEST_DEMO={place}") == []
    finally:
        process.kill()


def test_a_user_may_bring_a_study_models_and_a_language_model_and_a_second_run_keeps_the_findings_of_the_first(
    demonstrated: tuple[Path, str], models: Path, study: Path, tmp_path: Path
) -> None:
    place, said = demonstrated
    found = Path(NAME, "segmentation.dcm")

    assert str(study) in said
    assert coloured((place / "findings" / NAME / "segmentation.png").read_bytes()) > 0.002
    first = (place / "findings" / found).read_bytes()
    assert "by the template\n" in said
    with serving(fails(503)) as house:
        asked = f'[[language_models]]\nname = "house"\nkind = "openai"\nmodel = "small"\nurl = "{house.url}"\n'
        (settings := tmp_path / "node.toml").write_text(asked)
        again = demonstrate(place, study, "--models", models, "--config", settings)
    assert house.asked
    assert "by the template (house: " in again

    assert (place / "findings" / found).exists()
    earlier = list((place / "earlier").rglob(str(found)))
    assert [file.read_bytes() for file in earlier] == [first]


def test_a_study_that_no_model_wants_ends_with_the_reasons(tmp_path: Path) -> None:
    phantoms.write(Phantom(slices=3, size=(64, 64)).datasets(), tmp_path / "study")
    let_others_pass(tmp_path / "demo")
    command = [*DEMO, str(tmp_path / "study"), "--data", str(tmp_path / "demo")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ct_lung" in done.stderr
    assert "fewer than 20" in done.stderr


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    command = [*DEMO, "--data", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("moment", ["A node and an archive", "node up", "complete", "stay up until Ctrl-C"])
def test_ctrl_c_leaves_no_process_behind(running: tuple[Process, Path, str], moment: str) -> None:
    process, place, tag = running
    await_said(process, moment)

    process.send(signal.SIGINT)

    assert process.wait(120) in {0, 130}
    assert left(place, tag) == []


def test_a_killed_demonstration_leaves_no_process_behind(running: tuple[Process, Path, str]) -> None:
    process, place, tag = running
    await_said(process, "node up")

    process.kill()

    wait_for(lambda: not left(place, tag), 60, "its servers to end", lambda: str(left(place, tag)))
