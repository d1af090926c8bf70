"""STOW-RS to Orthanc, and what a reader that we did not write finds there afterwards."""

from dataclasses import replace
from pathlib import Path

import pytest
from dicomweb_client import DICOMwebClient
from pydicom import dcmread

from config.peers import Destination
from dicom_node.elements import file_meta
from dicom_node.scu.bare import sendable
from dicom_node.scu.kinds import echo, holds, probe, send
from dicom_node.scu.probe import asked
from dicom_node.scu.store import Outgoing, Verdict
from domain.errors import UnusableInput
from tests.support import counterparts
from tests.support.servers import Orthanc


def sendable_files(*names: str) -> list[Outgoing]:
    """Of the real studies `names` the first file of each instance."""
    found: dict[str, Outgoing] = {}
    for path in sorted(path for name in names for path in counterparts.data(name).rglob("*") if path.is_file()):
        try:
            one = sendable(path)
        except UnusableInput:
            continue
        if not one.bare:
            found.setdefault(one.sop_instance, one)
    return list(found.values())


@pytest.fixture
def peer(orthanc: Orthanc) -> Destination:
    return Destination.model_validate({"kind": "dicomweb", "name": "orthanc", "url": orthanc.dicomweb})


def test_an_archive_says_that_it_is_there_and_takes_everything(peer: Destination) -> None:
    assert echo(peer, "TEST").milliseconds > 0
    assert probe(peer, "TEST").accepted == frozenset(asked())


def test_files_of_every_syntax_arrive_byte_for_byte_and_another_reader_finds_them(
    peer: Destination, orthanc: Orthanc
) -> None:
    objects = sendable_files("syntax_ct", "syntax_deflate", "mr_small", "charset")
    outcomes = list(send(objects, peer, "TEST", 60))
    stored = {one.sent.sop_instance: one.sent for one in outcomes if one.verdict is Verdict.STORED}
    # Orthanc takes a few of them by no door: those whose series or patient has no name.
    assert len(stored) > len(objects) * 0.9
    held = [orthanc.file(one) for one in orthanc.get("/instances")]
    assert {data_set(one) for one in held} == {data_set(Path(str(one.file)).read_bytes()) for one in stored.values()}
    client = DICOMwebClient(orthanc.dicomweb)
    assert len(client.search_for_instances(limit=len(stored) + 10)) == len(stored)


def data_set(file: bytes) -> bytes:
    """What follows the file meta."""
    return file[file_meta(file)[1] :]


def test_an_archive_is_asked_whether_it_has_what_it_took(peer: Destination) -> None:
    objects = sendable_files("ct_odd")[:4]
    sent, others = objects[:2], objects[2:]
    list(send(sent, peer, "TEST", 60))
    named = [replace(one, sop_instance=str(dcmread(str(one.file)).SOPInstanceUID)) for one in objects]
    assert list(holds(named, peer, "TEST", 60).values()) == [""] * len(sent) + ["it is not there"] * len(others)
