"""Windows are blended as MONAI blends them, and a smaller window is tried once when memory runs out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from domain.errors import Permanent
from inference_worker.engines.protocol import Float
from inference_worker.windows import Windowed, gaussian, infer, lesser, places
from models.manifest import Network
from tests.support.networks import ArrayEngine, volume

FREE = Network("n", outputs=("near", "edge"), window=(8, 8, 8), multiple=4, halve=True)


def blurred(batch: Float) -> Mapping[str, Float]:
    """Two outputs of two channels each that differ near a window's edge from what the whole volume would give."""
    near = ndimage.uniform_filter(batch, (1, 1, *[3] * (batch.ndim - 2)), mode="constant")
    edge = ndimage.gaussian_filter(batch, (0, 0, *[2] * (batch.ndim - 2)), mode="constant")
    return {"near": np.concatenate([near, batch], axis=1), "edge": np.concatenate([edge, -edge], axis=1)}


@pytest.mark.slow  # MONAI takes seconds to import
@pytest.mark.parametrize(
    ("shape", "window", "overlap", "batch"),
    [
        ((1, 1, 20, 17, 13), (8, 8, 8), 0.25, 1),
        ((2, 1, 16, 9, 24), (8, 6, 12), 0.5, 3),
        ((1, 1, 5, 20, 8), (8, 8, 8), 0.25, 2),  # smaller than the window along one axis
        ((1, 1, 3, 4, 5), (8, 8, 8), 0.25, 1),  # smaller along all
        ((1, 2, 40, 33), (16, 16), 0.6, 4),
        ((1, 1, 12, 12, 12), (8, 8, 8), 0.0, 1),
    ],
)
def test_the_blend_is_monai_s(shape: tuple[int, ...], window: tuple[int, ...], overlap: float, batch: int) -> None:
    torch, inferers = pytest.importorskip("torch"), pytest.importorskip("monai.inferers")
    network = Network(
        "n", outputs=("near", "edge"), shape=(0,) * len(shape), window=window, overlap=overlap, batch=batch
    )
    given = volume(*shape)

    def predictor(windows: Any) -> Any:
        return {name: torch.from_numpy(output) for name, output in blurred(windows.numpy()).items()}

    theirs = inferers.sliding_window_inference(
        torch.from_numpy(given), window, batch, predictor, overlap=overlap, mode="gaussian"
    )
    ours = infer(ArrayEngine(blurred), given, network)
    assert set(ours) == {"near", "edge"}
    for name, output in ours.items():
        assert output.dtype == np.float32 and output.shape == (shape[0], 2 * shape[1], *shape[2:])
        assert np.abs(output - theirs[name].numpy()).max() < 1e-5


def test_a_window_s_weight_is_a_gaussian_of_an_eighth_of_its_side() -> None:
    weight = gaussian((8, 16))
    along = np.exp(-((np.arange(16) - 7.5) ** 2) / (2 * 2.0**2))
    assert weight.shape == (8, 16) and np.allclose(weight[4], np.maximum(along * weight[4].max() / along.max(), 1e-3))
    assert weight.min() == np.float32(1e-3)


def test_windows_cover_every_voxel_and_lie_inside() -> None:
    covered = np.zeros((21, 9, 30), int)
    for place in places((21, 9, 30), (8, 9, 7), 0.3):
        assert covered[place].shape == (8, 9, 7)
        covered[place] += 1
    assert covered.min() >= 1


def test_without_a_window_the_whole_volume_goes_through_at_once() -> None:
    engine, given = ArrayEngine(blurred), volume(1, 1, 20, 17, 13)
    outputs = infer(engine, given, Network("n", outputs=("near", "edge")))
    assert engine.shapes == [given.shape]
    assert np.array_equal(outputs["near"], blurred(given)["near"])


def test_a_window_along_an_axis_that_the_network_fixes_is_as_long_as_that() -> None:
    engine = ArrayEngine(blurred)
    infer(engine, volume(1, 1, 16, 24, 24), Network("n", outputs=("near",), shape=(1, 1, 16, 0, 0), window=(8, 8, 8)))
    assert set(engine.shapes) == {(1, 1, 16, 8, 8)}


def test_items_go_through_as_many_at_a_time_as_the_manifest_says() -> None:
    engine, given = ArrayEngine(blurred), volume(5, 1, 6, 6)
    outputs = infer(engine, given, Network("n", outputs=("near",), shape=(0, 1, 6, 6), batch=2))
    assert [shape[0] for shape in engine.shapes] == [2, 2, 1]
    assert np.allclose(outputs["near"], blurred(given)["near"])


def test_a_network_that_takes_one_number_of_items_alone_is_always_given_that_many() -> None:
    engine, given = ArrayEngine(blurred), volume(5, 1, 6, 6)
    outputs = infer(engine, given, Network("n", outputs=("near",), shape=(2, 1, 6, 6)))
    assert [shape[0] for shape in engine.shapes] == [2, 2, 2]
    assert np.allclose(outputs["near"], blurred(given)["near"])


def test_windows_of_one_value_are_inferred_once_and_change_nothing() -> None:
    given = np.full((1, 1, 32, 32, 32), 0.25, np.float32)
    given[..., 8:14, 8:14, 8:14] = volume(6, 6, 6)
    engine = ArrayEngine(blurred)
    found = infer(engine, given, FREE)
    # Noise too small to see makes every window differ in a voxel, so that none is spared.
    unlike = given + np.linspace(0, 1e-6, given.size, dtype=np.float32).reshape(given.shape)
    plain = ArrayEngine(blurred)
    expected = infer(plain, unlike, FREE)
    assert len(plain.shapes) == 125 and len(engine.shapes) < 20
    assert np.abs(found["edge"] - expected["edge"]).max() < 1e-5


