"""One model from volume to findings: prepare, infer, label, clean, measure."""

from dataclasses import replace

from domain.errors import UnusableInput
from domain.findings import Findings, Segment
from inference_worker.engine import Engine
from inference_worker.postprocessing import Labels, clean, label, measure
from inference_worker.preprocessing import grid_for, prepare
from inference_worker.volume import Volume
from models.registry import Package


class Pipeline:
    """A package on an engine, loaded and warm once constructed.

    Construction raises IntegrityError where the network is not the one that the manifest describes, and
    ConfigurationError where the engine cannot load it.
    """

    def __init__(self, package: Package, engine: Engine) -> None:
        self._package, self._engine = package, engine
        network = package.manifest.network
        engine.load(package.read(network.file), network)

    def run(self, volume: Volume) -> tuple[Findings, Labels]:
        """The findings in `volume`, and the mask: (slices, rows, columns) on the volume's own grid, one byte a voxel.

        `Findings.mask` is None; who stores the mask fills it in. Raises UnusableInput where the model finds none of
        its structures, for then there is no result to show.
        """
        mask = self._mask(volume)
        if not mask.any():
            names = ", ".join(segment.label for segment in self._package.manifest.segments)
            raise UnusableInput(f"the model {self._package.name} finds none of its structures in the series: {names}")
        segments = tuple(self._measured(segment, mask, volume) for segment in self._package.manifest.segments)
        return Findings(self._package.identity, volume.digest, volume.frames, None, segments), mask

    def _mask(self, volume: Volume) -> Labels:
        manifest = self._package.manifest
        grid = grid_for(volume.voxels.shape, volume.affine, manifest.preprocessing.spacing_mm)
        prepared = prepare(volume.voxels, grid, manifest.preprocessing, manifest.network.multiple)
        mask = label(self._engine.infer(prepared), grid, len(manifest.segments) + 1, manifest.postprocessing.close_mm)
        clean(mask, len(manifest.segments), manifest.postprocessing)
        return mask

    def _measured(self, segment: Segment, mask: Labels, volume: Volume) -> Segment:
        wanted = self._package.manifest.measurements
        return replace(segment, measurements=measure(segment, mask, volume.voxels, volume.affine, wanted))
