"""Which packages are asked about and which are run, and what of a model process's pictures is believed."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from config.settings import Models, Settings
from domain.errors import ConfigurationError, NodeError, Permanent, Retryable
from domain.findings import Findings, Map, SourceFrame
from domain.questions import Likelihoods, Question
from inference_worker.asked import AskedModels, png
from inference_worker.loading import load
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_process import Answer, Task, TimedOut, map_file
from models.registry import Package, Registry
from roles.work import _alongside
from tests.support.vision_packages import write_package

PICTURE = np.linspace(0, 1, 12, dtype=np.float32).reshape(1, 3, 4)


@pytest.fixture
def eyes(tmp_path: Path) -> Package:
    write_package(tmp_path)
    return Registry.load(tmp_path).get("eyes")


@dataclass
class Runs:
    """A process that answers with one picture, whose file is as told."""

    package: Package
    content: bytes = field(default_factory=lambda: zlib.compress(PICTURE.astype("<f4").tobytes()))
    tasks: list[tuple[Task, Task | None]] = field(default_factory=list)
    stopped: int = 0

    def start(self) -> None: ...

    def stop(self) -> None:
        self.stopped += 1

    def run(self, task: Task, timeout: float, upcoming: Task | None = None) -> Answer:
        self.tasks.append((task, upcoming))
        map_file(task.scratch, 0).write_bytes(self.content)
        pictures = (Map("", "picture", "", "", (1, 3, 4), (0,)),)
        return Answer(Findings(self.package.identity, "in", (SourceFrame("2.25.1"),), None, (), maps=pictures), {})

    def run_together(self, tasks: Sequence[Task], timeout: float) -> list[Answer | NodeError]:
        return [self.run(one, timeout) for one in tasks]


def says(*values: float) -> Callable[[str, Sequence[Question], bytes], Likelihoods]:
    return lambda instructions, questions, picture: Likelihoods(values, "m at p")


def models(eyes: Package, renders: Runs) -> tuple[AskedModels, Runs]:
    others = Runs(eyes)
    return AskedModels(others, renders, says(0.2, 0.9), lambda: [eyes]), others


def task(package: str, folder: Path) -> Task:
    return Task(package, "1.0.0", {"image": []}, folder / package)


def test_what_asks_goes_to_the_one_process_and_all_others_to_the_other(eyes: Package, tmp_path: Path) -> None:
    renders = Runs(eyes)
    asked, others = models(eyes, renders)
    ours, theirs = task("eyes", tmp_path), task("lungs", tmp_path)
    answer = asked.run(ours, 60, theirs)
    assert [one.probability for one in answer.findings.likelihoods] == [0.2, 0.9]
    # What asks has nothing that could be read ahead.
    asked.run(theirs, 60, ours)
    assert (renders.tasks, others.tasks) == ([(ours, None)], [(theirs, None)])
    asked.stop()
    assert renders.stopped == others.stopped == 1


@pytest.mark.parametrize(
    "content",
    [
        b"no zlib",
        zlib.compress(bytes(44)),
        zlib.compress(bytes(1 << 20)),
        zlib.compress(np.full(12, np.nan, "<f4").tobytes()),
        zlib.compress(np.full(12, 2, "<f4").tobytes()),
    ],
    ids=["no zlib", "too short", "too long", "not a number", "no share"],
)
def test_what_a_model_process_made_and_is_no_picture_leaves_for_nobody(
    content: bytes, eyes: Package, tmp_path: Path
) -> None:
    asked, _ = models(eyes, Runs(eyes, content))
    with pytest.raises(Permanent, match="what is no picture"):
        asked.run(task("eyes", tmp_path), 60)
    assert not map_file(tmp_path / "eyes", 0).exists()


def test_answers_that_come_too_late_for_the_job_end_it(eyes: Package, tmp_path: Path) -> None:
    asked, _ = models(eyes, Runs(eyes))
    with pytest.raises(TimedOut, match="not all answered"):
        asked.run(task("eyes", tmp_path), 0)


def test_a_package_that_was_changed_while_its_pictures_were_made_is_asked_anew(eyes: Package, tmp_path: Path) -> None:
    older = replace(eyes, digests={**eyes.digests, "card.md": "0" * 64})
    asked, _ = models(eyes, Runs(older))
    with pytest.raises(Retryable, match="begins anew"):
        asked.run(task("eyes", tmp_path), 60)


def test_where_nobody_is_named_the_package_says_so_with_each_job(eyes: Package) -> None:
    runs = load(ModelProcessConfig(eyes.folder.parent, "auto", 1, "cpu"))
    with pytest.raises(ConfigurationError, match=r"nobody switched on here: \[\[vision_models\]\] names none"):
        runs["eyes", "1.0.0"].run({})


def test_studies_of_a_package_that_asks_do_not_wait_for_one_another(eyes: Package) -> None:
    assert _alongside(Settings(models=Models(together=8)), [eyes], "eyes") == 1


def test_a_picture_is_a_png_of_its_pixels_alone() -> None:
    made = png(np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert [made.count(kind) for kind in (b"IHDR", b"IDAT", b"IEND", b"tEXt", b"tIME", b"eXIf")] == [1, 1, 1, 0, 0, 0]
