"""Train the network of models/brain_tumor on a folder in the layout of BraTS, export it, write the package's digests.

    python -m training.brain.train --data DIR --out models/brain_tumor [--checkpoints DIR] [--tracking URI]

`DIR` holds phantoms (training.brain.phantoms) or the cases of BraTS: the same recipe does for both. A run that was
broken off goes on from its checkpoint.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from models.manifest import MANIFEST
from training import losses
from training.brain import samples
from training.brain.layout import SEQUENCES, find_cases, read_case
from training.brain.network import ResidualUNet
from training.brain.recipe import RECIPE, Recipe
from training.brain.regions import REGIONS, regions_of
from training.brain.samples import Ready
from training.export import difference, export
from training.fit import Batch, fit
from training.metrics import dice
from training.packaging import write_digests
from training.recipe import read_recipe
from training.tracking import Tracker, tracked

log = logging.getLogger(__name__)

EXPERIMENT = "brain_tumor"

# What the exported network may differ from the trained one by, in logits.
_SAME = 1e-2


def main() -> None:
    """Read the arguments, train, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the cases")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model package")
    parser.add_argument("--config", type=Path, default=RECIPE, help="the recipe")
    parser.add_argument("--checkpoints", type=Path, help="folder that a broken run goes on from")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--tracking", help="MLflow's tracking store, as sqlite:///runs.db")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = read_recipe(arguments.config, Recipe)
    cases = load(arguments.data, recipe.data.spacing_mm)
    with tracked(arguments.tracking, EXPERIMENT) as tracker:
        tracker.parameters(asdict(recipe))
        network = train(recipe, cases, arguments.device, arguments.checkpoints, tracker)
        made = write(network, recipe, arguments.out)
        tracker.artefact(arguments.config)
        tracker.register(EXPERIMENT, made, {"demonstration": "true"})


def load(folder: Path, spacing_mm: float) -> tuple[Ready, ...]:
    """Every case of a folder, normalised, in memory."""
    found = find_cases(folder)
    return tuple(samples.ready(read_case(files, spacing_mm)) for files in tqdm(found, unit="case", mininterval=10))


def train(
    recipe: Recipe,
    cases: Sequence[Ready],
    device: str = "cpu",
    checkpoints: Path | None = None,
    tracker: Tracker | None = None,
) -> nn.Module:
    """A network trained on `cases`; the same seed, cases and machine give the same network."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    kept = cases[:: recipe.data.validate_each]
    learnt = [case for at, case in enumerate(cases) if at % recipe.data.validate_each] or list(cases)
    network = ResidualUNet(len(SEQUENCES), recipe.channels, len(REGIONS)).to(memory_format=torch.channels_last_3d)
    return fit(
        network,
        partial(_batch, recipe, learnt),
        partial(losses.dice_focal, gamma=recipe.loss.gamma),
        recipe.schedule,
        device=device,
        checkpoints=checkpoints,
        validate=partial(_validate, kept, device),
        tracker=tracker,
    )


def write(network: nn.Module, recipe: Recipe, folder: Path) -> Path:
    """Export `network` into the package `folder`, see that the file computes the same, renew the digests."""
    axes = {2: "z", 3: "y", 4: "x"}
    example = torch.randn(1, len(SEQUENCES), *recipe.data.crop, generator=torch.Generator().manual_seed(0))
    path = folder / "network.onnx"
    dynamic = {"volume": axes, "logits": axes}
    export(network, example, path, input_name="volume", output_names=["logits"], dynamic=dynamic)
    apart = difference(network, path, example)
    if apart > _SAME:
        raise RuntimeError(f"{path}: gives logits that differ by {apart:.2g} from the trained network's")
    if (folder / MANIFEST).exists():
        write_digests(folder)
    log.info("%s: written; logits differ by at most %.1e from the trained network's", path, apart)
    return path


def _batch(recipe: Recipe, cases: Sequence[Ready], step: int) -> Batch:
    rng = np.random.default_rng((recipe.seed, step))
    data, change = recipe.data, recipe.augmentation
    drawn = [samples.draw(rng, cases, data.crop, data.on_lesion, change) for _ in range(recipe.schedule.batch)]
    volumes = torch.from_numpy(np.stack([voxels for voxels, _ in drawn]))
    targets = torch.from_numpy(np.stack([regions_of(labels) for _, labels in drawn]).astype(np.float32))
    return volumes.to(memory_format=torch.channels_last_3d), targets


def _validate(cases: Sequence[Ready], device: str, network: nn.Module) -> dict[str, float]:
    """Mean Dice of each region over whole cases."""
    rows = [_dices(case, device, network) for case in cases]
    return {f"dice_{name}": float(np.mean([row[at] for row in rows])) for at, name in enumerate(REGIONS)}


def _dices(case: Ready, device: str, network: nn.Module) -> list[float]:
    volume = case.voxels.astype(np.float32)
    padding = [(0, 0), *((0, -side % network.multiple) for side in volume.shape[1:])]
    logits = network(torch.from_numpy(np.pad(volume, padding)[None]).to(device))[0].float().cpu().numpy()
    z, y, x = case.labels.shape
    pairs = zip(logits[:, :z, :y, :x] > 0, regions_of(case.labels), strict=True)
    return [dice(guess, truth) for guess, truth in pairs]


if __name__ == "__main__":
    main()
