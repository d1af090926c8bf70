"""Torch runs TorchScript and ONNX, and loads nothing that could run code of its own."""

import io
import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.errors import ConfigurationError, Permanent
from inference_worker.engines.torch import TorchEngine
from models.manifest import Network
from tests.support import networks

torch = pytest.importorskip("torch")

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx2torch")

WANTED = Network("toy.pt", kind="torchscript", shape=(0, 1, 0, 0, 0))
ONNX = Network("toy.onnx", shape=(0, 1, 0, 0, 0))
# Torch announces that TorchScript will go; what it says while the tests write some is no failure.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit")


class Roots(torch.nn.Module):  # type: ignore[misc, name-defined]
    def forward(self, volume: Any) -> Any:
        return volume.sqrt()


class Pair(torch.nn.Module):  # type: ignore[misc, name-defined]
    def forward(self, volume: Any) -> Any:
        return volume + 1, volume.mean(dim=[2, 3, 4])


class Named(torch.nn.Module):  # type: ignore[misc, name-defined]
    def forward(self, volume: Any) -> Any:
        return {"mean": volume.mean(dim=[2, 3, 4]), "more": volume + 1}


class Writes(torch.nn.Module):  # type: ignore[misc, name-defined]
    def forward(self, volume: Any) -> Any:
        torch.save(volume, "somewhere")
        return volume


def traced(module: Any) -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(module, torch.zeros(1, 1, 4, 4, 4), strict=False), buffer)
    return buffer.getvalue()


def scripted(module: Any) -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(module), buffer)
    return buffer.getvalue()


def test_a_network_answers_by_the_manifest_s_name() -> None:
    engine = TorchEngine(threads=1)
    engine.load(traced(Roots()), WANTED)
    assert engine.name.startswith("Torch ") and engine.name.endswith("(CPU)")
    assert np.array_equal(engine.infer(np.full((2, 1, 5, 6, 7), 4, np.float32))["logits"], np.full((2, 1, 5, 6, 7), 2))


def test_several_outputs_take_their_names_in_order_and_a_dictionary_s_are_its_own() -> None:
    wanted = Network("toy.pt", kind="torchscript", outputs=("more", "mean"))
    batch = np.random.default_rng(1).random((1, 1, 8, 8, 8), np.float32)
    for module in (Pair(), Named()):
        engine = TorchEngine(threads=1)
        engine.load(traced(module), wanted)
        outputs = engine.infer(batch)
        assert np.array_equal(outputs["more"], batch + 1) and outputs["mean"].shape == (1, 1)


def test_an_output_that_the_network_does_not_give_is_a_wrong_package() -> None:
    wanted = Network("toy.pt", kind="torchscript", outputs=("logits", "map"))
    with pytest.raises(ConfigurationError, match="gave no output map"):
        TorchEngine(threads=1).load(traced(Roots()), wanted)


def test_an_output_that_is_no_number_is_refused() -> None:
    engine = TorchEngine(threads=1)
    engine.load(traced(Roots()), WANTED)
    with pytest.raises(Permanent, match="not finite"):
        engine.infer(np.full((1, 1, 4, 4, 4), -1, np.float32))


class Payload:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._mark),)


def test_a_pickle_with_code_in_it_is_refused_and_does_not_run(tmp_path: Path) -> None:
    mark, saved = tmp_path / "mark", io.BytesIO()
    torch.save({"weights": Payload(mark)}, saved)
    forged = io.BytesIO(traced(Roots()))
    with zipfile.ZipFile(forged, "a") as archive:
        archive.writestr("more/data.pkl", pickle.dumps(Payload(mark)))
    for content in (pickle.dumps(Payload(mark)), saved.getvalue()):
        with pytest.raises(ConfigurationError, match=r"toy\.pt: is no TorchScript; a pickle is never read"):
            TorchEngine(threads=1).load(content, WANTED)
    TorchEngine(threads=1).load(traced(Roots()), WANTED)
    assert not mark.exists()


def test_a_script_whose_weights_are_a_pickle_with_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    mark, forged = tmp_path / "mark", io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(traced(Roots()))) as whole, zipfile.ZipFile(forged, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, pickle.dumps(Payload(mark)) if name.endswith("/data.pkl") else whole.read(name))
    with pytest.raises(ConfigurationError, match="cannot load it"):
        TorchEngine(threads=1).load(forged.getvalue(), WANTED)
    assert not mark.exists()


