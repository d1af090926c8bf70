"""Explanation maps: where in a picture a classifier looked for a finding, on the picture's own grid.

An Explainer is made once for a package, beside its engine, and asked once for each picture. Every map speaks of the
finding's log-odds (of the probability itself, where the network gives that), which do not saturate as probabilities do;
what speaks against the finding is left out, and the strongest pixel is 1.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.errors import ConfigurationError
from inference_worker.explain.evidence import evidence, is_logit
from inference_worker.explain.gradients import Gradients
from inference_worker.explain.occlusion import occlusion
from inference_worker.transforms.grids import Line
from inference_worker.transforms.weights import weights
from models.manifest import Explanation, Finding, Manifest

Float: TypeAlias = NDArray[np.float32]
# The engine's: (n, channels, y, x) to the named outputs, n at most the manifest's `batch`.
Infer: TypeAlias = Callable[[Float], Mapping[str, Float]]
# A map on the network's grid (y, x) to the picture's (rows, columns), 0 where the network saw nothing of the picture.
ToSource: TypeAlias = Callable[[Float], Float]

METHODS: Mapping[str, str] = {
    "cam": "class activation map",
    "grad_cam": "Grad-CAM",
    "integrated_gradients": "integrated gradients",
    "occlusion": "occlusion",
}
_OF_GRADIENTS = {"grad_cam", "integrated_gradients"}


@dataclass(frozen=True, eq=False)
class Explained:
    """One map: `values` (rows, columns), 0 to 1 on the picture's grid, for the finding `label`, made by `method`."""

    label: str
    method: str
    values: Float


class Explainer:
    """The maps of one package's classifier.

    Construction raises ConfigurationError where a map needs a library that is absent, and names its extra, or where the
    package's network is not of the kind that the map needs.
    """

    def __init__(self, manifest: Manifest, infer: Infer, read: Callable[[str], bytes]) -> None:
        self._manifest, self._infer = manifest, infer
        methods = {wanted.method for wanted in manifest.maps} & _OF_GRADIENTS
        self._gradients = Gradients.of(manifest, read, "integrated_gradients" in methods) if methods else None

    def maps(self, image: Float, outputs: Mapping[str, Float], to_source: ToSource) -> tuple[Explained, ...]:
        """The maps that the manifest wants of one picture: of the findings that are present, or of all.

        `image` (channels, y, x) is what the network read, `outputs` what it gave for it, without the axis of the batch.
        Raises ConfigurationError where an output is not shaped as the manifest says.
        """
        given = outputs[self._manifest.network.outputs[0]].reshape(1, -1)
        found = []
        for wanted in self._manifest.maps:
            first = [one for one in self._manifest.findings if not one.output]
            findings = [one for one in first if wanted.always or self._present(one, given)]
            for finding, values in zip(findings, self._made(wanted, findings, image, outputs), strict=True):
                shown = _finished(values, (image.shape[1], image.shape[2]), to_source)
                found.append(Explained(finding.label, METHODS[wanted.method], shown))
        return tuple(found)

    def _present(self, finding: Finding, given: Float) -> bool:
        value = float(evidence(given, finding.channel, self._manifest.postprocessing)[0])
        odds = finding.threshold / (1 - finding.threshold)
        return value >= (math.log(odds) if is_logit(self._manifest.postprocessing) else finding.threshold)

    def _made(
        self, wanted: Explanation, findings: Sequence[Finding], image: Float, outputs: Mapping[str, Float]
    ) -> list[Float]:
        """A map (y, x) of each of `findings`, on the network's grid or a coarser one that covers the same."""
        channels = [one.channel for one in findings]
        if not channels:
            return []
        if wanted.method == "cam":
            return [_channel(outputs[wanted.output], wanted.output, channel) for channel in channels]
        if wanted.method == "occlusion":
            return occlusion(image, self._infer, self._manifest, channels, wanted.patch)
        assert self._gradients is not None  # made with the explainer, for such a method is in the manifest
        if wanted.method == "grad_cam":
            return [self._gradients.grad_cam(image, channel, wanted.output) for channel in channels]
        return [self._gradients.integrated(image, channel).sum(axis=0) for channel in channels]


def _channel(maps: Float, output: str, channel: int) -> Float:
    if maps.ndim != 3 or channel >= len(maps):
        raise ConfigurationError(f"output {output} has the shape {maps.shape}: no map (y, x) for channel {channel}")
    return np.asarray(maps[channel])


def _finished(values: Float, size: tuple[int, int], to_source: ToSource) -> Float:
    """What speaks for the finding, from 0 to 1, on the picture's grid; `size` is that of the network's."""
    rows, columns = (_edge_to_edge(new, old) for new, old in zip(size, values.shape, strict=True))
    shown = to_source((rows @ np.maximum(values, 0) @ columns.T).astype(np.float32))
    highest = float(shown.max())
    return np.clip(shown / highest, 0, 1, dtype=np.float32) if highest > 0 else np.zeros_like(shown, np.float32)


def _edge_to_edge(new: int, old: int) -> Float:
    """Weights (new, old) of linear interpolation between samples that cover the same length."""
    step = old / new
    return weights("linear", Line(new, old, (step - 1) / 2, step))
