"""Make the network of models/ct_nodules: train its classifier, export the whole as ONNX.

    python -m training.nodules.train --work DIR --data DIR --out models/ct_nodules
    python -m training.nodules.train --work DIR --out OUT                          of phantoms alone, where no CT is

`--data` holds the folders of DICOM files that ct_nodules.toml names, each with its LIDC annotations in a folder beside
it. `--work` keeps the places that were looked at; another run with the same recipe begins with them. With `--tracking
sqlite:///runs.db` (extra `tracking`) MLflow keeps the run's parameters, figures and network.
"""

import argparse
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from inference_worker.engines.onnxruntime import OnnxRuntimeEngine
from inference_worker.engines.protocol import Engine
from models.manifest import Network
from training.export import difference, export
from training.fit import Batch, fit
from training.nodules.inserting import view
from training.nodules.lungs import Float, Lungs, of_case, of_phantom
from training.nodules.network import Looking, Nodules
from training.nodules.places import Places, joined, places_of
from training.nodules.recipe import RECIPE, Recipe
from training.recipe import read_recipe
from training.tracking import Tracker, Untracked, tracked

log = logging.getLogger(__name__)

PHANTOMS = "phantoms"


def main() -> None:
    """Read the arguments, train, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--work", type=Path, required=True, help="folder of the places that were looked at")
    parser.add_argument("--data", type=Path, help="folder of the CTs; phantoms alone without it")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model package")
    parser.add_argument("--tracking", help="MLflow's tracking store")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = read_recipe(arguments.recipe, Recipe)
    with tracked(arguments.tracking, "ct_nodules") as tracker:
        tracker.parameters(asdict(recipe))
        network = train(recipe, places(recipe, arguments.data, arguments.work), tracker)
        path = arguments.out / "network.onnx"
        apart = export_whole(network, path)
        tracker.metrics({"export_difference": apart}, recipe.schedule.steps)
        tracker.register("ct_nodules", path, {"recipe": arguments.recipe.stem, "data": str(arguments.data is not None)})
    log.info("%s: written; differs from the network in memory by %.1e", path, apart)


def places(recipe: Recipe, data: Path | None, work: Path) -> Mapping[str, Places]:
    """What each CT of the recipe and the phantoms give to learn from, by name; `data` None is phantoms alone."""
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(recipe.threads)
    looking = eye(work, recipe.threads)
    cases = {name: data / name for name in recipe.cases} if data else {}
    found = {name: _kept(work / f"{name}.npz", partial(_of_case, recipe, at, looking)) for name, at in cases.items()}
    made = recipe.phantoms if cases else recipe.phantoms_alone
    phantoms = _kept(work / f"{PHANTOMS}-{made}.npz", partial(_of_phantoms, recipe, made, looking))
    return {**found, PHANTOMS: phantoms}


def eye(work: Path, threads: int) -> Engine:
    """An engine that runs what the classifier is shown; nothing in that is learned."""
    path, wanted = work / "looking.onnx", Network("looking.onnx", outputs=("features", "looked"), multiple=4)
    axes = {2: "z", 3: "y", 4: "x"}
    names = ("features", "looked")
    dynamic = dict.fromkeys(("volume", *names), axes)
    export(Looking(Nodules()), torch.ones(1, 1, 32, 32, 32), path,
           input_name="volume", output_names=names, dynamic=dynamic)  # fmt: skip
    engine = OnnxRuntimeEngine(threads)
    engine.load(path.read_bytes(), wanted)
    return engine


def _kept(path: Path, make: Callable[[], Places]) -> Places:
    if not path.exists():
        log.info("%s: looking", path.stem)
        made = make()
        np.savez_compressed(path, allow_pickle=False, nodules=made.nodules, others=made.others, outlined=made.outlined)
    with np.load(path, allow_pickle=False) as file:
        return Places(file["nodules"], file["others"], file["outlined"])


def _of_case(recipe: Recipe, folder: Path, looking: Engine) -> Places:
    rng = np.random.default_rng([recipe.seed, *folder.name.encode()])
    lungs = of_case(folder)
    own = places_of(rng, lungs, looking, recipe.others)
    views = [places_of(rng, view(rng, lungs, recipe), looking, recipe.others) for _ in range(recipe.views)]
    whole = joined([own, *views])
    return Places(whole.nodules, whole.others, own.nodules)


def _of_phantoms(recipe: Recipe, count: int, looking: Engine) -> Places:
    rng = np.random.default_rng([recipe.seed, 0])

    def one() -> Lungs:
        return view(rng, of_phantom(rng, recipe.phantom_shape), recipe)

    return joined([places_of(rng, one(), looking, recipe.others) for _ in range(count)])


def train(recipe: Recipe, known: Mapping[str, Places], tracker: Tracker | None = None) -> Nodules:
    """The network with a classifier that has learned from all of `known`."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(1)  # a classifier of a few hundred weights has nothing to share out
    network: Nodules = Nodules()
    whole = joined(list(known.values()))
    log.info("%d places in nodules, %d of them outlined by readers, %d others",
             len(whole.nodules), len(whole.outlined), len(whole.others))  # fmt: skip
    fit(network.classifier, Batches(whole, recipe), error, recipe.schedule, tracker=tracker or Untracked())
    network.eval()
    return network


class Batches:
    """Batch by batch as many places in nodules as the recipe says; each depends on its step alone."""

    def __init__(self, known: Places, recipe: Recipe) -> None:
        self._known, self._recipe = known, recipe

    def __call__(self, step: int) -> Batch:
        recipe, known = self._recipe, self._known
        rng = np.random.default_rng([recipe.seed, step])
        inside = round(recipe.schedule.batch * recipe.share)
        outlined = round(inside * recipe.outlined) if len(known.outlined) else 0
        parts = [(known.outlined, outlined), (known.nodules, inside - outlined),
                 (known.others, recipe.schedule.batch - inside)]  # fmt: skip
        drawn = np.concatenate([some[rng.integers(len(some), size=count)] for some, count in parts if count])
        targets = np.arange(len(drawn)) < inside
        return _as_volume(drawn), _as_volume(targets[:, None].astype(np.float32))


def _as_volume(values: Float) -> torch.Tensor:
    """Places (n, channels) as one row of voxels."""
    return torch.from_numpy(np.ascontiguousarray(values.T)).reshape(1, values.shape[1], len(values), 1, 1)


def error(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy."""
    return functional.binary_cross_entropy_with_logits(logits, targets)


def export_whole(network: Nodules, path: Path) -> float:
    """Write the network; return how far the file's output is from the network's.

    Input "volume" (1, 1, z, y, x) of any multiple of 4, output "nodule" of the same shape.
    """
    axes = {2: "z", 3: "y", 4: "x"}
    example = torch.from_numpy(np.random.default_rng(0).random((1, 1, 32, 40, 48), np.float32)) + 1
    export(network, example, path, input_name="volume", output_names=("nodule",),
           dynamic={"volume": axes, "nodule": axes})  # fmt: skip
    return difference(network, path, example)


if __name__ == "__main__":
    main()
