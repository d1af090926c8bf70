"""Senders of eight makes against the listener: what the spool holds is what they sent, byte for byte."""

import itertools
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, _config

from dicom_node.spool import Entry, Kind
from tests.support import dcmjs
from tests.support.counterparts import data, dicom_rs
from tests.support.listening import RunningListener, listening, program
from tests.support.pixelmed import network
from tests.support.processes import Process, answers, free_port, wait_for
from tests.support.senders import keep_responses_for_their_request

# What GDCM's sender says of itself after the last response: it aborts in its own clean-up, the transfer is whole.
_GDCM_ABORTS = -6


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningListener]:
    with listening(tmp_path / "spool") as node:
        yield node


@pytest.fixture(scope="module")
def slices() -> list[Path]:
    """Eight slices of a chest CT."""
    return sorted(data("ct_chest_lidc0001").glob("*.dcm"))[:8]


def run(*words: str | Path, good: Sequence[int] = (0,), said: str = "") -> None:
    """Run a sender to its end; `said` is its input."""
    done = subprocess.run([*map(str, words)], input=said.encode(), capture_output=True, timeout=120, check=False)
    assert done.returncode in good, (done.stdout + done.stderr).decode(errors="replace")


def data_set(path: Path) -> bytes:
    """A Part 10 file without preamble and file meta information (PS3.10 section 7.1)."""
    content = path.read_bytes()
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


def stored(found: Sequence[Entry]) -> Counter[tuple[str, str, bytes]]:
    return Counter(
        (entry.sop_instance, entry.transfer_syntax, entry.data()) for entry in found if entry.kind is Kind.INSTANCE
    )


def on_disk(files: Sequence[Path]) -> Counter[tuple[str, str, bytes]]:
    metas = [pydicom.dcmread(path, specific_tags=[]).file_meta for path in files]
    return Counter(
        (meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID, data_set(path))
        for meta, path in zip(metas, files, strict=True)
    )


