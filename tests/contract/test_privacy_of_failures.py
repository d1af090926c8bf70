"""Each layer fails with a patient's name in hand, at a real peer; nothing that is said of it quotes the name."""

import io
import json
import logging
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from sqlalchemy import insert

from config import logs
from config.peers import Destination
from config.settings import Logging
from dicom_node.part10 import head
from dicom_node.scu.probe import probe
from dicom_node.scu.store import Verdict, send
from domain.errors import NodeError
from inference_worker import images, volume
from sr_writer.results import write
from store.database import Database
from store.tables import series
from tests.support.findings import MOMENT, boxes, findings_on
from tests.support.ingest import encoded
from tests.support.logged import hooks_kept
from tests.support.phantoms import Phantom
from tests.support.processes import free_port
from tests.support.scripted import Script, scripted
from tests.support.senders import instance

NAME = "Quuxworth^Ybbsalbert"
pytestmark = pytest.mark.filterwarnings("always")


@dataclass
class Said:
    """What was logged, and what was printed beside the log."""

    log: io.StringIO
    printed: pytest.CaptureFixture[str]

    def quotes(self, *more: object) -> list[str]:
        """Every line with the name."""
        out, err = self.printed.readouterr()
        lines = "\n".join([self.log.getvalue(), out, err, *map(str, more)]).splitlines()
        return [line for line in lines if "quux" in line.lower() or "ybbs" in line.lower()]


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Iterator[Said]:
    log = io.StringIO()
    with hooks_kept():
        logs.set_up(Logging(level="DEBUG", format="json"), "test", log)
        yield Said(log, capfd)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def test_a_row_that_postgresql_refuses_is_not_quoted(said: Said, database: Database) -> None:
    row = {"id": uuid.uuid4(), "study_id": uuid.uuid4(), "series_uid": NAME, "series_description": NAME + "\0"}
    try:
        with database.transaction() as connection:
            connection.execute(insert(series), row)
    except Exception:
        logging.getLogger("consumers").exception("a defect")
    assert json.loads(said.log.getvalue().splitlines()[-1])["exception"]
    assert said.quotes() == []


def test_a_row_that_is_there_already_is_not_quoted(said: Said, database: Database) -> None:
    try:
        with database.transaction() as connection:
            connection.exec_driver_sql("CREATE TEMP TABLE people (name text PRIMARY KEY)")
            for _ in range(2):  # the second is refused
                connection.exec_driver_sql("INSERT INTO people VALUES (%(name)s)", {"name": NAME})
    except Exception:
        logging.getLogger("consumers").exception("a defect")
    assert "SQLSTATE 23505" in said.log.getvalue()
    assert said.quotes() == []


def test_the_servers_own_log_keeps_what_it_refuses_to_itself(database: Database) -> None:
    query = (
        "SELECT setconfig FROM pg_db_role_setting JOIN pg_roles ON pg_roles.oid = setrole WHERE rolname = current_user"
    )
    with database.transaction() as connection:
        assert connection.exec_driver_sql(query).scalar() == ["log_min_messages=fatal"]


def _refusal(_: Any) -> Dataset:
    answer = Dataset()
    answer.Status, answer.ErrorComment, answer.OffendingElement = 0xA900, f"no room for {NAME}", 0x00100010
    return answer


def test_what_an_archive_says_of_a_refusal_is_not_quoted(said: Said) -> None:
    sent = instance(Phantom(size=(16, 16), slices=1, patient_name=NAME).datasets()[0])
    ae = AE("PACS")
    ae.implementation_version_name = NAME[:16]
    ae.add_supported_context(sent.sop_class, sent.transfer_syntax)
    port = free_port()
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, _refusal)])
    try:
        (outcome,) = send([sent], Destination(name="pacs", aet="PACS", host="127.0.0.1", port=port), "NODE", timeout=10)
    finally:
        server.shutdown()
    assert (outcome.verdict, outcome.status) == (Verdict.REFUSED, 0xA900)
    assert said.quotes(outcome.reason) == []


def test_what_an_archive_says_in_a_malformed_answer_is_not_quoted(said: Said) -> None:
    def answer(peer: Script) -> None:
        peer.read_pdu()
        name = f"{NAME} is far too long for a name\x1b".encode()
        item = struct.pack(">BxH", 0x55, len(name)) + name
        user = struct.pack(">BxH", 0x50, len(item)) + item
        body = struct.pack(">HH", 1, 0) + b"PACS".ljust(16) + b"NODE".ljust(16) + bytes(32) + user
        peer.connection.sendall(struct.pack(">BxI", 2, len(body)) + body)

    with scripted(answer) as destination:
        found = probe(destination, "TEST", timeout=5)
    assert "malformed" in found.error
    assert said.quotes(found) == []


# Attributes of every VR that worker and writer read, none of which may hold a name.
BROKEN = (
    "SpecificCharacterSet", "ImageType", "InstanceCreationDate", "StudyDate", "SeriesDate", "StudyTime",
    "AccessionNumber", "Modality", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientName",
    "SliceThickness", "StudyID", "SeriesNumber", "InstanceNumber", "ImagePositionPatient",
    "ImageOrientationPatient", "FrameOfReferenceUID", "Laterality", "PixelSpacing", "WindowCenter", "RescaleIntercept",
    "RescaleSlope", "PhotometricInterpretation", "ReferringPhysicianName",
)  # fmt: skip
LONG = NAME * 3  # 60 characters


def broken(folder: Path, keyword: str, value: str = LONG) -> list[Path]:
    """A study whose `keyword` holds a name in each of its files, longer than any of these VRs admits."""
    paths = []
    for number, dataset in enumerate(Phantom(slices=4, size=(16, 16)).datasets()):
        tag = tag_for_keyword(keyword)
        assert tag is not None
        meta = head(dataset.SOPClassUID, dataset.SOPInstanceUID, ExplicitVRLittleEndian)
        dataset.add_new(tag, "LO", value)
        start = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        content = encoded(dataset).replace(start + b"LO", start + dictionary_VR(tag).encode())
        assert value.encode() in content
        paths.append(folder / f"{number}.dcm")
        paths[-1].write_bytes(meta + content)
    return paths


@pytest.mark.parametrize("keyword", BROKEN)
def test_what_a_worker_says_of_a_broken_attribute_does_not_quote_it(keyword: str, said: Said, tmp_path: Path) -> None:
    paths, words = broken(tmp_path, keyword), []
    for build in (volume.build, images.build):
        try:
            build(paths)
        except NodeError as error:
            words.append(str(error))
        except Exception:
            logging.getLogger("inference_worker.model_server").exception("the model failed")
    assert said.quotes(*words) == []


@pytest.mark.parametrize("keyword", BROKEN)
def test_what_the_writer_says_of_a_broken_attribute_does_not_quote_it(keyword: str, said: Said, tmp_path: Path) -> None:
    paths, mask, words = broken(tmp_path, keyword), boxes(4, 16, 16), []
    try:
        write(findings_on(paths, mask), mask, paths, (), MOMENT)
    except NodeError as error:
        words.append(str(error))
    except Exception:
        logging.getLogger("consumers.steps.write").exception("a handler failed")
    assert said.quotes(*words) == []
