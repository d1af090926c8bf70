"""How well a chest network does on radiographs that it was not trained on, as evaluation.json says it.

    python -m training.chest.evaluate --work DIR --out models/cxr_findings

Reads network.onnx in `--out`, chooses each finding's threshold on the split "validation" (Youden's index), and measures
on "test". Writes evaluation.json beside the network. `--recipe` and `--data` must be those of the training.
"""

import argparse
import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino

from training.chest.findings import FINDINGS
from training.chest.layouts import splits
from training.chest.lesions import SIGNS
from training.chest.phantoms import VENDORS, located
from training.chest.radiographs import Collection, Field, Person, normalised
from training.chest.recipe import RECIPE, Recipe
from training.metrics import (
    Bool,
    Calibration,
    age_band,
    calibration,
    known_auroc,
    sensitivity,
    specificity,
    strata,
    youden_threshold,
)
from training.recipe import read_recipe

log = logging.getLogger(__name__)

PHANTOMS = "phantoms"
# Beside the numbers of the splits, so that these phantoms are in none.
_POINTING = 9
# A cell of a map lies on a finding where that changed the thickness by so much.
_VISIBLE_CM = 0.5


@dataclass(frozen=True)
class Measures:
    """One finding on the test split; `threshold` is the probability from which on it is reported."""

    positives: int
    negatives: int
    auroc: float
    threshold: float
    sensitivity: float
    specificity: float
    calibration_error: float


@dataclass(frozen=True)
class Stratum:
    """A group of the test split: how many radiographs, and the means over the findings that are known in it."""

    radiographs: int
    mean_auroc: float
    mean_sensitivity: float
    mean_specificity: float


@dataclass(frozen=True)
class Pointing:
    """How often the highest cell of a finding's map lies on the finding, and how often a random cell would.

    (Zhang et al., Top-down Neural Attention by Excitation Backprop, 2016.)
    """

    phantoms: int
    hits: float
    by_chance: float


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured. `network` is the SHA-256 of the file that was."""

    network: str
    data: str
    radiographs: dict[str, int]
    mean_auroc: float
    findings: dict[str, Measures]
    calibration: Calibration
    pointing: dict[str, Pointing]
    strata: dict[str, dict[str, Stratum]]


def main() -> None:
    """Read the arguments, measure, write evaluation.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--work", type=Path, required=True, help="folder of the phantoms")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model package")
    parser.add_argument("--data", help="chestxray14=DIR or chexpert=DIR; phantoms where it is absent")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = read_recipe(arguments.recipe, Recipe)
    collections = splits(arguments.data, recipe, arguments.work)
    data = (arguments.data or PHANTOMS).partition("=")[0]
    found = evaluate(arguments.out / "network.onnx", recipe, data, collections["validation"], collections["test"])
    path = arguments.out / "evaluation.json"
    path.write_text(json.dumps(jsonable(asdict(found)), indent=1) + "\n", "utf-8")
    log.info("%s: mean AUROC %.3f", path, found.mean_auroc)


def evaluate(network: Path, recipe: Recipe, data: str, validation: Collection, test: Collection) -> Evaluation:
    """Thresholds from `validation`, figures from `test`; findings that are never known have no entry."""
    chosen = thresholds(validation.labels, probabilities(network, validation))
    scores, labels = probabilities(network, test), test.labels
    measured = {name: measures(labels[:, at], scores[:, at], chosen[at]) for at, name in enumerate(FINDINGS)}
    known = ~np.isnan(labels)
    return Evaluation(
        network=hashlib.sha256(network.read_bytes()).hexdigest(),
        data=data,
        radiographs={"validation": len(validation.labels), "test": len(labels)},
        mean_auroc=_mean([one.auroc for one in measured.values()]),
        findings={name: one for name, one in measured.items() if one.positives + one.negatives},
        calibration=calibration(labels[known] > 0.5, scores[known]),
        pointing=pointing(network, recipe) if data == PHANTOMS else {},
        strata=strata(groups(test.people), lambda group: _stratum(labels[group], scores[group], chosen)),
    )


