"""Reading ahead takes no memory from the run that it is ahead of, and what failed of it is read again."""

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from domain.routing import Conditions
from inference_worker import model_server
from inference_worker.handed_files import HandedFiles
from inference_worker.model_messages import Request, SentTask
from inference_worker.model_protocol import Loaded, Outcome, Sources
from inference_worker.model_server import RequestQueue
from models.manifest import Input


class AtOnce(Executor):
    """Does what it is given before it answers."""

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*given, **named))
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read, in order."""
    seen: list[str] = []

    def source(_wanted: Input, files: list[BinaryIO], *_more: Any) -> Any:
        seen.append(Path(f"/proc/self/fd/{files[0].fileno()}").readlink().name)
        if seen == ["now", "next"] and files[0].read() == b"large":
            raise MemoryError
        return object()

    monkeypatch.setattr(model_server, "_source", source)
    monkeypatch.setattr(model_server, "_written", lambda *_: {})
    return seen


def queue(memory: int) -> RequestQueue:
    def run(_sources: Sources) -> Outcome:
        return None  # type: ignore[return-value]  # nobody looks at it

    return RequestQueue({("toy", "1"): Loaded((Input("ct", Conditions()),), run)}, AtOnce(), memory)


def task(file: Path, content: bytes = b"small") -> SentTask:
    file.write_bytes(content)
    return SentTask("toy", "1", {"ct": (str(file),)}, "/nowhere")


def handed(told: SentTask) -> HandedFiles:
    """The task's files as its process is handed them."""
    return HandedFiles(told, [os.open(one, os.O_RDONLY) for one in told.files["ct"]])


def test_what_comes_next_is_read_ahead_where_there_is_room(reads: list[str], tmp_path: Path) -> None:
    one, other = task(tmp_path / "now"), task(tmp_path / "next")
    requests = queue(1 << 40)
    list(requests.replies(Request((one,), other), handed))
    list(requests.replies(Request((other,)), handed))
    assert reads == ["now", "next"]


def test_nothing_is_read_ahead_into_the_memory_that_the_run_may_need(reads: list[str], tmp_path: Path) -> None:
    one, other = task(tmp_path / "now"), task(tmp_path / "next")
    list(queue(1).replies(Request((one,), other), handed))
    assert reads == ["now"]


def test_files_that_were_not_read_ahead_for_want_of_memory_are_read_when_their_turn_comes(
    reads: list[str], tmp_path: Path
) -> None:
    one, other = task(tmp_path / "now"), task(tmp_path / "next", b"large")
    requests = queue(1 << 40)
    list(requests.replies(Request((one,), other), handed))
    (reply,) = requests.replies(Request((other,)), handed)
    assert reads == ["now", "next", "next"] and "error" not in reply
