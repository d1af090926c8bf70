"""How well a lung package does on a CT that it was not trained on, through the node's own path.

    python -m training.evaluate --data DIR --case ct_chest_lidc0003 --package models/ct_lung [--out FILE]

Compares with the classical labels on the source's grid, and counts how much of each annotated nodule the mask holds.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inference_worker.engines.openvino import OpenVinoEngine
from inference_worker.pipeline import Pipeline
from inference_worker.volume import Volume
from models.registry import load_package
from training import cases
from training.annotations import Nodule, read_nodules
from training.lung_labels import LEFT, RIGHT
from training.metrics import dice

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Held:
    """One reader's outline of one nodule: its voxels, and the shares of them in the classical and the model's lungs."""

    reader: int
    name: str
    voxels: int
    classical: float
    model: float

    @property
    def in_lung(self) -> bool:
        """Whether most of it lies in the classical method's lungs, which are closed over vessels and the pleura."""
        return self.classical > 0.5


@dataclass(frozen=True)
class Measures:
    """Dice against the classical labels on the source's grid, and the nodules that a reader outlined.

    `network` is the SHA-256 of the network that was evaluated.
    """

    network: str
    dice_lungs: float
    dice_right: float
    dice_left: float
    volumes_ml: dict[str, float]
    nodules: tuple[Held, ...]


def evaluate(package_folder: Path, case: Path, annotations: Path | None = None) -> Measures:
    """The figures of one package on the CT in `case`, with the nodules of the LIDC file `annotations`."""
    package = load_package(package_folder)
    source = cases.read(case)
    (wanted,) = package.manifest.inputs
    outcome = Pipeline(package, OpenVinoEngine()).run({wanted.name: source})
    mask = np.zeros(source.voxels.shape, np.uint8) if outcome.mask is None else outcome.mask
    truth = cases.classical(source)
    nodules = read_nodules(annotations) if annotations else ()
    return Measures(
        network=package.digests[package.manifest.network.file],
        dice_lungs=dice(mask > 0, truth > 0),
        dice_right=dice(mask == RIGHT, truth == RIGHT),
        dice_left=dice(mask == LEFT, truth == LEFT),
        volumes_ml={segment.label: segment.measurements[0].value for segment in outcome.findings.segments},
        nodules=tuple(_held(nodule, source, mask > 0, truth > 0) for nodule in nodules),
    )


def annotations_of(case: Path) -> Path | None:
    """The LIDC file that belongs to a CT's folder, if there is one beside it."""
    return next(iter(sorted(case.with_name(f"{case.name}_annotations").glob("*.xml"))), None)


def _held(nodule: Nodule, source: Volume, model: Bool, classical: Bool) -> Held:
    slices = {frame.sop_instance_uid: k for k, frame in enumerate(source.frames)}
    z, y, x = source.voxels.shape
    inside = nodule.mask(slices, (z, y, x))
    return Held(
        nodule.reader, nodule.name, int(inside.sum()), float(classical[inside].mean()), float(model[inside].mean())
    )


def main() -> None:
    """Print the figures as JSON; write them where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the CTs")
    parser.add_argument("--case", required=True, help="the CT's folder in it")
    parser.add_argument("--package", type=Path, required=True, help="folder of the model package")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    case = arguments.data / arguments.case
    figures = {"case": arguments.case, **asdict(evaluate(arguments.package, case, annotations_of(case)))}
    text = json.dumps(json.loads(json.dumps(figures), parse_float=lambda number: round(float(number), 4)), indent=2)
    sys.stdout.write(text + "\n")
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
