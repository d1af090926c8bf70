"""The node's door for HTTP, called by clients that we did not write, with real files of every transfer syntax."""

from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
import requests
from dicomweb_client import DICOMwebClient

from config.peers import Destination
from config.settings import Spool
from dicom_node.elements import file_meta
from dicom_node.scu.bare import sendable
from dicom_node.scu.kinds import echo, probe, send
from dicom_node.scu.store import Outgoing, Verdict
from dicom_node.spool import Kind
from domain.errors import UnusableInput
from tests.support import counterparts
from tests.support.listening import listening
from tests.support.scripted import at
from tests.support.stowing import RELATED, RunningDoor, body, file, open_door

SETS = ("syntax_ct", "syntax_deflate", "mr_small", "charset", "ct_odd", "cxr_cr", "pydicom_test_files", "seg_sr_sm")
ROOMY = Spool(segment=32 << 20, capacity=2 << 30, disk_floor=0)


def real_files() -> list[Outgoing]:
    """Every file of the sets that says itself what it is."""
    found = []
    for path in sorted(path for name in SETS for path in counterparts.data(name).rglob("*") if path.is_file()):
        try:
            one = sendable(path)
        except UnusableInput:
            continue
        if not one.bare:
            found.append(one)
    return found


def held(one: Outgoing) -> bytes:
    """The data set of a file."""
    data = Path(str(one.file)).read_bytes()
    return data[file_meta(data)[1] :]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[RunningDoor]:
    with open_door(tmp_path, ROOMY) as running:
        yield running


def url(door: RunningDoor) -> str:
    return f"http://127.0.0.1:{door.door.port}/dicom-web"


def test_every_real_file_arrives_byte_for_byte_by_stow(door: RunningDoor) -> None:
    files = real_files()
    peer = Destination.model_validate({"kind": "dicomweb", "url": url(door)})
    outcomes = {str(one.sent.file): one for one in send(files, peer, "TEST", 60)}
    stored = [one for one in files if outcomes[str(one.file)].verdict is Verdict.STORED]
    entries = door.entries(Kind.INSTANCE, len(stored))
    assert {one.data() for one in entries} == {held(one) for one in stored}
    # Directories of media are of no class of storage, and two data sets of one private sequence name no instance.
    assert Counter(one.status for one in outcomes.values() if one.status) == {0x0122: 9, 0xC000: 2}


def test_every_real_file_arrives_byte_for_byte_by_c_store(tmp_path: Path) -> None:
    files = real_files()
    with listening(tmp_path, ROOMY) as running:
        outcomes = list(send(files, at("NODE", running.port), "TEST", 60))
        stored = [one.sent for one in outcomes if one.verdict is Verdict.STORED]
        entries = running.read(Kind.INSTANCE, len(stored))
        instances = [one.data() for one in entries if one.kind is Kind.INSTANCE]
    # A message is of even length (PS3.7 6.3.1).
    assert sorted(instances) == sorted(held(one) + b"\0" * (len(held(one)) % 2) for one in stored)
    assert len(files) - len(stored) == 9


def test_a_node_finds_the_door_of_another_that_stores_and_does_not_search(door: RunningDoor) -> None:
    peer = Destination.model_validate({"kind": "dicomweb", "url": url(door)})
    assert echo(peer, "TEST", 60).milliseconds > 0
    assert not probe(peer, "TEST", 60).error
    assert not [one for one in door.reader.poll(0.1) if one.kind is Kind.ASSOCIATION_REFUSED]


def test_dicomweb_client_stores_and_reads_the_answer(door: RunningDoor) -> None:
    sets = [pydicom.dcmread(one.file) for one in real_files() if "ct_odd" in str(one.file)][:5]
    answer = DICOMwebClient(url(door)).store_instances(sets)
    assert {one.ReferencedSOPInstanceUID for one in answer.ReferencedSOPSequence} == {
        one.SOPInstanceUID for one in sets
    }
    assert "FailedSOPSequence" not in answer
    assert len(door.entries(Kind.INSTANCE, len(sets))) == len(sets)


def test_a_common_client_stores_what_it_streams_in_chunks(door: RunningDoor) -> None:
    def stream() -> Iterator[bytes]:
        sent = BytesIO(body(*(file(f"1.2.{number}", size=700_000) for number in range(4))))
        while piece := sent.read(10_000):
            yield piece

    answer = requests.post(f"{url(door)}/studies", data=stream(), headers={"Content-Type": RELATED}, timeout=60)
    assert answer.status_code == 200
    assert len(answer.json()["00081199"]["Value"]) == 4
    assert len(door.entries(Kind.INSTANCE, 4)) == 4


def test_a_common_client_reads_why_it_is_refused_though_it_sends_all_first(tmp_path: Path) -> None:
    with open_door(tmp_path, trust_loopback=False) as door:
        sent = body(file("1.2.3", size=30 << 20))
        answer = requests.post(f"{url(door)}/studies", data=sent, headers={"Content-Type": RELATED}, timeout=60)
    assert answer.status_code == 403
