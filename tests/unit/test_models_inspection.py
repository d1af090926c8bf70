"""What of a package is found wrong without any engine: all of it at once, each with its name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from domain.errors import ConfigurationError
from models.digests import write_digests
from models.inspection import inspect
from models.networks import read_onnx
from models.registry import Package, load_package
from tests.support.model_packages import MANIFEST, write_package


def network(
    kind: int = TensorProto.FLOAT,
    name: str = "volume",
    shape: Sequence[Any] = (1, 1, "z", "y", "x"),
    channels: int = 3,
    external: bool = False,
) -> bytes:
    """A convolution from `name` to `logits`."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, (channels, 1, 1, 1, 1), [1.0] * channels)
    if external:
        weights.ClearField("float_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value="weights.bin")
    given = helper.make_tensor_value_info(name, kind, shape)
    made = helper.make_tensor_value_info("logits", kind, [1, channels, "z", "y", "x"])
    graph = helper.make_graph([helper.make_node("Conv", [name, "w"], ["logits"])], "g", [given], [made], [weights])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())


def package(folder: Path, content: bytes | None = None, change: Callable[[str], str] = lambda text: text) -> Package:
    """The toy with another network, and with its manifest changed."""
    made = write_package(folder, change(MANIFEST))
    if content is not None:
        (made / "network.onnx").write_bytes(content)
        write_digests(made)
    return load_package(made)


def test_a_package_that_is_sound_is_found_sound(tmp_path: Path) -> None:
    assert inspect(package(tmp_path)) == []
    assert inspect(package(tmp_path / "other", network())) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not a network", "is no ONNX network"),
        (network(name="image"), "reads image; the manifest names volume"),
        (network(kind=TensorProto.FLOAT16), "reads volume as 16-bit numbers; engines are given 32-bit floats"),
        (
            network(shape=(1, 4, "z", "y", "x")),
            "reads volume of shape (1, 4, 0, 0, 0); the manifest says (1, 1, 0, 0, 0)",
        ),
        (network(external=True), "keeps weights in another file (weights.bin): save it as one file"),
        (network(channels=5), "segments: are 2; the network's channels come to labels up to 4"),
        (network(channels=2), "segments: 2 can never occur: no channel of the network comes to them"),
    ],
)
def test_a_network_that_does_not_go_with_its_manifest_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (found,) = inspect(package(tmp_path, content))
    assert said in found


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('"threshold"', "postprocessing.0: threshold wants one channel; the network gives 3"),
        ('"regions"\nlabels = [1, 2]', "postprocessing.0: names 2 labels; the network gives 3 channels"),
        ('"argmax"\n\n[[postprocessing]]\nstep = "relabel"\nlabels = [0, 1]', "names 2 labels; there is a label 2"),
    ],
)
def test_steps_that_want_other_channels_than_there_are_are_named(tmp_path: Path, step: str, said: str) -> None:
    (found,) = inspect(package(tmp_path, network(), lambda text: text.replace('"softmax"', step, 1)))
    assert said in found


def test_a_map_of_a_channel_that_is_not_there_is_named(tmp_path: Path) -> None:
    wanted = '[[maps]]\nmethod = "probability"\nlabel = "Lung"\nchannel = 7\n\n[digests]'
    (found,) = inspect(package(tmp_path, network(), lambda text: text.replace("[digests]", wanted)))
    assert found == "maps.0: wants channel 7; the network's output logits has 3 channels"


def test_everything_is_named_at_once(tmp_path: Path) -> None:
    made = package(tmp_path, network(name="image", channels=4)).folder
    (made / "card.md").write_text("# Toy\n\n## What it is for\n\nFill in: which question.\n\n## Limits\n\nFew.\n")
    write_digests(made)
    (made / "stray.txt").write_text("x")
    found = load_package(made)
    (made / "weights.bin").symlink_to("/etc/hostname")
    said = "\n".join(inspect(found))
    for words in (
        "stray.txt: is not listed",
        "weights.bin: is a link",
        "card.md: What it is for: still to be filled in",
        "reads image; the manifest names volume",
        "come to labels up to 3",
    ):
        assert words in said
    assert "Limits" not in said


def test_a_package_without_a_card_is_named(tmp_path: Path) -> None:
    made = package(tmp_path).folder
    (made / "card.md").unlink()
    write_digests(made)
    (found,) = inspect(load_package(made))
    assert found.startswith("card.md: is missing")


@pytest.mark.parametrize("content", [b"", b"\x08", b"\xff" * 40, network()[:-7], b"\x0f\x01"])
def test_bytes_that_are_no_onnx_are_refused_and_nothing_else(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match="is no ONNX network"):
        read_onnx(content)


def test_what_is_read_of_a_network_is_what_onnx_reads_of_it() -> None:
    for content in (network(), network(kind=TensorProto.FLOAT16, shape=(2, 1, 8, "y", 9), channels=4)):
        theirs, ours = onnx.load_from_string(content), read_onnx(content)
        assert ours.opset == theirs.opset_import[0].version
        for mine, port in zip((*ours.inputs, *ours.outputs), (*theirs.graph.input, *theirs.graph.output), strict=True):
            tensor = port.type.tensor_type
            assert (mine.name, mine.kind) == (port.name, tensor.elem_type)
            assert mine.shape == tuple(one.dim_value for one in tensor.shape.dim)
