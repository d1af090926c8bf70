"""What was requested, asked of worklists that others wrote: by study, by number, within a time, and for rules."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityWorklistInformationFind

from config.peers import Source
from consumers.steps.ask_worklist import WorklistAsker
from consumers.steps.assemble import Assembler
from consumers.steps.awaited_requests import AwaitedRequests
from dicom_node.procedures.worklist import Order, ask, is_of
from domain.completeness import SettlePolicy
from domain.errors import Retryable
from domain.procedures import RequestedProcedure
from store import procedures
from tests.support.bench import Bench, open_bench
from tests.support.counterparts import require_file
from tests.support.ingest import send
from tests.support.listening import program
from tests.support.procedures import request
from tests.support.processes import Process, answers, free_port, wait_for
from tests.support.servers import Orthanc
from tests.support.working import SMALL

FIRST = next(iter(SMALL.datasets()))
ORDER = Order(FIRST.StudyInstanceUID, "A-4711", "PAT-7")


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


def item(study: str, **attributes: object) -> Dataset:
    """An item of a worklist, with all that one must have."""
    made = request(study, PatientName="Moe^Sue", PatientID="PAT-7", PatientBirthDate="19600101", PatientSex="F")
    made.ReferringPhysicianName = made.RequestingPhysician = made.AdmissionID = ""
    for keyword in ("ScheduledProcedureStepID", "ScheduledProcedureStepDescription", "ScheduledProtocolCodeSequence"):
        delattr(made, keyword)
    step = Dataset()
    step.ScheduledStationAETitle, step.Modality = "CT1", "CT"
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = "20260130", "1015"
    step.ScheduledPerformingPhysicianName = ""
    step.ScheduledProcedureStepDescription, step.ScheduledProcedureStepID = "thorax", "SPS-1"
    made.ScheduledProcedureStepSequence = [step]
    made.ReasonForTheRequestedProcedure = "Cough"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


@pytest.fixture
def dcmtk(tmp_path: Path) -> Iterator[Source]:
    """DCMTK's worklist with an order of the study, one of a like number, and others."""
    folder = tmp_path / "worklists" / "WORKLIST"
    folder.mkdir(parents=True)
    (folder / "lockfile").touch()
    others = [item(f"1.9.{n}", AccessionNumber=f"B-{n}", PatientID=f"Q-{n}") for n in range(20)]
    for number, one in enumerate([item(ORDER.study_uid), item("1.9", AccessionNumber="A-47"), *others]):
        save(one, folder / f"{number}.wl")
    port = free_port()
    command = [program("wlmscpfs"), "-s", "-csk", "-dfp", str(folder.parent), str(port)]
    process = Process(command, tmp_path / "wlmscpfs.txt")
    try:
        wait_for(lambda: answers(port), 60, "wlmscpfs to answer")
        yield source(port)
    finally:
        process.kill()


def save(dataset: Dataset, path: Path) -> None:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = ModalityWorklistInformationFind
    dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def source(port: int, **more: object) -> Source:
    return Source(name="RIS", aet="WORKLIST", host="127.0.0.1", port=port, worklist=True, **more)


class OrthancWorklist(Orthanc):
    """Orthanc with its plugin for worklists, which gives the files of a folder."""

    def _configuration(self) -> dict[str, object]:
        plugin = str(require_file(Path("/usr/share/orthanc/plugins/libModalityWorklists.so")))
        worklists = {"Enable": True, "Database": str(self.folder / "worklists")}
        return {**super()._configuration(), "Plugins": [plugin], "Worklists": worklists}


def given(items: list[Dataset], status: int = 0) -> Iterator[Source]:
    """A worklist that matches by nothing, and gives all that it has."""

    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        for one in items:
            yield 0xFF00, one
        yield status, None

    ae = AE("WORKLIST")
    ae.add_supported_context(ModalityWorklistInformationFind)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, find)])
    assert server is not None
    try:
        yield source(server.socket.getsockname()[1])
    finally:
        server.shutdown()


@pytest.fixture
def careless() -> Iterator[Source]:
    odd = Dataset()
    odd.AccessionNumber = ""
    yield from given([odd, item("1.9"), *[item("1.8", AccessionNumber="X", PatientID="Y")] * 100])


def test_dcmtks_worklist_tells_what_was_requested_of_a_study(dcmtk: Source) -> None:
    (found,) = ask(dcmtk, "NODE", ORDER, 20.0)
    assert found.procedure == RequestedProcedure(("99RIS:CTTHOR",), "CT of the thorax", "Cough")
    assert b"Moe" not in found.file and b"PAT-7" not in found.file and b"A-4711" in found.file


def test_dcmtks_worklist_is_asked_by_number_where_the_study_has_another_uid(dcmtk: Source) -> None:
    assert len(ask(dcmtk, "NODE", Order("1.7.7", "A-4711", "PAT-7"), 20.0)) == 1
    assert ask(dcmtk, "NODE", Order("1.7.7", "A-4711", "another patient"), 20.0) == []
    assert ask(dcmtk, "NODE", Order("1.7.7", "A-47*", "PAT-7"), 20.0) == []


def test_an_item_of_the_study_that_names_another_patient_is_not_of_it() -> None:
    mine, unnamed, other = (item(FIRST.StudyInstanceUID, PatientID=one) for one in ("PAT-7", "", "PAT-8"))
    assert [is_of(one, ORDER) for one in (mine, unnamed, other)] == [True, True, False]
    assert is_of(other, Order(FIRST.StudyInstanceUID, "", ""))


