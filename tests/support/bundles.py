"""MONAI bundles in the Model Zoo's manner, made by the tests: a small network that tells two blocks by their HU.

bundle = write_bundle(folder)                                  # files alone: no library is needed
bundle = write_bundle(folder, Variant("LPS"), trained(folder)) # with a network that finds the blocks
"""

import io
import json
import pickle
import warnings
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.phantoms import Phantom, Points

BODY_HU, BLOCK_HU, STONE_HU = 40, 600, 1400

CODES = """\
[segments."block"]
type = { value = "85756007", scheme = "SCT", meaning = "Tissue" }

[segments."stone"]
type = { value = "56381008", scheme = "SCT", meaning = "Calculus" }
colour = [1, 2, 3]
"""


def blocks(points: Points) -> NDArray[np.int16]:
    """HU at patient points: a block at the right, front and bottom, and a stone at the left, back and bottom."""
    values = np.full(points.shape[:-1], BODY_HU, np.int16)
    x, y, z = np.moveaxis(points, -1, 0)
    values[(x > -26) & (x < -6) & (y > -28) & (y < -4) & (z > -24) & (z < -2)] = BLOCK_HU
    values[(x > 6) & (x < 24) & (y > 8) & (y < 28) & (z > -26) & (z < -12)] = STONE_HU
    return values


def phantom(orientation: tuple[float, ...], series: str = "1") -> Phantom:
    """The blocks in a series whose three axes differ in size and spacing, some way off the origin's middle."""
    return Phantom(
        body=blocks, slices=21, size=(26, 34), spacing=(3.0, 2.5, 2.0), orientation=orientation,
        centre=(1.3, -2.1, 3.7), noise=20.0, series=series,
    )  # fmt: skip


def truth(made: Phantom) -> NDArray[np.uint8]:
    """The labels that the network was trained to give, on the series' own grid."""
    affine = made.affine()
    index = np.stack(np.meshgrid(*map(np.arange, (made.slices, *made.size)), indexing="ij"), axis=-1)
    values = blocks(index @ affine[:3, :3].T + affine[:3, 3])
    return np.where(values == BLOCK_HU, 1, np.where(values == STONE_HU, 2, 0)).astype(np.uint8)


@dataclass(frozen=True)
class Variant:
    """How a bundle differs: the orientation its network sees, whether it brings results back, how weights are kept."""

    axcodes: str = "RAS"
    invert: bool = True
    weights: str = "model.pt"

    @property
    def name(self) -> str:
        return f"{self.axcodes}_{'inverted' if self.invert else 'as_seen'}_{Path(self.weights).suffix[1:]}".lower()


NETWORK = {
    "_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 3, "channels": [4, 8], "strides": [2],
    "num_res_units": 1, "norm": "batch",
}  # fmt: skip


def metadata() -> dict[str, Any]:
    shape = {"spatial_shape": [16, 16, 16], "dtype": "float32", "is_patch_data": True, "value_range": [0, 1]}
    image = {
        "type": "image",
        "format": "hounsfield",
        "modality": "CT",
        "num_channels": 1,
        "channel_def": {"0": "image"},
    }
    names = {"0": "background", "1": "block", "2": "stone"}
    pred = {"type": "image", "format": "segmentation", "num_channels": 3, "channel_def": names}
    return {
        "version": "0.3.1", "monai_version": "1.6.1", "pytorch_version": "2.9.0", "numpy_version": "2.0.0",
        "name": "Blocks in CT", "task": "Segmentation of blocks", "description": "Finds a block and a stone.",
        "authors": "The tests", "copyright": "None", "intended_use": "This is an example.",
        "image_classes": "CT, scaled to [0, 1]", "eval_metrics": {"mean_dice": 0.9},
        "network_data_format": {"inputs": {"image": image | shape}, "outputs": {"pred": pred | shape}},
    }  # fmt: skip


def config(variant: Variant) -> dict[str, Any]:
    script = variant.weights.endswith(".ts")
    load = (
        {"network_def": "$torch.jit.load(@bundle_root + '/models/model.ts')"}
        if script
        else {"network_def": dict(NETWORK)}
    )
    checkpoint = {
        "_target_": "CheckpointLoader",
        "load_path": "$@bundle_root + '/models/model.pt'",
        "load_dict": {"model": "@network"},
    }
    return {
        "imports": ["$import glob", "$import numpy", "$import os"],
        "bundle_root": ".",
        "image_key": "image",
        "output_dir": "$@bundle_root + '/eval'",
        "output_dtype": "$numpy.float32",
        "load_pretrain": True,
        "dataset_dir": "/data",
        "datalist": "$list(sorted(glob.glob(@dataset_dir + '/imagesTs/*.nii.gz')))",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        **load,
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": _preprocessing(variant)},
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': i} for i in @datalist]",
            "transform": "@preprocessing",
        },
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "shuffle": False,
            "num_workers": 1,
        },
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [16, 16, 16],
            "sw_batch_size": 4,
            "overlap": 0.5,
        },
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing(variant)},
        "handlers": [{"_target_": "StatsHandler", "iteration_log": False}],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
            "amp": False,
        },
        **({} if script else {"checkpointloader": checkpoint}),
        "initialize": [
            "$monai.utils.set_determinism(seed=123)",
            *([] if script else ["$@checkpointloader(@evaluator) if @load_pretrain else None"]),
        ],
        "run": ["$@evaluator.run()"],
    }


