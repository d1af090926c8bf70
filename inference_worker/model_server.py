"""The model process itself: loads every package, then answers one request after another until its parent is gone.

Started by inference_worker.model_process behind walls (inference_worker.walls), which stand before anything of this
module is imported. Messages are JSON, a line each, behind the files that they name (inference_worker.handed_files): the
set-up comes first, then requests {"tasks": [task, ...], "next": task or null}. The set-up and each task, in their
order, are answered by {"answer": ...} or by {"error": class, "message": sentence}; before its answer to the set-up it
says {"loading": name} of each package that it begins to load. An error that is "spent" is one of memory that ran out:
engines keep what they took, so that this process is of no use any more. Files are read and decoded by threads beside
the network: those of a request's tasks ahead of their turn, and those of the task that comes next.
"""

import hashlib
import importlib
import json
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from config import defects, logs
from domain import errors
from domain.errors import ConfigurationError, NodeError, UnusableInput
from domain.findings import Mask
from domain.json_records import Json, JsonObject, json_object, record
from inference_worker import images, volume
from inference_worker.earlier_names import earlier_name
from inference_worker.engines.checked import says_memory
from inference_worker.handed_files import HandedFiles, Inbox
from inference_worker.images import Images
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_messages import Request, SentTask, Start
from inference_worker.model_process import map_file, mask_file
from inference_worker.model_protocol import Earlier, Loaded, Outcome, Runs, Sources, join, split
from inference_worker.process_limits import allowed, take_no_more_than, taken
from inference_worker.volume import Volume
from models.manifest import Input

# A task's inputs, the seconds that they took, and what was read of an earlier study where there is one.
Reading: TypeAlias = Future[tuple[Sources, float, Earlier | None]]

# Decoders hold Python's lock for most of their time: one thread reads for the present request, one for the next.
_READERS = 2
# What becomes of a byte of a file at the most: compressed by two, floats at twice the resolution.
_BECOMES = 8


def main(descriptor: str, fault: str) -> None:
    """Serve the socket of this file descriptor until the parent closes it; where there is a `fault`, say it alone."""
    logs.log_to(sys.stderr, "model", readable=True)
    with socket.socket(fileno=int(descriptor)) as channel:
        inbox = Inbox(channel)
        line = inbox.line()
        if not line:
            return
        told = record(Start, json_object(line))
        setup = told.setup
        take_no_more_than(allowed(setup.memory))
        if fault:
            send(channel, {"error": "ConfigurationError", "message": fault})
            return
        runs: dict[tuple[str, str], Loaded] = {}
        send(channel, reply(_load, runs, told.factory, setup, lambda name: send(channel, {"loading": name})))
        with ThreadPoolExecutor(_READERS, "reader") as pool:
            queue = RequestQueue(runs, pool, allowed(setup.memory), setup.own_frames_of_reference)
            for line in inbox:
                for answered in queue.replies(record(Request, json_object(line)), inbox.files_of):
                    send(channel, answered)


def reply(work: Callable[..., dict[str, Json]], *arguments: object) -> dict[str, Json]:
    """What `work` gives, or the error that it ends with, as it is sent."""
    try:
        return {"answer": work(*arguments)}
    except NodeError as error:
        known = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        return {"error": known, "message": str(error), "spent": says_memory(error)}
    except MemoryError:
        return {"error": "Retryable", "message": "the model needs more memory than there is", "spent": True}
    except Exception as error:  # the process boundary: a model or an engine may raise anything
        said = f"the model failed ({type(error).__name__}); see the worker's log"
        return {"error": "Retryable", "message": said, "trace": defects.trace(error)}


def _load(
    runs: dict[tuple[str, str], Loaded], factory: str, setup: ModelProcessConfig, loading: Callable[[str], None]
) -> dict[str, Json]:
    module, _, function = factory.partition(":")
    runs.update(getattr(importlib.import_module(module), function)(setup, loading))
    return {}


