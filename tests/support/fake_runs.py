"""Factories for inference_worker.model_process whose models do what real ones do on bad days."""

import ctypes
import os
import threading
import time
from collections.abc import Callable

import numpy as np

from domain.errors import IntegrityError, NotSuitable, Permanent
from domain.findings import Code, FindingProbability, Findings, Map, ModelIdentity
from domain.routing import Conditions
from inference_worker.images import Images
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_protocol import Loaded, Outcome, Prepared, Runs, Sources
from inference_worker.volume import Volume
from models.manifest import Input

Loading = Callable[[str], None]

# Whether the model `pause` is running in this process.
PAUSING = threading.Event()
VOLUME = (Input("ct", Conditions()),)


def barred(name: str, why: str) -> Callable[[Volume], Outcome]:
    def run(volume: Volume) -> Outcome:
        raise Permanent(f"{name} is barred: {why}")

    return run


def findings(volume: Volume, title: str = "") -> Findings:
    model = ModelIdentity("fake", "1", title, "Phantom Works", "2.25.1", "0" * 64, demonstration=True)
    return Findings(model, volume.digest, volume.frames, None, ())


def threshold(volume: Volume) -> Outcome:
    return Outcome(findings(volume), (volume.voxels < -500).astype(np.uint8))


def pause(volume: Volume) -> Outcome:
    """Long enough for a few small files to be read meanwhile."""
    PAUSING.set()
    time.sleep(1)
    PAUSING.clear()
    return threshold(volume)


def environment(volume: Volume) -> Outcome:
    inherited = sorted(os.environ)
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return Outcome(findings(volume, f"{inherited} {descriptors} {os.getpid()}"), np.zeros((1, 1, 1), np.uint8))


def hang(volume: Volume) -> Outcome:
    # In native code and with Python's lock held, as the worst of engines does: no Python signal handler runs.
    os.write(2, b"hanging\n")
    ctypes.PyDLL(None).sleep(600)
    raise AssertionError("was not stopped")


def crash(volume: Volume) -> Outcome:
    ctypes.string_at(0)
    raise AssertionError("did not crash")


def leave(volume: Volume) -> Outcome:
    os._exit(3)


def exhaust(volume: Volume) -> Outcome:
    return Outcome(findings(volume), np.zeros(1 << 60, np.uint8))


def gobble(volume: Volume) -> Outcome:
    """Takes memory in pieces, each of which would be granted, until one is not."""
    taken = []
    while True:
        taken.append(np.ones(1 << 24, np.uint8))


def fail(volume: Volume) -> Outcome:
    raise RuntimeError("Secret^Name")


def refuse(volume: Volume) -> Outcome:
    raise NotSuitable("there is no chest in this volume")


def load(setup: ModelProcessConfig, loading: Loading) -> Runs:
    faked = (threshold, pause, environment, hang, crash, leave, exhaust, gobble, fail, refuse)
    runs = {(model.__name__, "1"): Loaded(VOLUME, on_ct(model)) for model in faked}
    runs["prepared", "1"] = Loaded(VOLUME, told_what_was_prepared, lambda sources: Prepared(sources, PAUSING.wait(60)))
    return {**runs, ("brightness", "1"): Loaded((Input("image", Conditions(), "images"),), brightness)}


def told_what_was_prepared(sources: Sources) -> Outcome:
    """Says whether its input was prepared while `pause` ran."""
    volume = sources["ct"]
    assert isinstance(sources, Prepared)
    assert isinstance(volume, Volume)
    return Outcome(findings(volume, str(sources.array)))


def brightness(sources: Sources) -> Outcome:
    """A likelihood and a map of each image; a white one takes the process down, a black one all memory."""
    images = sources["image"]
    assert isinstance(images, Images)
    shown = [picture.shown for picture in images.pictures]
    if any(one.min() == 1 for one in shown):
        ctypes.string_at(0)
    if not all(one.any() for one in shown):
        raise MemoryError
    bright = Code("373573001", "SCT", "Clinical finding present")
    found = tuple(FindingProbability("bright", bright, float(one.mean()), 0.5, k) for k, one in enumerate(shown))
    maps = tuple(Map("bright", "brightness", "", "", (1, *one.shape), (k,)) for k, one in enumerate(shown))
    model = ModelIdentity("fake", "1", str(len(shown)), "Phantom Works", "2.25.1", "0" * 64, demonstration=True)
    findings = Findings(model, images.digest, images.frames, None, (), found, maps)
    return Outcome(findings, None, tuple(one[None] for one in shown))


def on_ct(model: Callable[[Volume], Outcome]) -> Callable[[Sources], Outcome]:
    def run(sources: Sources) -> Outcome:
        volume = sources["ct"]
        assert isinstance(volume, Volume)
        return model(volume)

    return run


def load_forged(setup: ModelProcessConfig, loading: Loading) -> Runs:
    raise IntegrityError(f"{setup.engine}: a weight file has been changed")


def load_slowly(setup: ModelProcessConfig, loading: Loading) -> Runs:
    time.sleep(600)
    return {}


def load_and_crash(setup: ModelProcessConfig, loading: Loading) -> Runs:
    os.kill(os.getpid(), 9)
    return {}


def load_one_that_hangs_and_one_that_crashes(setup: ModelProcessConfig, loading: Loading) -> Runs:
    """Neither `hang` nor `crash` gets through its warming up; `threshold` comes after them."""
    runs: dict[tuple[str, str], Loaded] = {}
    for name in ("hang", "crash", "threshold"):
        loading(name)
        if name in setup.barred:
            runs[name, "1"] = Loaded(VOLUME, on_ct(barred(name, setup.barred[name])))
            continue
        runs[name, "1"] = Loaded(VOLUME, on_ct(threshold))
        if name == "hang":
            ctypes.PyDLL(None).sleep(600)
        if name == "crash":
            ctypes.string_at(0)
    return runs


def load_once_killed(setup: ModelProcessConfig, loading: Loading) -> Runs:
    """As where somebody kills the process while it loads: the second time the mark is gone, and it is left in peace."""
    loading("threshold")
    if (setup.models / "toy" / "waits").exists():
        time.sleep(600)
    barring = barred("threshold", setup.barred["threshold"]) if setup.barred else threshold
    return {("threshold", "1"): Loaded(VOLUME, on_ct(barring))}
