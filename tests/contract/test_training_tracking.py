"""What MLflow keeps of a run, and that nobody needs MLflow who does not ask for it."""

import sys
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from training.tracking import Untracked, tracked


def test_without_a_store_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with tracked(None, "chest") as tracker:
        assert isinstance(tracker, Untracked)
        tracker.metrics({"loss": 1.0}, 1)


def test_a_store_without_mlflow_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigurationError, match="extra `tracking`"), tracked(f"sqlite:///{tmp_path}/runs.db", "chest"):
        pass


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # mlflow's and its libraries' own; ours would show in the other tests
def test_mlflow_keeps_parameters_figures_files_and_a_model_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed; `uv sync --extra tracking` installs it")
    monkeypatch.chdir(tmp_path)  # whatever mlflow puts into the working directory goes with the test
    uri = f"sqlite:///{tmp_path}/runs.db"
    card, network = tmp_path / "card.md", tmp_path / "network.onnx"
    card.write_text("# card")
    network.write_bytes(b"weights")
    for _ in range(2):
        with tracked(uri, "chest") as tracker:
            tracker.parameters({"seed": 7, "schedule": {"steps": 3}})
            tracker.metrics({"loss": 0.5}, 1)
            tracker.metrics({"loss": 0.25}, 2)
            tracker.artefact(card)
            tracker.register("cxr_findings", network, {"data": "phantoms"})
    client = mlflow.MlflowClient(uri, uri)
    runs = client.search_runs([client.get_experiment_by_name("chest").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    assert runs[0].data.params == {"seed": "7", "schedule.steps": "3"}
    assert [one.value for one in client.get_metric_history(runs[0].info.run_id, "loss")] == [0.5, 0.25]
    assert {file.path for file in client.list_artifacts(runs[0].info.run_id)} == {"card.md", "model"}
    versions = client.search_model_versions("name = 'cxr_findings'")
    assert sorted(int(one.version) for one in versions) == [1, 2]
    assert versions[0].tags == {"data": "phantoms"}
    kept = Path(versions[0].source.removeprefix("file://")) / "network.onnx"
    assert kept.read_bytes() == b"weights"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # as above
def test_a_run_that_breaks_off_is_marked_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed; `uv sync --extra tracking` installs it")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/runs.db"
    with pytest.raises(ZeroDivisionError), tracked(uri, "chest"):
        raise ZeroDivisionError
    client = mlflow.MlflowClient(uri, uri)
    (run,) = client.search_runs([client.get_experiment_by_name("chest").experiment_id])
    assert run.info.status == "FAILED"
