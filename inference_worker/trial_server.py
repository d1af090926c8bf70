"""What a command has done with a package, in a process of its own behind walls (inference_worker.walls).

Its parent (inference_worker.trial_process) sends which work is to be done (model_messages.Trial) and one task: the
folder of a package, and files that are handed over open. Lines {"doing": sentence} may come before the answer, or the
error.
"""

import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

from config import logs
from domain.json_records import Json, json_object, record
from inference_worker import dry_run, golden, package_trial
from inference_worker.engines.describe import describe
from inference_worker.handed_files import HandedFiles, Inbox
from inference_worker.model_messages import Request, SentTask, Trial
from inference_worker.model_protocol import Sources
from inference_worker.model_server import reply, send
from inference_worker.process_limits import allowed, take_no_more_than
from models.registry import Package, load_package

_Work: TypeAlias = Callable[[SentTask, Trial, HandedFiles, Callable[[str], None]], dict[str, Json]]


def main(descriptor: str, fault: str) -> None:
    """Do what the parent at the socket of this file descriptor asks; where there is a `fault`, say it alone."""
    logs.log_to(sys.stderr, "model", readable=True)
    with socket.socket(fileno=int(descriptor)) as channel:
        inbox = Inbox(channel)
        first = inbox.line()
        second = inbox.line()
        if not (first and second):
            return
        if fault:
            send(channel, {"error": "ConfigurationError", "message": fault})
            return
        trial, (task,) = record(Trial, json_object(first)), record(Request, json_object(second)).tasks
        take_no_more_than(allowed(trial.setup.memory))
        handed = inbox.files_of(task)
        send(channel, reply(_WORK[trial.work], task, trial, handed, lambda doing: send(channel, {"doing": doing})))


def _dry_run(task: SentTask, trial: Trial, _handed: HandedFiles, doing: Callable[[str], None]) -> dict[str, Json]:
    return asdict(dry_run.tried(_package(task), trial.setup, doing))


def _test(task: SentTask, trial: Trial, _handed: HandedFiles, _doing: Callable[[str], None]) -> dict[str, Json]:
    setup = trial.setup
    engine, verdict = package_trial.prove(
        _package(task), setup.engine, setup.threads, setup.cache, setup.kind, setup.gpu_memory
    )
    return {"engine": engine, "verdict": asdict(verdict)}


def _bench(task: SentTask, trial: Trial, handed: HandedFiles, _doing: Callable[[str], None]) -> dict[str, Json]:
    package = _package(task)
    sources = _read(package, handed, trial) if task.files else golden.sample(package)
    rows = package_trial.bench(package, sources, trial.setup.threads, trial.setup.cache, trial.repeats)
    return {"engines": [asdict(row) for row in rows]}


def _golden(task: SentTask, trial: Trial, handed: HandedFiles, _doing: Callable[[str], None]) -> dict[str, Json]:
    package, setup = _package(task), trial.setup
    sources = golden.thinned(_read(package, handed, trial), trial.every)
    run = package_trial.runner(package, setup.engine, setup.threads, None, None, setup.kind, setup.gpu_memory).run
    golden.write(Path(task.scratch).parent, package.manifest, sources, run(sources))
    return {}


def _describe(_task: SentTask, _trial: Trial, handed: HandedFiles, _doing: Callable[[str], None]) -> dict[str, Json]:
    (network,) = handed.by_name()["network"]
    return asdict(describe(network.read()))


_WORK: Mapping[str, _Work] = {
    "dry run": _dry_run, "test": _test, "bench": _bench, "golden": _golden, "describe": _describe,
}  # fmt: skip


def _package(task: SentTask) -> Package:
    return load_package(Path(task.package))


def _read(package: Package, handed: HandedFiles, trial: Trial) -> Sources:
    return package_trial.read(package.manifest, handed.by_name(), trial.setup.own_frames_of_reference)
