"""A network's output that comes cell by cell gives the labels that the whole of it gives, without its memory."""

import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from domain.errors import ConfigurationError
from inference_worker.engines.protocol import Float
from inference_worker.pieces import hand_over
from inference_worker.transforms import outputs
from inference_worker.transforms.arrays import Labelled, Sampled
from inference_worker.transforms.gathering import Gathering
from inference_worker.transforms.grids import Grid, orientation_of, reoriented, spaced
from inference_worker.transforms.streaming import LabelsOfCells, can_stream
from inference_worker.windows import infer
from models import steps
from models.manifest import Network
from models.steps import After
from tests.support.networks import ArrayEngine

CHANNELS = 5


def blobs(batch: Float) -> Mapping[str, Float]:
    """Logits of CHANNELS classes that change smoothly, whatever the input is beside."""
    volume = batch[:, 0]
    smooth = [ndimage.gaussian_filter(volume, (0, s, s, s), mode="nearest") for s in (0.5, 1.0, 1.5, 2.0)]
    return {"logits": np.stack([volume * 0 + 0.05, *[8 * (one - 0.4) for one in smooth]], axis=1)}


NETWORK = Network("n", outputs=("logits",), window=(12, 10, 8), overlap=0.3)
ACTIVATED: tuple[After, ...] = (steps.Softmax(),)


def random_input(shape: Sequence[int], seed: int) -> Float:
    noise = np.random.default_rng(seed).random((1, *shape), np.float32)
    return np.asarray(ndimage.gaussian_filter(noise, (0, 1, 1, 1)), np.float32)


def in_cells(item: Float, network: Network, wanted: Sequence[After], grid: Grid, source: Grid, **more: Any) -> Any:
    made = LabelsOfCells(wanted, grid, source, **more)
    hand_over(ArrayEngine(blobs), item, network, made, whole=0)
    return made


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(*[st.integers(5, 40)] * 3),
    mm=st.tuples(*[st.sampled_from([0.7, 1.0, 1.5, 4.0])] * 3),
    axes=st.sampled_from(["SPL", "RAI", "LPS"]),
    window=st.sampled_from([(12, 10, 8), (), (50, 10, 16)]),
    seed=st.integers(0, 1000),
)
def test_labels_on_the_source_s_grid_are_those_of_the_whole_output(
    shape: tuple[int, ...], mm: tuple[float, ...], axes: str, window: tuple[int, ...], seed: int
) -> None:
    source = Grid(shape, np.diag([1.0, 1.3, 0.8, 1.0])[[2, 1, 0, 3]])
    grid = spaced(reoriented(source, orientation_of(source.affine, axes)), mm)
    network, item = replace(NETWORK, window=window), random_input(grid.shape, seed)
    wanted = (*ACTIVATED, steps.ToSource())
    whole = Sampled(infer(ArrayEngine(blobs), item[None], network)["logits"][0], grid.affine)
    expected = outputs.finish(whole, wanted, source)
    made = in_cells(item, network, wanted, grid, source).labels_of()
    assert isinstance(made, Labelled)
    assert made.values.shape == source.shape
    # Sums in another order: where two labels are equally likely, another may win.
    assert np.mean(made.values != expected.values) < 1e-3


@pytest.mark.parametrize(
    "wanted",
    [
        (steps.Argmax(), steps.ToSource("nearest")),
        (steps.Softmax(), steps.Argmax(), steps.LargestComponent(), steps.ToSource()),
        (steps.Sigmoid(), steps.Regions((0, 1, 2, 3, 4)), steps.ToSource("nearest"), steps.DropSmall(0.1)),
    ],
)
def test_labels_of_voxels_by_themselves_are_made_on_the_network_s_grid(wanted: tuple[After, ...]) -> None:
    source = Grid((30, 31, 32), np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]])
    grid = spaced(source, (1.5, 1.5, 1.5))
    item = random_input(grid.shape, 7)
    whole = Sampled(infer(ArrayEngine(blobs), item[None], NETWORK)["logits"][0], grid.affine)
    made = in_cells(item, NETWORK, wanted, grid, source).labels_of()
    assert np.array_equal(made.values, outputs.finish(whole, wanted, source).values)


