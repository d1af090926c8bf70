"""Where a run writes down what it did: nowhere, or MLflow (extra `tracking`). Owns mlflow."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from domain.errors import ConfigurationError

Parameter: TypeAlias = str | int | float | bool


class Tracker(Protocol):
    """What a training run tells whoever keeps the record."""

    def parameters(self, values: Mapping[str, Any]) -> None:
        """The recipe; tables within tables become `table.key`."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Figures after `step` steps."""

    def artefact(self, path: Path) -> None:
        """A copy of one file of the run."""

    def register(self, name: str, network: Path, tags: Mapping[str, str]) -> None:
        """A new version of the model called `name`: the file `network`, and what is to be known of it."""


class Untracked:
    """Keeps nothing."""

    def parameters(self, values: Mapping[str, Any]) -> None: ...

    def metrics(self, values: Mapping[str, float], step: int) -> None: ...

    def artefact(self, path: Path) -> None: ...

    def register(self, name: str, network: Path, tags: Mapping[str, str]) -> None: ...


class MlflowTracker:
    """One run of an MLflow experiment, through a client of its own: nothing global of mlflow's is set."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self.run_id = client, run_id

    def parameters(self, values: Mapping[str, Any]) -> None:
        for key, value in _flat(values):
            self._client.log_param(self.run_id, key, value)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        for key, value in values.items():
            self._client.log_metric(self.run_id, key, value, step=step)

    def artefact(self, path: Path) -> None:
        self._client.log_artifact(self.run_id, str(path))

    def register(self, name: str, network: Path, tags: Mapping[str, str]) -> None:
        self._client.log_artifact(self.run_id, str(network), "model")
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        source = f"{self._client.get_run(self.run_id).info.artifact_uri}/model"
        self._client.create_model_version(name, source, self.run_id, tags=dict(tags))


@contextmanager
def tracked(uri: str | None, experiment: str) -> Iterator[Tracker]:
    """A tracker for one run; `uri` is MLflow's tracking store ("sqlite:///runs.db", a server) or None for nowhere.

    Raises ConfigurationError where a store is asked for and mlflow is not installed.
    """
    if uri is None:
        yield Untracked()
        return
    client = _client(uri)
    found = client.get_experiment_by_name(experiment)
    # Artefacts of a database on this machine lie beside it, wherever the run was started.
    place = Path(uri.removeprefix("sqlite:///")).resolve().with_suffix("") if uri.startswith("sqlite:///") else None
    made = found.experiment_id if found else client.create_experiment(experiment, place.as_uri() if place else None)
    run_id = client.create_run(made, start_time=int(time.time() * 1000)).info.run_id
    status = "FAILED"
    try:
        yield MlflowTracker(client, run_id)
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)


def _client(uri: str) -> Any:
    try:
        from mlflow import MlflowClient  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError("tracking needs mlflow: install the extra `tracking`") from error
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
