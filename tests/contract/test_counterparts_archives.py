"""The archives that other tests rely on: what storescu sends is there, once, and survives a restart."""

import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.support.counterparts import data, require
from tests.support.servers import Orthanc, StorageScp

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def slices() -> list[Path]:
    """Three slices of a chest CT."""
    return sorted(data("ct_chest_lidc0001").glob("*.dcm"))[:3]


def _send(files: list[Path], destination: str) -> None:
    aet, _, address = destination.partition("@")
    host, _, port = address.partition(":")
    subprocess.run([require("storescu"), "-aec", aet, host, port, *map(str, files)], check=True, timeout=60)


def test_orthanc_keeps_what_storescu_sends(orthanc: Orthanc, slices: list[Path]) -> None:
    _send(slices, orthanc.destination)
    _send(slices, orthanc.destination)
    assert len(orthanc.studies()) == 1
    assert [series["MainDicomTags"]["Modality"] for series in orthanc.series()] == ["CT"]
    assert len(orthanc.instances(Modality="CT")) == len(orthanc.of_class(CT_IMAGE_STORAGE)) == 3
    assert orthanc.instances(Modality="SEG") == []
    assert orthanc.of_class("1.2.3") == []


def test_orthanc_gives_the_instance_back(orthanc: Orthanc, slices: list[Path]) -> None:
    _send(slices[:1], orthanc.destination)
    [instance] = orthanc.of_class(CT_IMAGE_STORAGE)
    assert orthanc.file(instance)[128:132] == b"DICM"


def test_orthanc_speaks_dicomweb(orthanc: Orthanc, slices: list[Path]) -> None:
    _send(slices[:1], orthanc.destination)
    with urllib.request.urlopen(f"{orthanc.dicomweb}/studies", timeout=30) as answer:
        assert b"0020000D" in answer.read()


def test_an_archive_is_empty_for_each_test(orthanc: Orthanc) -> None:
    assert orthanc.studies() == []


@pytest.mark.slow
def test_orthanc_keeps_its_storage_and_its_peers_over_a_kill(tmp_path: Path, slices: list[Path]) -> None:
    with Orthanc(tmp_path) as archive:
        archive.add_modality("NODE", 11112)
        _send(slices, archive.destination)
        archive.kill()
        archive.start()
        assert len(archive.instances()) == 3
        assert archive.get("/modalities") == ["NODE"]


def test_a_storage_scp_writes_what_storescu_sends(tmp_path: Path, slices: list[Path]) -> None:
    with StorageScp(tmp_path) as receiver:
        _send(slices, receiver.destination)
        assert len(receiver.files()) == 3