class RequestQueue:
    """Where tasks wait for their turn while their files are being read and prepared for the network."""

    def __init__(self, runs: Runs, pool: Executor, memory: int, own_frames_of_reference: bool = False) -> None:
        """`memory` (bytes) is what the process may take: nothing is read ahead into the half that a run may need."""
        self._runs, self._pool, self._memory = runs, pool, memory
        self._own_frames = own_frames_of_reference
        self._readings: dict[str, Reading] = {}

    def replies(self, request: Request, files_of: Callable[[SentTask], HandedFiles]) -> Iterator[dict[str, Json]]:
        """The reply to each task of the request, as it is ready; `files_of` gives the files of each in their order."""
        tasks = request.tasks
        readings = [self._reading(task, files_of(task)) for task in tasks]
        self._readings = {}  # what was read ahead and not asked for is let go
        if request.next:
            files = files_of(request.next)
            if self._has_room(files):
                self._readings[_key(request.next)] = self._reading(request.next, files)
            else:
                files.close()
        together = self._together(tasks, readings) if len(tasks) > 1 else None
        if together:
            yield from together
            return
        for task, reading in zip(tasks, readings, strict=True):
            yield reply(self._answer, task, reading)

    def _has_room(self, files: HandedFiles) -> bool:
        """Whether half of the memory still holds what becomes of the files."""
        return taken() + _BECOMES * files.size() < self._memory // 2

    def _reading(self, task: SentTask, files: HandedFiles) -> Reading:
        """The task's files being read; anew where memory ran out as they were read ahead, which may have passed."""
        ahead = self._readings.pop(_key(task), None)
        if ahead and not (ahead.done() and isinstance(ahead.exception(), MemoryError)):
            files.close()
            return ahead
        return self._pool.submit(self._read, task, files)

    def _loaded(self, task: SentTask) -> Loaded:
        loaded = self._runs.get((task.package, task.version))
        if loaded is None:
            raise ConfigurationError(f"model package {task.package} {task.version} is not installed, or is broken")
        return loaded

    def _read(self, task: SentTask, handed: HandedFiles) -> tuple[Sources, float, Earlier | None]:
        """The task's inputs, prepared as far as may be."""
        began = time.perf_counter()
        try:
            loaded = self._loaded(task)
            inputs = loaded.inputs
            # A job that an earlier release requested does not name its input.
            files = {name or inputs[0].name: found for name, found in handed.by_name().items()}
            sources = {one.name: _source(one, files[one.name], self._own_frames) for one in inputs}
            earlier = _earlier(inputs, files, self._own_frames) if loaded.compare else None
        finally:
            handed.close()
        return loaded.prepare(sources), time.perf_counter() - began, earlier

    def _answer(self, task: SentTask, reading: Reading) -> dict[str, Json]:
        sources, seconds, earlier = reading.result()
        began, loaded = time.perf_counter(), self._loaded(task)
        outcome = loaded.run(sources)
        if loaded.compare and earlier is not None:
            outcome = loaded.compare(outcome, earlier)
        return _written(outcome, Path(task.scratch), {"read": seconds, "infer": time.perf_counter() - began})

    def _together(self, tasks: Sequence[SentTask], readings: Sequence[Reading]) -> list[dict[str, Json]] | None:
        """The replies to tasks of one package that reads images, in one run; None where each must go by itself."""
        began = time.perf_counter()
        try:
            loaded = self._loaded(tasks[0])
            (name,) = {source for reading in readings for source in reading.result()[0]}
            each = [reading.result()[0][name] for reading in readings]
            outcome = loaded.run({name: join([one for one in each if isinstance(one, Images)])})
            seconds = {"read": max(reading.result()[1] for reading in readings), "infer": time.perf_counter() - began}
            parts = split(outcome, [one for one in each if isinstance(one, Images)])
        except (NodeError, ValueError):  # each by itself then says what is wrong with it
            return None
        return [reply(_written, part, Path(task.scratch), seconds) for task, part in zip(tasks, parts, strict=True)]


def _key(task: SentTask) -> str:
    return json.dumps([task.package, task.version, dict(task.files)], sort_keys=True)


def _source(wanted: Input, files: Sequence[BinaryIO], own_frames_of_reference: bool) -> Volume | Images:
    if wanted.kind == "images":
        return images.build(files)
    return volume.build(files, wanted.missing_slices, wanted.units, own_frames_of_reference)


def _earlier(
    inputs: Sequence[Input], files: Mapping[str, Sequence[BinaryIO]], own_frames_of_reference: bool
) -> Earlier | None:
    """The inputs of the earlier study, or why they cannot be read, which costs the study itself nothing."""
    if not all(earlier_name(one.name) in files for one in inputs):
        return None
    try:
        return {one.name: _source(one, files[earlier_name(one.name)], own_frames_of_reference) for one in inputs}
    except UnusableInput as error:
        return error.sentence


def _written(outcome: Outcome, scratch: Path, seconds: Mapping[str, float]) -> dict[str, Json]:
    """The answer, its arrays written as domain.findings.Mask and Map say: SCRATCH.mask, SCRATCH.map0, ..."""
    began = time.perf_counter()
    findings = outcome.findings
    if outcome.mask is not None:
        sha256 = _pack(outcome.mask, np.uint8, mask_file(scratch))
        slices, rows, columns = outcome.mask.shape
        findings = replace(findings, mask=Mask(key="", sha256=sha256, shape=(slices, rows, columns)))
    digests = [_pack(one, "<f4", map_file(scratch, number)) for number, one in enumerate(outcome.maps)]
    maps = tuple(replace(one, sha256=digest) for one, digest in zip(findings.maps, digests, strict=True))
    findings = replace(findings, maps=maps)
    return {"findings": findings.to_json(), "seconds": {**seconds, "write": time.perf_counter() - began}}


def _pack(array: NDArray[Any], kind: DTypeLike, path: Path) -> str:
    """Write zlib-compressed raw bytes; their SHA-256. Level 1: label volumes shrink a hundredfold at any level."""
    content = np.ascontiguousarray(array, kind).data
    path.write_bytes(zlib.compress(content, 1))
    return hashlib.sha256(content).hexdigest()


def send(channel: socket.socket, message: JsonObject) -> None:
    """Say it to the parent."""
    channel.sendall(json.dumps(message).encode() + b"\n")