def _preprocessing(variant: Variant) -> list[dict[str, Any]]:
    return [
        {"_target_": "LoadImaged", "keys": "@image_key"},
        {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
        {"_target_": "Orientationd", "keys": "@image_key", "axcodes": variant.axcodes},
        {"_target_": "Spacingd", "keys": "@image_key", "pixdim": [2.13, 2.17, 2.61], "mode": "bilinear"},
        {
            "_target_": "ScaleIntensityRanged", "keys": "@image_key", "a_min": -100, "a_max": 1500, "b_min": 0,
            "b_max": 1, "clip": True,
        },
        {"_target_": "EnsureTyped", "keys": "@image_key"},
    ]  # fmt: skip


def _postprocessing(variant: Variant) -> list[dict[str, Any]]:
    back = {
        "_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "@image_key",
        "nearest_interp": False, "to_tensor": True,
    }  # fmt: skip
    save = {
        "_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir", "output_dtype": "@output_dtype",
        "output_postfix": "seg", "separate_folder": True, "resample": False,
    }  # fmt: skip
    return [
        {"_target_": "Activationsd", "keys": "pred", "softmax": True},
        *([back] if variant.invert else []),
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
        save,
    ]


def checkpoint(content: object = None) -> bytes:
    """What `torch.save` writes, around the pickle of `content` (by default of an empty state)."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(OrderedDict() if content is None else content, 2))
        archive.writestr("archive/version", "3\n")
    return written.getvalue()


def write_bundle(folder: Path, variant: Variant | None = None, weights: bytes | None = None) -> Path:
    """A bundle called `blocks` in `folder`, with `weights` as its checkpoint or TorchScript; returns its folder."""
    variant, bundle = variant or Variant(), folder / "blocks"
    for name in ("configs", "models", "docs"):
        (bundle / name).mkdir(parents=True)
    put(bundle / "configs/metadata.json", metadata())
    put(bundle / "configs/inference.json", config(variant))
    (bundle / "models" / variant.weights).write_bytes(weights or checkpoint())
    (bundle / "docs/README.md").write_text("# Blocks\nA bundle for tests.\n")
    (bundle / "LICENSE").write_text("Apache License\nVersion 2.0, January 2004\n")
    return bundle


def put(file: Path, values: object) -> None:
    file.write_text(json.dumps(values, indent=4))


def write_codes(folder: Path, text: str = CODES) -> Path:
    (folder / "codes.toml").write_text(text)
    return folder / "codes.toml"


def trained() -> tuple[bytes, bytes]:
    """The network as a checkpoint and as TorchScript, after a few seconds of learning from blocks at random places."""
    import torch  # noqa: PLC0415  # an extra
    from monai.networks.nets import UNet  # noqa: PLC0415

    torch.manual_seed(7)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # of a network this small, threads do nothing but wait for each other
    arguments: dict[str, Any] = {key: value for key, value in NETWORK.items() if key != "_target_"}
    network = UNet(**arguments)
    optimizer = torch.optim.Adam(network.parameters(), 2e-2)
    for _ in range(150):
        images, labels = _samples(torch)
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_num_threads(threads)
    network.eval()
    state, script = io.BytesIO(), io.BytesIO()
    torch.save(network.state_dict(), state)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the zoo's TorchScript is what torch calls deprecated
        torch.jit.save(torch.jit.trace(network, torch.zeros(1, 1, 16, 16, 16)), script)
    return state.getvalue(), script.getvalue()


def _samples(torch: Any) -> tuple[Any, Any]:
    """Four cubes with a block and a stone in each, scaled as the config scales them; and their labels."""
    labels = torch.zeros(4, 16, 16, 16, dtype=torch.long)
    for sample in labels:
        for label in (1, 2):
            low = torch.randint(0, 12, (3,))
            high = low + torch.randint(3, 10, (3,))
            sample[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))] = label
    hounsfield = torch.tensor([BODY_HU, BLOCK_HU, STONE_HU], dtype=torch.float32)[labels]
    images = (hounsfield + 20 * torch.randn(hounsfield.shape) + 100) / 1600
    return images.clip(0, 1)[:, None], labels
