"""Make the package models/ct_lung: train the network, export it as ONNX, write the package's digests.

    python -m training.ct_lung --data DIR --out models/ct_lung

`DIR` holds the folder of DICOM files that ct_lung.toml names. Takes 20 to 40 minutes on two CPU cores.
"""

import argparse
import logging
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from training import cases, samples
from training.config import Config, Schedule, read_config
from training.packaging import write_digests
from training.phantoms import Sample
from training.unet import UNet

log = logging.getLogger(__name__)

Batch = tuple[torch.Tensor, torch.Tensor]


def main() -> None:
    """Read the arguments, train, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the CTs")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model package")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("ct_lung.toml"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = read_config(arguments.config)
    source = cases.read(arguments.data / config.data.train)
    real = samples.on_grid(source, cases.classical(source), config.data.cache_spacing_mm, config.data.window_hu)
    network = train(config, real)
    export(network, arguments.out / "network.onnx")
    write_digests(arguments.out)
    log.info("%s: written, with the package's digests", arguments.out / "network.onnx")


def train(config: Config, real: Sample) -> UNet:
    """A network trained on views of `real` and on phantoms; the same seed and machine give the same network."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    network: UNet = UNet(config.channels, classes=3).to(memory_format=torch.channels_last_3d)
    plan = config.schedule
    optimizer = torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, plan))
    average = math.nan
    progress = tqdm(_batches(config, real), total=plan.steps, unit="step", mininterval=10)
    for step, (volumes, targets) in enumerate(progress):
        network.train(step < plan.freeze_statistics_at * plan.steps)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(volumes)
        error = loss(logits.float(), targets)
        optimizer.zero_grad()
        error.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        rate.step()
        average = error.item() if math.isnan(average) else 0.97 * average + 0.03 * error.item()
        progress.set_postfix(loss=f"{average:.4f}", refresh=False)
    log.info("trained for %d steps, loss %.4f", plan.steps, average)
    network.eval()
    return network


def rate_at(step: int, plan: Schedule) -> float:
    """The share of the learning rate at `step`: linear warm-up, then a half cosine down to nothing."""
    if step < plan.warm_up:
        return (step + 1) / plan.warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - plan.warm_up) / max(1, plan.steps - plan.warm_up)))


def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross entropy plus soft Dice of the lungs; `targets` are shares of each label, shaped as `logits`."""
    entropy = -(targets * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    guess, truth = torch.softmax(logits, dim=1)[:, 1:], targets[:, 1:]
    common, total = (guess * truth).sum(dim=(0, 2, 3, 4)), (guess + truth).sum(dim=(0, 2, 3, 4))
    return entropy + 1 - ((2 * common + 1) / (total + 1)).mean()


def export(network: UNet, path: Path) -> None:
    """Write `network` as ONNX: input "volume" (1, 1, z, y, x) of any multiple of 16, output "logits"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = {2: "z", 3: "y", 4: "x"}
    torch.onnx.export(
        network.to(memory_format=torch.contiguous_format),
        (torch.zeros(1, 1, *[2 * network.multiple] * 3),),
        str(path),
        input_names=["volume"],
        output_names=["logits"],
        dynamic_axes={"volume": axes, "logits": axes},
        opset_version=17,
        dynamo=False,
    )


def _batches(config: Config, real: Sample) -> Iterator[Batch]:
    """Batches in the order of one seeded generator, each made while the network works on the one before."""
    rng = np.random.default_rng(config.seed)
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(_batch, rng, config, real)
        for _ in range(config.schedule.steps - 1):
            batch, coming = coming.result(), maker.submit(_batch, rng, config, real)
            yield batch
        yield coming.result()


def _batch(rng: np.random.Generator, config: Config, real: Sample) -> Batch:
    drawn = [samples.draw(rng, real, config.data, config.augmentation) for _ in range(config.schedule.batch)]
    volumes = torch.from_numpy(np.stack([one.voxels[None] for one in drawn]))
    lungs = np.stack([one.lungs for one in drawn]).astype(np.float32)
    targets = np.concatenate([1 - lungs.sum(axis=1, keepdims=True), lungs], axis=1)
    return volumes.to(memory_format=torch.channels_last_3d), torch.from_numpy(targets)


if __name__ == "__main__":
    main()
