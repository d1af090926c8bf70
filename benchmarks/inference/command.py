"""The benchmark from its options to its section in RESULTS.md."""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

import models
from benchmarks import machine, table
from benchmarks.inference.peer import Made, Peer, lungs, tissues
from inference_worker.engines.openvino import OpenVinoEngine
from inference_worker.pipeline import Pipeline
from inference_worker.volume import Volume, build
from models.digests import write_digests
from models.registry import Package, load_package
from tests.support.brain_packages import MESHNET_18, write_brain
from tests.support.counterparts import data

T = TypeVar("T")

_LIBRARIES = ("openvino", "torch", "monai", "onnx2torch", "numpy", "scipy")


@dataclass(frozen=True)
class Case:
    """One model on one series, on both sides."""

    name: str
    volume: Volume
    package: Package
    peer: Peer


@dataclass(frozen=True)
class Timed:
    """One side's labels, and its median seconds: from voxels to labels, and the network alone."""

    labels: NDArray[np.uint8]
    seconds: float
    network: float


def run(arguments: Sequence[str]) -> None:
    """Run it: `--rounds N` for other medians than of three."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks inference", description=run.__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: three)")
    parser.add_argument("--quick", action="store_true", help="one round; the results are not kept")
    options, _ = parser.parse_known_args(arguments)
    warnings.filterwarnings("ignore")
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory(prefix="dicom-node-inference-") as folder:
        rows = [_row(case, threads, 1 if options.quick else options.rounds) for case in _cases(Path(folder))]
        text = _section(rows, machine.describe(Path(folder)))
    print(f"\n{text}")
    if not options.quick:
        table.keep("Inference", text)


def _cases(folder: Path) -> list[Case]:
    chest = build(sorted(data("ct_chest_lidc0003").glob("*.dcm")))
    head = build(sorted(data("mr_t1_siemens_trio").iterdir()), missing_slices=1)
    shipped = Path(models.__file__).parent / "ct_lung"
    lung = lungs(shipped / "network.onnx")
    mesh = load_package(write_brain(folder, MESHNET_18))
    network = mesh.folder / mesh.manifest.network.file
    return [
        Case("ct_lung, steps that both have", chest, _without_closing(shipped, folder), lung),
        Case("ct_lung as shipped (closing, mean)", chest, load_package(shipped), lung),
        Case("MeshNet, 18 classes", head, mesh, tissues(network, len(mesh.manifest.segments))),
    ]


def _without_closing(shipped: Path, folder: Path) -> Package:
    """models/ct_lung with point sampling and without its closing, so that MONAI can do the same."""
    copy = folder / shipped.name
    copy.mkdir()
    for file in shipped.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    text = (copy / "manifest.toml").read_text("utf-8")
    closing = text.index('[[postprocessing]]\nstep = "close"')
    text = text[:closing] + text[text.index("[[postprocessing]]", closing + 1) :]
    spacing = "mm = [3.0, 3.0, 3.0]\n"
    (copy / "manifest.toml").write_text(text.replace(spacing, f'{spacing}how = "linear"\n'), "utf-8")
    write_digests(copy)
    return load_package(copy)


def _row(case: Case, threads: int, rounds: int) -> list[str]:
    print(f"{case.name}: {rounds} rounds of each side", flush=True)
    engine = OpenVinoEngine(threads)
    pipeline = Pipeline(case.package, engine)
    (name,) = (one.name for one in case.package.manifest.inputs)
    ours: list[float] = []
    theirs: list[float] = []
    network: list[float] = []
    for _ in range(rounds):
        outcome, seconds = _timed(lambda: pipeline.run({name: case.volume}))
        ours.append(seconds)
        made, seconds = _timed(lambda: case.peer.run(case.volume))
        theirs.append(seconds)
        network.append(made.network_seconds)
    assert outcome.mask is not None
    mine, alone = _network(engine, made, case.package, rounds)
    their_labels = np.delete(made.labels, case.volume.filled, axis=0)
    node, monai = statistics.median(ours), statistics.median(theirs)
    return [
        case.name,
        table.seconds(node),
        table.seconds(monai),
        f"{monai / node:.1f}x",
        f"{statistics.median(network) / alone:.1f}x",
        f"{mine:.0e}",
        f"{_dice(outcome.mask > 0, their_labels > 0):.4f}",
        f"{min(_dice(outcome.mask == one, their_labels == one) for one in _labels(their_labels)):.4f}",
    ]


def _network(engine: OpenVinoEngine, made: Made, package: Package, rounds: int) -> tuple[float, float]:
    """The largest difference between both networks' shares of the same input, and the median seconds of ours."""
    seconds = []
    for _ in range(rounds):
        given, one = _timed(lambda: engine.infer(made.given)[package.manifest.network.outputs[0]])
        seconds.append(one)
    powers = np.exp(given - given.max(axis=1, keepdims=True))
    return float(np.abs(powers / powers.sum(axis=1, keepdims=True) - made.shares).max()), statistics.median(seconds)


def _timed(act: Callable[[], T]) -> tuple[T, float]:
    begun = time.perf_counter()
    return act(), time.perf_counter() - begun


def _labels(mask: NDArray[np.uint8]) -> list[int]:
    return [int(one) for one in np.unique(mask) if one]


def _dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


def _section(rows: Sequence[Sequence[str]], where: str) -> str:
    heads = ("", "node", "MONAI, torch", "ratio", "network alone", "shares differ", "Dice, all", "Dice, worst label")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)
    return f"""{where}. {versions}.

From voxels in memory to labels on the source's grid; the same weights on both sides, 32-bit floats, every core.
Medians, both sides in turn. "Network alone" is the ratio of one forward pass on the same array, "shares differ" the
largest difference of its softmax.

{table.table(heads, rows)}
"""
