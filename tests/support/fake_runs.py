"""Factories for inference_worker.child whose models do what real ones do on bad days."""

import ctypes
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from domain.errors import IntegrityError, UnusableInput
from domain.findings import Findings, ModelIdentity
from inference_worker.runs import Run, Runs
from inference_worker.volume import Volume

Result = tuple[Findings, NDArray[np.uint8]]


def findings(volume: Volume, title: str = "") -> Findings:
    model = ModelIdentity("fake", "1", title, "Phantom Works", "2.25.1", "0" * 64, demonstration=True)
    return Findings(model, volume.digest, volume.frames, None, ())


def threshold(volume: Volume) -> Result:
    return findings(volume), (volume.voxels < -500).astype(np.uint8)


def environment(volume: Volume) -> Result:
    inherited = sorted(os.environ)
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return findings(volume, f"{inherited} {descriptors} {os.getpid()}"), np.zeros((1, 1, 1), np.uint8)


def hang(volume: Volume) -> Result:
    # In native code and with Python's lock held, as the worst of engines does: no Python signal handler runs.
    os.write(2, b"hanging\n")
    ctypes.PyDLL(None).sleep(600)
    raise AssertionError("was not stopped")


def crash(volume: Volume) -> Result:
    ctypes.string_at(0)
    raise AssertionError("did not crash")


def leave(volume: Volume) -> Result:
    os._exit(3)


def exhaust(volume: Volume) -> Result:
    return findings(volume), np.zeros(1 << 60, np.uint8)


def fail(volume: Volume) -> Result:
    raise RuntimeError("Secret^Name")


def refuse(volume: Volume) -> Result:
    raise UnusableInput("there is no chest in this volume")


def load(models: Path, engine: str, threads: int) -> Runs:
    runs: list[Run] = [threshold, environment, hang, crash, leave, exhaust, fail, refuse]
    return {(run.__name__, "1"): run for run in runs}


def load_forged(models: Path, engine: str, threads: int) -> Runs:
    raise IntegrityError(f"{engine}: a weight file has been changed")


def load_slowly(models: Path, engine: str, threads: int) -> Runs:
    time.sleep(600)
    return {}


def load_and_crash(models: Path, engine: str, threads: int) -> Runs:
    os.kill(os.getpid(), 9)
    return {}
