"""Archives, modalities and tools of other makes, each service of the node with those of them that have it.

Senders are in `test_listener_peers`, TLS of others in `test_tls_peers`; docs/conformance.md says what is shown where.
"""

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from config.peers import Destination
from config.settings import Caller
from dicom_node.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, CommitmentReport, CommitmentRequest, Reference
from dicom_node.listener.provided import services
from dicom_node.offers import Offers
from dicom_node.procedures import INSTANCE_AVAILABILITY_NOTIFICATION, MODALITY_PERFORMED_PROCEDURE_STEP
from dicom_node.scu.commitment import ask, tell
from dicom_node.scu.kinds import echo, send
from dicom_node.scu.questions import series_of
from dicom_node.scu.store import Verdict, outgoing
from dicom_node.spool import Kind, decode_message
from tests.support import dcmjs, procedures
from tests.support.archives import QueryArchive
from tests.support.certificates import Site
from tests.support.counterparts import data
from tests.support.dcmjs import DcmjsArchive, elements
from tests.support.listening import CT, RunningListener, listening, program
from tests.support.processes import wait_for
from tests.support.scripted import at
from tests.support.servers import Orthanc
from tests.support.stores import Ctn, PixelMed, Store
from tests.support.stowing import open_door

ONE, TWO = Reference(CT, "1.2.3"), Reference(CT, "1.2.4")
SERIES = {"1.2.3": ("1.2.3.1", "1.2.3.2")}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningListener]:
    spool = tmp_path / "spool"
    with listening(spool, services=services(spool)) as running:
        yield running


@pytest.fixture(scope="module")
def slices() -> list[Path]:
    return sorted(data("ct_chest_lidc0001").glob("*.dcm"))[:4]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


def run(*words: object, good: Sequence[int] = (0,)) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in good, done.stdout + done.stderr
    return done.stdout + done.stderr


def pixels(paths: Sequence[Path]) -> dict[str, bytes]:
    read = map(dcmread, paths)
    return {str(one.SOPInstanceUID): one.PixelData for one in read}


def deliver(paths: Sequence[Path], peer: Destination) -> None:
    outcomes = list(send([outgoing(path) for path in paths], peer, "NODE"))
    assert {one.verdict for one in outcomes} == {Verdict.STORED}, outcomes


def messages(node: RunningListener) -> list[dict[str, Any]]:
    """What the services took, up to the end of an association."""
    return [
        dict(decode_message(one.data())[0]) for one in node.read(Kind.ASSOCIATION_CLOSED) if one.kind is Kind.MESSAGE
    ]


@pytest.mark.parametrize("kind", [Ctn, PixelMed])
def test_stores_of_other_makes_echo_and_hold_what_we_deliver(
    kind: type[Store], slices: list[Path], tmp_path: Path
) -> None:
    with kind(tmp_path / "store") as store:
        peer = at(store.aet, store.port)
        assert echo(peer, "NODE").status == 0
        deliver(slices, peer)
        wait_for(lambda: len(store.files()) == len(slices), 60, "the files")
        # CTN writes data sets without file meta information.
        held = b"".join(path.read_bytes() for path in store.files())
    assert [one in held for one in pixels(slices).values()] == [True] * len(slices)


