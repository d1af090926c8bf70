"""Maps from gradients, on networks whose maps are known: a linear one, and one whose Grad-CAM is its CAM."""

import io
import sys
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from domain.errors import ConfigurationError
from inference_worker.explain import Explainer
from inference_worker.explain.gradients import Gradients, with_layer
from models.manifest import Explanation, Manifest
from models.steps import After, Sigmoid, Softmax
from tests.support.explaining import manifest

torch = pytest.importorskip("torch", reason="torch is not installed; `uv sync --extra torch` installs it")

Float = NDArray[np.float32]
OUTPUTS = ("logits", "cam", "features")


class Classifier(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Convolution, mean over the picture, linear: then CAM (Zhou et al. 2016) is the linear layer at each place."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv = torch.nn.Conv2d(1, 6, 3, stride=2, padding=1)
        self.linear = torch.nn.Linear(6, 2)

    def forward(self, images):  # type: ignore[no-untyped-def]
        features = torch.relu(self.conv(images))
        maps = torch.einsum("kc,ncyx->nkyx", self.linear.weight, features)
        return self.linear(features.mean(dim=(2, 3))), maps, features


class Linear(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Two logits, each a sum of pixels by its own weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.weights = torch.nn.Parameter(torch.randn(2, 32, 32))

    def forward(self, images):  # type: ignore[no-untyped-def]
        return torch.einsum("kyx,nyx->nk", self.weights, images[:, 0])


def scripted(network: Callable[..., object], size: tuple[int, int]) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the end of TorchScript
        stream = io.BytesIO()
        torch.jit.save(torch.jit.trace(network, torch.zeros(2, 1, *size)), stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def classifier() -> bytes:
    return scripted(Classifier().eval(), (24, 16))


def image(rows: int, columns: int) -> Float:
    return np.random.default_rng(5).random((1, rows, columns), np.float32)


def outputs_of(network: Callable[..., object], seen: Float) -> Mapping[str, Float]:
    with torch.no_grad():
        given = network(torch.from_numpy(seen[None]))
    named = given if isinstance(given, tuple) else (given,)
    return {name: values[0].numpy() for name, values in zip(OUTPUTS, named, strict=False)}


def never(_batch: Float) -> Mapping[str, Float]:
    raise AssertionError("gradients need no engine")


def same(values: Float) -> Float:
    return values


def of(network: bytes, wanted: Manifest) -> Gradients:
    return Gradients.of(wanted, lambda _name: network, integrated=True)


@pytest.mark.parametrize("channel", [0, 1])
def test_grad_cam_is_cam_up_to_scale_where_the_mean_of_the_activations_decides(classifier: bytes, channel: int) -> None:
    """Selvaraju et al. 2017, section 3.1: the gradient of the mean is 1 / places everywhere."""
    seen = image(24, 16)
    gradients = of(classifier, manifest((), kind="torchscript", outputs=OUTPUTS))
    found = gradients.grad_cam(seen, channel, "features")
    known = outputs_of(Classifier().eval(), seen)["cam"][channel]
    assert found.shape == (12, 8)
    assert found * 12 * 8 == pytest.approx(known, abs=1e-5)
    assert gradients.grad_cam(seen, channel, "features") == pytest.approx(found)


def test_the_explainer_gives_the_same_map_by_cam_and_by_grad_cam(classifier: bytes) -> None:
    seen = image(24, 16)
    wanted = (Explanation("cam", "cam", always=True), Explanation("grad_cam", "features", always=True))
    explainer = Explainer(manifest(wanted, kind="torchscript", outputs=OUTPUTS), never, lambda _name: classifier)
    found = explainer.maps(seen, outputs_of(Classifier().eval(), seen), same)
    assert [(one.label, one.method) for one in found] == [
        ("First", "class activation map"),
        ("Second", "class activation map"),
        ("First", "Grad-CAM"),
        ("Second", "Grad-CAM"),
    ]
    for by_cam, by_gradient in zip(found[:2], found[2:], strict=True):
        assert by_cam.values.shape == (24, 16)
        assert by_cam.values.max() == 1
        assert by_gradient.values == pytest.approx(by_cam.values, abs=1e-5)


def test_a_module_of_torch_is_explained_by_the_name_of_a_layer() -> None:
    network, seen = Classifier().eval(), image(24, 16)
    gradients = Gradients(with_layer(network, "conv", OUTPUTS), manifest((), outputs=OUTPUTS))
    wanted = Gradients(lambda images: dict(zip(OUTPUTS, network(images), strict=True)), manifest((), outputs=OUTPUTS))
    before = gradients.grad_cam(seen, 0, "conv")
    assert before.shape == (12, 8)
    # What the convolution gives below 0 has no gradient, so the weights are of the share that is above.
    share = (outputs_of(network, seen)["features"] > 0).mean(axis=(1, 2))
    weights = network.linear.weight[0].detach().numpy() * share / (12 * 8)
    with torch.no_grad():
        activations = network.conv(torch.from_numpy(seen[None]))[0].numpy()
    assert before == pytest.approx(np.tensordot(weights, activations, axes=1), abs=1e-5)
    assert wanted.grad_cam(seen, 0, "features").shape == (12, 8)
    assert not network.conv._forward_hooks


@pytest.mark.parametrize("postprocessing", [(Sigmoid(),), (Softmax(),), ()], ids=["sigmoid", "softmax", "none"])
def test_integrated_gradients_sum_up_to_the_difference_of_the_evidence(
    classifier: bytes, postprocessing: tuple[After, ...]
) -> None:
    pytest.importorskip("captum", reason="captum is not installed; `uv sync --extra explain` installs it")
    gradients = of(classifier, manifest((), postprocessing, kind="torchscript", outputs=OUTPUTS))
    seen = image(24, 16)
    flat = np.full_like(seen, seen.mean())
    for channel in (0, 1):
        found = gradients.integrated(seen, channel)
        (here,), (there,) = (outputs_of(Classifier().eval(), one)["logits"][None] for one in (seen, flat))
        gained = here[channel] - there[channel]
        if postprocessing == (Softmax(),):
            gained -= here[1 - channel] - there[1 - channel]
        assert found.shape == seen.shape
        assert found.sum() == pytest.approx(gained, rel=0.01, abs=1e-4)


def test_integrated_gradients_of_a_linear_network_are_its_weights_by_what_stands_out() -> None:
    pytest.importorskip("captum", reason="captum is not installed; `uv sync --extra explain` installs it")
    network, seen = Linear().eval(), image(32, 32)
    wanted = (Explanation("integrated_gradients", always=True),)
    stated = manifest(wanted, kind="torchscript", outputs=("logits",))
    explainer = Explainer(stated, never, lambda _name: scripted(network, (32, 32)))
    found = explainer.maps(seen, outputs_of(network, seen), same)
    for one, weights in zip(found, network.weights.detach().numpy(), strict=True):
        known = np.maximum(weights * (seen[0] - seen.mean()), 0)
        assert one.method == "integrated gradients"
        assert one.values == pytest.approx(known / known.max(), abs=1e-5)


@pytest.mark.parametrize(
    ("output", "said"), [("logits", "is no activations"), ("conv", "the network has no output conv")]
)
def test_an_output_that_holds_no_activations_is_a_mistake_of_the_package(
    classifier: bytes, output: str, said: str
) -> None:
    gradients = of(classifier, manifest((), kind="torchscript", outputs=OUTPUTS))
    with pytest.raises(ConfigurationError, match=said):
        gradients.grad_cam(image(24, 16), 0, output)


def test_an_output_that_does_not_decide_the_finding_is_a_mistake_of_the_package(classifier: bytes) -> None:
    gradients = of(classifier, manifest((), kind="torchscript", outputs=OUTPUTS))
    with pytest.raises(ConfigurationError, match="is no activations"):
        gradients.grad_cam(image(24, 16), 0, "cam")


def test_without_captum_a_package_that_wants_integrated_gradients_names_its_extra(
    classifier: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    stated = manifest((Explanation("integrated_gradients"),), kind="torchscript", outputs=OUTPUTS)
    with pytest.raises(ConfigurationError, match=r"pip install 'dicom-node\[explain\]'"):
        Explainer(stated, never, lambda _name: classifier)
    Explainer(
        manifest((Explanation("grad_cam", "features"),), kind="torchscript", outputs=OUTPUTS),
        never,
        lambda _name: classifier,
    )


def test_without_torch_a_package_that_wants_grad_cam_names_its_extra(
    classifier: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    stated = manifest((Explanation("grad_cam", "features"),), kind="torchscript", outputs=OUTPUTS)
    with pytest.raises(ConfigurationError, match=r"pip install 'dicom-node\[torch\]'"):
        Explainer(stated, never, lambda _name: classifier)
