"""What memory a series of 500 slices takes through a network of 117 classes at 1.5 mm, by the model's own process.

The network is made: its classes are bands of attenuation. Its output at full size would take more than ten gigabytes.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks import machine, table
from domain.findings import Code
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_process import ModelProcess, ModelProcessSettings, Task
from inference_worker.phantom import ChestPhantom
from models.digests import write_digests
from tests.support import packages

_CLASSES, _SLICES, _SIDE, _LIMIT_S = 117, 500, 512, 3600.0
_SHARP = 400.0  # how steeply shares fall off from one band to the next
_NAME = "many_bands"


def run(arguments: Sequence[str]) -> None:
    """Run it: `--slices`, `--window` and `--classes` for other sizes, `--quick` for what is not kept."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="dicom-node-memory-") as name:
        folder = Path(name)
        phantom = ChestPhantom(options.slices, options.side, 1.0, 0.8 * _SIDE / options.side)
        files = phantom.write(folder / "series")
        write_package(folder / "packages", options.classes, options.window)
        peak, seconds = measure(folder, files)
        text = _section(options, peak, seconds, machine.describe(folder))
    print(f"\n{text}")
    if not options.quick:
        table.keep("Memory", text)


def measure(folder: Path, files: Sequence[Path]) -> tuple[int, float]:
    """The most bytes that the model process held (VmHWM, proc(5)) for a series, and the seconds of its run."""
    setup = ModelProcessConfig(folder / "packages", "openvino", memory=8_000_000_000)
    (folder / "scratch").mkdir()
    with ModelProcess(ModelProcessSettings(setup)) as child:
        began = time.perf_counter()
        child.run(Task(_NAME, packages.VERSION, {"ct": files}, folder / "scratch" / "one"), _LIMIT_S)
        seconds = time.perf_counter() - began
        lines = Path(f"/proc/{child.pid}/status").read_text("ascii").splitlines()
    (peak,) = (int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return peak, seconds


def write_package(models: Path, classes: int, window: int) -> Path:
    """A package of `classes` segments, whose network goes over windows of `window` voxels a side."""
    folder = packages.write_package(models).rename(models / _NAME)
    manifest = (folder / "manifest.toml").read_text("utf-8")
    head, _, _ = manifest.partition("[[segments]]")
    head = head.replace(packages.NAME, _NAME).replace("[3.0, 3.0, 3.0]", "[1.5, 1.5, 1.5]")
    head = head.replace('outputs = ["logits"]', f'outputs = ["logits"]\nwindow = [{window}, {window}, {window}]')
    head = head.replace('\n[[postprocessing]]\nstep = "largest_component"\n', "")
    (folder / "manifest.toml").write_text(head + "".join(map(_segment, range(1, classes + 1))), "utf-8")
    (folder / "network.onnx").write_bytes(network(classes + 1))
    write_digests(folder)
    return folder


def _segment(number: int) -> str:
    tissue = Code("85756007", "SCT", "Tissue")
    code = f'{{ value = "{tissue.value}", scheme = "{tissue.scheme}", meaning = "{tissue.meaning}" }}'
    return (
        f'\n[[segments]]\nnumber = {number}\nlabel = "Band {number}"\ncategory = {code}\ntype = {code}\n'
        f"colour = [{number}, 0, 0]\n"
    )


def network(channels: int) -> bytes:
    """Logits whose largest is that of the band (of as many equal ones from 0 to 1) in which the value lies."""
    middles = np.arange(channels, dtype=np.float32) / channels
    weights = helper.make_tensor("w", TensorProto.FLOAT, (channels, 1, 1, 1, 1), _SHARP * middles)
    biases = helper.make_tensor("b", TensorProto.FLOAT, (channels,), -_SHARP * middles**2 / 2)
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count, "z", "y", "x"])
        for name, count in (("volume", 1), ("logits", channels))
    ]
    node = helper.make_node("Conv", ["volume", "w", "b"], ["logits"])
    graph = helper.make_graph([node], "bands", ports[:1], ports[1:], [weights, biases])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=run.__doc__)
    parser.add_argument("--slices", type=int, default=_SLICES)
    parser.add_argument("--side", type=int, default=_SIDE)
    parser.add_argument("--classes", type=int, default=_CLASSES)
    parser.add_argument("--window", type=int, default=96)
    parser.add_argument("--quick", action="store_true", help="the results are not kept")
    options, _ = parser.parse_known_args(arguments)
    return options


def _section(options: argparse.Namespace, peak: int, seconds: float, described: str) -> str:
    voxels = options.slices * 0.8**2 * _SIDE**2 / 1.5**3
    whole = (options.classes + 1) * voxels * 4
    said = (
        f"{options.slices} slices of {options.side} x {options.side} at 1 mm, {options.classes} classes at 1.5 mm, "
        f"windows of {options.window} voxels a side, OpenVINO on the CPU: the model process held {peak / 1e9:.2f} GB "
        f"at the most, where the network's output as one array would take {whole / 1e9:.1f} GB; "
        f"{seconds:.0f} s with all reading and writing."
    )
    return f"{described}\n\n{said}\n"
