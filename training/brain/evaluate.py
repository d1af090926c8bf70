"""How well a brain tumour package does on cases that it was not trained on.

    python -m training.brain.evaluate --data DIR --package models/brain_tumor [--out FILE]

Runs the package's network by the node's own engine, in 32-bit floats, on the network's grid: Dice of each region,
whether a tumour is there at all, calibration, and all of it by age band, sex and vendor.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from inference_worker.engines.openvino import OpenVinoEngine
from inference_worker.windows import infer
from models.registry import Package, load_package
from training.brain.layout import Case, Facts, find_cases, read_case
from training.brain.recipe import RECIPE, Recipe
from training.brain.regions import REGIONS, labels_of, regions_of
from training.brain.samples import z_score
from training.brain.shapes import Float
from training.metrics import Calibration, age_band, auroc, calibration, dice, sensitivity, specificity, strata
from training.recipe import read_recipe

Predict: TypeAlias = Callable[[Float], Float]
Bool: TypeAlias = npt.NDArray[np.bool_]

# A tumour is said to be there where at least this much is more likely tumour than not.
SMALLEST_ML = 0.5
THRESHOLD = 0.5
# Of each case so many voxels of the head, evenly spread, are asked for the calibration of the voxels.
_ASKED = 20_000


@dataclass(frozen=True)
class Seen:
    """One case: the truth's and the network's volume (ml) and their Dice, region by region.

    `score` is the probability of whole tumour that SMALLEST_ML of the case reach.
    """

    name: str
    facts: Facts
    truth_ml: dict[str, float]
    found_ml: dict[str, float]
    dice: dict[str, float]
    score: float

    @property
    def tumour(self) -> bool:
        """Whether there is one in truth."""
        return self.truth_ml["WT"] > 0


@dataclass(frozen=True)
class Group:
    """The figures of some cases. Dice is that of the cases in which the region exists, NaN where none has it.

    `false_ml` is the mean volume found in cases without a tumour.
    """

    cases: int
    with_tumour: int
    dice_mean: dict[str, float]
    dice_median: dict[str, float]
    sensitivity: float
    specificity: float
    false_ml: float


@dataclass(frozen=True)
class Measures:
    """Everything that was measured. `network` is the SHA-256 of the file that was evaluated."""

    network: str
    overall: Group
    auroc: float
    calibration_cases: Calibration
    calibration_voxels: Calibration
    strata: dict[str, dict[str, Group]]


def evaluate(package_folder: Path, cases: Iterable[Case], spacing_mm: float) -> Measures:
    """The figures of one package on `cases`, which lie on the grid of its network, `spacing_mm`."""
    package = load_package(package_folder)
    predict = predictor(package)
    seen, voxels = [], []
    for case in cases:
        probabilities = predict(z_score(case.voxels))
        seen.append(look(case, probabilities, spacing_mm))
        voxels.append(_asked(case, probabilities[0]))
    truth, scores = np.array([one.tumour for one in seen]), np.array([one.score for one in seen])
    facts = [one.facts for one in seen]
    kinds = {
        "age": [age_band(one.age) for one in facts],
        "sex": [one.sex for one in facts],
        "vendor": [one.vendor for one in facts],
    }
    return Measures(
        network=package.digests[package.manifest.network.file],
        overall=group(seen),
        auroc=auroc(truth, scores),
        calibration_cases=calibration(truth, scores),
        calibration_voxels=calibration(
            np.concatenate([tumour for tumour, _ in voxels]), np.concatenate([share for _, share in voxels])
        ),
        strata=strata(kinds, partial(_of, seen)),
    )


def predictor(package: Package) -> Predict:
    """From z-scored sequences (4, z, y, x) to probabilities of the regions (3, z, y, x), by the node's own engine."""
    network = package.manifest.network
    engine = OpenVinoEngine()
    engine.load(package.read(network.file), network)

    def predict(voxels: Float) -> Float:
        z, y, x = voxels.shape[1:]
        padding = [(0, 0), *((0, -side % network.multiple) for side in (z, y, x))]
        logits = infer(engine, np.pad(voxels, padding)[None], network)[network.outputs[0]][0, :, :z, :y, :x]
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)

    return predict


def look(case: Case, probabilities: Float, spacing_mm: float) -> Seen:
    """What the network said of one case, beside the truth."""
    ml = spacing_mm**3 / 1000
    truth, found = regions_of(case.labels), regions_of(labels_of(probabilities))
    least = max(1, round(SMALLEST_ML / ml))
    return Seen(
        case.name,
        case.facts,
        {name: float(part.sum() * ml) for name, part in zip(REGIONS, truth, strict=True)},
        {name: float(part.sum() * ml) for name, part in zip(REGIONS, found, strict=True)},
        {name: dice(one, other) for name, one, other in zip(REGIONS, truth, found, strict=True)},
        float(np.partition(probabilities[0], -least, axis=None)[-least]),
    )


def group(seen: Sequence[Seen]) -> Group:
    """The figures of some cases."""
    truth, scores = np.array([one.tumour for one in seen]), np.array([one.score for one in seen])
    dices = {name: [one.dice[name] for one in seen if one.truth_ml[name] > 0] for name in REGIONS}
    false = [one.found_ml["WT"] for one in seen if not one.tumour]
    return Group(
        cases=len(seen),
        with_tumour=int(truth.sum()),
        dice_mean={name: float(np.mean(values)) if values else math.nan for name, values in dices.items()},
        dice_median={name: float(np.median(values)) if values else math.nan for name, values in dices.items()},
        sensitivity=sensitivity(truth, scores, THRESHOLD),
        specificity=specificity(truth, scores, THRESHOLD),
        false_ml=float(np.mean(false)) if false else math.nan,
    )


def _of(seen: Sequence[Seen], members: Bool) -> Group:
    return group([one for one, inside in zip(seen, members, strict=True) if inside])


def _asked(case: Case, whole: Float) -> tuple[Bool, Float]:
    """Truth and probability of whole tumour at some voxels that are not 0."""
    inside = np.flatnonzero(case.voxels.any(axis=0))
    chosen = inside[:: max(1, len(inside) // _ASKED)]
    return (case.labels > 0).ravel()[chosen], whole.ravel()[chosen]


def written(figures: Measures) -> dict[str, Any]:
    """`figures` for JSON: four digits, null for what could not be measured."""
    return {key: _plain(value) for key, value in asdict(figures).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return value


def main() -> None:
    """Print the figures as JSON; write them where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the cases")
    parser.add_argument("--package", type=Path, required=True, help="folder of the model package")
    parser.add_argument("--config", type=Path, default=RECIPE, help="the recipe that it was trained with")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    spacing = read_recipe(arguments.config, Recipe).data.spacing_mm
    cases = (read_case(files, spacing) for files in find_cases(arguments.data))
    figures = evaluate(arguments.package, cases, spacing)
    text = json.dumps({"cases": arguments.data.name, **written(figures)}, indent=2)
    sys.stdout.write(text + "\n")
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
