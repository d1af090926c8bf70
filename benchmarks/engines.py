"""Each engine against each other on every package: how far apart their results are, and which is the fastest.

Reads the shipped packages and, where the real studies are, the networks that others published. What is compared is the
network's first output after its softmax or sigmoid, and the mask that the whole pipeline makes of it.
"""

import argparse
import os
import re
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import models
from benchmarks import machine, table
from domain.errors import NodeError
from inference_worker import images, volume
from inference_worker.engines import comparison, cuda
from inference_worker.engines.choice import available, make
from inference_worker.engines.protocol import Engine, Float
from inference_worker.golden import sample
from inference_worker.model_protocol import Sources
from inference_worker.package_trial import Seen, agreement
from inference_worker.pipeline import Pipeline
from models.registry import Package, Registry, load_package
from tests.support.brain_packages import BRAINS, write_brain, write_pneumonia
from tests.support.counterparts import data, data_folder

_SECTION = "Engines"
_DOCUMENT = Path(models.__file__).parents[1] / "docs" / "models.md"
# Where the tables stand in the document, in the place of those of an earlier run.
_PLACE = re.compile(r"(<!-- benchmarks engines -->\n).*?(<!-- end -->)", re.DOTALL)
_NO_GPU = "No GPU was to be had: CUDA (ONNX Runtime, Torch) and TensorRT did not run."


@dataclass(frozen=True)
class Case:
    """A package and what it is run on."""

    package: Package
    sources: Sources
    what: str


@dataclass(frozen=True)
class Ran:
    """One engine on one case: shares, mask, and seconds of the network alone; or why it did not run."""

    engine: str
    shares: Float | None = None
    mask: NDArray[np.uint8] | None = None
    seconds: float = 0.0
    failure: str = ""


@dataclass(frozen=True)
class Pair:
    """Two engines: the largest difference of their shares, and the least Dice of a segment (None without a mask)."""

    engines: tuple[str, str]
    difference: float
    dice: float | None


@dataclass(frozen=True)
class Told:
    """What is said of one case: its engines, without their arrays, and their pairs."""

    case: Case
    ran: tuple[Ran, ...]
    pairs: tuple[Pair, ...]


class Watched(Seen):
    """An engine that keeps what it makes of what it is given, too."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.outputs: list[Mapping[str, Float]] = []

    def infer(self, batch: Float) -> Mapping[str, Float]:
        self.outputs.append(super().infer(batch))
        return self.outputs[-1]

    def seconds(self, repeats: int) -> float:
        """The median of running all batches again; it is warm by then."""
        return statistics.median(map(self._again, range(repeats))) if repeats else 0.0

    def _again(self, _: int) -> float:
        begun = time.perf_counter()
        for batch in self.batches:
            self._engine.infer(batch)
        return time.perf_counter() - begun


def each(case: Case, cache: Path | None = None, repeats: int = 0, threads: int = 0) -> list[Ran]:
    """Every engine of this machine that reads ONNX, on `case`; timed where there are `repeats`.

    TensorRT runs only where it has a folder `cache` to keep what it compiles.
    """
    return [_ran(case, name, device, cache, repeats, threads) for name, device in _here(cache)]


def pairs(ran: Sequence[Ran]) -> list[Pair]:
    """Each of those that ran against each other."""
    good = [one for one in ran if one.shares is not None]
    return [_pair(one, other) for one, other in combinations(good, 2)]


def shipped() -> list[Case]:
    """The shipped packages on their golden samples."""
    packages = Registry.load(Path(models.__file__).parent).packages.values()
    return [Case(one, sample(one), "golden sample") for one in packages]


def run(arguments: Sequence[str]) -> None:
    """Run it: `--repeats N` for other medians than of three; `--quick` on golden samples alone, kept nowhere."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks engines", description=run.__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each network (default: three)")
    parser.add_argument("--quick", action="store_true", help="golden samples alone; the results are not kept")
    options, _ = parser.parse_known_args(arguments)
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory(prefix="dicom-node-engines-") as folder:
        cases = shipped() if options.quick else _cases(Path(folder))
        found = [_told(case, Path(folder) / "cache", options.repeats) for case in cases]
        text = _section(found, machine.describe(Path(folder)))
    print(f"\n{text}")
    if not options.quick:
        table.keep(_SECTION, text)
        _publish(text)


def _told(case: Case, cache: Path, repeats: int) -> Told:
    print(f"{case.package.name}, {case.what}", flush=True)
    ran = each(case, cache, repeats)
    # The arrays go at once: of a whole brain in 18 classes they are half a gigabyte for each engine.
    return Told(case, tuple(replace(one, shares=None, mask=None) for one in ran), tuple(pairs(ran)))


