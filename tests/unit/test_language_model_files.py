"""A language model's file that is not whole is told before the library that would end its process looks at it."""

import struct
from pathlib import Path

import pytest

from config.settings import LanguageModel, Literature, Settings
from roles import language_models
from roles.language_models import unusable
from summary.prompt import Prompt
from summary.providers import local
from summary.providers.chain import Timeouts
from summary.providers.faults import Fault, ProviderError
from summary.providers.files import context_of, wrong_with
from summary.providers.local import LocalClient

ASKED = Prompt("Answer.", "Are you there?", {"type": "object"})


def text(said: str) -> bytes:
    return struct.pack("<Q", len(said)) + said.encode()


def gguf(tensor: int = 3) -> bytes:
    """A whole file: keys of each shape of value, and one tensor of 64 numbers."""
    keys = (
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("llama.context_length") + struct.pack("<II", 4, 8192),
        text("llama.epsilon") + struct.pack("<If", 6, 1e-5),
        text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc"),
        text("kinds") + struct.pack("<IIQ", 9, 5, 3) + bytes(12),
    )
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys)) + b"".join(keys)
    header += text("weight") + struct.pack("<IQQIQ", 2, 32, 2, tensor, 0)
    return header + bytes(-len(header) % 32) + bytes(2 * 20)


def at(folder: Path, content: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return path


def test_a_whole_file_is_one_and_says_how_much_it_can_hold(tmp_path: Path) -> None:
    path = at(tmp_path, gguf())
    assert (wrong_with(path), context_of(path)) == ("", 8192)


def test_a_file_that_is_cut_short_anywhere_is_broken(tmp_path: Path) -> None:
    whole = gguf()
    assert all(wrong_with(at(tmp_path, whole[:length])) for length in range(len(whole)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no model at all",
        b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
        gguf()[:8] + b"\xff" * 8 + gguf()[16:],
        gguf()[:16] + b"\xff" * 8 + gguf()[24:],
        gguf().replace(struct.pack("<IQQI", 2, 32, 2, 3), struct.pack("<IQQI", 2, 1 << 40, 2, 3)),
    ],
    ids=["empty", "a text", "an old version", "too many tensors", "too many keys", "a tensor beyond the end"],
)
def test_a_file_that_lies_about_itself_is_told(content: bytes, tmp_path: Path) -> None:
    path = at(tmp_path, content)
    assert str(path) in wrong_with(path)
    with pytest.raises(ProviderError) as refused:
        LocalClient(path, 10).complete(ASKED, "", Timeouts())
    assert refused.value.fault is Fault.MODEL_GONE


def test_a_folder_without_a_model_is_told_with_what_it_lacks(tmp_path: Path) -> None:
    assert "openvino_model.bin" in wrong_with(tmp_path)


def test_what_cannot_be_asked_is_a_fault_of_the_settings_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = LanguageModel(name="inside", kind="local", file=at(tmp_path, gguf()[:-1]))
    (fault,) = unusable(Settings(language_models=(broken,)))
    assert fault.said.startswith("language_models.inside.file: ")
    assert fault.paths == (("language_models", 0, "file"),)
    whole = Settings(language_models=(broken.model_copy(update={"file": at(tmp_path, gguf())}),))
    assert list(unusable(whole)) == []
    monkeypatch.setattr(local, "find_spec", lambda _: None)
    (fault,) = unusable(whole)
    assert "install dicom-node[language-local]" in fault.said


def test_each_extra_that_settings_ask_for_and_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = LanguageModel(name="house", kind="openai", url="http://10.0.0.1/v1", model="small")
    settings = Settings(
        language_models=(asked,), vision_models=(asked,), literature=Literature(enabled=True, contact="it@site.example")
    )
    assert list(unusable(settings)) == []
    monkeypatch.setattr(language_models, "find_spec", lambda _: None)
    said = {fault.said.partition(":")[0]: fault.said for fault in unusable(settings)}
    assert {where: words.partition("install ")[2] for where, words in said.items()} == {
        "language_models.house.kind": "dicom-node[language]",
        "vision_models.house.kind": "dicom-node[language]",
        "vision_models": "dicom-node[vision]",
        "literature.sources": "dicom-node[literature]",
    }
