"""What a command has done with a package, in a process of its own behind walls (inference_worker.walls).

Its parent (inference_worker.trial_process) sends one line of JSON with one task: which `work`, on which `package` (its
folder), with which files, handed over open. Lines {"doing": sentence} may come before the answer, or the error.
"""

import json
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from config import logs
from inference_worker import dry_run, golden, package_trial
from inference_worker.engines.describe import describe
from inference_worker.handed_files import HandedFiles, Inbox
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_protocol import Sources
from inference_worker.model_server import reply, send
from inference_worker.process_limits import allowed, take_no_more_than
from models.registry import Package, load_package

Task: TypeAlias = Mapping[str, Any]
_Say: TypeAlias = Callable[[str], None]


def main(descriptor: str, fault: str) -> None:
    """Do what the parent at the socket of this file descriptor asks; where there is a `fault`, say it alone."""
    logs.log_to(sys.stderr, "model", readable=True)
    with socket.socket(fileno=int(descriptor)) as channel:
        inbox = Inbox(channel)
        told = json.loads(inbox.line() or "null")
        if told is None:
            return
        if fault:
            send(channel, {"error": "ConfigurationError", "message": fault})
            return
        setup = ModelProcessConfig.from_json(told["setup"])
        take_no_more_than(allowed(setup.memory))
        (task,) = told["tasks"]
        work = _WORK[task["work"]]
        handed = inbox.files_of(task)
        send(channel, reply(work, task, setup, handed, lambda doing: send(channel, {"doing": doing})))


def _dry_run(task: Task, setup: ModelProcessConfig, _handed: HandedFiles, doing: _Say) -> dict[str, Any]:
    return vars(dry_run.tried(_package(task), setup, doing))


def _test(task: Task, setup: ModelProcessConfig, _handed: HandedFiles, _doing: _Say) -> dict[str, Any]:
    engine, verdict = package_trial.prove(
        _package(task), setup.engine, setup.threads, setup.cache, setup.kind, setup.gpu_memory
    )
    return {"engine": engine, **asdict(verdict)}


def _bench(task: Task, setup: ModelProcessConfig, handed: HandedFiles, _doing: _Say) -> dict[str, Any]:
    package = _package(task)
    sources = _read(package, handed, setup) if task["files"] else golden.sample(package)
    rows = package_trial.bench(package, sources, setup.threads, setup.cache, task["repeats"])
    return {"engines": [asdict(row) for row in rows]}


def _golden(task: Task, setup: ModelProcessConfig, handed: HandedFiles, _doing: _Say) -> dict[str, Any]:
    package = _package(task)
    sources = golden.thinned(_read(package, handed, setup), task["every"])
    run = package_trial.runner(package, setup.engine, setup.threads, None, None, setup.kind, setup.gpu_memory).run
    golden.write(Path(task["scratch"]).parent, package.manifest, sources, run(sources))
    return {}


def _describe(_task: Task, _setup: ModelProcessConfig, handed: HandedFiles, _doing: _Say) -> dict[str, Any]:
    (network,) = handed.by_name()["network"]
    return asdict(describe(network.read()))


_WORK: Mapping[str, Callable[[Task, ModelProcessConfig, HandedFiles, _Say], dict[str, Any]]] = {
    "dry run": _dry_run, "test": _test, "bench": _bench, "golden": _golden, "describe": _describe,
}  # fmt: skip


def _package(task: Task) -> Package:
    return load_package(Path(task["package"]))


def _read(package: Package, handed: HandedFiles, setup: ModelProcessConfig) -> Sources:
    return package_trial.read(package.manifest, handed.by_name(), setup.own_frames_of_reference)