def test_tools_of_two_makes_find_and_fetch_what_we_deliver_to_dcmtks_archive_and_it_sends_it_back(
    node: RunningListener, slices: list[Path], tmp_path: Path
) -> None:
    study = str(dcmread(slices[0], stop_before_pixels=True).StudyInstanceUID)
    with QueryArchive(tmp_path / "archive", movers={"NODE": node.port}) as archive:
        deliver(slices, at(archive.aet, archive.port))
        place, keys = ("127.0.0.1", archive.port), ["-k", f"StudyInstanceUID={study}"]
        called = ["-aec", archive.aet, *place]
        assert study in run(program("findscu"), "-S", "-k", "QueryRetrieveLevel=STUDY", *keys, *called)
        run(program("getscu"), "-S", "-od", _made(tmp_path / "got"), "-k", "QueryRetrieveLevel=STUDY", *keys, *called)
        assert pixels(list((tmp_path / "got").iterdir())) == pixels(slices)
        words = ["QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study}"]
        assert study in run(program("odil"), "find", *place, "ODIL", archive.aet, "study", *words)
        run(program("movescu"), "-aem", "NODE", "-S", "-k", "QueryRetrieveLevel=STUDY", *keys, *called)
    held = {one.sop_instance: one.data() for one in node.read(Kind.ASSOCIATION_CLOSED) if one.kind is Kind.INSTANCE}
    assert {uid: value in held[uid] for uid, value in pixels(slices).items()} == dict.fromkeys(held, True)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_who_queries_us_is_told_that_we_answer_no_query_and_the_next_is_served(node: RunningListener) -> None:
    place, level = ("127.0.0.1", str(node.port)), ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2"]
    for name in ("findscu", "movescu", "getscu"):
        assert "No Acceptable Presentation Contexts" in run(
            program(name), "-S", *level, "-aec", "NODE", *place, good=range(1, 256)
        )
    run(
        program("gdcmscu"), "--find", "--studyroot", "--study", "--key", "20,d=1.2", "--call", "NODE", *place, good=(1,)
    )
    run(program("echoscu"), "-aec", "NODE", *place)
    refused = [one.kind for one in node.read(Kind.ASSOCIATION_CLOSED)]
    assert Kind.ASSOCIATION_REFUSED in refused


def procedure(uid: str) -> list[dict[str, object]]:
    """What a modality and an archive say of a procedure, as dcmjs-dimse has it."""
    created = {"operation": "N-CREATE", "sopClass": MODALITY_PERFORMED_PROCEDURE_STEP, "instance": uid}
    changed = {"operation": "N-SET", "sopClass": MODALITY_PERFORMED_PROCEDURE_STEP, "instance": uid}
    told = {"operation": "N-CREATE", "sopClass": INSTANCE_AVAILABILITY_NOTIFICATION, "instance": generate_uid()}
    return [
        {**created, "data": elements(procedures.begun())},
        {**changed, "data": elements(procedures.ended(SERIES))},
        {**told, "data": elements(procedures.notification(SERIES))},
    ]


def commitment(transaction: str, operation: str) -> dict[str, object]:
    """A question about two instances, or a report that both are kept."""
    said = Dataset()
    said.TransactionUID = transaction
    said.ReferencedSOPSequence = [procedures.reference(one.sop_instance) for one in (ONE, TWO)]
    about = {"operation": operation, "sopClass": PUSH_MODEL, "instance": PUSH_MODEL_INSTANCE, "type": 1}
    return {**about, "data": elements(said)}