def test_of_a_worklist_that_matches_by_nothing_only_what_is_of_the_study_counts(careless: Source) -> None:
    assert len(ask(careless, "NODE", Order("1.7.7", "A-4711", "PAT-7"), 20.0)) == 1
    assert ask(careless, "NODE", Order("1.7.7", "", ""), 20.0) == []


def test_orthancs_worklist_tells_the_same(tmp_path: Path) -> None:
    (tmp_path / "worklists").mkdir()
    for number, one in enumerate([item(ORDER.study_uid), item("1.9", AccessionNumber="A-48")]):
        save(one, tmp_path / "worklists" / f"{number}.wl")
    with OrthancWorklist(tmp_path) as orthanc:
        orthanc.add_modality("NODE", 11112)
        asked = source(orthanc.dicom_port).model_copy(update={"aet": orthanc.aet})
        (found,) = ask(asked, "NODE", ORDER, 20.0)
        assert found.procedure == RequestedProcedure(("99RIS:CTTHOR",), "CT of the thorax", "Cough")
        assert len(ask(asked, "NODE", Order("1.7.7", "A-4711", "PAT-7"), 20.0)) == 1


def asker(bench: Bench, one: Source, descriptions: bool = True) -> WorklistAsker:
    return WorklistAsker(bench.as_process("assemble"), bench.objects, one, "NODE", 5.0, descriptions, bench.clock)


def arrive(bench: Bench, number: str = "A-4711") -> None:
    datasets = SMALL.datasets()
    for one in datasets:
        one.AccessionNumber, one.PatientID = number, "PAT-7"
    send(bench.writer, datasets)
    bench.index()


def kept(bench: Bench) -> list[tuple[str, list[str], str, str]]:
    return bench.ask("SELECT source, codes, description, reason FROM dicom_node.requested_procedures")


def test_a_study_that_comes_is_asked_about_once_and_its_file_is_found_by_who_writes(
    bench: Bench, careless: Source
) -> None:
    arrive(bench)
    one = asker(bench, careless)
    assert one.step() is None
    assert kept(bench) == [("RIS", ["99RIS:CTTHOR"], "CT of the thorax", "Cough")]
    assert one.step() is None
    assert bench.actions().count("worklist asked") == 1
    with bench.as_process("write").database.transaction() as connection:
        (here,) = connection.exec_driver_sql("SELECT id FROM dicom_node.studies").scalars()
        (key,) = procedures.files_of(connection, here, bench.clock.now().replace(year=9000))
    assert pydicom.dcmread(bench.objects.path(key)).RequestedProcedureID == "RP-1"


def test_that_nothing_is_known_is_not_asked_again(bench: Bench, careless: Source) -> None:
    arrive(bench, "Z-1")
    one = asker(bench, careless)
    one.step()
    one.step()
    assert kept(bench) == [("RIS", [], "", "")]
    assert bench.actions().count("worklist asked") == 1


def test_of_a_study_that_is_fetched_to_compare_with_nobody_asks(bench: Bench, careless: Source) -> None:
    arrive(bench)
    bench.as_owner(
        "INSERT INTO dicom_node.fetched_studies SELECT study_uid, 'PACS', 'PACS', '::1', id, now(), "
        "now() + interval '1 hour' FROM dicom_node.studies"
    )
    assert asker(bench, careless).step() is None
    assert kept(bench) == []


def test_texts_are_not_kept_where_descriptions_are_not(bench: Bench, careless: Source) -> None:
    arrive(bench)
    asker(bench, careless, descriptions=False).step()
    assert kept(bench) == [("RIS", ["99RIS:CTTHOR"], "", "")]


def test_a_worklist_that_is_away_is_left_alone_ever_longer_and_asked_again(bench: Bench) -> None:
    arrive(bench)
    one = asker(bench, source(free_port()))
    pauses = []
    for _ in range(4):
        pauses.append(one.step())
        bench.clock.sleep(pauses[-1] or 0.0)
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert kept(bench) == []


@pytest.mark.parametrize("status", [0xA700, 0xC001, 0x0122])
def test_a_worklist_that_fails_is_none_that_knows_nothing(status: int) -> None:
    for one in given([], status):
        with pytest.raises(Retryable):
            ask(one, "NODE", ORDER, 5.0)


def awaits(bench: Bench, wanted: bool = True) -> Assembler:
    hold = AwaitedRequests(["RIS"], 5.0, lambda: wanted, bench.clock)
    return Assembler(bench.as_process("assemble"), SettlePolicy(0.0, {}), bench.clock, awaits=hold)


def state(bench: Bench) -> Mapping[str, str]:
    return dict(bench.ask("SELECT state, reason FROM dicom_node.studies"))


def test_where_a_rule_asks_a_study_waits_for_the_answer_and_not_beyond_its_time(bench: Bench) -> None:
    arrive(bench)
    assembler = awaits(bench)
    bench.clock.sleep(1)
    assert assembler.step() == pytest.approx(5.0, abs=0.1)
    assert list(state(bench)) == ["receiving"]
    bench.clock.sleep(5)
    assembler.step()
    assert list(state(bench)) == ["complete"]


def test_a_study_goes_on_the_moment_that_the_answer_is_there(bench: Bench, careless: Source) -> None:
    arrive(bench)
    assembler = awaits(bench)
    assembler.step()
    assert list(state(bench)) == ["receiving"]
    asker(bench, careless).step()
    bench.clock.sleep(0.5)
    assembler.step()
    assert list(state(bench)) == ["complete"]


def test_no_study_waits_where_nothing_asks_for_what_was_requested(bench: Bench) -> None:
    arrive(bench)
    awaits(bench, wanted=False).step()
    assert list(state(bench)) == ["complete"]
