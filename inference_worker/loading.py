"""Makes the runs of a folder of model packages: each verified, loaded by its engine, and warm."""

import logging
from pathlib import Path

from domain.errors import ConfigurationError, NodeError
from inference_worker.engines.choice import AUTO
from inference_worker.engines.libraries import LIBRARIES
from inference_worker.runs import Loaded, Outcome, Run, Runs, Sources
from inference_worker.trying import runner
from models.registry import Package, Registry

_log = logging.getLogger(__name__)


def load(models: Path, engine: str, threads: int, cache: Path | None = None) -> Runs:
    """The runs of every package in `models` by the engine called `engine` ("auto": the best that this machine has).

    `threads` of the CPU for each (0: all); `cache` is the folder for what TensorRT compiles, without which it is not
    used. A package that was changed, or that no engine can load, fails each of its own runs with that reason and none
    of the others'. Raises ConfigurationError where a manifest is wrong or `engine` is unknown.
    """
    if engine not in (AUTO, *LIBRARIES):
        raise ConfigurationError(f"no engine is called {engine!r}; known: {', '.join((AUTO, *LIBRARIES))}")
    packages = Registry.load(models).packages.values()
    return {
        (one.name, one.manifest.identity.version): Loaded(one.manifest.inputs, _run(one, engine, threads, cache))
        for one in packages
    }


def _run(package: Package, engine: str, threads: int, cache: Path | None) -> Run:
    try:
        return runner(package, engine, threads, cache)
    except NodeError as error:
        _log.error("package %s cannot run: %s", package.name, error)
        return _refusal(error)


def _refusal(error: NodeError) -> Run:
    def run(_sources: Sources) -> Outcome:
        raise error

    return run
