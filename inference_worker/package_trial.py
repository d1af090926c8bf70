"""One package tried by itself, outside of any job: its golden sample on an engine, and engines side by side on it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from domain.errors import ConfigurationError
from inference_worker import golden, images, volume
from inference_worker.bundle import BundleModel
from inference_worker.bundle_tensorrt import TensorRT
from inference_worker.earlier import loaded as as_loaded
from inference_worker.engines.choice import AUTO, available, decide, look, make, placed
from inference_worker.engines.comparison import compare
from inference_worker.engines.protocol import Engine, Float, OutOfMemory
from inference_worker.engines.torch import keep_within
from inference_worker.images import Images
from inference_worker.model_protocol import Loaded, Outcome, Run, Sources
from inference_worker.pipeline import Pipeline, best_device
from inference_worker.verdicts import Row, Verdict
from inference_worker.volume import Volume
from models.manifest import VISION, Input, Manifest, Network
from models.registry import Package, verify
from models.signing import TrustedKey, require

_log = logging.getLogger(__name__)


def runner(
    package: Package,
    engine: str = AUTO,
    threads: int = 0,
    cache: Path | None = None,
    keys: Sequence[TrustedKey] | None = None,
    device: str = AUTO,
    gpu_memory: int = 0,
) -> Loaded:
    """`package`, verified and warm; where `keys` are given, one of them must have signed it.

    `device` is "auto", "cpu" or "cuda", which is the first GPU and nothing else; `gpu_memory` (bytes) is what a network
    may take of it, 0 all. Raises IntegrityError where a file was changed or the signature is missing,
    ConfigurationError where the engine is missing or cannot load the network.
    """
    if keys is not None:
        require(package, keys)
    verify(package)
    kind = package.manifest.network.kind
    if kind == VISION:
        raise ConfigurationError(f"{package.name}: asks a language model of the site's, and runs in jobs alone")
    if kind == "bundle":
        return as_loaded(package.manifest, _bundle(package, engine, cache, device, gpu_memory))
    try:
        pipeline = _pipeline(package, engine, threads, cache, device, gpu_memory)
    except (ConfigurationError, OutOfMemory) as error:
        if engine != AUTO or placed(engine, kind, device, cache)[0] != "tensorrt":
            raise
        _log.warning("package %s does not run by TensorRT, the next engine is taken: %s", package.name, error)
        pipeline = _pipeline(package, engine, threads, None, device, gpu_memory)
    return as_loaded(package.manifest, pipeline.run, pipeline.prepare)


def _pipeline(
    package: Package, engine: str, threads: int, cache: Path | None, device: str, gpu_memory: int
) -> Pipeline:
    """`package` on the engine that is chosen; without `cache` that is none that compiles."""
    kind = package.manifest.network.kind
    _, where = placed(engine, kind, device, cache)
    steps = best_device() if where == "cuda" else ""
    if steps:
        keep_within(gpu_memory)
    made = make(engine, kind, threads, device, cache, agreement(package), gpu_memory)
    return Pipeline(package, made, steps)


def _bundle(package: Package, engine: str, cache: Path | None, device: str, gpu_memory: int) -> Run:
    """A bundle's run: behind TensorRT only where that is named, for the bundle's own way is what was tested."""
    if gpu_memory and device != "cpu":
        keep_within(gpu_memory)
    place = {AUTO: "", "cuda": "cuda:0"}.get(device, device)
    return BundleModel(package, place, TensorRT(cache) if engine == "tensorrt" and cache else None).run


def agreement(package: Package) -> Callable[[Engine], bool] | None:
    """Whether a loaded engine passes the golden sample of `package`, None where the package has none."""
    if package.manifest.golden is None:
        return None
    return lambda engine: golden.check(package, Pipeline(package, engine).run).agrees


def prove(
    package: Package,
    engine: str = AUTO,
    threads: int = 0,
    cache: Path | None = None,
    device: str = AUTO,
    gpu_memory: int = 0,
) -> tuple[str, Verdict]:
    """The engine that ran the golden sample of `package`, as findings name it, and its verdict.

    Raises as `runner` and `golden.check` do.
    """
    loaded, said = runner(package, engine, threads, cache, None, device, gpu_memory), []
    earlier = golden.earlier_sample(package) if loaded.compare else None

    def named(sources: Sources) -> Outcome:
        outcome = loaded.run(sources)
        if loaded.compare and earlier is not None:
            outcome = loaded.compare(outcome, earlier)
        said.append(outcome.findings.engine)
        return outcome

    verdict = golden.check(package, named)
    return said[-1], verdict


def read(
    manifest: Manifest, files: Mapping[str, Sequence[Path] | Sequence[BinaryIO]], own_frames_of_reference: bool = False
) -> Sources:
    """The series in `files`, by the names of the inputs; raises UnusableInput where one is no such series."""
    return {one.name: _read(one, files[one.name], own_frames_of_reference) for one in manifest.inputs}


def _read(wanted: Input, files: Sequence[Path] | Sequence[BinaryIO], own_frames: bool) -> Volume | Images:
    if wanted.kind == "images":
        return images.build(files)
    return volume.build(files, wanted.missing_slices, wanted.units, own_frames)


def bench(
    package: Package, sources: Sources, threads: int = 0, cache: Path | None = None, repeats: int = 3
) -> tuple[Row, ...]:
    """Every engine that is installed and reads the network of `package`, side by side on what becomes of `sources`.

    The first row is the reference of the others. Raises ConfigurationError for a bundle, which runs by itself.
    """
    manifest = package.manifest
    if manifest.network.kind == "bundle":
        raise ConfigurationError(f"{package.name}: a bundle runs by MONAI alone; there is nothing to compare it with")
    seen = Seen(make(AUTO, manifest.network.kind, threads, "cpu"))
    Pipeline(package, seen).run(sources)
    engines = engines_of(package, threads, cache)
    network = package.read(manifest.network.file)
    return compare(network, manifest.network, seen.batches[0], engines, manifest.postprocessing, repeats)


def engines_of(package: Package, threads: int, cache: Path | None) -> list[tuple[str, Callable[[], Engine]]]:
    """How to make each engine on each device of this machine that reads the network; those of the CPU come first."""
    kind = package.manifest.network.kind
    known = {one.name: one for one in available() if not one.missing}
    facts = look(kind)
    pairs = [(name, "cpu") for name in known if "CPU" in known[name].devices and _reads(name, kind)]
    pairs += [(name, "cuda") for name in known if name in facts.on_gpu and (name != "tensorrt" or cache)]

    def maker(name: str, device: str) -> Callable[[], Engine]:
        return lambda: make(name, kind, threads, device, cache, agreement(package))

    return [(f"{name} {device}", maker(name, device)) for name, device in pairs]


def _reads(name: str, kind: str) -> bool:
    facts = look(kind, "cpu")
    try:
        decide(name, kind, facts)
    except ConfigurationError:
        return False
    return name in facts.installed


class Seen:
    """An engine that keeps what it is given once it is loaded."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.batches: list[Float] = []

    @property
    def name(self) -> str:
        return self._engine.name

    def load(self, network: bytes, wanted: Network) -> None:
        self._engine.load(network, wanted)

    def infer(self, batch: Float) -> Mapping[str, Float]:
        self.batches.append(batch)
        return self._engine.infer(batch)