def probabilities(network: Path, collection: Collection, at_once: int = 50) -> Field:
    """What the file's logits say of each radiograph, (n, 14), by OpenVINO in 32 bits."""
    compiled = _compiled(network)
    count = len(collection.labels)
    logits = []
    for start in range(0, count, at_once):
        images = np.stack([collection.image(at) for at in range(start, min(start + at_once, count))])
        logits.append(np.array(compiled([images[:, None]])["logits"]))
    return np.asarray(1 / (1 + np.exp(-np.concatenate(logits))), np.float32)


def pointing(network: Path, recipe: Recipe, count: int = 50) -> dict[str, Pointing]:
    """Where the maps point, on `count` new phantoms for each finding that is drawn in a place, with no other."""
    compiled, side = _compiled(network), recipe.image.side
    return {name: _pointing(compiled, recipe, FINDINGS.index(name), count, side) for name in SIGNS}


def _pointing(compiled: Any, recipe: Recipe, channel: int, count: int, side: int) -> Pointing:
    hits, areas = [], []
    for at in range(count):
        rng = np.random.default_rng([recipe.seed, _POINTING, channel, at])
        sex, look = "FM"[at % 2], list(VENDORS.values())[at % len(VENDORS)]
        image, changed = located(rng, side, {FINDINGS[channel]}, sex, look)
        cam = compiled([normalised(image, recipe.image.quantiles)[None, None]])["cam"][0, channel]
        cell = side // cam.shape[0]
        there = changed.reshape(cam.shape[0], cell, cam.shape[1], cell).max(axis=(1, 3)) > _VISIBLE_CM
        hits.append(bool(there.flat[int(cam.argmax())]))
        areas.append(float(there.mean()))
    return Pointing(count, float(np.mean(hits)), float(np.mean(areas)))


def _compiled(network: Path) -> Any:
    return openvino.Core().compile_model(str(network), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def thresholds(labels: Field, scores: Field) -> list[float]:
    """Each finding's threshold; NaN where it is not known both present and absent."""
    return [_threshold(labels[:, at], scores[:, at]) for at in range(labels.shape[1])]


def measures(labels: Field, scores: Field, threshold: float) -> Measures:
    """One finding's figures over the radiographs in which it is known."""
    known = ~np.isnan(labels)
    truth, given = labels[known] > 0.5, scores[known]
    return Measures(
        positives=int(truth.sum()),
        negatives=int((~truth).sum()),
        auroc=known_auroc(labels, scores),
        threshold=threshold,
        sensitivity=sensitivity(truth, given, threshold),
        specificity=specificity(truth, given, threshold),
        calibration_error=calibration(truth, given).error,
    )


def groups(people: Sequence[Person]) -> dict[str, list[str]]:
    """Who belongs to which group, by age band, sex, vendor and view."""
    return {
        "age": [age_band(person.age) for person in people],
        "sex": [person.sex for person in people],
        "vendor": [person.vendor for person in people],
        "view": [person.view for person in people],
    }


def _threshold(labels: Field, scores: Field) -> float:
    known = ~np.isnan(labels)
    truth: Bool = labels[known] > 0.5
    return youden_threshold(truth, scores[known]) if truth.any() and not truth.all() else math.nan


def _stratum(labels: Field, scores: Field, chosen: Sequence[float]) -> Stratum:
    each = [measures(labels[:, at], scores[:, at], threshold) for at, threshold in enumerate(chosen)]
    return Stratum(
        radiographs=len(labels),
        mean_auroc=_mean([one.auroc for one in each]),
        mean_sensitivity=_mean([one.sensitivity for one in each]),
        mean_specificity=_mean([one.specificity for one in each]),
    )


def _mean(values: Sequence[float]) -> float:
    known: npt.NDArray[np.float64] = np.array([value for value in values if not math.isnan(value)])
    return float(known.mean()) if len(known) else math.nan


def jsonable(value: Any) -> Any:
    """Numbers to five digits; JSON knows no NaN, so what is not known is null."""
    if isinstance(value, dict):
        return {key: jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(one) for one in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 5)
    return value


if __name__ == "__main__":
    main()
