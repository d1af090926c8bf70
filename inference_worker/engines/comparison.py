"""Engines side by side on one network and one input: how long each takes, and how far it is from the first."""

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from domain.errors import NodeError
from inference_worker.engines.protocol import Engine, Float
from inference_worker.verdicts import Row
from models.manifest import Network
from models.steps import After, Sigmoid, Softmax


def compare(
    network: bytes,
    wanted: Network,
    batch: Float,
    engines: Sequence[tuple[str, Callable[[], Engine]]],
    steps: Sequence[After] = (),
    repeats: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Row, ...]:
    """A row for each of `engines` (name and how to make it, as choice.make does), in their order.

    `batch` (n, channels, space) is what the network reads, so already preprocessed; `steps` are the package's
    [[postprocessing]], of which softmax or sigmoid is applied before shares are compared. Each engine is loaded, run
    once to warm up and then `repeats` times; one that cannot becomes a row with its reason.
    """
    rows: list[Row] = []
    reference: Float | None = None
    for name, make in engines:
        try:
            engine = make()
            engine.load(network, wanted)
            seconds, output = _timed(engine, batch, wanted, repeats, clock)
        except NodeError as error:
            rows.append(Row(name, failure=str(error)))
            continue
        found = shares(output, steps)
        reference = found if reference is None else reference
        rows.append(Row(engine.name, seconds, difference(reference, found), dice(reference, found)))
    return tuple(rows)


def _timed(
    engine: Engine, batch: Float, wanted: Network, repeats: int, clock: Callable[[], float]
) -> tuple[float, Float]:
    """Seconds of the median run after one to warm up, and the first output."""
    outputs, seconds = engine.infer(batch), []
    for _ in range(repeats):
        started = clock()
        outputs = engine.infer(batch)
        seconds.append(clock() - started)
    return statistics.median(seconds), outputs[wanted.outputs[0]]


def shares(output: Float, steps: Sequence[After]) -> Float:
    """The network's first `output` (n, channels, ...) after the softmax or sigmoid that `steps` have for it, if any."""
    for step in steps:
        if isinstance(step, Softmax | Sigmoid) and not step.output:
            made = special.softmax(output / step.temperature, axis=1) if isinstance(step, Softmax) else None
            return np.asarray(special.expit(output / step.temperature) if made is None else made, np.float32)
    return output


def difference(reference: Float, found: Float) -> float:
    """The largest difference; infinite where the shapes differ."""
    return float(np.max(np.abs(reference - found))) if reference.shape == found.shape else float("inf")


def dice(reference: Float, found: Float) -> float | None:
    """The least Dice of a label other than 0 that either has (1 where none has any); None without a space.

    Labels are the largest of several channels; one channel alone is a mask where it exceeds 0.5.
    """
    if reference.ndim < 4:
        return None
    if reference.shape != found.shape:
        return 0.0
    one, other = _labels(reference), _labels(found)
    values = np.union1d(one, other)
    return min((_overlap(one == value, other == value) for value in values[values > 0]), default=1.0)


def _labels(output: Float) -> NDArray[np.intp]:
    return np.argmax(output, axis=1) if output.shape[1] > 1 else (output[:, 0] > 0.5).astype(np.intp)


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other)))
