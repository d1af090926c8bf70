"""Make the network of models/cxr_findings: train it, export it as ONNX.

    python -m training.chest.train --work DIR --out models/cxr_findings
    python -m training.chest.train --recipe training/chest/densenet121.toml --data chestxray14=DIR --device cuda ...

`--work` keeps the phantoms and the checkpoint; the same command goes on where it stopped. With `--tracking
sqlite:///runs.db` (extra `tracking`) MLflow keeps the run's parameters, figures and network.
"""

import argparse
import logging
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.chest.batches import Batches
from training.chest.densenet import DenseNet, WithMaps
from training.chest.findings import FINDINGS
from training.chest.layouts import splits
from training.chest.radiographs import Collection
from training.chest.recipe import RECIPE, Recipe
from training.export import difference, export
from training.fit import fit
from training.losses import positive_weights, weighted_bce
from training.metrics import known_auroc
from training.recipe import read_recipe
from training.tracking import Tracker, tracked

log = logging.getLogger(__name__)


def main() -> None:
    """Read the arguments, train, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--work", type=Path, required=True, help="folder of the phantoms and the checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model package")
    parser.add_argument("--data", help="chestxray14=DIR or chexpert=DIR; phantoms where it is absent")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tracking", help="MLflow's tracking store")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = read_recipe(arguments.recipe, Recipe)
    with tracked(arguments.tracking, "cxr_findings") as tracker:
        tracker.parameters(asdict(recipe))
        collections = splits(arguments.data, recipe, arguments.work)
        network = train(recipe, collections, arguments.work, arguments.device, tracker)
        path = arguments.out / "network.onnx"
        apart = export_with_maps(network, recipe.image.side, path)
        tracker.metrics({"export_difference": apart}, recipe.schedule.steps)
        tracker.register("cxr_findings", path, {"recipe": arguments.recipe.stem, "data": arguments.data or "phantoms"})
    log.info("%s: written; differs from the network in memory by %.1e", path, apart)


def train(recipe: Recipe, collections: Mapping[str, Collection], work: Path, device: str, tracker: Tracker) -> DenseNet:
    """A network trained on the split "train" and looked at on "validation"."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    network: DenseNet = DenseNet(recipe.network, len(FINDINGS)).to(memory_format=torch.channels_last)
    log.info("%d weights", sum(weights.numel() for weights in network.parameters()))
    known, held = collections["train"], collections["validation"]
    weights = positive_weights(torch.from_numpy(known.labels), recipe.most_weight)
    fit(
        network,
        Batches(known, recipe),
        partial(weighted_bce, weights=weights),
        recipe.schedule,
        device=device,
        checkpoints=work / "checkpoints",
        validate=partial(mean_auroc, collection=held, device=device),
        tracker=tracker,
    )
    # A weight w in the loss multiplies the odds that are learned by w: taking its logarithm off the logits leaves
    # probabilities, at the prevalence of the training data.
    with torch.no_grad():
        network.classifier.bias -= torch.log(weights).to(device)
    return network


def mean_auroc(network: nn.Module, collection: Collection, device: str) -> Mapping[str, float]:
    """The mean over the findings that are known both present and absent."""
    count, at_once = len(collection.labels), 64
    logits = [
        network(_stacked(collection, range(at, min(at + at_once, count))).to(device)).float().cpu().numpy()
        for at in range(0, count, at_once)
    ]
    each = zip(collection.labels.T, np.concatenate(logits).T, strict=True)
    return {"validation_auroc": float(np.nanmean([known_auroc(labels, scores) for labels, scores in each]))}


def export_with_maps(network: DenseNet, side: int, path: Path) -> float:
    """Write the network with its class activation maps; return how far the file's outputs are from the network's.

    Input "image" (n, 1, side, side); outputs "logits" (n, 14) and "cam" (n, 14, h, w); n may be any number.
    """
    whole = WithMaps(network).cpu().eval()
    example = torch.from_numpy(np.random.default_rng(0).random((2, 1, side, side), np.float32))
    dynamic = {name: {0: "n"} for name in ("image", "logits", "cam")}
    export(whole, example, path, input_name="image", output_names=("logits", "cam"), dynamic=dynamic)
    return difference(whole, path, example)


def _stacked(collection: Collection, places: range) -> torch.Tensor:
    images = torch.from_numpy(np.stack([collection.image(at) for at in places]))[:, None]
    return images.to(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