def test_memory_that_runs_out_is_met_once_with_half_the_window() -> None:
    engine, given = ArrayEngine(blurred, limit=4**3), volume(1, 1, 16, 16, 16)
    outputs = infer(engine, given, FREE)
    assert engine.shapes[0] == (1, 1, 8, 8, 8) and set(engine.shapes[1:]) == {(1, 1, 4, 4, 4)}
    assert np.allclose(outputs["near"][:, 1], given[:, 0], atol=1e-6)


def test_a_whole_volume_that_does_not_fit_goes_in_windows_of_half_its_size() -> None:
    engine, given = ArrayEngine(blurred, limit=16 * 16 * 16), volume(1, 1, 32, 24, 20)
    outputs = infer(engine, given, Network("n", outputs=("near",), multiple=4, halve=True))
    assert engine.shapes[0] == given.shape and set(engine.shapes[1:]) == {(1, 1, 16, 12, 12)}
    assert np.allclose(outputs["near"][:, 1], given[:, 0], atol=1e-6)


def test_a_batch_that_does_not_fit_goes_one_by_one() -> None:
    engine, given = ArrayEngine(blurred, limit=36), volume(3, 1, 6, 6)
    outputs = infer(engine, given, Network("n", outputs=("near",), shape=(0, 1, 6, 6), batch=4))
    assert engine.shapes == [(3, 1, 6, 6), *[(1, 1, 6, 6)] * 3]
    assert np.allclose(outputs["near"], blurred(given)["near"])


def test_memory_that_runs_out_twice_is_the_end_and_both_reasons_are_told() -> None:
    with pytest.raises(Permanent, match=r"\(1, 1, 4, 4, 4\).*before, with more.*\(1, 1, 8, 8, 8\)"):
        infer(ArrayEngine(blurred, limit=1), volume(1, 1, 16, 16, 16), FREE)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (Network("n", shape=(1, 1, 16, 16, 16), halve=True), (1, 1, 16, 16, 16)),
        (Network("n", shape=(1, 1, 0, 0, 0), multiple=16, halve=True), (1, 1, 16, 16, 16)),
        (Network("n", shape=(1, 1, 0, 0, 0), multiple=16, window=(16, 16, 16), halve=True), (1, 1, 64, 64, 64)),
    ],
)
def test_where_the_network_takes_nothing_smaller_memory_is_the_end_at_once(
    network: Network, shape: tuple[int, ...]
) -> None:
    engine = ArrayEngine(blurred, limit=1)
    assert lesser(network, shape) == []
    with pytest.raises(Permanent, match="takes no smaller input"):
        infer(engine, volume(*shape), network)
    assert len(engine.shapes) == 1


def test_half_a_window_is_a_multiple_of_what_the_network_takes() -> None:
    network = Network("n", window=(96, 48, 112), multiple=32, batch=4, shape=(0, 1, 0, 0, 0), halve=True)
    singly, less = lesser(network, (1, 1, 200, 200, 200))
    assert (singly.window, singly.batch) == ((96, 48, 112), 1)
    assert (less.window, less.batch) == ((64, 32, 64), 1)


@pytest.mark.parametrize("network", [FREE, replace(FREE, window=())])
def test_smaller_windows_which_change_results_are_tried_only_where_the_manifest_allows_them(network: Network) -> None:
    given = volume(1, 1, 16, 16, 16)
    engine = ArrayEngine(blurred, limit=4**3 if network.window else 8**3)
    with pytest.raises(Permanent, match="would change results, which the manifest does not allow"):
        infer(engine, given, replace(network, halve=False))
    assert len(engine.shapes) == 1


def test_results_of_smaller_windows_say_so_and_others_say_nothing() -> None:
    inner = ArrayEngine(blurred, limit=4**3)
    engine = Windowed(inner)
    engine.load(b"", FREE)
    engine.infer(volume(1, 1, 16, 16, 16))
    (said,) = engine.remarks
    assert said.startswith("memory ran out: the network saw parts of 4 x 4 x 4 voxels instead of 8 x 8 x 8")
    inner.limit = 8**3
    engine.infer(volume(1, 1, 16, 16, 16))
    assert engine.remarks == ()


def test_one_at_a_time_changes_nothing_and_is_not_remarked() -> None:
    engine = Windowed(ArrayEngine(blurred, limit=36))
    engine.load(b"", Network("n", outputs=("near",), shape=(0, 1, 6, 6), batch=4))
    engine.infer(volume(3, 1, 6, 6))
    assert engine.remarks == ()


def test_an_output_that_does_not_lie_on_its_window_cannot_be_blended() -> None:
    engine = ArrayEngine(lambda batch: {"near": batch.mean(axis=(2, 3, 4)), "edge": batch})
    with pytest.raises(Permanent, match="output near has the shape"):
        infer(engine, volume(1, 1, 16, 16, 16), FREE)


def test_a_windowed_engine_takes_an_input_of_any_size() -> None:
    inner = ArrayEngine(blurred)
    engine = Windowed(inner)
    engine.load(b"", FREE)
    given = volume(1, 1, 20, 20, 20)
    assert np.array_equal(engine.infer(given)["near"], infer(inner, given, FREE)["near"])
    assert engine.name == inner.name and set(inner.shapes) == {(1, 1, 8, 8, 8)}
