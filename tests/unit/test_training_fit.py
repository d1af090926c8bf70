"""The loop that trains: its schedule, and that a run which was broken off ends as one that was not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `uv sync --extra training` installs it")

from domain.errors import ConfigurationError, IntegrityError, Permanent  # noqa: E402
from training.fit import CHECKPOINT, fit  # noqa: E402  # needs torch
from training.recipe import Schedule, rate_at  # noqa: E402

PLAN = Schedule(steps=8, batch=4, warm_up=2, learning_rate=1e-2, report_every=2, validate_every=4, checkpoint_every=2)


class Broken(Exception):
    """The power went out."""


class Recorder:
    """Keeps which figures it was told, and nothing else."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, set[str]]] = []

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self.seen.append((step, set(values)))

    def parameters(self, values: Mapping[str, Any]) -> None:
        raise AssertionError("fitting tells figures alone")

    def artefact(self, path: Path) -> None:
        raise AssertionError("fitting tells figures alone")

    def register(self, name: str, network: Path, tags: Mapping[str, str]) -> None:
        raise AssertionError("fitting tells figures alone")


def network() -> Any:
    torch.manual_seed(3)
    # Dropout asks the random generator, batch normalisation keeps statistics: both must go on where they were.
    parts = torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2)
    return torch.nn.Sequential(*parts)


def batch(step: int) -> Any:
    rng = np.random.default_rng(step)
    inputs = torch.from_numpy(rng.random((4, 5), np.float32))
    return inputs, inputs[:, :2].round()


def batch_until(broken: int) -> Any:
    def make(step: int) -> Any:
        if step == broken:
            raise Broken
        return batch(step)

    return make


def loss(outputs: Any, targets: Any) -> Any:
    return ((outputs - targets) ** 2).mean()


def weights(of: Any) -> list[float]:
    return [value for part in of.state_dict().values() for value in part.flatten().tolist()]


def test_the_rate_rises_over_the_warm_up_and_falls_as_half_a_cosine() -> None:
    plan = Schedule(steps=10, batch=1, warm_up=4, learning_rate=1.0)
    assert [rate_at(step, plan) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    assert rate_at(7, plan) == pytest.approx(0.5)
    assert rate_at(10, plan) == pytest.approx(0)


def test_a_run_that_was_broken_off_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole = fit(network(), batch, loss, PLAN)
    with pytest.raises(Broken):
        fit(network(), batch_until(5), loss, PLAN, checkpoints=tmp_path)
    other = network()
    torch.manual_seed(99)
    resumed = fit(other, batch, loss, PLAN, checkpoints=tmp_path)
    assert weights(resumed) == weights(whole)
    assert not resumed.training


def test_a_run_that_is_over_is_not_trained_again(tmp_path: Path) -> None:
    done = weights(fit(network(), batch, loss, PLAN, checkpoints=tmp_path))
    assert weights(fit(network(), batch_until(0), loss, PLAN, checkpoints=tmp_path)) == done


def test_a_checkpoint_of_another_schedule_or_network_is_refused(tmp_path: Path) -> None:
    fit(network(), batch, loss, PLAN, checkpoints=tmp_path)
    longer = Schedule(steps=9, batch=4, warm_up=2, learning_rate=1e-2)
    with pytest.raises(ConfigurationError, match="another schedule"):
        fit(network(), batch, loss, longer, checkpoints=tmp_path)
    with pytest.raises(ConfigurationError, match="does not fit"):
        fit(torch.nn.Linear(5, 2), batch, loss, PLAN, checkpoints=tmp_path)


class Program:
    """Unpickling this would create a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return Path.touch, (self.proof,)


def test_a_program_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save(Program(tmp_path / "proof"), tmp_path / CHECKPOINT)
    with pytest.raises(IntegrityError, match=CHECKPOINT):
        fit(network(), batch, loss, PLAN, checkpoints=tmp_path)
    assert not (tmp_path / "proof").exists()


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    fit(network(), batch, loss, PLAN, checkpoints=tmp_path)
    data = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(data[: len(data) // 2])
    with pytest.raises(IntegrityError, match="damaged"):
        fit(network(), batch, loss, PLAN, checkpoints=tmp_path)


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    with pytest.raises(Permanent, match="step 0 is nan"):
        fit(network(), batch, lambda outputs, _: outputs.sum() * torch.nan, PLAN)


def test_batch_statistics_are_frozen_at_the_end() -> None:
    frozen = Schedule(steps=4, batch=4, warm_up=1, learning_rate=1e-2, freeze_statistics_at=0.5)
    assert fit(network(), batch, loss, frozen)[1].num_batches_tracked.item() == 2


def test_losses_rates_and_validation_are_tracked() -> None:
    recorder = Recorder()
    fit(network(), batch, loss, PLAN, validate=lambda _: {"auroc": 0.5}, tracker=recorder)
    assert recorder.seen == [
        (2, {"loss", "rate"}),
        (4, {"loss", "rate"}),
        (4, {"auroc"}),
        (6, {"loss", "rate"}),
        (8, {"loss", "rate"}),
        (8, {"auroc"}),
    ]
