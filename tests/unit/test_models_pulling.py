"""Pulling from an offline folder: what is known before any network is asked, and what is refused."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import ConfigurationError, IntegrityError
from models.catalogue import Entry
from models.pulling import pull

CONTENT = b"a model" * 1000
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
ENTRY = Entry("toy", "A toy", "bundle", "1", "https://example.org/models/toy.zip", "CC0-1.0", DIGEST)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A folder with the file, as it comes on a stick."""
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "toy.zip").write_bytes(CONTENT)
    return folder


def test_an_offline_folder_is_as_good_as_the_network(stick: Path, tmp_path: Path) -> None:
    assert pull(ENTRY, tmp_path / "parts", source=stick) == tmp_path / "parts" / "toy.zip"
    assert (tmp_path / "parts" / "toy.zip").read_bytes() == CONTENT


def test_a_file_that_the_folder_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"toy\.zip: is not there; fetch it elsewhere"):
        pull(ENTRY, tmp_path / "parts", source=tmp_path)


def test_another_file_of_that_name_is_refused_and_only_the_copy_removed(stick: Path, tmp_path: Path) -> None:
    (stick / "toy.zip").write_bytes(CONTENT[:-1])
    with pytest.raises(IntegrityError, match="the 6999 bytes that came are sha256:"):
        pull(ENTRY, tmp_path / "parts", source=stick)
    assert (stick / "toy.zip").exists()
    assert list((tmp_path / "parts").iterdir()) == []


def test_without_a_digest_nothing_is_taken(stick: Path, tmp_path: Path) -> None:
    unknown = Entry("toy", "A toy", "bundle", "1", ENTRY.address, "CC0-1.0")
    with pytest.raises(ConfigurationError, match=r"no digest is known of toy\.zip"):
        pull(unknown, tmp_path / "parts", source=stick)
    assert pull(unknown, tmp_path / "parts", DIGEST, stick).read_bytes() == CONTENT


def test_a_folder_that_holds_the_network_as_onnx_is_as_good_under_any_name(stick: Path, tmp_path: Path) -> None:
    network = b"an ONNX"
    (stick / "toy.zip").unlink()
    (stick / "another.onnx").write_bytes(b"another network")
    (stick / "somebody_s_name.onnx").write_bytes(network)
    known = replace(ENTRY, converted="sha256:" + hashlib.sha256(network).hexdigest())
    assert pull(known, tmp_path / "parts", source=stick).read_bytes() == network
    (stick / "somebody_s_name.onnx").unlink()
    with pytest.raises(ConfigurationError, match=r"toy\.zip: is not there; fetch it elsewhere"):
        pull(known, tmp_path / "parts", source=stick)