def _cases(folder: Path) -> list[Case]:
    """The shipped packages, those of a chest on a real CT, and the published networks on what they are made for."""
    cases = shipped()
    if not data_folder().is_dir():
        print(f"no real studies in {data_folder()}: the golden samples alone", flush=True)
        return cases
    chest = volume.build(sorted(data("ct_chest_lidc0003").glob("*.dcm")))
    head = volume.build(sorted(data("mr_t1_siemens_trio").iterdir()), missing_slices=1)
    children = images.build(sorted(data("cxr_paediatric_cr").glob("*.dcm")))
    chests = [one.package for one in cases if one.package.manifest.inputs[0].name == "ct"]
    brains = [load_package(write_brain(folder, name)) for name in BRAINS]
    return [
        *cases,
        *(Case(one, {"ct": chest}, "LIDC-IDRI-0003") for one in chests),
        *(Case(one, {"t1": head}, "T1 of a head") for one in brains),
        Case(load_package(write_pneumonia(folder)), {"radiograph": children}, "12 radiographs"),
    ]


def _here(cache: Path | None) -> Iterator[tuple[str, str]]:
    """Engine and device, the CPU's first."""
    found = [one for one in available() if not one.missing]
    yield from ((one.name, "cpu") for one in found if "CPU" in one.devices)
    for one in found:
        if set(one.devices) - {"CPU"} and (cache or one.name != "tensorrt"):
            yield one.name, "cuda"


def _ran(case: Case, name: str, device: str, cache: Path | None, repeats: int, threads: int) -> Ran:
    package = case.package
    try:
        engine = Watched(make(name, "onnx", threads, device, cache, agreement(package)))
        outcome = Pipeline(package, engine).run(case.sources)
    except NodeError as error:
        return Ran(f"{name} ({device.upper()})", failure=str(error))
    first = package.manifest.network.outputs[0]
    output = np.concatenate([one[first] for one in engine.outputs])
    shares = comparison.shares(output, package.manifest.postprocessing)
    engine.outputs.clear()
    return Ran(engine.name, shares, outcome.mask, engine.seconds(repeats))


def _pair(one: Ran, other: Ran) -> Pair:
    assert one.shares is not None and other.shares is not None
    dice = None if one.mask is None or other.mask is None else _dice(one.mask, other.mask)
    return Pair((one.engine, other.engine), comparison.difference(one.shares, other.shares), dice)


def _dice(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The least of any segment that either has; 1 where neither has any."""
    values = [int(value) for value in np.union1d(one, other) if value]
    return min((_overlap(one == value, other == value) for value in values), default=1.0)


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return 2 * int((one & other).sum()) / (int(one.sum()) + int(other.sum()))


def _section(found: Sequence[Told], where: str) -> str:
    names = list(dict.fromkeys(one.engine for told in found for one in told.ran if not one.failure))
    heads = ("package", "on", "engines", "largest difference", "least Dice")
    rows = [_agreement(told.case, pair) for told in found for pair in told.pairs]
    fastest = [[*_called(told.case), *_times(told.ran, names)] for told in found]
    failures = [
        f"- `{told.case.package.name}`, {one.engine}: {one.failure}"
        for told in found
        for one in told.ran
        if one.failure
    ]
    gpus = ", ".join(gpu.name for gpu in cuda.gpus())
    return f"""{where}. {f"GPU: {gpus}." if gpus else _NO_GPU}

The difference is that of the network's first output after its softmax or sigmoid, Dice that of the least of the
segments that the whole pipeline makes.

{table.table(heads, rows)}

The network alone, as a multiple of the fastest engine's time on the same input, {os.cpu_count()} cores.
The engines took their turns one after another: other work on the machine, which the load above tells of, moves these
figures and none of the others.

{table.table(("package", "on", *names), fastest)}

{_failed(failures)}
"""


def _called(case: Case) -> tuple[str, str]:
    return f"`{case.package.name}`", case.what


def _agreement(case: Case, pair: Pair) -> list[str]:
    short = [engine.replace(" (CPU)", "") for engine in pair.engines]
    engines = " / ".join(re.sub(r" \d[\w.+]*", "", one) for one in short)
    return [*_called(case), engines, f"{pair.difference:.1e}", "-" if pair.dice is None else f"{pair.dice:.5f}"]


def _times(ran: Sequence[Ran], names: Sequence[str]) -> list[str]:
    least = min((one.seconds for one in ran if not one.failure), default=0.0)
    factors = {one.engine: f"{one.seconds / least:.1f}" for one in ran if not one.failure and least}
    return [factors.get(name, "-") for name in names]


def _failed(failures: Sequence[str]) -> str:
    return "\n".join(["What did not run:", "", *failures]) if failures else "Every engine ran every network."


def _publish(text: str) -> None:
    """Put `text` into the document, where its marks are."""
    document = _DOCUMENT.read_text("utf-8")
    _DOCUMENT.write_text(_PLACE.sub(lambda found: f"{found[1]}{text.strip()}\n{found[2]}", document), "utf-8")
