"""A package tried before its first patient, in a process of its own behind walls (inference_worker.trial_server).

The input is the package's golden sample, or one that is made; guards are passed over, for they would refuse what is
made.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec

import numpy as np

from domain.errors import NodeError, UnusableInput
from domain.findings import SourceFrame
from inference_worker import golden
from inference_worker.engines.choice import AUTO
from inference_worker.engines.comparison import difference, shares
from inference_worker.engines.ports import takes
from inference_worker.engines.protocol import Engine, Float
from inference_worker.extents import SLICES, at_once, long_series, memory, prepared
from inference_worker.guards.likeness import read_template
from inference_worker.images import Images, Picture
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_protocol import Outcome, Sources
from inference_worker.package_trial import engines_of, runner
from inference_worker.pipeline import Pipeline
from inference_worker.process_limits import allowed, most_taken
from inference_worker.transforms.grids import Grid
from inference_worker.volume import Volume, digest
from inference_worker.windows import Windowed
from models import inspection, steps
from models.manifest import VISION, Manifest, Network
from models.registry import Package

# Maps that ask the network hundreds of times: they need nothing more of it than one pass shows.
_LONG = ("occlusion", "integrated_gradients")
_KEPT = 256 * 1024**2  # bytes of outputs that engines are compared by
_SIZES = (37, 64)  # slices of other series that the steps are worked out for


@dataclass
class Report:
    """What was found wrong, and what is to be known besides."""

    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def tried(package: Package, setup: ModelProcessConfig, doing: Callable[[str], None] = lambda said: None) -> Report:
    """What every engine of this machine makes of `package`; `doing` is told what is begun."""
    manifest, report = package.manifest, Report()
    report.faults += [*_sizes(manifest), *_templates(package)]
    sources = _sources(package, report)
    if manifest.network.kind == "bundle":
        _bundle(package, setup, sources, report, doing)
    elif manifest.network.kind == VISION:
        report.remarks.append("it asks a language model of the site's: nobody was asked")
    elif not inspection.network(package):
        seen = list(_runs(package, setup, sources, report, doing))
        if seen:
            report.faults += _by_what_came(manifest, seen)
            report.faults += _memory(manifest, seen[0], allowed(setup.memory), report)
    return report


def _sizes(manifest: Manifest) -> Iterator[str]:
    """Whether the steps end in what the network reads, of series of several sizes."""
    if manifest.network.kind in ("bundle", VISION):
        return
    said = {_unfit(manifest, source) for source in _grids(manifest)}
    yield from sorted(one for one in said if one)


def _grids(manifest: Manifest) -> list[Grid]:
    if manifest.inputs[0].kind == "images":
        return [Grid(size, np.eye(3)) for size in ((2500, 2048), (1001, 777))]
    return [long_series(slices) for slices in (SLICES, *_SIZES)]


def _unfit(manifest: Manifest, source: Grid) -> str:
    try:
        channels, grid = prepared(source, len(manifest.inputs), manifest.preprocessing)
    except ValueError:
        return "preprocessing: names sizes for another number of axes than the input has"
    network = manifest.network
    if takes(network, (channels, *grid.shape)):
        return ""
    wanted = f"{network.shape[1:]} (0: a multiple of {network.multiple})"
    fixed = all(network.shape[2:]) or channels != network.shape[1]
    of = "" if fixed else f" of a series of {' x '.join(map(str, source.shape))}"
    return f"preprocessing: its steps make {(channels, *grid.shape)}{of}; the network reads {wanted}"


def _templates(package: Package) -> Iterator[str]:
    for at, guard in enumerate(package.manifest.guards):
        if isinstance(guard, steps.Likeness) and guard.file in package.digests:
            try:
                read_template(guard.file, package.read(guard.file))
            except NodeError as error:
                yield f"guards.{at}: {error}"


def _sources(package: Package, report: Report) -> Sources:
    if package.manifest.golden:
        try:
            return golden.sample(package)
        except NodeError as error:
            report.faults.append(str(error))
    inputs = enumerate(package.manifest.inputs)
    return _Made({one.name: _images(at) if one.kind == "images" else _volume(at) for at, one in inputs})


def _volume(seed: int) -> Volume:
    """Something in air, 96 mm a side: noise, for a network that normalises wants a deviation."""
    values = np.random.default_rng(seed).normal(40, 100, (24, 64, 64))
    values[:3], values[:, :8] = -1000, -1000
    voxels = values.round().astype(np.int16)
    affine = np.array([[0, 0, 1.5, 0], [0, 1.5, 0, 0], [4.0, 0, 0, 0], [0, 0, 0, 1]], np.float64)
    frames = tuple(SourceFrame(f"2.25.{k + 1}") for k in range(len(voxels)))
    return Volume(voxels, affine, frames, digest(voxels, affine, frames))


def _images(seed: int) -> Images:
    shown = np.random.default_rng(seed).random((640, 512), np.float32)
    return Images((Picture(shown * 4095, shown, SourceFrame("2.25.1"), (0.5, 0.5)),), "")


class _Made(dict[str, Volume | Images]):
    """Sources that are nobody's."""


