"""Procedure steps and availability notifications in the index: what is expected of a study, and what was requested."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from audit.actions import Action
from config.rules import Rule
from consumers.steps.assemble import Assembler
from consumers.steps.clear_descriptions import clear_descriptions
from consumers.steps.index import Indexer
from dicom_node.dimse import Operation
from dicom_node.procedures import INSTANCE_AVAILABILITY_NOTIFICATION, MODALITY_PERFORMED_PROCEDURE_STEP
from dicom_node.spool import Kind
from dicom_node.spool.entries import encode_message
from domain.completeness import SettlePolicy
from domain.routing import Conditions
from models.registry import Registry
from store import procedures, retention
from tests.support.bench import MARKS, Bench, open_bench
from tests.support.entries import Given, entry
from tests.support.ingest import send
from tests.support.procedures import as_bytes, begun, coded, ended, notification, request
from tests.support.working import ARCHIVE, SMALL, FakeChild, route, worker, write_and_plan

STEP, OTHER = "1.2.3.900", "1.2.3.901"


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


class Said:
    """What modalities and archives say, each with a number of its own."""

    def __init__(self, bench: Bench, descriptions: bool = True) -> None:
        self._bench = bench
        self._descriptions = descriptions
        self._number = 0

    def __call__(self, operation: Operation, dataset: Dataset, uid: str, sop_class: str) -> None:
        self._number += 1
        payload = encode_message({"operation": operation, "type": None}, as_bytes(dataset))
        fields = {"kind": Kind.MESSAGE, "sop_class": sop_class, "sop_instance": uid}
        given: Any = Given([entry(self._number, payload, **fields)])
        ledger = self._bench.as_process("index")
        indexer = Indexer(
            given, ledger, self._bench.objects, self._bench.clock, marks=MARKS, descriptions=self._descriptions
        )
        while indexer.step(0.0):
            pass

    def begins(self, dataset: Dataset, uid: str = STEP) -> None:
        self(Operation.N_CREATE, dataset, uid, MODALITY_PERFORMED_PROCEDURE_STEP)

    def ends(self, dataset: Dataset, uid: str = STEP) -> None:
        self(Operation.N_SET, dataset, uid, MODALITY_PERFORMED_PROCEDURE_STEP)

    def has(self, dataset: Dataset, uid: str = "1.2.3.950") -> None:
        self(Operation.N_CREATE, dataset, uid, INSTANCE_AVAILABILITY_NOTIFICATION)


def study() -> str:
    return str(next(iter(SMALL.datasets())).StudyInstanceUID)


def made(datasets: list[Dataset] | None = None) -> dict[str, list[str]]:
    """The instances of each series, as a modality lists them."""
    series: dict[str, list[str]] = {}
    for one in SMALL.datasets() if datasets is None else datasets:
        series.setdefault(one.SeriesInstanceUID, []).append(one.SOPInstanceUID)
    return series


def arrive(bench: Bench) -> None:
    """The study comes, and is looked at once: no time passes."""
    send(bench.writer, SMALL.datasets())
    bench.index()
    Assembler(bench.as_process("assemble"), SettlePolicy(5, {}), bench.clock).step()


def expected(bench: Bench) -> list[tuple[str, str, int]]:
    found = bench.ask("SELECT source, part, instances FROM dicom_node.expectations ORDER BY source, part, series_uid")
    return [one for one in found if one[0] in ("MPPS", "IAN")]


def completeness(bench: Bench) -> tuple[str, str]:
    ((state, said),) = bench.ask("SELECT state, completeness FROM dicom_node.studies")
    return state, said


def keys(bench: Bench) -> list[str]:
    return sorted(
        one.relative_to(bench.root / "objects").as_posix() for one in (bench.root / "objects").rglob("requests/*/*")
    )


def test_a_study_is_complete_the_moment_that_all_is_there_that_its_step_lists(bench: Bench) -> None:
    said = Said(bench)
    said.begins(begun(request(study())))
    said.ends(ended(made()))
    assert expected(bench) == [("MPPS", STEP, len(list(SMALL.datasets())))]
    arrive(bench)
    assert completeness(bench)[0] == "complete"
    assert "MPPS" in completeness(bench)[1]


def test_nothing_is_expected_of_a_step_while_another_of_its_study_goes_on(bench: Bench) -> None:
    said = Said(bench)
    said.begins(begun(request(study())))
    said.begins(begun(request(study())), OTHER)
    said.ends(ended(made()))
    assert expected(bench) == []
    said.ends(ended({"1.9": ["1.9.1"]}), OTHER)
    assert [one[1] for one in expected(bench)] == [STEP, OTHER]
    said.begins(begun(request(study())), "1.2.3.902")
    assert expected(bench) == []


def test_a_study_whose_step_goes_on_waits_longer_and_says_why_at_last(bench: Bench) -> None:
    Said(bench).begins(begun(request(study())))
    send(bench.writer, SMALL.datasets())
    bench.index()
    assembler = Assembler(bench.as_process("assemble"), SettlePolicy(5, {}), bench.clock)
    assembler.step()
    bench.clock.sleep(10)
    assembler.step()
    assert completeness(bench) == ("receiving", "")
    bench.clock.sleep(50)
    assembler.step()
    state, said = completeness(bench)
    assert state == "complete" and "a procedure step of it is in progress" in said


def test_a_step_that_is_discontinued_expects_nothing_and_stands_so(bench: Bench) -> None:
    said = Said(bench)
    said.begins(begun(request(study())))
    said.ends(ended(made(), "DISCONTINUED"))
    assert expected(bench) == []
    assert bench.ask("SELECT state, ended_at IS NOT NULL FROM dicom_node.procedure_steps") == [("DISCONTINUED", True)]


def test_what_is_said_twice_is_one_and_a_step_that_has_ended_stays_so(bench: Bench) -> None:
    said = Said(bench)
    for _ in range(2):
        said.begins(begun(request(study())))
    for status in ("COMPLETED", "DISCONTINUED"):
        said.ends(ended(made(), status))
    assert bench.ask("SELECT state FROM dicom_node.procedure_steps") == [("COMPLETED",)]
    assert bench.count("requested_procedures") == 1
    retention.sweep(bench.as_process("retain").database, bench.objects.delete)
    named = bench.ask(
        "SELECT object_key FROM dicom_node.procedure_steps UNION SELECT object_key FROM dicom_node.requested_procedures"
    )
    assert keys(bench) == sorted(one for (one,) in named)


def test_a_step_of_several_studies_tells_each_what_was_requested_and_expects_of_none(bench: Bench) -> None:
    said = Said(bench)
    said.begins(begun(request(study()), request("1.9", RequestedProcedureDescription="Abdomen")))
    said.ends(ended(made()))
    assert expected(bench) == []
    found = bench.ask("SELECT study_uid, codes, description FROM dicom_node.requested_procedures ORDER BY description")
    assert found == [("1.9", ["99RIS:CTTHOR"], "Abdomen"), (study(), ["99RIS:CTTHOR"], "CT of the thorax")]


def test_what_an_archive_has_online_is_expected(bench: Bench) -> None:
    said = Said(bench)
    said.has(notification(made(), study()))
    said.has(notification({"1.5": ["1.5.1"]}, study(), "UNAVAILABLE"), "1.2.3.951")
    assert expected(bench) == [("IAN", "1.2.3.950", len(list(SMALL.datasets())))]
    assert keys(bench) == []
    arrive(bench)
    assert completeness(bench)[0] == "receiving"  # its sender is not known: more may come, and be available then


def test_no_identity_is_in_a_row_or_on_the_trail_and_descriptions_only_where_they_are_kept(bench: Bench) -> None:
    said = Said(bench, descriptions=False)
    reason = coded("49727002", "SCT", "Quuxworth")
    item = request(study(), RequestedProcedureDescription="Quuxworth", ReasonForRequestedProcedureCodeSequence=[reason])
    said.begins(begun(item))
    said.ends(ended(made()))
    tables = ("procedure_steps", "requested_procedures", "expectations", "audit_entries")
    rows = "".join(str(bench.ask(f"SELECT t::text FROM dicom_node.{one} t")) for one in tables)
    assert [one for one in ("Moe", "P-1", "19600101", "A-4711", "RP-1", "Quuxworth") if one in rows] == []
    assert bench.actions().count(Action.PROCEDURE_STEP) == 2


def test_a_message_that_cannot_be_read_goes_into_quarantine_and_the_next_goes_on(bench: Bench) -> None:
    said = Said(bench)
    payload = encode_message({"operation": Operation.N_CREATE, "type": None}, b"\xff" * 40)
    given: Any = Given([entry(99, payload, kind=Kind.MESSAGE, sop_class=MODALITY_PERFORMED_PROCEDURE_STEP)])
    indexer = Indexer(given, bench.as_process("index"), bench.objects, bench.clock)
    while indexer.step(0.0):
        pass
    said.begins(begun(request(study())))
    assert bench.count("quarantine") == 1 and bench.count("procedure_steps") == 1


def test_a_studys_requests_go_with_its_images_and_those_of_studies_that_never_came_by_age(bench: Bench) -> None:
    said = Said(bench)
    said.begins(begun(request(study())))
    said.ends(ended(made()))
    said.begins(begun(request("1.9")), OTHER)
    arrive(bench)
    ledger = bench.as_process("retain")
    with ledger.database.transaction() as connection:
        (here,) = connection.exec_driver_sql("SELECT id FROM dicom_node.studies").scalars()
        assert retention.drop_requests(connection, bench.clock.now().replace(year=1990)) == 0
        retention.lock(connection, here)
        retention.drop_images(connection, here)
    retention.sweep(ledger.database, bench.objects.delete)
    assert bench.ask("SELECT study_uid FROM dicom_node.requested_procedures") == [("1.9",)]
    assert len(keys(bench)) == 1
    with ledger.database.transaction() as connection:
        assert retention.drop_requests(connection, bench.clock.now().replace(year=9000)) == 1
    retention.sweep(ledger.database, bench.objects.delete)
    assert keys(bench) == []


def test_whoever_writes_results_finds_what_was_requested_by_then_and_steps_first(bench: Bench) -> None:
    said = Said(bench)
    said.begins(begun(request(study())))
    arrive(bench)
    with bench.as_process("write").database.transaction() as connection:
        (here,) = connection.exec_driver_sql("SELECT id FROM dicom_node.studies").scalars()
        found = procedures.files_of(connection, here, bench.clock.now().replace(year=9000))
        assert found == keys(bench)
        assert procedures.files_of(connection, here, bench.clock.now().replace(year=1990)) == []


def test_a_rule_chooses_by_what_was_requested_and_the_report_names_the_request(
    bench: Bench, registry: Registry
) -> None:
    said = Said(bench)
    said.begins(begun(request(study(), ReasonForTheRequestedProcedure="Cough")))
    said.ends(ended(made()))
    images = SMALL.datasets()
    for image in images:
        image.PatientID = "P-1"
    bench.receive(images)
    asked = Conditions(procedure_code=("LN:1", "99RIS:CTTHOR"), procedure_description="thorax", procedure_reason="cou")
    route(bench, registry, rules=[Rule("ordered", "body_and_bone", asked)])
    bench.clock.sleep(1)
    assert worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    (key,) = bench.ask("SELECT object_key FROM dicom_node.results WHERE kind = 'SR'")[0]
    (named,) = pydicom.dcmread(bench.objects.path(key)).ReferencedRequestSequence
    assert (named.AccessionNumber, named.RequestedProcedureID, named.StudyInstanceUID) == ("A-4711", "RP-1", study())


def test_a_study_of_which_nobody_told_what_was_requested_is_explained(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry, rules=[Rule("ordered", "body_and_bone", Conditions(procedure_code=("99RIS:CTTHOR",)))])
    assert bench.count("jobs") == 0
    ((refusals,),) = bench.ask("SELECT refusals FROM dicom_node.decisions")
    assert "requested procedure is absent, not 99RIS:CTTHOR" in str(refusals)


def test_what_people_wrote_is_cleared_of_requests_too_be_it_of_studies_that_never_came(bench: Bench) -> None:
    Said(bench).begins(begun(request(study()), request("1.9", ReasonForTheRequestedProcedure="Quuxworth")))
    for _ in range(2):
        clear_descriptions(bench.ledger, "admin")
    rows = bench.ask("SELECT codes, description, reason FROM dicom_node.requested_procedures")
    assert rows == [(["99RIS:CTTHOR"], "", "")] * 2
    assert bench.actions().count("descriptions cleared") == 1
