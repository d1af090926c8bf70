"""The model process on good and bad days, with real processes and fake models."""

import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.errors import ConfigurationError, IntegrityError, NotSuitable, Permanent, Retryable, UnusableInput
from inference_worker.model_channel import ModelChannel
from inference_worker.model_config import ModelProcessConfig, visible
from inference_worker.model_process import (
    Answer,
    ModelProcess,
    ModelProcessSettings,
    Task,
    TimedOut,
    map_file,
    mask_file,
)
from inference_worker.volume import build
from tests.support.phantoms import Phantom, write
from tests.support.radiographs import Radiograph


def settings(factory: str = "load", start_limit: float = 60, models: Path = Path("models")) -> ModelProcessSettings:
    # Enough memory for NumPy and its threads, and little enough to be used up at once.
    setup = ModelProcessConfig(models, "fake", 1, memory=1 << 30)
    return ModelProcessSettings(setup, start_limit, f"tests.support.fake_runs:{factory}")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return tuple(write(Phantom(slices=6, size=(40, 40)).datasets(), tmp_path_factory.mktemp("images")))


@pytest.fixture(scope="module")
def child() -> Iterator[ModelProcess]:
    with ModelProcess(settings()) as one:
        yield one


@pytest.fixture
def task(images: tuple[Path, ...], tmp_path: Path) -> Task:
    return Task("threshold", "1", {"ct": images}, tmp_path / "one")


def another(task: Task, package: str) -> Task:
    return Task(package, "1", task.files, task.scratch)


def test_the_answer_has_findings_mask_and_seconds_by_step(child: ModelProcess, task: Task) -> None:
    answer = child.run(task, 60)
    volume = build(task.files["ct"])
    assert answer.findings.input_digest == volume.digest
    assert answer.findings.frames == volume.frames
    assert set(answer.seconds) == {"read", "infer", "write"}
    mask, written = answer.findings.mask, zlib.decompress(mask_file(task.scratch).read_bytes())
    assert mask is not None
    assert (mask.key, mask.shape) == ("", volume.voxels.shape)
    assert mask.sha256 == hashlib.sha256(written).hexdigest()
    assert np.array_equal(np.frombuffer(written, np.uint8).reshape(mask.shape), volume.voxels < -500)


def test_the_child_stays_warm_between_tasks(child: ModelProcess, task: Task) -> None:
    child.run(task, 60)
    first = child.pid
    child.run(task, 60)
    assert child.pid == first


@pytest.mark.parametrize(
    ("package", "kind", "sentence"),
    [
        ("refuse", NotSuitable, "there is no chest in this volume"),
        ("fail", Retryable, "the model failed (RuntimeError); see the worker's log"),
        ("absent", ConfigurationError, "model package absent 1 is not installed, or is broken"),
    ],
)
def test_an_error_arrives_as_what_it_was_and_the_child_goes_on(
    child: ModelProcess, task: Task, package: str, kind: type[Exception], sentence: str
) -> None:
    child.start()
    first = child.pid
    with pytest.raises(kind) as error:
        child.run(another(task, package), 60)
    assert type(error.value) is kind
    assert str(error.value) == sentence
    assert child.run(task, 60).findings.mask
    assert child.pid == first


def test_where_a_model_failed_is_in_the_workers_log_and_not_what_was_said_of_it(
    child: ModelProcess, task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Retryable):
        child.run(another(task, "fail"), 60)
    (record,) = [one for one in caplog.records if one.name == "inference_worker.model_channel"]
    said = record.getMessage()
    assert said.startswith("the model failed\nTraceback") and 'fake_runs.py", line' in said
    assert said.endswith("RuntimeError")


@pytest.mark.parametrize("package", ["exhaust", "gobble"])
def test_a_process_that_ran_out_of_memory_says_so_and_is_replaced(
    child: ModelProcess, task: Task, package: str
) -> None:
    child.start()
    with pytest.raises(Retryable, match=r"^the model needs more memory than there is$"):
        child.run(another(task, package), 60)
    assert child.pid is None
    assert child.run(task, 60).findings.mask


