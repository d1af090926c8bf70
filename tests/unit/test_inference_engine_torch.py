"""Torch runs TorchScript, and loads nothing that could run code of its own."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.errors import ConfigurationError, Permanent
from inference_worker.engines.torch import TorchEngine
from models.manifest import Network

torch = pytest.importorskip("torch")

WANTED = Network("toy.pt", kind="torchscript", shape=(0, 1, 0, 0, 0))
# Torch announces that TorchScript will go; what it says while the tests write some is no failure.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit")


class Roots(torch.nn.Module):  # type: ignore[misc]
    def forward(self, volume: Any) -> Any:
        return volume.sqrt()


class Pair(torch.nn.Module):  # type: ignore[misc]
    def forward(self, volume: Any) -> Any:
        return volume + 1, volume.mean(dim=[2, 3, 4])


class Named(torch.nn.Module):  # type: ignore[misc]
    def forward(self, volume: Any) -> Any:
        return {"mean": volume.mean(dim=[2, 3, 4]), "more": volume + 1}


class Writes(torch.nn.Module):  # type: ignore[misc]
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
