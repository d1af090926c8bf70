"""Makes the runs of a folder of model packages: each verified, loaded by its engine, and warm."""

import logging
from collections.abc import Callable, Sequence

from domain.errors import ConfigurationError, NodeError
from inference_worker.engines.choice import AUTO
from inference_worker.engines.libraries import LIBRARIES
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_protocol import Loaded, Outcome, Runs, Sources
from inference_worker.package_trial import runner
from models.manifest import VISION
from models.registry import Package, Registry
from models.signing import TrustedKey, trusted_keys

_log = logging.getLogger(__name__)
_OFF = "asks a language model about images, which nobody switched on here: [[vision_models]] names none"


def load(setup: ModelProcessConfig, loading: Callable[[str], None] = lambda name: None) -> Runs:
    """The runs of every package of `setup`; `loading` is told the name of each before it is loaded.

    A package that was changed, that nobody trusted has signed where that is asked for, that no engine can load, or that
    is barred fails each of its own runs with that reason and none of the others'; one whose manifest is wrong is left
    out. Raises ConfigurationError where a key is wrong, or the engine is unknown.
    """
    if setup.engine not in (AUTO, *LIBRARIES):
        raise ConfigurationError(f"no engine is called {setup.engine!r}; known: {', '.join((AUTO, *LIBRARIES))}")
    keys = None if setup.keys is None else trusted_keys(setup.keys)
    runs = {}
    for one in Registry.load(setup.models).packages.values():
        loading(one.name)
        runs[one.name, one.manifest.identity.version] = _loaded(one, setup, keys)
    return runs


def _loaded(package: Package, setup: ModelProcessConfig, keys: Sequence[TrustedKey] | None) -> Loaded:
    try:
        if package.name in setup.barred:
            raise ConfigurationError(f"package {package.name} cannot be loaded: {setup.barred[package.name]}")
        if package.manifest.network.kind == VISION:
            return refusing(package, ConfigurationError(f"package {package.name}: {_OFF}"))
        return runner(package, setup.engine, setup.threads, setup.cache, keys, setup.kind, setup.gpu_memory)
    except NodeError as error:
        _log.error("package %s cannot run: %s", package.name, error)
        return refusing(package, error)


def refusing(package: Package, error: NodeError) -> Loaded:
    """Each run of `package` ends with `error`."""

    def run(_sources: Sources) -> Outcome:
        raise error

    return Loaded(package.manifest.inputs, run)