def test_images_that_make_no_volume_are_refused_with_the_reason(child: ModelProcess, task: Task) -> None:
    files = {"ct": (*task.files["ct"][:2], *task.files["ct"][3:])}
    with pytest.raises(UnusableInput, match="slices are missing: 1 in all"):
        child.run(Task("threshold", "1", files, task.scratch), 60)


def test_a_model_that_hangs_in_native_code_is_killed_at_its_limit_and_replaced(child: ModelProcess, task: Task) -> None:
    child.start()
    first = child.pid
    with pytest.raises(TimedOut, match=r"running the model took longer than 0.5 s and was stopped"):
        child.run(another(task, "hang"), 0.5)
    assert child.pid is None
    assert child.run(task, 60).findings.mask
    assert child.pid not in {None, first}


@pytest.mark.parametrize(("package", "ending"), [("crash", "was ended by SIGSEGV"), ("leave", "ended with status 3")])
def test_a_model_that_takes_its_process_down_is_tried_again_in_a_new_one(
    child: ModelProcess, task: Task, package: str, ending: str
) -> None:
    with pytest.raises(Retryable, match=f"the model process {ending} while running the model"):
        child.run(another(task, package), 60)
    assert child.run(task, 60).findings.mask


def test_a_child_that_died_between_tasks_is_replaced(child: ModelProcess, task: Task) -> None:
    child.start()
    pid = child.pid  # asked once: asking takes the status of a child that has ended, and then there is no number
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert child.run(task, 60).findings.mask


@pytest.fixture
def radiographs(tmp_path: Path) -> list[Task]:
    """Three tasks of one radiograph each, darker and darker."""
    return [radiograph(tmp_path, number, 200 - 60 * number) for number in range(3)]


def radiograph(folder: Path, number: int, grey: int) -> Task:
    pixels = np.full((20, 30), grey, np.uint8)
    files = write([Radiograph(pixels, series=str(number)).dataset()], folder / f"images{number}")
    return Task("brightness", "1", {"image": files}, folder / f"task{number}")


def test_radiographs_of_several_jobs_run_at_once_and_each_job_has_its_own_answer(
    child: ModelProcess, radiographs: list[Task]
) -> None:
    answers = child.run_together(radiographs, 60)
    alone = child.run(radiographs[1], 60)
    assert [answer.findings.model.title for answer in answers if isinstance(answer, Answer)] == ["3", "3", "3"]
    for task, answer, grey in zip(radiographs, answers, (200, 140, 80), strict=True):
        assert isinstance(answer, Answer)
        (found,), (drawn,) = answer.findings.likelihoods, answer.findings.maps
        assert (found.frame, drawn.frames, drawn.shape) == (0, (0,), (1, 20, 30))
        assert found.probability == pytest.approx(grey / 255)
        values = np.frombuffer(zlib.decompress(map_file(task.scratch, 0).read_bytes()), "<f4")
        assert values == pytest.approx(grey / 255)
    middle = answers[1]
    assert isinstance(middle, Answer)
    assert (middle.findings.input_digest, middle.findings.frames) == (
        alone.findings.input_digest,
        alone.findings.frames,
    )


def test_of_jobs_that_ran_at_once_only_the_one_that_crashed_its_process_fails(
    child: ModelProcess, radiographs: list[Task], tmp_path: Path
) -> None:
    answers = child.run_together([*radiographs, radiograph(tmp_path, 3, 255)], 60)
    assert [type(answer) for answer in answers] == [Answer, Answer, Answer, Retryable]
    assert "was ended by SIGSEGV" in str(answers[3])


