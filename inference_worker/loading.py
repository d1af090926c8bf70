"""Makes the runs of a folder of model packages: each verified, loaded by its engine, and warm."""

from collections.abc import Callable, Mapping
from pathlib import Path

from domain.errors import ConfigurationError
from inference_worker.engine import Engine, OpenVinoEngine
from inference_worker.pipeline import Pipeline
from inference_worker.runs import Runs
from models.registry import Registry, verify

_ENGINES: Mapping[str, Callable[[int], Engine]] = {"openvino": OpenVinoEngine}


def load(models: Path, engine: str, threads: int) -> Runs:
    """The runs of every package in `models`, on `threads` threads each (0: all).

    Raises IntegrityError where a package was changed, ConfigurationError where one is wrong or `engine` is unknown.
    """
    if engine not in _ENGINES:
        raise ConfigurationError(f"no engine is called {engine!r}; known: {', '.join(_ENGINES)}")
    runs = {}
    for package in Registry.load(models).packages.values():
        verify(package)
        runs[package.name, package.manifest.identity.version] = Pipeline(package, _ENGINES[engine](threads)).run
    return runs
