"""Maps from the gradients of a torch network: Grad-CAM, and integrated gradients by captum (extra `explain`).

A worker without either library imports this module; what is missing is said when a package's maps want it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.errors import ConfigurationError
from inference_worker.engines.torch import TorchEngine
from inference_worker.explain.evidence import evidence
from models.manifest import Manifest

Float: TypeAlias = NDArray[np.float32]
# A torch tensor (n, channels, y, x) to the network's outputs by name, gradients kept.
Forward: TypeAlias = Callable[[Any], Mapping[str, Any]]

# Points of the path from the mean picture to the picture: so many leave less than a hundredth of the sum unexplained.
_POINTS = 64
# Pictures of the path that are held at once.
_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class Gradients:
    """A torch network that can be asked what its evidence for a finding depends on."""

    forward: Forward
    manifest: Manifest

    @classmethod
    def of(cls, manifest: Manifest, read: Callable[[str], bytes], integrated: bool) -> "Gradients":
        """The network of a package; raises ConfigurationError where that is not torch's, or a library is absent."""
        if manifest.network.kind != "torchscript":
            raise ConfigurationError(
                f"{manifest.network.file}: maps from gradients need a network of the kind torchscript; "
                "class activation maps and occlusion do not"
            )
        if integrated:
            _captum()
        engine = TorchEngine()
        engine.load(read(manifest.network.file), manifest.network)
        return cls(_scripted(engine.module, manifest.network.outputs), manifest)

    def grad_cam(self, image: Float, channel: int, output: str) -> Float:
        """Grad-CAM (Selvaraju et al. 2017) of `image` (channels, y, x) from the activations in `output`, on their grid.

        Each of the activations' channels counts by the mean of the evidence's gradient over it. What is below 0 speaks
        against the finding. Raises ConfigurationError where the evidence does not depend on `output`.
        """
        torch = import_module("torch")
        with torch.enable_grad():
            outputs = self.forward(torch.from_numpy(image[None]).requires_grad_())
            if output not in outputs:
                raise ConfigurationError(f"the network has no output {output}; there are {', '.join(outputs)}")
            (slope,) = torch.autograd.grad(self._evidence(outputs, channel), outputs[output], allow_unused=True)
        if slope is None or slope.ndim != 4:
            raise ConfigurationError(f"output {output} is no activations (n, channels, y, x) that decide the finding")
        weights = slope.mean(dim=(2, 3), keepdim=True)
        return np.asarray((weights * outputs[output]).sum(dim=1)[0].detach().numpy(), np.float32)

    def integrated(self, image: Float, channel: int) -> Float:
        """Integrated gradients (Sundararajan et al. 2017) of `image` (channels, y, x), of its shape.

        The path begins at a picture that is the image's mean everywhere. The values sum up to how much more evidence
        the image holds than that (completeness).
        """
        torch = import_module("torch")
        given = torch.from_numpy(image[None])
        method = _captum().IntegratedGradients(lambda images: self._evidence(self.forward(images), channel))
        with torch.enable_grad():
            found = method.attribute(
                given,
                given.mean(dim=(2, 3), keepdim=True).expand_as(given),
                n_steps=_POINTS,
                internal_batch_size=_AT_ONCE,
            )
        return np.asarray(found[0].detach().numpy(), np.float32)

    def _evidence(self, outputs: Mapping[str, Any], channel: int) -> Any:
        first = outputs[self.manifest.network.outputs[0]]
        return evidence(first.reshape(len(first), -1), channel, self.manifest.postprocessing)


def with_layer(module: Any, layer: str, outputs: tuple[str, ...]) -> Forward:
    """`module` (torch.nn.Module) with what its `layer` (as of `get_submodule`) gives as one more output, of that name.

    A network in the TorchScript form has no layers that one can listen to: there the activations must be an output.
    """

    def forward(images: Any) -> Mapping[str, Any]:
        heard: list[Any] = []
        handle = module.get_submodule(layer).register_forward_hook(lambda _module, _input, given: heard.append(given))
        try:
            named = _named(module(images), outputs)
        finally:
            handle.remove()
        return {**named, layer: heard[-1]}

    return forward


def _scripted(module: Any, outputs: tuple[str, ...]) -> Forward:
    def forward(images: Any) -> Mapping[str, Any]:
        # TorchScript's optimiser would rewrite the graph on its second run, and an output no longer lie on the way.
        with import_module("torch").jit.optimized_execution(False):
            return _named(module(images), outputs)

    return forward


def _named(given: Any, outputs: tuple[str, ...]) -> Mapping[str, Any]:
    if isinstance(given, dict):
        return given
    return dict(zip(outputs, given if isinstance(given, tuple | list) else (given,), strict=False))


def _captum() -> Any:
    try:
        return import_module("captum.attr")
    except ImportError as error:
        raise ConfigurationError(
            f"integrated gradients cannot be made ({error}): pip install 'dicom-node[explain]'"
        ) from error
