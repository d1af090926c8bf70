"""Reports say which requests they fulfil, as a procedure step, a worklist or the images themselves state them."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset

from domain.profiles import COMPREHENSIVE_3D_SR, KEY_OBJECT_SELECTION, ResultFormat, ResultKind
from sr_writer.results import PLAIN, write
from tests.support import judges, phantoms
from tests.support.findings import MOMENT, boxes, findings_on
from tests.support.phantoms import Phantom
from tests.support.procedures import as_file, begun, coded, request

SMALL = Phantom(slices=3, size=(16, 16), patient_id="P-1")
KOS = ResultFormat(ResultKind.KOS, KEY_OBJECT_SELECTION)
EMPTY = ("PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest", "ReferencedStudySequence")


def study(**attributes: object) -> list[Dataset]:
    datasets = list(SMALL.datasets())
    for one in datasets:
        for keyword, value in attributes.items():
            setattr(one, keyword, value)
    return datasets


def written(datasets: list[Dataset], folder: Path, stated: Sequence[Path] = ()) -> dict[str, Dataset]:
    """The results by SOP class."""
    paths, mask = phantoms.write(datasets, folder), boxes(3, 16, 16)
    findings = replace(findings_on(paths, mask), key_frames=(1,))
    made = write(findings, mask, paths, (), MOMENT, (*PLAIN[:2], KOS), requests=stated)
    for one in made:
        (folder / f"{one.kind}.dcm").write_bytes(one.part10)
    return {one.form.sop_class: pydicom.dcmread(io.BytesIO(one.part10)) for one in made}


def requests_of(datasets: list[Dataset], folder: Path, stated: Sequence[Path] = ()) -> Sequence[Dataset]:
    found: Sequence[Dataset] = written(datasets, folder, stated)[COMPREHENSIVE_3D_SR].get(
        "ReferencedRequestSequence", ()
    )
    return found


def of_study(**attributes: object) -> Dataset:
    return request(next(iter(SMALL.datasets())).StudyInstanceUID, **attributes)


def test_a_report_names_the_request_of_its_study_that_a_step_states(tmp_path: Path) -> None:
    step = begun(request("1.9.9", AccessionNumber="OTHER"), of_study(ReasonForTheRequestedProcedure="Cough"))
    (one,) = requests_of(study(), tmp_path, [as_file(step, tmp_path / "step")])
    assert one.StudyInstanceUID == study()[0].StudyInstanceUID
    assert (one.AccessionNumber, one.RequestedProcedureID) == ("A-4711", "RP-1")
    assert one.RequestedProcedureDescription == "CT of the thorax"
    assert one.RequestedProcedureCodeSequence[0].CodeValue == "CTTHOR"
    assert one.ReasonForTheRequestedProcedure == "Cough"
    assert [one[keyword].value or "" for keyword in EMPTY[:2]] == ["", ""] and not one.ReferencedStudySequence
    assert "ScheduledProcedureStepID" not in one and "PatientID" not in one


def test_an_item_of_a_worklist_says_the_same(tmp_path: Path) -> None:
    item = of_study(PatientName="Moe^Sue", PlacerOrderNumberImagingServiceRequest="PL-1")
    (one,) = requests_of(study(), tmp_path, [as_file(item, tmp_path / "item")])
    assert (one.AccessionNumber, one.PlacerOrderNumberImagingServiceRequest) == ("A-4711", "PL-1")
    assert "PatientName" not in one


def test_what_was_requested_of_another_patient_is_left_out_and_said_so(tmp_path: Path) -> None:
    step = begun(of_study(AccessionNumber="A-OTHER"), PatientID="P-2")
    report = written(study(AccessionNumber="A-1"), tmp_path, [as_file(step, tmp_path / "step")])[COMPREHENSIVE_3D_SR]
    assert [one.AccessionNumber for one in report.ReferencedRequestSequence] == ["A-1"]
    sr = (tmp_path / f"{ResultKind.SR}.dcm").read_bytes()
    assert b"said of another Patient ID than the images'" in sr and b"A-OTHER" not in sr and b"P-2" not in sr


@pytest.mark.parametrize(("of_step", "of_images"), [("", "P-1"), ("P-1", ""), (" P-1 ", "P-1")])
def test_of_whom_nobody_says_another_the_request_is_named(of_step: str, of_images: str, tmp_path: Path) -> None:
    step = begun(of_study(), PatientID=of_step)
    (one,) = requests_of(study(PatientID=of_images), tmp_path, [as_file(step, tmp_path / "step")])
    assert one.AccessionNumber == "A-4711"


def test_several_steps_of_one_request_name_it_once(tmp_path: Path) -> None:
    steps = [begun(of_study(ScheduledProcedureStepID=f"S{n}")) for n in range(3)]
    files = [as_file(one, tmp_path / f"step{n}") for n, one in enumerate(steps)]
    assert len(requests_of(study(), tmp_path, files)) == 1


def test_without_one_the_images_own_request_attributes_are_named(tmp_path: Path) -> None:
    item = Dataset()
    item.RequestedProcedureID, item.RequestedProcedureDescription = "RP-7", "Thorax"
    (one,) = requests_of(study(RequestAttributesSequence=[item], AccessionNumber="A-1"), tmp_path)
    assert (one.RequestedProcedureID, one.AccessionNumber) == ("RP-7", "A-1")


def test_an_accession_number_alone_is_a_request_and_nothing_is_none(tmp_path: Path) -> None:
    (one,) = requests_of(study(AccessionNumber="A-1"), tmp_path)
    assert (one.AccessionNumber, one.RequestedProcedureID) == ("A-1", "")
    assert requests_of(study(AccessionNumber=""), tmp_path) == ()


def test_key_objects_name_it_too_and_segmentations_do_not(tmp_path: Path) -> None:
    made = written(study(AccessionNumber="A-1"), tmp_path)
    named = {sop_class for sop_class, dataset in made.items() if "ReferencedRequestSequence" in dataset}
    assert named == {COMPREHENSIVE_3D_SR, KEY_OBJECT_SELECTION}


def test_a_text_of_another_character_set_keeps_its_own(tmp_path: Path) -> None:
    step = begun(of_study(RequestedProcedureDescription="Röntgen"), SpecificCharacterSet="ISO_IR 192")
    file = as_file(step, tmp_path / "step")
    (one,) = requests_of(study(SpecificCharacterSet="ISO_IR 100"), tmp_path, [file])
    assert one.SpecificCharacterSet == "ISO_IR 192"
    assert one.RequestedProcedureDescription == "Röntgen"


@pytest.mark.filterwarnings("ignore:The value length")
def test_what_is_not_valid_is_left_out_and_said_so(tmp_path: Path) -> None:
    step = begun(of_study(RequestedProcedureID="x" * 17, RequestedProcedureCodeSequence=[Dataset()]))
    report = written(study(), tmp_path, [as_file(step, tmp_path / "step")])[COMPREHENSIVE_3D_SR]
    (one,) = report.ReferencedRequestSequence
    assert (one.RequestedProcedureID, len(one.RequestedProcedureCodeSequence)) == ("", 0)
    said = b"Requested Procedure ID of what was requested is no value of its kind (SH)"
    assert said in (tmp_path / f"{ResultKind.SR}.dcm").read_bytes()


def test_a_file_that_cannot_be_read_costs_no_result(tmp_path: Path) -> None:
    (tmp_path / "step").write_bytes(b"nothing")
    (one,) = requests_of(study(AccessionNumber="A-1"), tmp_path, [tmp_path / "step"])
    assert one.AccessionNumber == "A-1"


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [
        lambda: begun(of_study()),
        lambda: begun(
            of_study(
                SpecificCharacterSet="ISO_IR 192",
                RequestedProcedureDescription="Röntgen Thorax",
                ReasonForTheRequestedProcedure="Husten",
                ReasonForRequestedProcedureCodeSequence=[coded("49727002", "SCT", "Cough")],
                PlacerOrderNumberImagingServiceRequest="PL-1",
                FillerOrderNumberImagingServiceRequest="FL-1",
            )
        ),
    ],
    ids=["plain", "rich"],
)
def test_no_judge_complains_of_a_report_that_names_its_request(step: Callable[[], Dataset], tmp_path: Path) -> None:
    written(study(), tmp_path, [as_file(step(), tmp_path / "step")])
    for kind in (ResultKind.SR, ResultKind.KOS):
        assert judges.complaints(tmp_path / f"{kind}.dcm") == []
