"""`models verify | test | bench | golden` on a hostile package: its code gets no further than in a worker."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.app import app
from domain.errors import NodeError, Permanent, Retryable
from inference_worker import trial_process
from inference_worker.model_config import ModelProcessConfig
from inference_worker.walls import standing
from tests.support.hostile_driver import prepared
from tests.support.packages import NAME, write_package

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")

LINE = 65 * 1024 * 1024


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose code runs in place of the process's own."""
    monkeypatch.setattr(trial_process, "_MODULE", "tests.support.hostile_trial")
    return write_package(tmp_path / "packages")


def hostile(package: Path, **told: object) -> tuple[Path, ModelProcessConfig]:
    (package / "told.json").write_text(json.dumps(told))
    return package, ModelProcessConfig(package.parent, "openvino", 1)


def test_code_of_a_package_that_a_command_runs_reaches_nothing(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "postgresql://node:secret@db/node")
    with ExitStack() as stack:
        told = prepared(tmp_path, stack)
        found = trial_process.dry_run(*hostile(package, **(told | {"does": "attack"})), 120)
    assert len(found.faults) > 40
    assert [one for one in found.faults if ": refused" not in one] == []
    assert not Path(str(told["mark"])).exists()


@pytest.mark.parametrize(
    ("says", "kind", "reason"),
    [
        (
            '{"answer": {"engine": 7, "verdict": {"agrees": true, "dice": 1, "difference": null}}}',
            Permanent,
            "no answer",
        ),
        (
            '{"answer": {"engine": "x", "verdict": {"agrees": true, "dice": "1", "difference": null}}}',
            Permanent,
            "no answer",
        ),
        ('{"answer": {}}', Permanent, "no answer"),
        ('{"answer": 7}', Permanent, "no answer"),
        ("nonsense", Permanent, "no message"),
        ('{"error": "Unavailable", "message": "come back later"}', Retryable, "come back later"),
        ('{"error": "SystemExit", "message": "\\u001b[2J"}', Retryable, r"<U\+001B>"),
        ("\n".join(['{"doing": "x"}'] * 10_001), Permanent, "held its parent up"),
        ("", NodeError, "message"),
    ],
)
def test_what_a_process_says_that_is_no_answer_is_none(
    package: Path, says: str, kind: type[NodeError], reason: str
) -> None:
    with pytest.raises(kind, match=reason) as error:
        trial_process.test(*hostile(package, does="say", says=says))
    assert type(error.value) is kind or kind is NodeError


def test_a_golden_sample_that_is_no_plain_file_is_not_taken_into_the_package(package: Path, tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_text("x")
    where, setup = hostile(package, does="leave")
    with pytest.raises(Permanent, match="no plain file"):
        trial_process.make_golden(where, setup, {"ct": [tmp_path / "one.dcm"]}, 1)
    assert list(package.glob("*.npz")) == []


def test_what_it_prints_is_the_word_of_a_record(package: Path, caplog: pytest.LogCaptureFixture) -> None:
    trial_process.dry_run(*hostile(package, does="print"), 120)
    said = [record for record in caplog.records if record.name == "inference_worker.printed"]
    assert {record.getMessage() for record in said} == {"a model process prints"}
    assert vars(said[0])["words"].startswith("<U+001B>[2J<U+001B>]0;sound<U+0007>{")


@pytest.mark.parametrize("command", [["test", NAME], ["bench", NAME], ["golden", NAME, "SERIES"], ["verify", NAME]])
def test_without_walls_no_package_is_run_and_the_reason_says_what_to_do(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """A kernel that has none of them, as far as the process can tell."""
    hostile(package, does="attack")
    kernel = tmp_path / "no_walls.py"
    kernel.write_text(
        "import runpy\nfrom inference_worker.walls import build, landlock, namespaces\n"
        "def none(*given): raise OSError(38, 'no such call')\n"
        "landlock.enclose = namespaces.own_view = build._become_stranger = none\n"
        "runpy.run_module('inference_worker.walls', run_name='__main__', alter_sys=True)\n"
    )
    known = standing.command

    def without(*given: object) -> list[str]:
        told: Callable[..., list[str]] = known
        program = told(*given)
        at = next(number for number, one in enumerate(program) if one == "inference_worker.walls")
        return [*program[: at - 1], str(kernel), *program[at + 1 :]]

    monkeypatch.setattr("inference_worker.model_child.command", without)
    (tmp_path / "series").mkdir()
    (tmp_path / "series/one.dcm").write_text("x")
    words = [str(tmp_path / "series") if one == "SERIES" else one for one in command]
    for name in [name for name in os.environ if name.startswith("DICOM_NODE_")]:
        monkeypatch.delenv(name)
    result = CliRunner().invoke(app, ["models", *words, "--models", str(package.parent)])
    assert result.exit_code == 1
    said = " ".join((result.stdout + result.stderr).split())
    assert "nothing on this machine keeps a model from other files" in said
    assert 'models.walls = "available"' in said