def test_a_script_that_writes_files_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"its code uses torch\.save"):
        TorchEngine(threads=1).load(scripted(Writes()), WANTED)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"not a network"])
def test_what_is_no_archive_is_a_wrong_package(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match="is no TorchScript"):
        TorchEngine(threads=1).load(content, WANTED)


def test_a_network_of_onnx_gives_what_its_nodes_say() -> None:
    engine = TorchEngine(threads=1)
    engine.load(networks.onnx([("Sqrt", ["volume"], "half"), ("Exp", ["half"], "logits")]), ONNX)
    batch = networks.volume(2, 1, 5, 6, 7)
    assert np.allclose(engine.infer(batch)["logits"], np.exp(np.sqrt(batch)), atol=1e-6)


def test_several_outputs_of_onnx_keep_the_names_that_the_file_gives_them() -> None:
    engine = TorchEngine(threads=1)
    network = networks.onnx([("Sqrt", ["volume"], "a"), ("Exp", ["volume"], "b")], outputs=("a", "b"))
    engine.load(network, Network("toy.onnx", outputs=("b", "a")))
    batch = networks.volume(1, 1, 4, 4, 4)
    outputs = engine.infer(batch)
    assert np.allclose(outputs["a"], np.sqrt(batch)) and np.allclose(outputs["b"], np.exp(batch))


def test_names_in_onnx_that_the_manifest_does_not_give_are_a_wrong_package() -> None:
    with pytest.raises(ConfigurationError, match=r"has inputs volume and outputs logits, not those of the manifest"):
        TorchEngine(threads=1).load(networks.root(), Network("toy.onnx", input="image"))


def test_weights_that_an_old_file_lists_among_its_inputs_are_no_inputs() -> None:
    model = onnx.load_from_string(networks.onnx([("Mul", ["volume", "two"], "logits")]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2], np.float32), "two"))
    model.graph.input.append(onnx.helper.make_tensor_value_info("two", onnx.TensorProto.FLOAT, [1]))
    engine = TorchEngine(threads=1)
    engine.load(model.SerializeToString(), ONNX)
    batch = networks.volume(1, 1, 4, 4, 4)
    assert np.array_equal(engine.infer(batch)["logits"], 2 * batch)


def test_code_in_the_name_of_a_node_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    model = onnx.load_from_string(networks.root())
    model.graph.node[0].name = f'training"), getattr(__import__("os"), "mkdir")("{mark}"), getattr(self, "training'
    TorchEngine(threads=1).load(model.SerializeToString(), ONNX)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (b"not a network", "it is no ONNX"),
        (
            networks.onnx([("Unheard", ["volume"], "logits")]),
            r"it has an operator that this library cannot run: Unheard \(onnx2torch cannot convert it",
        ),
        (networks.onnx([("Sqrt", ["nothing"], "logits")]), "onnx2torch cannot convert it: RuntimeError"),
    ],
)
def test_what_cannot_be_converted_is_a_wrong_package(network: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"toy\.onnx: Torch .* cannot load it: {said}"):
        TorchEngine(threads=1).load(network, ONNX)


def test_an_operator_of_another_domain_or_with_two_outputs_to_read_is_refused() -> None:
    foreign, double = (onnx.load_from_string(networks.root()) for _ in range(2))
    foreign.graph.node[0].domain = 'x"), getattr(self, "y'
    double.graph.node[0].output.append("more")
    for model in (foreign, double):
        with pytest.raises(ConfigurationError, match=r"does not convert its operator .*Sqrt"):
            TorchEngine(threads=1).load(model.SerializeToString(), ONNX)


def test_a_transposed_convolution_that_is_padded_on_one_side_is_refused_with_its_reason() -> None:
    model = onnx.load_from_string(networks.onnx([("ConvTranspose", ["volume", "kernel"], "logits")]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((1, 1, 3, 3, 3), np.float32), "kernel"))
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("pads", [0, 0, 0, 1, 1, 1]))
    with pytest.raises(ConfigurationError, match="non symmetrical padding is not implemented"):
        TorchEngine(threads=1).load(model.SerializeToString(), ONNX)


def test_without_the_converter_torch_says_what_reads_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx2torch", None)
    with pytest.raises(ConfigurationError, match=r"Torch cannot read ONNX .*pip install 'dicom-node\[torch\]'"):
        TorchEngine(threads=1).load(networks.root(), ONNX)
    TorchEngine(threads=1).load(traced(Roots()), WANTED)