def test_dcmjs_dimse_is_a_modality_that_tells_of_a_procedure_asks_for_commitment_and_hears_the_report_by_tls(
    tmp_path: Path, site: Site
) -> None:
    callers = (Caller(aet="CT1"),)
    with listening(tmp_path, services=services(tmp_path), tls=site.listener(), callers=callers) as node:
        Offers(tmp_path).offer("CT1", uuid4(), CommitmentReport("2.25.7", (ONE,), ((TWO, 0x0112),)))
        said = dcmjs.ask(
            node.tls_port,
            *procedure(generate_uid()),
            commitment("2.25.8", "N-ACTION"),
            calling="CT1",
            reports=1,
            tls=dcmjs.tls(site, site.partner("CT1")),
        )
        taken = messages(node)
    assert [one["status"] for one in said if "status" in one] == [0, 0, 0, 0], said
    (report,) = (one for one in said if one["what"] == "report")
    assert (report["type"], report["data"]["TransactionUID"]) == (2, "2.25.7")
    assert [one["operation"] for one in taken if "report" not in one] == [0x140, 0x120, 0x140, 0x130]
    assert [one["status"] for one in taken if "report" in one] == [0]


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "tls"])
def test_dcmjs_dimse_is_an_archive_that_stores_answers_queries_commits_and_takes_reports(
    node: RunningListener, site: Site, slices: list[Path], tmp_path: Path, secured: bool
) -> None:
    files = site.partner("ARCHIVE")
    with DcmjsArchive(_made(tmp_path / "archive"), dcmjs.tls(site, files) if secured else None) as archive:
        ours = site.partner("US")
        known = {"tls": True, "ca": site.ca, "certificate": ours.certificate, "key": ours.key} if secured else {}
        where = {"aet": "ARCHIVE", "host": "127.0.0.1", "port": archive.port}
        peer = Destination.model_validate({**where, **known})
        assert echo(peer, "NODE").status == 0
        deliver(slices, peer)
        image = dcmread(slices[0], stop_before_pixels=True)
        (series,) = set(series_of(peer, "NODE", image.StudyInstanceUID, 60))
        assert (series.uid, series.modality) == (image.SeriesInstanceUID, "CT")
        kept = ask(peer, "NODE", CommitmentRequest("2.25.7", (ONE, TWO)), 60, 60)
        assert (kept.status, kept.reports) == (0, (CommitmentReport("2.25.7", (ONE, TWO)),))
        assert tell(peer, "NODE", CommitmentReport("2.25.8", (ONE,)), 60) == 0
        wait_for(lambda: archive.said("answer to a report"), 60, "our answer")
        assert [one["status"] for one in archive.said("answer to a report")] == [0]
        assert [one["data"]["TransactionUID"] for one in archive.said("report")] == ["2.25.8"]
        assert len(archive.said("C-STORE")) == len(slices)


def test_a_report_of_an_archive_that_negotiates_no_role_is_taken(node: RunningListener) -> None:
    (said,) = dcmjs.ask(node.port, commitment("2.25.9", "N-EVENT-REPORT"))
    assert said["status"] == 0
    assert [one["operation"] for one in messages(node)] == [0x100]


def test_orthanc_echoes_stores_and_asks_us_for_commitment_and_believes_our_report(
    node: RunningListener, orthanc: Orthanc, slices: list[Path]
) -> None:
    orthanc.add_modality("NODE", node.port)
    orthanc.store(*(path.read_bytes() for path in slices))
    post(orthanc, "/modalities/NODE/echo", {})
    post(orthanc, "/modalities/NODE/store", orthanc.get("/studies"))
    uids = list(pixels(slices))
    asked = post(orthanc, "/modalities/NODE/storage-commitment", {"DicomInstances": [[CT, uid] for uid in uids]})
    request = next(one for one in node.read(Kind.MESSAGE) if one.kind is Kind.MESSAGE)
    transaction = str(asked["ID"])
    assert transaction.encode() in request.data()
    assert orthanc.get(f"/storage-commitment/{transaction}")["Status"] == "Pending"
    report = CommitmentReport(transaction, tuple(Reference(CT, uid) for uid in uids))
    assert tell(at(orthanc.aet, orthanc.dicom_port), "NODE", report, 60) == 0
    heard = orthanc.get(f"/storage-commitment/{transaction}")
    assert (heard["Status"], len(heard["Success"])) == ("Success", len(slices))


def test_orthanc_stores_by_stow_at_our_door(orthanc: Orthanc, slices: list[Path], tmp_path: Path) -> None:
    orthanc.store(*(path.read_bytes() for path in slices))
    with open_door(tmp_path) as door:
        url = f"http://127.0.0.1:{door.door.port}/dicom-web/"
        post(orthanc, "/dicom-web/servers/node", {"Url": url}, "PUT")
        post(orthanc, "/dicom-web/servers/node/stow", {"Resources": orthanc.get("/studies"), "Synchronous": True})
        held = {one.sop_instance: one.data() for one in door.entries(Kind.INSTANCE, len(slices))}
    assert [value in held[uid] for uid, value in pixels(slices).items()] == [True] * len(slices)


def post(orthanc: Orthanc, path: str, said: object, method: str = "POST") -> Any:
    request = urllib.request.Request(f"{orthanc.rest}{path}", json.dumps(said).encode(), method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"null")
