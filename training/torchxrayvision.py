"""Makes a package of TorchXRayVision's DenseNet-121 weights (Cohen et al., MIDL 2022), as `models pull` fetches them.

python -m training.torchxrayvision packages/.pulled/xrv_all/FILE.pt packages/xrv_all

The file is a pickled module. Of what it names, only what builds tensors is called; everything else becomes an inert
object, so that no code of the file runs.
"""

import argparse
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from domain.errors import ConfigurationError
from models.catalogue import CODES, Entry, catalogue, entry
from models.digests import write_digests
from models.drafts import CARD, NETWORK
from models.manifest import MANIFEST
from models.registry import load_package, verify
from training.chest.densenet import DenseNet, WithMaps
from training.chest.recipe import Shape
from training.export import difference, export

DENSENET_121 = Shape(stem=64, growth=32, blocks=(6, 12, 24, 16))
LABELS, SIDE = 18, 224

# What may be called in a pickle: tensors are built by these, of storages that torch itself has read.
_BUILDERS = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "FloatStorage"),
    ("torch", "LongStorage"),
}


class _Inert:
    """Stands for an object of any class of the file: keeps its attributes and does nothing."""

    dump_patches = False  # asked by torch of a class whose source is not the one that was pickled

    def __init__(self, *_: Any, **__: Any) -> None:
        """Whatever the class would have been made with."""

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state if isinstance(state, dict) else {})


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        known = (module_name, global_name) in _BUILDERS
        return super().find_class(module_name, global_name) if known else _Inert


def read_weights(file: Path) -> list[torch.Tensor]:
    """The tensors of the network in `file`, in the order of its state; raises ConfigurationError where it is none."""
    reader = SimpleNamespace(Unpickler=_Reader, load=lambda source, **_: _Reader(source).load(), __name__="inert")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the classes' source is not the one that was pickled
            module = torch.load(file, map_location="cpu", pickle_module=reader, weights_only=False)
        parts = [module._modules[name] for name in ("features", "classifier")]
    except (pickle.UnpicklingError, RuntimeError, AttributeError, KeyError, TypeError, EOFError, ValueError) as error:
        raise ConfigurationError(f"{file}: holds no DenseNet of TorchXRayVision: {error}") from error
    return [tensor for part in parts for tensor in _tensors(part)]


def network_of(weights: list[torch.Tensor], shape: Shape = DENSENET_121) -> DenseNet:
    """This project's DenseNet with these weights: both name the same layers in the same order."""
    network = DenseNet(shape, LABELS)
    state = network.state_dict()
    if [one.shape for one in weights] != [one.shape for one in state.values()]:
        raise ConfigurationError(f"its {len(weights)} tensors are not the {len(state)} of a DenseNet-121")
    network.load_state_dict(dict(zip(state, weights, strict=True)))
    return network


def make(file: Path, folder: Path, shape: Shape = DENSENET_121) -> float:
    """Make the package `folder`, called as its model is in the catalogue; returns how far ONNX is from torch."""
    known = entry(folder.name, catalogue())
    if known.kind != "checkpoint":
        raise ConfigurationError(f"{known.name} is a {known.kind}; dicom-node models pull makes its package")
    network = WithMaps(network_of(read_weights(file), shape)).eval()
    folder.mkdir(parents=True)
    example = torch.rand(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2048 - 1024
    dynamic = {name: {0: "n"} for name in ("image", "logits", "cam")}
    path = folder / NETWORK
    export(network, example, path, input_name="image", output_names=("logits", "cam"), dynamic=dynamic)
    (folder / MANIFEST).write_text((CODES / known.codes).read_text("utf-8"), "utf-8")
    (folder / CARD).write_text(_card(known), "utf-8")
    write_digests(folder)
    verify(load_package(folder.resolve()))
    return difference(network, path, example)


def _tensors(module: Any) -> Iterator[torch.Tensor]:
    """Parameters, then buffers, then those of the modules inside, as torch.nn.Module.state_dict has them."""
    for name in ("_parameters", "_buffers"):
        yield from (one for one in getattr(module, name).values() if one is not None)
    for inner in module._modules.values():
        yield from _tensors(inner)


def _card(known: Entry) -> str:
    return f"""\
# {known.name}: {known.title}

**A demonstration until its site has judged it.** Weights of TorchXRayVision, unchanged, as ONNX.

- From: {known.address}
- Digest: {known.digest or "given by whoever pulled it"}
- Licence: {known.licence}
- Described in: Cohen et al., "TorchXRayVision: A library of chest X-ray datasets and models", MIDL 2022

Thresholds are the operating points that its makers state. They were not chosen for your patients or your machines.
"""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the weights, as `models pull` left them")
    parser.add_argument("folder", type=Path, help="the package to make, named as in the catalogue")
    arguments = parser.parse_args()
    off = make(arguments.file, arguments.folder)
    print(f"{arguments.folder}: ONNX is {off:.2g} from torch at the most")  # noqa: T201


if __name__ == "__main__":
    main()