def test_of_jobs_that_ran_at_once_only_the_one_that_takes_all_memory_fails(
    child: ModelProcess, radiographs: list[Task], tmp_path: Path
) -> None:
    child.start()
    first = child.pid
    answers = child.run_together([radiograph(tmp_path, 3, 0), *radiographs], 60)
    assert [type(answer) for answer in answers] == [Retryable, Answer, Answer, Answer]
    assert str(answers[0]) == "the model needs more memory than there is"
    assert child.pid not in {None, first}


def test_of_jobs_that_ran_at_once_one_that_cannot_be_read_leaves_the_others_alone(
    child: ModelProcess, radiographs: list[Task], images: tuple[Path, ...]
) -> None:
    broken = images[0].with_name("broken.dcm")
    broken.write_bytes(b"no image")
    answers = child.run_together([radiographs[0], replace(radiographs[1], files={"image": [broken]})], 60)
    assert isinstance(answers[0], Answer)
    assert isinstance(answers[1], UnusableInput)


def test_the_next_task_is_prepared_while_the_model_runs(child: ModelProcess, task: Task) -> None:
    upcoming = another(task, "prepared")
    child.run(another(task, "pause"), 60, upcoming)
    assert child.run(upcoming, 60).findings.model.title == "True"


def test_the_files_of_the_next_task_are_read_while_the_model_runs(
    child: ModelProcess, task: Task, tmp_path: Path
) -> None:
    own = tmp_path / "copies"
    own.mkdir()
    copies = [Path(shutil.copy(path, own)) for path in task.files["ct"]]
    upcoming = replace(task, files={"ct": copies})
    child.run(another(task, "pause"), 60, upcoming)
    shutil.rmtree(own)
    assert child.run(upcoming, 60).findings.mask
    with pytest.raises(Retryable, match="cannot be opened"):
        child.run(upcoming, 60)


def test_an_interrupted_run_leaves_no_answer_for_the_next_one(
    child: ModelProcess, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    child.start()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ModelProcess, "_ask", interrupted)
        child.run(task, 60)
    assert child.pid is None
    assert child.run(task, 60).findings.mask


def test_the_child_inherits_no_setting_and_no_open_file(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOM_NODE_DATABASE", "postgresql://node:secret@db/node")
    monkeypatch.setenv("PGPASSWORD", "secret")
    with (tmp_path / "open").open("w") as handle, ModelProcess(settings()) as child:
        os.set_inheritable(handle.fileno(), True)
        answer = child.run(another(task, "environment"), 60)
    seen = answer.findings.model.title
    assert "PATH" in seen
    assert "DICOM_NODE" not in seen
    assert "PGPASSWORD" not in seen
    # Input, output, errors, the socket, and the folder that is being listed.
    assert seen.split()[-2] == "5"


def test_a_forged_package_is_an_integrity_error_at_the_start_and_again(task: Task) -> None:
    child = ModelProcess(settings("load_forged"))
    for _ in range(2):
        with pytest.raises(IntegrityError, match=r"^fake: a weight file has been changed$"):
            child.run(task, 60)
        assert child.pid is None


def test_a_start_that_takes_too_long_is_stopped() -> None:
    child = ModelProcess(settings("load_slowly", start_limit=1))
    with pytest.raises(TimedOut, match="loading the models took longer than 1 s"):
        child.start()
    assert child.pid is None


def test_a_child_that_is_killed_while_loading_says_so() -> None:
    child = ModelProcess(settings("load_and_crash"))
    with pytest.raises(Retryable, match=r"was ended by SIGKILL \(out of memory\?\) while loading the models"):
        child.start()


def test_a_package_that_hangs_or_crashes_as_it_is_loaded_costs_its_own_tasks_alone(task: Task) -> None:
    with ModelProcess(settings("load_one_that_hangs_and_one_that_crashes", start_limit=8)) as child:
        assert child.run(task, 60).findings.mask
        with pytest.raises(Permanent, match="hang is barred: loading the models took longer than 8 s"):
            child.run(another(task, "hang"), 60)
        with pytest.raises(Permanent, match="crash is barred: the model process was ended by SIGSEGV while loading"):
            child.run(another(task, "crash"), 60)


@contextlib.contextmanager
def when_loading(child: ModelProcess, do: Callable[[int], None]) -> Iterator[None]:
    """Within, `do` is called once with the child's process id, as soon as it has begun to load a package."""
    heard = threading.Event()
    receive = ModelChannel.receive

    def listening(channel: ModelChannel, deadline: float) -> dict[str, Any]:
        reply = receive(channel, deadline)
        if "loading" in reply and not heard.is_set() and child.pid:
            heard.set()
            do(child.pid)
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelChannel, "receive", listening)
        yield
    assert heard.is_set()