@pytest.fixture
def reference(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """DCMTK's receiver, which keeps what it gets as it gets it: its port and its folder."""
    folder, port = tmp_path / "reference", free_port()
    folder.mkdir()
    receiver = Process([program("storescp"), "+B", "+xa", "+uf", "-od", folder, str(port)], tmp_path / "storescp.log")
    try:
        wait_for(lambda: answers(port), 60, "storescp")
        yield port, folder
    finally:
        receiver.kill()


SENDERS: Mapping[str, Callable[[int, Sequence[Path]], None]] = {
    "storescu": lambda port, files: run(program("storescu"), "-aec", "NODE", "127.0.0.1", str(port), *files),
    "dcmsend": lambda port, files: run(program("dcmsend"), "-aec", "NODE", "127.0.0.1", str(port), *files),
    "gdcmscu": lambda port, files: run(
        program("gdcmscu"), "--store", "--call", "NODE", "127.0.0.1", str(port), *files, good=(0, _GDCM_ABORTS)
    ),
    "send_image": lambda port, files: run(program("send_image"), "-q", "-c", "NODE", "127.0.0.1", str(port), *files),
    "odil": lambda port, files: run(program("odil"), "store", "127.0.0.1", str(port), "ODIL", "NODE", *files),
    "pixelmed": lambda port, files: run(
        *network("StorageSOPClassSCU"), "127.0.0.1", str(port), "NODE", "PIXELMED", "-", said="\n".join(map(str, files))
    ),
    "dicom-rs": lambda port, files: run(dicom_rs("dicom-storescu"), f"NODE@127.0.0.1:{port}", *files),
}


@pytest.mark.parametrize("sender", SENDERS)
def test_the_spool_holds_what_another_receiver_gets_from_the_same_sender(
    sender: str, node: RunningListener, reference: tuple[int, Path], slices: list[Path]
) -> None:
    port, folder = reference
    SENDERS[sender](port, slices)
    SENDERS[sender](node.port, slices)
    found = node.read(Kind.ASSOCIATION_CLOSED)
    assert found[-1].details["how"] == "released"
    assert found[-1].details["stored"] == len(slices)
    received = [path for path in folder.iterdir() if path.is_file()]
    assert stored(found) == on_disk(received)


def test_dcmjs_dimse_is_answered_and_its_pixels_are_in_the_spool(node: RunningListener, slices: list[Path]) -> None:
    # It encodes anew what it sends, in the first transfer syntax that is accepted, which differs between receivers.
    stores = [{"operation": "C-STORE", "file": str(one)} for one in slices]
    answers = dcmjs.ask(node.port, {"operation": "C-ECHO"}, *stores)
    assert [one.get("status") for one in answers] == [0] * (1 + len(slices)), answers
    found = node.read(Kind.ASSOCIATION_CLOSED)
    assert found[-1].details["how"] == "released"
    held = {one.sop_instance: one.data() for one in found if one.kind is Kind.INSTANCE}
    sent = map(pydicom.dcmread, slices)
    assert [one.PixelData in held[one.SOPInstanceUID] for one in sent] == [True] * len(slices)


def test_every_transfer_syntax_is_kept_as_received(node: RunningListener, monkeypatch: pytest.MonkeyPatch) -> None:
    # Otherwise this sender decodes and encodes again.
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
    files = [*data("syntax_ct").glob("*Transfer*.dcm"), *data("syntax_deflate").iterdir()]
    peer = AE("PYNETDICOM")
    for path in files:
        meta = pydicom.dcmread(path, specific_tags=[]).file_meta
        peer.add_requested_context(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID)
    association = peer.associate("127.0.0.1", node.port, ae_title="NODE")
    assert association.is_established
    keep_responses_for_their_request(association)
    assert [association.send_c_store(path).Status for path in files] == [0] * len(files)
    association.release()
    found = node.read(Kind.ASSOCIATION_CLOSED)
    assert stored(found) == on_disk(files)
    assert len({entry.transfer_syntax for entry in found if entry.kind is Kind.INSTANCE}) > 12


def test_segmentations_reports_and_slides_are_stored(node: RunningListener) -> None:
    files = [path for path in data("seg_sr_sm").glob("*.dcm") if path.stat().st_size]
    run(program("dcmsend"), "-aec", "NODE", "127.0.0.1", str(node.port), *files)
    found = node.read(Kind.ASSOCIATION_CLOSED)
    classes = {pydicom.dcmread(path, specific_tags=["SOPClassUID"]).SOPClassUID for path in files}
    assert {entry.sop_class for entry in found if entry.kind is Kind.INSTANCE} == classes
    assert found[-1].details["stored"] == len(files)


@pytest.mark.parametrize(
    "words",
    [
        ("echoscu", "-aec", "NODE", "127.0.0.1", "{port}"),
        ("gdcmscu", "--echo", "--call", "NODE", "127.0.0.1", "{port}"),
        ("odil", "echo", "127.0.0.1", "{port}", "ODIL", "NODE"),
        ("dicom_echo", "-c", "NODE", "127.0.0.1", "{port}"),
        ("java", "VerificationSOPClassSCU", "127.0.0.1", "{port}", "NODE", "PIXELMED", "NONSECURE"),
    ],
)
def test_echoes_are_answered(node: RunningListener, words: tuple[str, ...]) -> None:
    name, *rest = (word.format(port=node.port) for word in words)
    start = [program(name)] if name != "java" else network(rest.pop(0))
    run(*start, *rest, good=(0, _GDCM_ABORTS))
    assert node.read(Kind.ASSOCIATION_CLOSED)[-1].details["how"] == "released"


def test_ten_associations_at_once_each_keep_their_order(node: RunningListener, slices: list[Path]) -> None:
    storescu = program("storescu")
    senders = [
        subprocess.Popen(
            [storescu, "-aet", f"SCANNER{number}", "-aec", "NODE", "127.0.0.1", str(node.port), *map(str, slices)]
        )
        for number in range(10)
    ]
    assert [sender.wait(240) for sender in senders] == [0] * 10
    found = node.read(Kind.ASSOCIATION_CLOSED, 10)
    expected = [pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID for path in slices]
    found.sort(key=lambda entry: entry.calling)
    by_caller = {
        caller: [entry for entry in group if entry.kind is Kind.INSTANCE]
        for caller, group in itertools.groupby(found, key=lambda entry: entry.calling)
        if caller
    }
    assert len(by_caller) == 10
    for group in by_caller.values():
        assert [entry.sop_instance for entry in group] == expected
        assert len({entry.association for entry in group}) == 1
