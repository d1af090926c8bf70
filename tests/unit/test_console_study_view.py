"""A study in the terminal says what its pages, reports and pictures say, in the same words."""

import io
import re
import uuid
from dataclasses import replace

import pytest
from rich.console import Console

from console.cli.study_view import whole_path
from console.demo.findings import line
from domain.findings import Findings
from domain.ids import JobId, SummaryId
from domain.progress import progress
from domain.records import ProcedureStepRecord, RequestRecord, SummaryRecord
from domain.states import ProcedureStepState
from domain.words import Resolution, quantity
from store.queries.records import measured
from tests.support.findings import LUNGS, MODEL, RIGHT_LUNG
from tests.support.records import BEGUN, STUDY, a_delivery, a_job, a_path, a_result

WRITTEN = SummaryRecord(
    SummaryId(uuid.UUID(int=9)), STUDY, 1, 1, "succeeded", "done", BEGUN, BEGUN, 1, BEGUN, None, "template", 5
)
KEPT = Findings(MODEL, "cd" * 32, (), None, LUNGS, voxel=(5.0, 4.0, 4.0)).to_json()


def shown(kept: object) -> str:
    job = a_job(findings=measured(kept))  # type: ignore[arg-type]
    path = a_path(jobs=(job,))
    out = Console(file=io.StringIO(), width=200)
    for one in whole_path(path, progress(path.study, (), (), ()), BEGUN):
        out.print(one)
    return out.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_measurement_is_called_as_a_reader_calls_it_with_no_more_figures_than_its_voxels_carry() -> None:
    said = shown(KEPT)
    for words in ("volume", "2530 ml", "mean density", "-812 HU"):
        assert words in said
    for code in ("Attenuation Coefficient", "hnsf", "2534.7"):
        assert code not in said


def test_the_terminal_and_the_demonstration_say_of_each_segment_what_its_page_says() -> None:
    small = replace(RIGHT_LUNG, measurements=(replace(RIGHT_LUNG.measurements[0], value=5.632),))
    voxel = (4.0, 4.0, 4.0)
    (segment,) = measured(Findings(MODEL, "", (), None, (small,), voxel=voxel).to_json()) or ()
    page = quantity(small.measurements[0], Resolution.of(voxel))
    assert page == "volume 5.6 ml"
    assert [f"{one.what} {one.said}" for one in segment.measurements] == [page]
    assert line(segment) == f"Right lung: {page}"


def test_scripts_get_code_value_and_unit_as_they_were_found() -> None:
    (right, _) = measured(KEPT) or ()
    density = right.measurements[1]
    assert (density.name, density.value, density.unit) == ("Attenuation Coefficient", -812.34, "[hnsf'U]")


def test_findings_of_an_earlier_release_are_shown_to_three_figures() -> None:
    assert "2530 ml" in shown({name: value for name, value in KEPT.items() if name != "voxel"})


def test_a_measurement_of_a_result_that_counts_no_more_says_so() -> None:
    found = measured(KEPT)
    jobs = (
        a_job(id=uuid.UUID(int=21), findings=found, result_number=1),
        a_job(id=uuid.UUID(int=22), findings=found, result_number=2, withdrawn_at=BEGUN, withdrawn_for="wrong"),
        a_job(id=uuid.UUID(int=23), findings=found, result_number=3),
        a_job(id=uuid.UUID(int=24), findings=found, result_number=1, model="another"),
    )
    out = Console(file=io.StringIO(), width=200)
    path = a_path(jobs=jobs)
    for one in whole_path(path, progress(path.study, (), (), ()), BEGUN):
        out.print(one)
    _, _, table = out.file.getvalue().partition("measurements")  # type: ignore[attr-defined]
    rows = [line for line in table.splitlines() if "Right lung" in line and "volume" in line]
    for row, said in zip(rows, ("1, superseded", "2, withdrawn", " 3 ", " 1 "), strict=True):
        assert said in row
    assert "superseded" not in rows[3]


def test_a_result_and_a_delivery_say_which_model_they_are_of() -> None:
    jobs = (a_job(id=JobId(uuid.UUID(int=31)), model="lungs"), a_job(id=JobId(uuid.UUID(int=32)), model="nodules"))
    path = a_path(
        jobs=jobs,
        results=tuple(a_result(job_id=one.id) for one in jobs),
        deliveries=tuple(a_delivery(job_id=one.id) for one in jobs),
    )
    out = Console(file=io.StringIO(), width=200)
    for one in whole_path(path, progress(path.study, (), (), ()), BEGUN):
        out.print(one)
    for title, behind in (("results", "deliveries"), ("deliveries", "nothing")):
        _, _, table = out.file.getvalue().partition(title)  # type: ignore[attr-defined]
        assert list(re.findall("lungs|nodules", table.partition(behind)[0])) == ["lungs", "nodules"]


@pytest.mark.parametrize(
    ("impression", "state", "said"),
    [
        (None, "running", "an impression is written when its models have ended"),
        (WRITTEN, "requested", "5 sentences, 2026-01-01 08:00:00; another impression is written when its models have"),
        (WRITTEN, "succeeded", ""),
        (None, "succeeded", ""),
    ],
)
def test_a_study_whose_models_run_says_that_an_impression_is_to_come(
    impression: SummaryRecord | None, state: str, said: str
) -> None:
    path = a_path(jobs=(a_job(state=state, revision=1),), impression=impression)
    for summarised in (True, False):
        out = Console(file=io.StringIO(), width=200)
        for one in whole_path(path, progress(path.study, (), (), ()), BEGUN, summarised=summarised):
            out.print(one)
        text = out.file.getvalue()  # type: ignore[attr-defined]
        assert ("have ended" in text) == (bool(said) and summarised)
        assert said in text or not summarised


def test_a_procedure_step_that_was_discontinued_is_shown_so_and_requests_by_their_codes() -> None:
    step = ProcedureStepRecord("1.2", ProcedureStepState.DISCONTINUED, BEGUN, BEGUN, 12)
    requests = (RequestRecord("MPPS", ("99RIS:CTTHOR",), True, BEGUN), RequestRecord("RIS", (), False, BEGUN))
    path = a_path(steps=(step,), requests=requests)
    out = io.StringIO()
    for one in whole_path(path, progress(path.study, (), (), ()), BEGUN):
        Console(file=out, width=200).print(one)
    assert re.search(r"DISCONTINUED +12 ", out.getvalue())
    assert "99RIS:CTTHOR" in out.getvalue() and "knows nothing of it" in out.getvalue()