def test_an_input_smaller_than_the_window_leaves_what_was_filled_up_out() -> None:
    grid = Grid((6, 30, 30), np.eye(4)[[2, 1, 0, 3]])
    item = random_input(grid.shape, 3)
    whole = Sampled(infer(ArrayEngine(blobs), item[None], NETWORK)["logits"][0], grid.affine)
    wanted = (*ACTIVATED, steps.ToSource())
    made = in_cells(item, NETWORK, wanted, grid, grid).labels_of()
    assert np.mean(made.values != outputs.finish(whole, wanted, grid).values) < 1e-3


def test_shares_of_the_channels_that_maps_want_are_kept() -> None:
    grid = Grid((30, 30, 30), np.eye(4)[[2, 1, 0, 3]])
    item = random_input(grid.shape, 3)
    whole = outputs.shares(Sampled(infer(ArrayEngine(blobs), item[None], NETWORK)["logits"][0], grid.affine), ACTIVATED)
    made = in_cells(item, NETWORK, (*ACTIVATED, steps.ToSource()), grid, grid, channels=(3, 1))
    assert np.abs(made.shares - whole.values[[3, 1]]).max() < 1e-5
    with pytest.raises(ConfigurationError, match="channel 9 of 5"):
        in_cells(item, NETWORK, (*ACTIVATED, steps.ToSource()), grid, grid, channels=(9,))


def test_what_looks_at_more_than_a_voxel_before_there_are_labels_is_not_done_in_cells() -> None:
    grid = Grid((8, 8, 8), np.eye(4))
    turned = Grid((8, 8, 8), np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    assert can_stream((steps.Softmax(), steps.ToSource()), grid, grid)
    assert can_stream((steps.Argmax(), steps.Close(2), steps.ToSource()), grid, turned)
    assert not can_stream((steps.Softmax(), steps.Close(2), steps.ToSource()), grid, grid)
    assert not can_stream((steps.Softmax(), steps.ToSource()), grid, turned)


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(3, 20), st.integers(1, 8), st.integers(1, 8)), min_size=1, max_size=2),
    most=st.integers(0, 3),
    order=st.randoms(use_true_random=False),
)
def test_every_cell_leaves_once_with_the_sum_of_all_its_parts(
    sizes: list[tuple[int, int, int]], most: int, order: Any
) -> None:
    axes = [[(s, min(s + width, size)) for s in range(0, size, min(step, width))] for size, width, step in sizes]
    gathering = Gathering(axes, most)
    shape = tuple(size for size, *_ in sizes)
    expected, found, seen = np.zeros((1, *shape)), np.zeros((1, *shape)), np.zeros(shape, int)
    places = [tuple(slice(*axes[axis][k]) for axis, k in enumerate(at)) for at in np.ndindex(*map(len, axes))]
    order.shuffle(places)
    for number, place in enumerate(places, start=1):
        part = np.full((1, *(one.stop - one.start for one in place)), number, np.float32)
        expected[(slice(None), *place)] += part
        for at, sums, _ in gathering.add(place, lambda inner, _: part[(slice(None), *inner)].copy()):  # noqa: B023
            found[(slice(None), *at)] = sums
            seen[at] += 1
    assert np.array_equal(found, expected) and (seen == 1).all()


def test_many_classes_never_lie_there_as_one_array() -> None:
    classes, grid = 60, Grid((80, 40, 40), np.diag([1.5, 1.5, 1.5, 1])[[2, 1, 0, 3]])
    source = spaced(grid, (1.0, 1.0, 1.0))

    def network(batch: Float) -> Mapping[str, Float]:
        made = np.zeros((1, classes, *batch.shape[2:]), np.float32)
        made[0, np.arange(batch.shape[2]) % classes, np.arange(batch.shape[2])] = 9.0
        return {"logits": made}

    wanted = Network("n", outputs=("logits",), window=(16, 16, 16))
    made = LabelsOfCells((steps.Softmax(), steps.ToSource()), grid, source)
    item = random_input(grid.shape, 1)
    tracemalloc.start()
    try:
        hand_over(ArrayEngine(network), item, wanted, made, whole=0)
        labels = made.labels_of().values
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert labels.shape == source.shape and labels.any()
    assert peak < 0.6 * classes * int(np.prod(grid.shape)) * 4
