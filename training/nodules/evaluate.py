"""How many nodules ct_nodules finds, and how much besides, in CTs that it learned nothing from: one left out by turns.

    python -m training.nodules.evaluate --work DIR --data DIR --package models/ct_nodules [--out FILE]

`--work` is that of training.nodules.train, whose places are used again. For each CT the classifier is trained without
it and run through the node's own path (files, volume, network, mask, candidates). A candidate is a nodule where its
middle lies in what a reader of LIDC outlined, and is false otherwise; a nodule is one that `READERS` or more outlined.
Then the package as it is, on the CTs that it was trained on, for comparison.
"""

import argparse
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from domain.findings import Region, Shape
from inference_worker.engines.onnxruntime import OnnxRuntimeEngine
from inference_worker.pipeline import Pipeline
from inference_worker.volume import Volume
from inference_worker.windows import Windowed
from models.digests import write_digests
from models.registry import Package, load_package
from training import cases
from training.annotations import Nodule, read_nodules
from training.evaluate import annotations_of
from training.nodules.lungs import Bool, agreed
from training.nodules.recipe import RECIPE, Recipe
from training.nodules.train import PHANTOMS, export_whole, places, train
from training.recipe import read_recipe

READERS = 3


@dataclass(frozen=True)
class Known:
    """A nodule of the CT: how many readers outlined it, the volumes (mm3) they gave it, and what the model made of it.

    `probability` is None where no candidate has its middle in it, `measured` what was measured of the one that has.
    """

    readers: int
    volumes_mm3: tuple[float, ...]
    probability: float | None
    measured: dict[str, float]


@dataclass(frozen=True)
class Measures:
    """One CT: its nodules, the probabilities of the false candidates, how many of each from `threshold` on."""

    case: str
    learned_from: tuple[str, ...]
    threshold: float
    nodules: tuple[Known, ...]
    false_candidates: tuple[float, ...]
    found: int
    of: int
    false_positives: int


def main() -> None:
    """Print the figures as JSON; write them where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--work", type=Path, required=True, help="folder of the places that were looked at")
    parser.add_argument("--data", type=Path, required=True, help="folder of the CTs")
    parser.add_argument("--package", type=Path, required=True, help="folder of the model package")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = read_recipe(arguments.recipe, Recipe)
    package = load_package(arguments.package)
    figures = {
        "network": package.digests[package.manifest.network.file],
        "left_out": [asdict(one) for one in left_out(recipe, arguments.data, arguments.work, package)],
        "learned_from": [
            asdict(measures_of(package, arguments.data / one, (*recipe.cases, PHANTOMS))) for one in recipe.cases
        ],
    }
    text = json.dumps(json.loads(json.dumps(figures), parse_float=lambda number: round(float(number), 3)), indent=2)
    sys.stdout.write(text + "\n")
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")


def left_out(recipe: Recipe, data: Path, work: Path, package: Package) -> list[Measures]:
    """The figures of each CT by a network that learned from all else."""
    known = places(recipe, data, work)
    made = []
    for case in recipe.cases:
        others = {name: some for name, some in known.items() if name != case}
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / package.name
            shutil.copytree(package.folder, copy)
            export_whole(train(recipe, others), copy / "network.onnx")
            write_digests(copy)
            made.append(measures_of(load_package(copy), data / case, tuple(others)))
    return made


def measures_of(package: Package, case: Path, learned_from: Sequence[str]) -> Measures:
    """What `package` finds in the CT in `case`, beside what its readers outlined."""
    source, annotations = cases.read(case), annotations_of(case)
    nodules = read_nodules(annotations) if annotations else ()
    pairs = candidates(package, source)
    numbers, count = ndimage.label(agreed(nodules, source, 1) > 0)
    of = [int(numbers[_at(point)]) for _, point in pairs]
    boxes = [[box for (box, _), one in zip(pairs, of, strict=True) if one == number] for number in range(count + 1)]
    known = [_known(numbers == number, nodules, source, boxes[number]) for number in range(1, count + 1)]
    known = [one for one in known if one.readers >= READERS]
    wrong = sorted((box.probability or 0.0 for box in boxes[0]), reverse=True)
    (wanted,) = package.manifest.lesions
    found = sum(one.probability is not None and one.probability >= wanted.threshold for one in known)
    return Measures(case.name, tuple(learned_from), wanted.threshold, tuple(known), tuple(wrong), found, len(known),
                   sum(one >= wanted.threshold for one in wrong))  # fmt: skip


def candidates(package: Package, source: Volume) -> list[tuple[Region, Region]]:
    """Box and middle of all that the network marks and is of a size that the manifest lists, however likely."""
    (wanted,) = package.manifest.lesions
    everything = replace(wanted, threshold=0.0, most=10_000, shapes=("box", "point"))
    open_ = replace(package, manifest=replace(package.manifest, lesions=(everything,), guards=()))
    pipeline = Pipeline(open_, Windowed(OnnxRuntimeEngine()), "")
    regions = pipeline.run({package.manifest.inputs[0].name: source}).findings.regions
    boxes = [one for one in regions if one.shape is Shape.BOX]
    return list(zip(boxes, (one for one in regions if one.shape is Shape.POINT), strict=True))


def _at(point: Region) -> tuple[int, int, int]:
    ((column, row),) = point.points
    return point.frame, int(row), int(column)


def _known(where: Bool, nodules: Sequence[Nodule], source: Volume, boxes: Sequence[Region]) -> Known:
    slices = {frame.sop_instance_uid: k for k, frame in enumerate(source.frames)}
    z, y, x = source.voxels.shape
    voxel = abs(float(np.linalg.det(source.affine[:3, :3])))
    masks = [(one.reader, one.mask(slices, (z, y, x))) for one in nodules]
    own = [(reader, float(mask.sum()) * voxel) for reader, mask in masks if (mask & where).any()]
    best = max(boxes, key=lambda one: one.probability or 0.0, default=None)
    measured = {f"{one.name.meaning} ({one.unit.value})": one.value for one in best.measurements} if best else {}
    return Known(len({reader for reader, _ in own}), tuple(volume for _, volume in own),
                 best.probability if best else None, measured)  # fmt: skip


if __name__ == "__main__":
    main()
