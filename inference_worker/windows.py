"""A network over an input of any size: at once, in batches, or in overlapping windows that are blended.

Blending is that of MONAI's sliding_window_inference with mode="gaussian": windows lie on a grid, the last of each row
moved back inside; an input smaller than a window is filled up with zeros on both sides; each window's output counts
with a Gaussian of 0.125 of the window's side around its centre, and with 0.001 at the least.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import TypeVar

import numpy as np

from domain.errors import Permanent
from inference_worker.engines.checked import check_grid
from inference_worker.engines.protocol import Engine, Float, OutOfMemory
from models.manifest import Network

_log = logging.getLogger(__name__)

_SIGMA, _LEAST = 0.125, 1e-3
# Bytes of what a window of one value gave that are kept for the next such window.
_KEPT = 128 * 1024**2

T = TypeVar("T")

Space = tuple[int, ...]
Place = tuple[slice, ...]


class Windowed:
    """An engine that takes an input of any size, by `infer` over the engine that it wraps."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._network: Network | None = None
        self.remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self._engine.name

    def load(self, network: bytes, wanted: Network) -> None:
        self._network = None
        self._engine.load(network, wanted)
        self._network = wanted

    def infer(self, batch: Float) -> Mapping[str, Float]:
        """As the protocol says; `remarks` are then what results have to say of how it was done."""
        if self._network is None:
            return self._engine.infer(batch)
        return self._tried(batch.shape, self._network, lambda network: _outputs(self._engine, batch, network))

    def pass_through(self, batch: Float, once: Callable[[Engine, Network], T]) -> T:
        """What `once` makes of `batch` with the engine and the network; with less of it where memory runs out."""
        assert self._network is not None
        return self._tried(batch.shape, self._network, lambda network: once(self._engine, network))

    def _tried(self, shape: tuple[int, ...], network: Network, once: Callable[[Network], T]) -> T:
        made, said = with_less(shape, network, once)
        self.remarks = (said,) if said else ()
        return made


def infer(engine: Engine, batch: Float, network: Network) -> dict[str, Float]:
    """The outputs that the manifest names, of `batch` (n, channels, z, y, x) or (n, channels, y, x) of any size.

    In windows where the manifest has a window, at once otherwise; at most `network.batch` items at a time. Raises as
    `with_less` does, and Permanent where the network gives what cannot be blended.
    """
    return with_less(batch.shape, network, lambda less: _outputs(engine, batch, less))[0]


def with_less(shape: tuple[int, ...], network: Network, once: Callable[[Network], T]) -> tuple[T, str]:
    """What `once` gives, and what a result has to say of it; where memory runs out, of another try with less.

    Raises Permanent where nothing less fits either, or the network takes nothing less.
    """
    reasons: list[str] = []
    for tried in (network, *lesser(network, shape)):
        if reasons:
            _log.warning("out of memory; trying again in windows of %s, %d at a time", tried.window, tried.batch)
        try:
            return once(tried), _said(network, tried, shape[2:])
        except OutOfMemory as error:
            reasons.append(str(error))
        # Outside the handler, which holds on to the frames of that try and all that is in them.
    raise Permanent(_told(reasons, network, shape))


def _told(reasons: Sequence[str], network: Network, shape: tuple[int, ...]) -> str:
    last, *before = reversed(reasons)
    if before:
        return f"{last}; and before, with more: {'; '.join(before)}"
    if not network.halve and _halved(network, shape):
        return f"{last}; smaller windows would change results, which the manifest does not allow (network.halve)"
    return f"{last}; the network takes no smaller input"


def _said(network: Network, less: Network, space: Space) -> str:
    """What a reader has to know of a try with `less`; nothing where the network saw what it would have seen."""
    if less.window == network.window:
        return ""
    seen, meant = (" x ".join(map(str, sides)) for sides in (less.window, side_of(network, space)))
    return f"memory ran out: the network saw parts of {seen} voxels instead of {meant}, which changes results"


