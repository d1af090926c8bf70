"""Findings that a general model of the site's is asked for: the pictures come from behind walls, the question leaves
from here, by a function that this room was given and that alone knows a network.

Behind walls nothing may reach a network, so a package's code, or what an image does to a decoder, cannot ask anybody.
The process that makes pictures loads no other package (inference_worker.vision).
"""

import contextlib
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.errors import NodeError, Permanent, Retryable
from domain.findings import FindingProbability, Map
from domain.impressions import Caution
from domain.questions import Likelihoods, Question
from inference_worker.model_process import Answer, Task, TimedOut, map_file
from models.manifest import VISION
from models.registry import Package

_WHITE = 255
_FLOAT = 4  # bytes


# Shows one picture, a PNG file, to a general model, which is told the instructions before and asked the questions;
# raises NodeError where it does not answer each of them.
Viewer: TypeAlias = Callable[[str, Sequence[Question], bytes], Likelihoods]


class Runner(Protocol):
    """A process that runs packages; `inference_worker.model_process.ModelProcess` is the one."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def run(self, task: Task, timeout: float, upcoming: Task | None = None) -> Answer: ...

    def run_together(self, tasks: Sequence[Task], timeout: float) -> list[Answer | NodeError]: ...


class AskedModels:
    """Runs every package: those that ask by `renderer` and `viewer`, the others in `others`. One thread at a time.

    `packages` gives the packages as they are now.
    """

    def __init__(
        self, others: Runner, renderer: Runner, viewer: Viewer, packages: Callable[[], Iterable[Package]]
    ) -> None:
        self._others, self._renderer = others, renderer
        self._viewer, self._packages = viewer, packages

    def start(self) -> None:
        """Load every package that does not ask; the others are loaded with their first task."""
        self._others.start()

    def stop(self) -> None:
        """End both processes."""
        self._others.stop()
        self._renderer.stop()

    def run(self, task: Task, timeout: float, upcoming: Task | None = None) -> Answer:
        """As ModelProcess.run; of a package that asks, the pictures and all answers within `timeout` seconds."""
        package = self._asking(task)
        if package is None:
            ahead = upcoming if upcoming and self._asking(upcoming) is None else None
            return self._others.run(task, timeout, ahead)
        deadline = time.monotonic() + timeout
        answer = self._renderer.run(task, timeout)
        try:
            return self._answered(package, task, answer, deadline)
        finally:
            for number in range(len(answer.findings.maps)):
                map_file(task.scratch, number).unlink(missing_ok=True)

    def run_together(self, tasks: Sequence[Task], timeout: float) -> list[Answer | NodeError]:
        """As ModelProcess.run_together; packages that ask go one by one."""
        if self._asking(tasks[0]) is None:
            return self._others.run_together(tasks, timeout)
        found: list[Answer | NodeError] = []
        for task in tasks:
            try:
                found.append(self.run(task, timeout))
            except NodeError as error:
                found.append(error)
        return found

    def _asking(self, task: Task) -> Package | None:
        """The package of `task` where it asks a general model."""
        of_task = (one for one in self._packages() if (one.name, one.manifest.identity.version) == _named(task))
        return next((one for one in of_task if one.manifest.network.kind == VISION), None)

    def _answered(self, package: Package, task: Task, answer: Answer, deadline: float) -> Answer:
        began, findings = time.monotonic(), answer.findings
        if findings.model.digest != package.digest:
            raise Retryable(f"package {package.name} was changed while it ran: the job begins anew")
        instructions = package.read(package.manifest.network.file).decode("utf-8", "replace")
        questions = [one.question for one in package.manifest.findings if one.question]
        likelihoods, by = list[FindingProbability](), dict[str, None]()
        for number, one in enumerate(findings.maps):
            if time.monotonic() > deadline:
                raise TimedOut("the images were not all answered about in the time that the job has")
            said = self._viewer(instructions, questions, png(_picture(task, number, one)))
            likelihoods += _probabilities(package, said, *one.frames)
            by[said.by] = None
        asked = replace(
            findings,
            maps=(),
            likelihoods=tuple(likelihoods),
            engine=", ".join(by),
            remarks=(Caution.GENERAL_MODEL.value, *findings.remarks),
        )
        return Answer(asked, {**answer.seconds, "ask": time.monotonic() - began})


def _named(task: Task) -> tuple[str, str]:
    return task.package, task.version


def _probabilities(package: Package, said: Likelihoods, frame: int) -> Iterator[FindingProbability]:
    for one, value in zip(package.manifest.findings, said.values, strict=True):
        yield FindingProbability(one.label, one.code, value, one.threshold, frame)


def _picture(task: Task, number: int, wanted: Map) -> NDArray[np.uint8]:
    """Picture `number` of those that the process made; raises Permanent where it is none."""
    size = _FLOAT * prod(wanted.shape)
    reader = zlib.decompressobj()
    content = b""
    with contextlib.suppress(zlib.error):
        content = reader.decompress(map_file(task.scratch, number).read_bytes(), size + 1)
    if len(content) != size or len(wanted.shape) != 3 or len(wanted.frames) != 1:
        raise Permanent("the model process made what is no picture")
    values = np.frombuffer(content, "<f4").reshape(wanted.shape)[0]
    if not (np.isfinite(values).all() and values.min(initial=0) >= 0 and values.max(initial=0) <= 1):
        raise Permanent("the model process made what is no picture")
    return np.asarray(np.rint(values * _WHITE), np.uint8)


def png(picture: NDArray[np.uint8]) -> bytes:
    """The grey `picture` (rows, columns) as a PNG file (ISO/IEC 15948) of its three necessary chunks, and no text."""
    rows, columns = picture.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), picture], axis=1)  # each behind its filter, none
    head = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
