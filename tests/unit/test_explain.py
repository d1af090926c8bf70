"""Maps without torch: from the network's own output and by occlusion, and where they lie in the source picture."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from domain.errors import ConfigurationError
from inference_worker.explain import Explained, Explainer
from inference_worker.explain.evidence import evidence
from inference_worker.transforms import shapes
from inference_worker.transforms.arrays import Sampled
from inference_worker.transforms.grids import Grid
from inference_worker.transforms.inverse import values_on_source
from models.manifest import Explanation
from models.steps import After, CentreCrop, Pad, Resize, Sigmoid, Softmax
from tests.support.explaining import manifest

Float = NDArray[np.float32]


def no_file(name: str) -> bytes:
    raise AssertionError(f"the package has no file {name}")


def same(values: Float) -> Float:
    return values


class PatchNetwork:
    """Logit 0 is ten times the mean of one patch, less 2; logit 1 its negative. Keeps the sizes of its batches."""

    def __init__(self, where: tuple[slice, slice]) -> None:
        self.where = where
        self.batches: list[int] = []

    def __call__(self, batch: Float) -> Mapping[str, Float]:
        self.batches.append(len(batch))
        score = 10 * batch[(slice(None), 0, *self.where)].mean(axis=(1, 2)) - 2
        return {"logits": np.stack([score, -score], axis=1).astype(np.float32)}


def image(rows: int = 64, columns: int = 48) -> Float:
    """White in rows 40 to 47 and columns 6 to 11, grey elsewhere."""
    values = np.full((1, rows, columns), 0.1, np.float32)
    values[0, 40:48, 6:12] = 1
    return values


WHERE = (slice(40, 48), slice(6, 12))


def explained(wanted: Explanation, postprocessing: tuple[After, ...] = (Sigmoid(),), batch: int = 8) -> list[Explained]:
    network = PatchNetwork(WHERE)
    explainer = Explainer(manifest((wanted,), postprocessing, batch=batch), network, no_file)
    given = {name: values[0] for name, values in network(image()[None]).items()}
    return list(explainer.maps(image(), given, same))


def test_occlusion_finds_the_patch_that_alone_decides() -> None:
    (found,) = explained(Explanation("occlusion"))
    assert (found.label, found.method, found.values.shape) == ("First", "occlusion", (64, 48))
    assert (found.values.min(), found.values.max()) == (0.0, 1.0)
    inside = np.zeros((64, 48), bool)
    inside[WHERE] = True
    assert found.values[inside].mean() > 0.7
    # A pixel that no patch together with the deciding ones hides has lost nothing.
    far = np.ones((64, 48), bool)
    far[40 - 8 : 48 + 8, max(0, 6 - 6) : 12 + 6] = False
    assert not found.values[far].any()
    assert inside[np.unravel_index(found.values.argmax(), found.values.shape)]


@pytest.mark.parametrize("postprocessing", [(Sigmoid(),), (Softmax(),)], ids=["sigmoid", "softmax"])
def test_occlusion_is_of_log_odds_so_that_certainty_hides_nothing(postprocessing: tuple[After, ...]) -> None:
    (found,) = explained(Explanation("occlusion"), postprocessing)
    (plain,) = explained(Explanation("occlusion"), ())
    assert found.values == pytest.approx(plain.values, abs=1e-5)


def test_occlusion_passes_pictures_in_batches_of_the_size_that_the_package_states() -> None:
    network = PatchNetwork(WHERE)
    explainer = Explainer(manifest((Explanation("occlusion", patch=0.25),), batch=5), network, no_file)
    explainer.maps(image(), {"logits": np.array([9.0, -9.0], np.float32)}, same)
    assert network.batches[0] == 1
    assert sum(network.batches[1:]) == 7 * 7
    assert set(network.batches[1:-1]) == {5}


def test_occlusion_covers_every_pixel_of_a_size_that_the_patches_do_not_divide() -> None:
    network = PatchNetwork((slice(60, 61), slice(46, 47)))
    seen = np.full((1, 61, 47), 0.1, np.float32)
    seen[0, 60, 46] = 1
    explainer = Explainer(manifest((Explanation("occlusion", patch=0.3, always=True),)), network, no_file)
    first, _ = explainer.maps(seen, {"logits": np.array([9.0, -9.0], np.float32)}, same)
    assert np.isfinite(first.values).all()
    assert first.values[60, 46] == 1


def test_a_map_is_made_of_each_finding_that_is_present_and_of_all_where_always() -> None:
    assert [one.label for one in explained(Explanation("occlusion"))] == ["First"]
    both = explained(Explanation("occlusion", always=True))
    assert [one.label for one in both] == ["First", "Second"]
    # All that the network looks at speaks against the second.
    assert not both[1].values.any()


@pytest.mark.parametrize(
    ("postprocessing", "logits", "present"),
    [
        ((Sigmoid(),), (1.0, 1.1), ["Second"]),
        ((Softmax(),), (0.0, 1.1), ["Second"]),
        ((Softmax(),), (1.0, 2.0), []),
        ((), (0.74, 0.76), ["Second"]),
    ],
)
def test_present_is_what_reaches_its_threshold_as_a_probability(
    postprocessing: tuple[After, ...], logits: tuple[float, float], present: list[str]
) -> None:
    """A threshold of 0.75 is a log-odds of 1.0986."""
    wanted = manifest((Explanation("cam", "cam"),), postprocessing, threshold=0.75)
    outputs = {"logits": np.array(logits, np.float32), "cam": np.ones((2, 4, 4), np.float32)}
    found = Explainer(wanted, PatchNetwork(WHERE), no_file).maps(np.zeros((1, 8, 8), np.float32), outputs, same)
    assert [one.label for one in found] == present


def test_evidence_before_a_softmax_is_the_log_odds_of_its_share() -> None:
    logits = np.random.default_rng(1).normal(0, 3, (6, 4))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for channel in range(4):
        odds = shares[:, channel] / (1 - shares[:, channel])
        assert evidence(logits, channel, (Softmax(),)) == pytest.approx(np.log(odds))


def cam(activations: Float, to_source: object = same, size: tuple[int, int] = (64, 48)) -> Explained:
    explainer = Explainer(manifest((Explanation("cam", "cam"),)), PatchNetwork(WHERE), no_file)
    outputs = {"logits": np.array([3.0, -3.0], np.float32), "cam": activations}
    (found,) = explainer.maps(np.zeros((1, *size), np.float32), outputs, to_source)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("step", [Softmax(temperature=3.0), Sigmoid(temperature=3.0)])
def test_evidence_knows_the_temperature_that_its_probability_was_made_with(step: After) -> None:
    logits = np.array([[1.0, -2.0, 0.5]], np.float32)
    shares = {Softmax: special.softmax, Sigmoid: lambda given, axis: special.expit(given)}[type(step)](
        logits / 3, axis=1
    )
    for channel in range(3):
        odds = shares[:, channel] / (1 - shares[:, channel])
        assert evidence(logits, channel, (step, Sigmoid(output="other"))) == pytest.approx(np.log(odds), abs=1e-5)


def test_a_class_activation_map_is_its_channel_stretched_edge_to_edge_without_what_speaks_against() -> None:
    maps = np.zeros((2, 4, 3), np.float32)
    maps[0, 1, 2], maps[0, 3, 0], maps[1, 0, 0] = 5, -7, 9
    found = cam(maps)
    assert (found.label, found.method) == ("First", "class activation map")
    row, column = np.unravel_index(found.values.argmax(), (64, 48))
    assert (int(row), int(column)) in {(r, c) for r in range(23, 25) for c in range(40, 48)}
    # Cell (1, 2) covers rows 16 to 31 and columns 32 to 47; linear interpolation ends a cell's length from its middle.
    assert found.values[:8].sum() + found.values[40:].sum() + found.values[:, :24].sum() == 0
    weighed = (found.values * np.arange(64)[:, None]).sum() / found.values.sum()
    assert weighed == pytest.approx(23.5)


def test_a_map_without_anything_that_speaks_for_the_finding_is_empty() -> None:
    assert not cam(-np.ones((2, 4, 3), np.float32)).values.any()


@pytest.mark.parametrize("shape", [(1, 4, 3), (4, 3)])
def test_an_output_that_has_no_map_of_the_channel_is_a_mistake_of_the_package(shape: tuple[int, ...]) -> None:
    explainer = Explainer(manifest((Explanation("cam", "cam", always=True),)), PatchNetwork(WHERE), no_file)
    outputs = {"logits": np.zeros(2, np.float32), "cam": np.ones(shape, np.float32)}
    with pytest.raises(ConfigurationError, match="output cam has the shape"):
        explainer.maps(image(), outputs, same)


def test_maps_land_on_the_right_pixels_of_a_picture_that_was_cropped_resized_and_padded() -> None:
    """The middle 200 x 100 of 300 x 120 pixels, halved to 100 x 50, padded at the far ends to 128 x 64."""
    source = Grid((300, 120), np.eye(3))
    prepared = Sampled(np.zeros((1, *source.shape), np.float32), source.affine)
    for step in (CentreCrop((200, 100)), Resize((100, 50)), Pad(size=(128, 64))):
        act = {CentreCrop: shapes.centre_crop, Resize: shapes.resize, Pad: shapes.pad}[type(step)]
        prepared = act(prepared, step)  # type: ignore[operator]
    maps = np.zeros((2, 128, 64), np.float32)
    maps[0, 30:40, 10:20] = 1
    maps[0, 126:, 57:] = 3  # beyond the source

    def to_source(values: Float) -> Float:
        return np.asarray(values_on_source(Sampled(values[None], prepared.affine), source)[0])

    found = cam(maps, to_source, (128, 64)).values
    wanted = np.zeros(source.shape)
    wanted[50 + 60 : 50 + 80, 10 + 20 : 10 + 40] = 1
    assert found.shape == source.shape
    assert found.max() == 1
    rim = np.zeros(source.shape, bool)
    rim[108:132, 28:52] = True
    rim[112:128, 32:48] = False
    assert found[~rim] == pytest.approx(wanted[~rim], abs=1e-6)


def test_occlusion_by_a_picture_lands_on_the_pixels_that_decide() -> None:
    """The network sees 160 x 90 pixels squeezed to 64 x 48; rows 100 to 119 and columns 11 to 22 decide."""
    source = Grid((160, 90), np.eye(3))
    picture = np.full((1, *source.shape), 0.1, np.float32)
    picture[0, 100:120, 11:23] = 1
    prepared = shapes.resize(Sampled(picture, source.affine), Resize((64, 48)))
    network = PatchNetwork((slice(40, 48), slice(6, 12)))

    def to_source(values: Float) -> Float:
        return np.asarray(values_on_source(Sampled(values[None], prepared.affine), source)[0])

    given = {name: values[0] for name, values in network(prepared.values[None]).items()}
    (found,) = Explainer(manifest((Explanation("occlusion"),)), network, no_file).maps(
        prepared.values, given, to_source
    )
    row, column = np.unravel_index(found.values.argmax(), source.shape)
    assert 100 <= row < 120
    assert 11 <= column < 23


def test_gradients_of_a_network_that_torch_cannot_follow_are_a_mistake_of_the_package() -> None:
    for method in ("grad_cam", "integrated_gradients"):
        with pytest.raises(ConfigurationError, match="need a network of the kind torchscript"):
            Explainer(manifest((Explanation(method, "features"),)), PatchNetwork(WHERE), no_file)
