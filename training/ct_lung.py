"""Make the package models/ct_lung: train the network, export it as ONNX, write the package's digests.

    python -m training.ct_lung --data DIR --out models/ct_lung

`DIR` holds the folder of DICOM files that ct_lung.toml names. Takes 20 to 40 minutes on two CPU cores.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch

from models.digests import write_digests
from training import cases, samples
from training import export as onnx
from training.config import Config, read_config
from training.fit import Batch, fit
from training.phantoms import Sample
from training.unet import UNet

log = logging.getLogger(__name__)


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
    rng = np.random.default_rng(config.seed)
    # One generator draws all batches in their order, so a run cannot go on from a checkpoint; it is short enough.
    return fit(network, lambda _: _batch(rng, config, real), loss, config.schedule)


def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross entropy plus soft Dice of the lungs; `targets` are shares of each label, shaped as `logits`."""
    entropy = -(targets * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    guess, truth = torch.softmax(logits, dim=1)[:, 1:], targets[:, 1:]
    common, total = (guess * truth).sum(dim=(0, 2, 3, 4)), (guess + truth).sum(dim=(0, 2, 3, 4))
    return entropy + 1 - ((2 * common + 1) / (total + 1)).mean()


def export(network: UNet, path: Path) -> None:
    """Write `network` as ONNX: input "volume" (1, 1, z, y, x) of any multiple of 16, output "logits"."""
    axes = {2: "z", 3: "y", 4: "x"}
    example = torch.zeros(1, 1, *[2 * network.multiple] * 3)
    onnx.export(
        network, example, path, input_name="volume", output_names=["logits"], dynamic={"volume": axes, "logits": axes}
    )


def _batch(rng: np.random.Generator, config: Config, real: Sample) -> Batch:
    drawn = [samples.draw(rng, real, config.data, config.augmentation) for _ in range(config.schedule.batch)]
    volumes = torch.from_numpy(np.stack([one.voxels[None] for one in drawn]))
    lungs = np.stack([one.lungs for one in drawn]).astype(np.float32)
    targets = np.concatenate([1 - lungs.sum(axis=1, keepdims=True), lungs], axis=1)
    return volumes.to(memory_format=torch.channels_last_3d), torch.from_numpy(targets)


if __name__ == "__main__":
    main()
