"""Makes the runs of a folder of model packages: each verified, loaded by its engine, and warm."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from domain.errors import ConfigurationError, IntegrityError, NodeError
from domain.findings import Findings
from inference_worker.engine import Engine, OpenVinoEngine
from inference_worker.pipeline import Pipeline
from inference_worker.runs import Run, Runs
from inference_worker.volume import Volume
from models.registry import Package, Registry, verify

_log = logging.getLogger(__name__)

_ENGINES: Mapping[str, Callable[[int], Engine]] = {"openvino": OpenVinoEngine}


def load(models: Path, engine: str, threads: int) -> Runs:
    """The runs of every package in `models`, on `threads` threads each (0: all).

    A package that was changed, or that its engine cannot load, fails each of its own runs with that reason and none of
    the others'. Raises ConfigurationError where a manifest is wrong or `engine` is unknown.
    """
    if engine not in _ENGINES:
        raise ConfigurationError(f"no engine is called {engine!r}; known: {', '.join(_ENGINES)}")
    packages = Registry.load(models).packages.values()
    return {(one.name, one.manifest.identity.version): _run(one, _ENGINES[engine], threads) for one in packages}


def _run(package: Package, engine: Callable[[int], Engine], threads: int) -> Run:
    try:
        verify(package)
        return Pipeline(package, engine(threads)).run
    except (IntegrityError, ConfigurationError) as error:
        _log.error("package %s cannot run: %s", package.name, error)
        return _refusal(error)


def _refusal(error: NodeError) -> Run:
    def run(_volume: Volume) -> tuple[Findings, NDArray[np.uint8]]:
        raise error

    return run
