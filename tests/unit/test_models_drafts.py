"""A drafted manifest asks for what only a person knows, line by line, and is a package once that is filled in."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ConfigurationError
from inference_worker.engines.describe import by_onnxruntime, by_openvino, describe
from models.drafts import Port, Ports, draft_manifest, write_draft
from models.registry import load_package, verify
from tests.support.packages import network

VOLUME = Ports((Port("t1", (1, 1, 0, 0, 0)),), (Port("logits", (1, 3, 0, 0, 0)),))
FIXED = Ports((Port("img:0", (1, 128, 128, 128, 1)),), (Port("prob:0", (1, 128, 128, 128, 1)),))
FOUR = Ports((Port("mr", (1, 4, 0, 0, 0)),), (Port("logits", (1, 4, 0, 0, 0)), Port("deep", (1, 4, 0, 0, 0))))
RADIOGRAPH = Ports((Port("image", (0, 224, 224, 3)),), (Port("dense", (0, 14)),))
GREY = Ports((Port("image", (1, 1, 320, 320)),), (Port("scores", (1, 1)), Port("cam", (1, 1, 10, 10))))

# What a person would write for each thing that is asked for, by the key that the complaint ends in.
ANSWERS = {
    "title": '"A title"',
    "manufacturer": '"A maker"',
    "licence": '"MIT"',
    "modality": '["CT"]',
    "step": '"min_max"',
    "label": '"A label"',
    "type": '{ value = "1", scheme = "99X", meaning = "A thing" }',
    "code": '{ value = "1", scheme = "99X", meaning = "A thing" }',
}


@pytest.mark.parametrize("ports", [VOLUME, FIXED, FOUR, RADIOGRAPH, GREY], ids=lambda ports: ports.inputs[0].name)
def test_each_complaint_names_a_line_that_asks_and_answering_all_makes_a_package(ports: Ports, tmp_path: Path) -> None:
    write_draft(tmp_path / "toy", b"a network", ports)
    manifest = tmp_path / "toy" / "manifest.toml"
    asked = 0
    while complaint := complaint_of(tmp_path / "toy"):
        found = re.match(rf"{re.escape(str(manifest))}:(\d+): (\S+): ", complaint)
        assert found, complaint
        lines = manifest.read_text().splitlines()
        at, key = int(found[1]) - 1, found[2].rpartition(".")[2]
        assert "fill in" in lines[at], f"{complaint}\n{lines[at]}"
        lines[at] = f"{key} = {ANSWERS[key]}"
        manifest.write_text("\n".join(lines) + "\n")
        asked += 1
    assert asked >= 7
    verify(load_package(tmp_path / "toy"))


def complaint_of(folder: Path) -> str:
    try:
        load_package(folder)
    except ConfigurationError as error:
        return str(error)
    return ""


def test_what_the_network_states_is_in_the_draft() -> None:
    text = draft_manifest("toy", FIXED)
    assert 'input = "img:0"' in text
    assert "shape = [1, 1, 128, 128, 128]" in text  # channels second, as every manifest has them
    assert "size = [128, 128, 128]" in text
    assert 'step = "threshold"' in text
    assert "[[findings]]" not in text


def test_a_network_of_several_channels_reads_several_series() -> None:
    text = draft_manifest("toy", FOUR)
    assert text.count("[[inputs]]") == 4
    assert text.count('step = "align"') == text.count('step = "stack"') == 1
    assert text.count("[[segments]]") == 3
    assert 'outputs = ["logits", "deep"]' in text


def test_a_classifier_gets_findings_and_a_map() -> None:
    text = draft_manifest("toy", RADIOGRAPH)
    assert text.count("[[findings]]") == 14
    assert 'method = "occlusion"' in text
    assert "[[segments]]" not in text


@pytest.mark.parametrize(
    ("ports", "said"),
    [
        (Ports((), ()), "the network has the inputs none"),
        (Ports((Port("a", (1, 1, 8, 8)), Port("b", (1,))), ()), "the network has the inputs a, b"),
        (Ports((Port("a", (1, 3)),), (Port("b", (1,)),)), r"reads a of shape \(1, 3\)"),
    ],
)
def test_a_network_that_no_manifest_describes_is_refused(ports: Ports, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=said):
        write_draft(tmp_path / "toy", b"", ports)
    assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize("name", ["Toy", "2d", "a-b"])
def test_a_folder_without_a_model_s_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a model's name is"):
        write_draft(tmp_path / name, b"", VOLUME)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    write_draft(tmp_path / "toy", b"", VOLUME)
    with pytest.raises(ConfigurationError, match="is there already"):
        write_draft(tmp_path / "toy", b"", VOLUME)


READERS = [("openvino", by_openvino), ("onnxruntime", by_onnxruntime)]


def test_a_network_describes_itself() -> None:
    assert describe(network()) == Ports((Port("volume", (1, 1, 0, 0, 0)),), (Port("logits", (1, 3, 0, 0, 0)),))


@pytest.mark.parametrize(("name", "read"), READERS, ids=[name for name, _ in READERS])
def test_each_library_that_may_be_there_says_the_same(name: str, read: Callable[[Any, bytes], Ports]) -> None:
    library = pytest.importorskip(name, reason=f"{name} is not installed")
    assert read(library, network()) == describe(network())
    with pytest.raises(ConfigurationError, match="reads no network there"):
        read(library, b"not a network")
