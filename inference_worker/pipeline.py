"""One package on one engine: what its manifest says is done, from the series that were read to what was found."""

import hashlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from domain.errors import ConfigurationError
from domain.findings import FindingProbability, Findings, Map
from inference_worker.engines import cuda
from inference_worker.engines.ports import takes
from inference_worker.engines.protocol import Engine
from inference_worker.explain import Explained, Explainer
from inference_worker.guards import refuse_input, refuse_output
from inference_worker.images import Images
from inference_worker.lesions import listed
from inference_worker.model_protocol import Outcome, Prepared, Sources, input_digest, other_frames, remarks
from inference_worker.pieces import hand_over
from inference_worker.probability import probability_maps
from inference_worker.registration import simpleitk
from inference_worker.together import brought_together
from inference_worker.transforms import inputs, outputs
from inference_worker.transforms.arrays import Labelled, Sampled, to_device, to_numpy
from inference_worker.transforms.grids import Grid
from inference_worker.transforms.inverse import values_on_source
from inference_worker.transforms.measuring import measure, size_of, volumes_ml
from inference_worker.transforms.streaming import LabelsOfCells, can_stream
from inference_worker.volume import Volume
from inference_worker.windows import Windowed
from models.registry import Package

Float = NDArray[np.float32]


class Pipeline:
    """A package on an engine, loaded and warm once constructed.

    `device` is where steps are carried out: "" is the CPU with NumPy, others are torch's names, None is whatever this
    machine has. Construction raises IntegrityError where the network is not the one that the manifest describes, and
    ConfigurationError where the engine cannot load it or the manifest wants what no pipeline does.
    """

    def __init__(self, package: Package, engine: Engine, device: str | None = None) -> None:
        self._package, self._manifest, self._engine = package, package.manifest, engine
        self._device = best_device() if device is None else device
        network, images = package.manifest.network, package.manifest.inputs[0].kind == "images"
        if package.manifest.segments and (images or package.manifest.findings):
            raise ConfigurationError(f"{package.name}: [[segments]] come of a volume, and not beside [[findings]]")
        if package.manifest.registration:
            simpleitk()
        engine.load(package.read(network.file), network)
        explained = bool(package.manifest.maps) and images
        self._remarks: tuple[str, ...] = ()
        self._explainer = Explainer(package.manifest, engine.infer, package.read) if explained else None

    def prepare(self, sources: Sources) -> Sources:
        """`sources` with guards on the input and steps before the network done, where they are volumes.

        Images wait for the steps, since those of several jobs share the network's batches; those that a guard refuses
        are left out. Raises UnusableInput as `run` does.
        """
        volumes = self._volumes(sources)
        if volumes:
            return Prepared({**sources, **volumes}, self._prepared(volumes))
        return {name: self._suited(one) if isinstance(one, Images) else one for name, one in sources.items()}

    def _suited(self, images: Images) -> Images:
        if images.suitable:
            return images
        return images.suited(lambda picture: refuse_input(self._manifest.guards, picture, self._package.read))

    def run(self, sources: Sources) -> Outcome:
        """What the model finds in `sources`; a mask has no slices that were interpolated.

        Raises NotSuitable where the package's guards refuse input or output, or a step cannot be made of the values.
        """
        volumes = self._volumes(sources)
        if volumes:
            return self._of_volumes(volumes, sources.array if isinstance(sources, Prepared) else None)
        (images,) = (one for one in sources.values() if isinstance(one, Images))
        return self._of_images(self._suited(images))

    def _volumes(self, sources: Sources) -> dict[str, Volume]:
        """The volumes among `sources`, in the manifest's order, in one frame of reference."""
        given = [(one.name, sources[one.name]) for one in self._manifest.inputs]
        volumes = {name: one for name, one in given if isinstance(one, Volume)}
        return brought_together(volumes, self._manifest.registration) if volumes else {}

    def _prepared(self, volumes: Mapping[str, Volume]) -> Sampled:
        for volume in volumes.values():
            refuse_input(self._manifest.guards, volume, self._package.read)
        raw = {name: inputs.of_volume(one, self._device) for name, one in volumes.items()}
        return inputs.prepare(raw, self._manifest.preprocessing)

    def _of_volumes(self, volumes: Mapping[str, Volume], ahead: Sampled | None) -> Outcome:
        prepared = self._prepared(volumes) if ahead is None else ahead
        first = next(iter(volumes.values()))
        self._check(_plain(prepared).shape)
        if self._manifest.segments:
            return self._segmented(prepared, volumes)
        (given,) = self._inferred([_plain(prepared)])
        likelihoods = self._likelihoods(given, prepared, None)
        return Outcome(replace(self._findings(input_digest(volumes), first, volumes), likelihoods=likelihoods))

    def _segmented(self, prepared: Sampled, volumes: Mapping[str, Volume]) -> Outcome:
        segments, source = self._manifest.segments, next(iter(volumes.values()))
        done, shares = self._labels(prepared, Grid(source.voxels.shape, source.affine))
        if not isinstance(done, Labelled) or done.values.max(initial=0) > len(segments):
            raise ConfigurationError(f"{self._package.name}: its steps do not end in labels up to {len(segments)}")
        maps = list(probability_maps(shares, self._manifest.maps, source))
        likely = Sampled(shares.values[len(self._manifest.maps) :], shares.affine)
        found = listed(done.values, likely, self._manifest, source)
        mask = found.mask
        refuse_output(self._manifest.guards, volumes_ml(mask, source.affine, len(segments)))
        measured = measure(segments, mask, source.voxels, source.affine, self._manifest.measured, source.filled)
        kept = np.delete(mask, source.filled, axis=0) if source.filled else mask
        findings = self._findings(input_digest(volumes), source, volumes)
        findings = replace(
            findings,
            segments=measured,
            maps=tuple(one for one, _ in maps),
            regions=found.regions,
            remarks=(*findings.remarks, *found.remarks),
            voxel=size_of(source.affine),
        )
        return Outcome(findings, kept, tuple(values for _, values in maps))

    def _labels(self, prepared: Sampled, source: Grid) -> tuple[Sampled | Labelled, Sampled]:
        """What the steps make of the network's output, and the share of each map's channel, then of each lesions'."""
        wanted = self._manifest.postprocessing
        channels = [one.channel for one in self._manifest.maps] + [one.channel for one in self._manifest.lesions]
        if not isinstance(self._engine, Windowed) or not can_stream(wanted, prepared.grid, source):
            (given,) = self._inferred([_plain(prepared)])
            output = self._first(given, prepared)
            shares = outputs.shares(output, wanted)
            if max(channels, default=0) >= shares.values.shape[0]:
                raise ConfigurationError(f"a map or a lesion wants channel {max(channels)} of {shares.values.shape[0]}")
            return outputs.finish(output, wanted, source), shares.with_values(shares.values[channels])
        made = LabelsOfCells(wanted, prepared.grid, source, channels, self._device)
        batch = _plain(prepared)[None]
        self._engine.pass_through(batch, lambda engine, network: hand_over(engine, batch[0], network, made))
        self._remarks = self._engine.remarks
        return made.labels_of(), Sampled(made.shares, prepared.affine)

    def _of_images(self, images: Images) -> Outcome:
        wanted = self._manifest.preprocessing
        raw = (inputs.of_picture(picture, wanted, self._device) for picture in images.pictures)
        prepared = [inputs.prepare({"": one}, wanted) for one in raw]
        given = self._inferred([_plain(one) for one in prepared])
        findings = replace(self._findings(images.digest, images), remarks=images.remarks)
        likelihoods = [
            likelihood
            for k, (one, grid) in enumerate(zip(given, prepared, strict=True))
            for likelihood in self._likelihoods(one, grid, k)
        ]
        maps, arrays = [], []
        for k, picture in enumerate(images.pictures):
            for explained in self._explained(prepared[k], given[k], picture.values.shape):
                maps.append(_map(explained, k))
                arrays.append(explained.values[None])
        return Outcome(replace(findings, likelihoods=tuple(likelihoods), maps=tuple(maps)), None, tuple(arrays))

    def _findings(self, digest: str, source: Volume | Images, volumes: Mapping[str, Volume] | None = None) -> Findings:
        said, others = (
            (*remarks(volumes or {}, bool(self._manifest.segments)), *self._remarks),
            other_frames(volumes) if volumes else (),
        )
        found = Findings(self._package.identity, digest, source.frames, None, (), engine=self._engine.name)
        return replace(found, remarks=said, others=others)

    def _inferred(self, prepared: Sequence[Float]) -> list[dict[str, Float]]:
        """What the network gives for each input (channels, *space), by the name of its output, without a batch axis."""
        for one in prepared:
            self._check(one.shape)
        found, self._remarks = [], ()
        for batch in _batches(prepared, self._manifest.network.batch):
            given = self._engine.infer(np.stack(batch))
            self._remarks = tuple(dict.fromkeys((*self._remarks, *getattr(self._engine, "remarks", ()))))
            found += [{name: output[k] for name, output in given.items()} for k in range(len(batch))]
        return found

    def _check(self, shape: tuple[int, ...]) -> None:
        """Raise ConfigurationError where the steps do not end in what the network reads."""
        network = self._manifest.network
        if not takes(network, shape):
            wanted = f"{network.shape[1:]} (0: a multiple of {network.multiple})"
            raise ConfigurationError(f"{self._package.name}: its steps make {shape}, its network reads {wanted}")

    def _first(self, given: Mapping[str, Float], prepared: Sampled) -> Sampled:
        """The first output where the network's input lay."""
        output = given[self._manifest.network.outputs[0]]
        if output.shape[1:] != prepared.values.shape[1:]:
            raise ConfigurationError(
                f"{self._package.name}: its network gives {output.shape} for an input of {tuple(prepared.values.shape)}"
            )
        return Sampled(to_device(self._device, output), prepared.affine)

    def _likelihoods(
        self, given: Mapping[str, Float], prepared: Sampled, frame: int | None
    ) -> tuple[FindingProbability, ...]:
        first = self._manifest.network.outputs[0]
        named = {
            one.output or first: self._shares(given, prepared, one.output or first) for one in self._manifest.findings
        }
        return tuple(
            FindingProbability(
                one.label, one.code, float(named[one.output or first][one.channel]), one.threshold, frame
            )
            for one in self._manifest.findings
        )

    def _shares(self, given: Mapping[str, Float], prepared: Sampled, output: str) -> Float:
        """The probabilities that `output` comes to after its own steps."""
        network = self._manifest.network
        steps = outputs.steps_of(output, self._manifest.postprocessing, network.outputs[0])
        done = outputs.finish(Sampled(to_device(self._device, given[output]), prepared.affine), steps)
        shares = np.asarray(to_numpy(done.values), np.float32).reshape(-1)
        most = max(one.channel for one in self._manifest.findings if (one.output or network.outputs[0]) == output)
        if most >= len(shares) or done.values.shape[0] != len(shares):
            raise ConfigurationError(f"{self._package.name}: channel {most} is wanted of {tuple(done.values.shape)}")
        if shares.min() < 0 or shares.max() > 1:
            raise ConfigurationError(f"{self._package.name}: its output is no probability; is a step sigmoid missing?")
        return shares

    def _explained(
        self, prepared: Sampled, given: Mapping[str, Float], shape: tuple[int, ...]
    ) -> tuple[Explained, ...]:
        if self._explainer is None:
            return ()
        source = Grid(shape, np.eye(3))

        def to_source(values: Float) -> Float:
            return np.asarray(values_on_source(Sampled(values[None], prepared.affine), source)[0])

        return self._explainer.maps(_plain(prepared), given, to_source)


def best_device() -> str:
    """The first GPU by torch's name, where there is one and torch to use it; "" otherwise."""
    # The driver first: importing torch takes seconds, which a machine without a GPU is spared.
    if not cuda.gpus() or importlib.util.find_spec("torch") is None:
        return ""
    import torch  # noqa: PLC0415  # only where it is installed

    return "cuda:0" if torch.cuda.is_available() else ""


def _plain(prepared: Sampled) -> Float:
    return np.ascontiguousarray(to_numpy(prepared.values), np.float32)


def _batches(prepared: Sequence[Float], most: int) -> Iterator[list[Float]]:
    """Neighbours of one shape together, `most` at the most."""
    batch: list[Float] = []
    for one in prepared:
        if batch and (len(batch) == most or one.shape != batch[0].shape):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _map(explained: Explained, frame: int) -> Map:
    rows, columns = explained.values.shape
    content = np.ascontiguousarray(explained.values, "<f4")
    digest = hashlib.sha256(content.data).hexdigest()
    return Map(explained.label, explained.method, "", digest, (1, rows, columns), (frame,))
