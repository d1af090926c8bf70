"""The training loop that every network here shares: AdamW, mixed precision, checkpoints that a run goes on from."""

import logging
import math
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import torch
from torch import nn
from tqdm import tqdm

from domain.errors import ConfigurationError, IntegrityError, Permanent
from training.recipe import Schedule, rate_at
from training.tracking import Tracker, Untracked

log = logging.getLogger(__name__)

N = TypeVar("N", bound=nn.Module)
Batch: TypeAlias = tuple[torch.Tensor, torch.Tensor]
Batches: TypeAlias = Callable[[int], Batch]
Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Validate: TypeAlias = Callable[[nn.Module], Mapping[str, float]]

CHECKPOINT = "checkpoint.pt"


def fit(
    network: N,
    batches: Batches,
    loss: Loss,
    plan: Schedule,
    *,
    device: str = "cpu",
    checkpoints: Path | None = None,
    validate: Validate | None = None,
    tracker: Tracker | None = None,
) -> N:
    """Train `network` in place for `plan.steps` steps and return it, ready for use (`eval`).

    `batches(step)` gives inputs and targets, one step ahead in a thread of its own and in order of the steps; to go on
    as if nothing had happened it must depend on `step` alone. `loss` gets outputs and targets in 32 bits. A run
    whose folder `checkpoints` holds a checkpoint goes on from it. Raises ConfigurationError where that checkpoint
    belongs to another schedule or network, IntegrityError where it is damaged, Permanent where the loss is no longer a
    number.
    """
    run = _Run(network.to(device), plan, torch.device(device))
    step = run.resume(checkpoints)
    keeper = tracker or Untracked()
    progress = tqdm(_ahead(batches, step, plan.steps), initial=step, total=plan.steps, unit="step", mininterval=10)
    for batch in progress:
        run.step(step, batch, loss)
        step += 1
        progress.set_postfix(loss=f"{run.average:.4f}", refresh=False)
        if step % plan.report_every == 0:
            keeper.metrics({"loss": run.average, "rate": plan.learning_rate * rate_at(step - 1, plan)}, step)
        if validate is not None and _due(step, plan.validate_every, plan.steps):
            metrics = _validated(network, validate)
            log.info("step %d: loss %.4f, %s", step, run.average, metrics)
            keeper.metrics(metrics, step)
        if checkpoints is not None and _due(step, plan.checkpoint_every, plan.steps):
            run.save(checkpoints, step)
    network.eval()
    return network


class _Run:
    """Everything that changes while a network learns."""

    def __init__(self, network: nn.Module, plan: Schedule, device: torch.device) -> None:
        self.network, self.plan, self.device = network, plan, device
        self.optimizer = torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
        self.scaler = torch.amp.GradScaler(device.type, enabled=plan.mixed_precision and device.type == "cuda")
        self.precision = torch.float16 if device.type == "cuda" else torch.bfloat16
        self.average = math.nan

    def step(self, step: int, batch: Batch, loss: Loss) -> None:
        self.network.train(step < self.plan.freeze_statistics_at * self.plan.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate * rate_at(step, self.plan)
        inputs, targets = (part.to(self.device, non_blocking=True) for part in batch)
        with torch.autocast(self.device.type, self.precision, enabled=self.plan.mixed_precision):
            outputs = self.network(inputs)
        error = loss(outputs.float(), targets)
        self.optimizer.zero_grad()
        self.scaler.scale(error).backward()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.gradient_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._account(step, error.item())

    def _account(self, step: int, error: float) -> None:
        if not math.isfinite(error):
            raise Permanent(f"the loss at step {step} is {error}: lower the learning rate")
        self.average = error if math.isnan(self.average) else 0.97 * self.average + 0.03 * error

    def save(self, folder: Path, step: int) -> None:
        """Write the checkpoint whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "step": step,
            "plan": asdict(self.plan),
            "average": self.average,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
        }
        partial = folder / f"{CHECKPOINT}.partial"
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / CHECKPOINT)

    def resume(self, folder: Path | None) -> int:
        """The step to go on with: that of the checkpoint in `folder`, or 0."""
        if folder is None or not (folder / CHECKPOINT).exists():
            return 0
        path = folder / CHECKPOINT
        state = _read(path, self.device)
        if state["plan"] != asdict(self.plan):
            raise ConfigurationError(f"{path}: was made with another schedule; remove it, or name another folder")
        try:
            self.network.load_state_dict(state["network"])
        except RuntimeError as error:
            raise ConfigurationError(f"{path}: does not fit the network: {error}") from error
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"].cpu())
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all([one.cpu() for one in state["random_cuda"]])
        self.average = state["average"]
        log.info("%s: going on at step %d of %d", path, state["step"], self.plan.steps)
        return int(state["step"])


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    """A checkpoint; raises IntegrityError where it is none, or is damaged."""
    try:
        # weights_only: a checkpoint is data, and no program in it is run.
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise IntegrityError(f"{path}: is not a checkpoint of this program, or is damaged: {error}") from error
    return state


def _ahead(batches: Batches, first: int, steps: int) -> Iterator[Batch]:
    """The batches of the steps from `first`, each made while the network works on the one before."""
    if first >= steps:
        return
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(batches, first)
        for step in range(first + 1, steps):
            batch, coming = coming.result(), maker.submit(batches, step)
            yield batch
        yield coming.result()


def _due(step: int, every: int, steps: int) -> bool:
    return step == steps or (every > 0 and step % every == 0)


def _validated(network: nn.Module, validate: Validate) -> Mapping[str, float]:
    network.eval()
    with torch.inference_mode():
        return validate(network)