def lesser(network: Network, shape: tuple[int, ...]) -> list[Network]:
    """`network` with what may fit where `shape` did not, one after another; none where it takes nothing less.

    Several items at a time go one by one, which changes nothing; then, if the manifest allows that, in windows of half
    the size (of half the space, where there is no window).
    """
    alone = network.batch if network.shape[0] else 1
    several = network.batch > alone and (network.window or shape[0] > alone)
    halved = _halved(network, shape)
    singly = [replace(network, batch=alone)] if several else []
    return [*singly, *([replace(halved, batch=alone)] if halved and network.halve else [])]


def _halved(network: Network, shape: tuple[int, ...]) -> Network | None:
    """`network` with half the window; None where its sizes are fixed, or there is no less."""
    side = side_of(network, shape[2:])
    halves = tuple(
        one if fixed else _half(one, network.multiple) for one, fixed in zip(side, network.shape[2:], strict=True)
    )
    return None if halves == side else replace(network, window=halves)


def _half(side: int, multiple: int) -> int:
    """Half of `side` as a multiple, rounded up, for a window is better a little larger than one more."""
    return min(side, math.ceil(side / 2 / multiple) * multiple)


def side_of(network: Network, space: Space) -> Space:
    """The window's size: what the network's shape fixes, the manifest's window, or else all of `space`."""
    sides = network.window or space
    return tuple(fixed or side for fixed, side in zip(network.shape[2:], sides, strict=True))


def _outputs(engine: Engine, batch: Float, network: Network) -> dict[str, Float]:
    side = side_of(network, batch.shape[2:]) if network.window else batch.shape[2:]
    if side == batch.shape[2:]:
        return joined(engine, batch, network)
    each = [_blended(engine, item, side, network) for item in batch]
    return {name: np.stack([one[name] for one in each]) for name in network.outputs}


def joined(engine: Engine, batch: Float, network: Network) -> dict[str, Float]:
    """`batch` through the network, as many at a time as it takes, and the outputs joined again."""
    count = network.shape[0] or network.batch
    if len(batch) == count or (len(batch) < count and not network.shape[0]):
        return dict(engine.infer(batch))
    parts = [_filled(engine, batch[start : start + count], network) for start in range(0, len(batch), count)]
    return {name: np.concatenate([part[name] for part in parts]) for name in network.outputs}


def _filled(engine: Engine, items: Float, network: Network) -> Mapping[str, Float]:
    """The outputs of `items`, with the last repeated where the network takes one number of them alone."""
    lacking = max(0, network.shape[0] - len(items))
    if not lacking:
        return engine.infer(items)
    filled = np.concatenate([items, np.repeat(items[-1:], lacking, axis=0)])
    return {name: output[: len(items)] for name, output in engine.infer(filled).items()}


def _blended(engine: Engine, item: Float, side: Space, network: Network) -> dict[str, Float]:
    """The outputs (channels, space) of one item (channels, space), in windows of `side`."""
    wider, inside = padded(item, side)
    given = windows_of(engine, wider, side, network)
    windows = ((place, {name: outputs[name] for name in network.outputs}) for place, outputs in given)
    return blended(windows, wider.shape[1:], inside, side, network.overlap)


def blended(
    windows: Iterable[tuple[Place, Mapping[str, Float]]], space: Space, inside: Place, side: Space, overlap: float
) -> dict[str, Float]:
    """The outputs of all `windows` of `side` on `space`, of which the part `inside` is wanted."""
    weight, weights = gaussian(side), weights_of(space, side, overlap)
    sums: dict[str, Float] = {}
    for place, outputs in windows:
        for name, output in outputs.items():
            _add(sums, name, output, space, place, weight)
    for total in sums.values():
        np.divide(total, weights, out=total)
    whole = all(part == slice(0, size) for part, size in zip(inside, space, strict=True))
    return {name: total if whole else total[(slice(None), *inside)] for name, total in sums.items()}


def weights_of(space: Space, side: Space, overlap: float) -> Float:
    """What the windows' weights come to at each voxel."""
    weight, weights = gaussian(side), np.zeros(space, np.float32)
    for place in places(space, side, overlap):
        weights[place] += weight
    return weights


