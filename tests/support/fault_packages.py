"""Model packages that do on a real series what no package should, and behave while they are warmed up.

Each is `tests.support.packages`' body and bone, but for what its name says; its network is ONNX that tells the small
cube of the warming up (32 voxels a side) from a series by its size, for a fault at the first input shows at the start.
"""

import hashlib
import io
import os
import pickle
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from models.bundles import import_bundle
from tests.support import bundles, packages

Nodes = Sequence[onnx.NodeProto]

WARM = 32  # voxels: the side of what a network is warmed up with


def write_package(models: Path, name: str, network: bytes, kind: str = "onnx") -> Path:
    """A package called `name` in `models` with this network; returns its folder."""
    folder = packages.write_package(models).rename(models / name)
    file = "network.onnx" if kind == "onnx" else "network.pt"
    (folder / "network.onnx").rename(folder / file).write_bytes(network)
    manifest = (folder / "manifest.toml").read_text("utf-8").replace("network.onnx", file)
    manifest = manifest.replace(f'name = "{packages.NAME}"', f'name = "{name}"', 1)
    manifest = manifest.replace("[network]\n", f'[network]\nkind = "{kind}"\n')
    (folder / "manifest.toml").write_text(_relisted(manifest, file, network), "utf-8")
    return folder


def write_bundle(models: Path, name: str, weights: bytes) -> Path:
    """A package called `name` that holds a bundle, whose checkpoint was exchanged for `weights` after its import."""
    scratch = models.parent / f"{name}-bundle"
    scratch.mkdir()
    import_bundle(bundles.write_bundle(scratch), models, bundles.write_codes(scratch), name=name)
    file = "bundle/models/model.pt"
    (models / name / file).write_bytes(weights)
    manifest = models / name / "manifest.toml"
    manifest.write_text(_relisted(manifest.read_text("utf-8"), file, weights), "utf-8")
    return models / name


def change_a_byte(file: Path) -> None:
    """Turn over one bit in the middle of `file`."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def hanging() -> bytes:
    """Goes round a loop whose condition stays true."""
    return _network([_loop(["logits"])])


def eating() -> bytes:
    """Goes round the same loop, and keeps the result of every round."""
    # The most of all of them is wanted, so that none can be let go.
    most = _node("ReduceMax", ["all"], "most", keepdims=0)
    return _network([_loop(["last", "all"], keeps=True), most, _plus("last", "most")])


def not_a_number() -> bytes:
    """Adds 0 / 1, and for a series 0 / 0."""
    nodes = [
        _node("Cast", ["is_series"], "subtrahend", to=TensorProto.FLOAT),
        _node("Sub", ["unit", "subtrahend"], "divisor"),
        _node("Div", ["nought", "divisor"], "quotient"),
    ]
    return _network([*nodes, _plus("scores", "quotient")])


def misshapen() -> bytes:
    """Leaves out the first plane of a series."""
    nodes = [
        _node("Cast", ["is_series"], "first", to=TensorProto.INT64),
        _node("Unsqueeze", ["first", "front"], "start"),
        _node("Slice", ["scores", "start", "end", "depth"], "logits"),
    ]
    return _network(nodes)


def pickle_that_runs(command: str) -> bytes:
    """A pickle whose reader would run `command` in a shell."""
    return pickle.dumps(_Runs(command))


def checkpoint(command: str) -> bytes:
    """The same in the archive that `torch.save` writes."""
    return bundles.checkpoint(_Runs(command))


def torch_archive(command: str) -> bytes:
    """The same in the archive of TorchScript, which has the code and the constants of one besides."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("archive/data.pkl", pickle_that_runs(command))
        archive.writestr("archive/constants.pkl", pickle_that_runs(command))
        archive.writestr("archive/code/__torch__.py", "class Module(Module):\n  pass\n")
        archive.writestr("archive/version", "3\n")
    return written.getvalue()


class _Runs:
    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self._command,)


def _relisted(manifest: str, file: str, content: bytes) -> str:
    """`manifest` with the digest of `file` as it is now."""
    digest = hashlib.sha256(content).hexdigest()
    changed, count = re.subn(rf'^"{re.escape(file)}" = "\w+"$', f'"{file}" = "{digest}"', manifest, flags=re.MULTILINE)
    assert count == 1, f"{file} is not listed"
    return changed


def _network(nodes: Nodes) -> bytes:
    """`nodes` from `scores`, what body and bone would answer, and `is_series`, to `logits`."""
    before = [
        _node("Conv", ["volume", "weights", "biases"], "scores"),
        _node("Shape", ["volume"], "shape"),
        _node("Gather", ["shape", "depth_axis"], "planes"),
        _node("Greater", ["planes", "warm"], "is_series"),
    ]
    axes = ["z", "y", "x"]
    graph = helper.make_graph(
        [*before, *nodes],
        "fault",
        [helper.make_tensor_value_info("volume", TensorProto.FLOAT, [1, 1, *axes])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3, None, *axes[1:]])],
        _constants(),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _constants() -> list[onnx.TensorProto]:
    def whole(name: str, shape: Sequence[int], value: int) -> onnx.TensorProto:
        return helper.make_tensor(name, TensorProto.INT64, shape, [value])

    def real(name: str, shape: Sequence[int], *values: float) -> onnx.TensorProto:
        return helper.make_tensor(name, TensorProto.FLOAT, shape, values)

    return [
        real("weights", (3, 1, 1, 1, 1), 0, 10, 40),
        real("biases", (3,), 0, -5, -31.1),
        real("unit", (), 1),
        real("nought", (), 0),
        helper.make_tensor("go_on", TensorProto.BOOL, (), [True]),
        whole("depth_axis", (), 2),
        whole("warm", (), WARM),
        whole("front", (1,), 0),
        whole("depth", (1,), 2),
        whole("end", (1,), 1 << 30),
    ]


def _loop(made: Sequence[str], keeps: bool = False) -> onnx.NodeProto:
    """A loop that goes on as long as `is_series`, which never changes; `keeps` what every round came to.

    It adds a little to `scores` in each round, the first of which there is in any case.
    """
    info, real = helper.make_tensor_value_info, TensorProto.FLOAT
    nodes = [_node("Identity", ["is_series"], "goes_on"), _node("Add", ["value", "little"], "next")]
    results = [info("goes_on", TensorProto.BOOL, ()), info("next", real, [1, 3, None, None, None])]
    if keeps:
        # Several copies: a limit of some gigabytes is to be reached in seconds.
        nodes.append(_node("Concat", ["next"] * 8, "copies", axis=1))
        results.append(info("copies", real, [1, 24, None, None, None]))
    given = [info("number", TensorProto.INT64, ()), info("go", TensorProto.BOOL, ()), info("value", real, None)]
    body = helper.make_graph(nodes, "round", given, results, [helper.make_tensor("little", real, (), [1e-6])])
    return helper.make_node("Loop", ["", "go_on", "scores"], made, body=body)


def _plus(first: str, second: str) -> onnx.NodeProto:
    return _node("Add", [first, second], "logits")


def _node(operator: str, given: Sequence[str], made: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, given, [made], **attributes)