class Seen:
    """An engine that keeps what it gave first, and how much more memory that took."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._output = ""
        self.channels: dict[str, int] = {}
        self.firsts: list[Float] = []
        self.voxels, self.grown, self.kept = 1, 0, 0

    @property
    def name(self) -> str:
        return self._engine.name

    def load(self, network: bytes, wanted: Network) -> None:
        self._output = wanted.outputs[0]
        self._engine.load(network, wanted)

    def infer(self, batch: Float) -> Mapping[str, Float]:
        before = most_taken()
        outputs = self._engine.infer(batch)
        if not self.channels:
            self.channels = {name: output.shape[1] for name, output in outputs.items()}
            self.voxels, self.grown = batch[:, 0].size, max(0, most_taken() - before)
        first = outputs[self._output]
        if self.kept + first.nbytes <= _KEPT:
            self.firsts.append(first)
            self.kept += first.nbytes
        return outputs


def _runs(
    package: Package, setup: ModelProcessConfig, sources: Sources, report: Report, doing: Callable[[str], None]
) -> Iterator[Seen]:
    """Each engine that ran the package on `sources`, the first of them being the others' reference."""
    bare = _unguarded(package)
    found = engines_of(package, setup.threads, setup.cache)
    if not found:
        report.remarks.append(f"no engine here reads {package.manifest.network.kind}: the network was not opened")
    for name, make in found:
        doing(f"running it dry by {name}")
        seen: Seen | None = None
        try:
            seen = Seen(make())
            outcome = Pipeline(bare, Windowed(seen)).run(sources)
            report.faults += _judged(package, sources, outcome)
        except UnusableInput as error:
            report.remarks.append(f"{name}: the input that it was tried with is none for it: {error}")
        except NodeError as error:
            _failed(name, str(error), package, setup, report)
        if seen and seen.channels:
            yield seen


def _judged(package: Package, sources: Sources, outcome: Outcome) -> Iterator[str]:
    """Whether the golden sample comes to what is expected of it, where that is what was run."""
    if package.manifest.golden and not isinstance(sources, _Made):
        verdict = golden.verdict(package, outcome)
        if not verdict.agrees:
            yield f"golden sample: {outcome.findings.engine} {verdict}"


def _bundle(
    package: Package, setup: ModelProcessConfig, sources: Sources, report: Report, doing: Callable[[str], None]
) -> None:
    """Open the bundle, and run it on the golden sample where it has one: what is made may be no input for it."""
    if find_spec("monai") is None:
        report.remarks.append("MONAI is not installed here: the bundle was not opened")
        return
    doing("running it dry by MONAI")
    try:
        run = runner(package, setup.engine, setup.threads, setup.cache, None, setup.kind, setup.gpu_memory).run
        if package.manifest.golden:
            report.faults += _judged(package, sources, run(sources))
    except NodeError as error:
        report.faults.append(str(error))


def _failed(name: str, said: str, package: Package, setup: ModelProcessConfig, report: Report) -> None:
    """A failure of an engine that this node may run the package by is a fault; of another it is worth a remark."""
    library = name.partition(" ")[0]
    spare = library == "torch" and package.manifest.network.kind == "onnx"
    wanted = library == setup.engine or (setup.engine == AUTO and not spare)
    into = report.faults if wanted else report.remarks
    if said not in into:
        into.append(said)


def _unguarded(package: Package) -> Package:
    maps = tuple(one for one in package.manifest.maps if one.method not in _LONG)
    return replace(package, manifest=replace(package.manifest, guards=(), maps=maps))


def _by_what_came(manifest: Manifest, seen: list[Seen]) -> Iterator[str]:
    """What the outputs say: channels without a meaning, and engines that differ by more than the tolerance."""
    reference, limit = seen[0], manifest.network.tolerance
    yield from inspection.of_channels(manifest, lambda name: reference.channels.get(name, 0))
    for one in seen[1:]:
        apart = max(
            difference(*(shares(output, manifest.postprocessing) for output in pair))
            for pair in zip(reference.firsts, one.firsts, strict=False)
        )
        if apart > limit:
            yield f"network.tolerance: is {limit:g}; {one.name} differs from {reference.name} by {apart:.2g}"


def _memory(manifest: Manifest, seen: Seen, limit: int, report: Report) -> Iterator[str]:
    if manifest.inputs[0].kind == "images":
        return
    slices = min(SLICES, *(one.conditions.max_slices or SLICES for one in manifest.inputs))
    channels = seen.channels[manifest.network.outputs[0]]
    _, grid = prepared(long_series(slices), len(manifest.inputs), manifest.preprocessing)
    network = seen.grown * at_once(manifest, grid.shape) // seen.voxels
    taken = most_taken() - seen.grown + network + memory(manifest, long_series(slices), channels)
    said = f"a series of {slices} slices takes about {taken / 1e9:.1f} GB"
    if taken > limit:
        yield f"{said}; the model process may take {limit / 1e9:.1f} GB (models.memory_gb)"
    else:
        report.remarks.append(said)