def _add(sums: dict[str, Float], name: str, output: Float, space: Space, place: Place, weight: Float) -> None:
    if name not in sums:
        sums[name] = np.zeros((len(output), *space), np.float32)
    sums[name][(slice(None), *place)] += output * weight


def windows_of(
    engine: Engine, item: Float, side: Space, network: Network, where: Sequence[Place] | None = None
) -> Iterator[tuple[Place, dict[str, Float]]]:
    """Each window's place and outputs (channels, side); in the order of `where`, if that is given.

    A window that holds one value throughout, as the air around a body does, gives what the last with that value gave.
    """
    waiting: list[Place] = []
    count = network.shape[0] or network.batch
    known: dict[tuple[float, ...], dict[str, Float]] = {}
    for place in places(item.shape[1:], side, network.overlap) if where is None else where:
        value = _constant(item[(slice(None), *place)])
        if value is None:
            waiting.append(place)
        else:
            if value not in known:
                known.clear()
                known[value] = next(_run(engine, item, [place], network))[1]
            yield place, known[value]
            if sum(output.nbytes for output in known[value].values()) > _KEPT:
                known.clear()
        if len(waiting) == count:
            yield from _run(engine, item, waiting, network)
            waiting = []
    yield from _run(engine, item, waiting, network)


def _run(
    engine: Engine, item: Float, where: Sequence[Place], network: Network
) -> Iterator[tuple[Place, dict[str, Float]]]:
    if not where:
        return
    outputs = _filled(engine, np.stack([item[(slice(None), *place)] for place in where]), network)
    for name, output in outputs.items():
        check_grid(name, output, tuple(one.stop - one.start for one in where[0]))
    for at, place in enumerate(where):
        yield place, {name: output[at] for name, output in outputs.items()}


def _constant(window: Float) -> tuple[float, ...] | None:
    """The value of each channel if it has only one throughout."""
    values = tuple(float(channel.flat[0]) for channel in window)
    # A glance at the middle first: most windows differ there, and are spared the whole comparison.
    middle = tuple(size // 2 for size in window.shape[1:])
    if any(float(channel[middle]) != value for channel, value in zip(window, values, strict=True)):
        return None
    return values if all(np.all(channel == value) for channel, value in zip(window, values, strict=True)) else None


def padded(item: Float, side: Space) -> tuple[Float, Place]:
    """`item` (channels, space) with zeros on both sides where it is smaller than `side`, and where it lies in that."""
    lacking = [max(0, want - have) for want, have in zip(side, item.shape[1:], strict=True)]
    inside = tuple(slice(lack // 2, lack // 2 + have) for lack, have in zip(lacking, item.shape[1:], strict=True))
    if not any(lacking):
        return item, inside
    return np.pad(item, [(0, 0), *((lack // 2, lack - lack // 2) for lack in lacking)]), inside


def places(space: Space, side: Space, overlap: float) -> list[Place]:
    """Where the windows lie: every (1 - `overlap`) of `side`, the last of each axis moved back inside `space`."""
    axes = [starts_of(size, window, overlap) for size, window in zip(space, side, strict=True)]
    return [
        tuple(slice(start, start + size) for start, size in zip(starts, side, strict=True)) for starts in product(*axes)
    ]


def starts_of(size: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along one axis."""
    step = max(1, int(window * (1 - overlap)))
    return [min(start, size - window) for start in range(0, size - window + step, step)]


def gaussian(side: Space) -> Float:
    """The weight of each voxel of a window of `side`."""
    weight = np.ones((), np.float32)
    for size in side:
        offset = np.arange(size, dtype=np.float32) - (size - 1) / 2
        along = np.exp(-(offset**2) / np.float32(2 * (_SIGMA * size) ** 2))
        weight = np.multiply.outer(weight, along.astype(np.float32))
    return np.maximum(weight, np.float32(max(_LEAST, float(weight.min()))))