def test_a_package_is_not_blamed_for_one_kill_from_outside(task: Task, tmp_path: Path) -> None:
    package = tmp_path / "toy"
    package.mkdir()
    (package / "manifest.toml").touch()
    (package / "waits").touch()
    child = ModelProcess(settings("load_once_killed", models=tmp_path))

    def kill(pid: int) -> None:
        (package / "waits").unlink()
        os.kill(pid, signal.SIGKILL)

    with when_loading(child, kill), child:
        assert child.run(task, 60).findings.mask


@pytest.mark.parametrize(
    ("device", "inherited", "seen"),
    [
        ("auto", None, None),
        ("auto", "2,3", "2,3"),
        ("cpu", "2,3", "-1"),
        ("cuda:1", None, "1"),
        ("cuda:1", "2,3", "3"),
        ("auto:0", "GPU-8f2a, GPU-91", "GPU-8f2a"),
        ("cuda:2", "2,3", "-1"),
    ],
)
def test_a_child_sees_the_one_gpu_that_is_its_own(device: str, inherited: str | None, seen: str | None) -> None:
    assert visible(device, inherited) == seen


def test_the_set_up_arrives_as_it_was_sent() -> None:
    given = ModelProcessConfig(Path("m"), "torch", 2, "cuda:1", Path("c"), (Path("k.pem"),), 5, 6, {"toy": "hangs"})
    assert ModelProcessConfig.from_json(json.loads(json.dumps(given.to_json()))) == given
    assert ModelProcessConfig.from_json(ModelProcessConfig(Path("m")).to_json()) == ModelProcessConfig(Path("m"))


def test_stop_ends_the_process_and_may_be_repeated() -> None:
    child = ModelProcess(settings())
    child.start()
    pid = child.pid
    assert pid is not None
    child.stop()
    child.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="the signal on a parent's death is Linux's")
def test_the_child_dies_with_its_parent_even_in_native_code(task: Task) -> None:
    program = (
        "import sys, pathlib\n"
        "from config import logs\n"
        "from inference_worker.model_process import ModelProcessSettings, ModelProcess, Task\n"
        "from inference_worker.model_config import ModelProcessConfig\n"
        "logs.log_to(sys.stderr, 'work', readable=True)\n"
        "config = ModelProcessConfig(pathlib.Path('m'), 'fake', 1)\n"
        "child = ModelProcess(ModelProcessSettings(config, 60, 'tests.support.fake_runs:load'))\n"
        "child.start()\n"
        "print(child.pid, flush=True)\n"
        "files = tuple(map(pathlib.Path, sys.argv[1:]))\n"
        "child.run(Task('hang', '1', {'ct': files}, pathlib.Path('one')), 600)\n"
    )
    command = [sys.executable, "-c", program, *map(str, task.files["ct"])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout
        assert parent.stderr
        watched = os.pidfd_open(int(parent.stdout.readline()))
        assert any(b"a model process prints" in line for line in iter(parent.stderr.readline, b""))  # it hangs
        parent.kill()
    assert select.select([watched], [], [], 60)[0]  # readable once the process has ended
    os.close(watched)
