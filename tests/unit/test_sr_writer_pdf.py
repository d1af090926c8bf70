"""The report as pages: every page says what it is and whose it is, and every word can be read."""

import io
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom import FileDataset
from pypdf import PdfReader

from domain.profiles import ENCAPSULATED_PDF, ResultFormat, ResultKind
from tests.support import phantoms, result_cases
from tests.support.contents import box
from tests.support.counterparts import data
from tests.support.findings import CLASSIFIER, RIGHT_LUNG, findings_on
from tests.support.phantoms import JAPANESE, Phantom
from tests.support.result_cases import CARD, REMARKS, Run

FORM = ResultFormat(ResultKind.PDF, ENCAPSULATED_PDF)
WARNING = "AI generated, not verified; demonstration model, not for clinical use"


def document(run: Run) -> FileDataset:
    (result,) = run.results((FORM,))
    return pydicom.dcmread(io.BytesIO(result.part10))


def reader(run: Run) -> PdfReader:
    dataset = document(run)
    return PdfReader(io.BytesIO(dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength]), strict=True)


def text(run: Run) -> list[str]:
    """The words of each page."""
    return [page.extract_text() for page in reader(run).pages]


def many(folder: Path, count: int) -> Run:
    paths = phantoms.write(Phantom(slices=1, size=(16, 16)).datasets(), folder)
    regions = tuple(replace(box(0, 1, 1, 5, 5), label=f"Nodule {k}") for k in range(count))
    return Run(replace(findings_on(paths, segments=()), regions=regions), None, paths)


def test_it_is_a_document_of_its_own(tmp_path: Path) -> None:
    run = result_cases.everything(tmp_path)
    dataset = document(run)
    assert (dataset.SOPClassUID, dataset.Modality) == (ENCAPSULATED_PDF, "DOC")
    assert dataset.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert (dataset.BurnedInAnnotation, dataset.VerificationFlag) == ("YES", "UNVERIFIED")
    assert dataset.DocumentTitle == "Lungs, PDF; AI, unverified, demo; ct_lung"
    assert dataset.ConceptNameCodeSequence[0].CodeValue == "126000"
    assert {item.ReferencedSOPInstanceUID for item in dataset.SourceInstanceSequence} == {
        frame.sop_instance_uid for frame in run.findings.frames
    }
    assert dataset.EncapsulatedDocument.startswith(b"%PDF-")
    assert dataset.EncapsulatedDocumentLength in (
        len(dataset.EncapsulatedDocument),
        len(dataset.EncapsulatedDocument) - 1,
    )


def test_it_says_everything(tmp_path: Path) -> None:
    said = " ".join(" ".join(text(result_cases.everything(tmp_path))).split())
    for line in (
        "Lungs in chest CT",
        "ct_lung 1.0.0, DICOM Node project, OpenVINO on CPU; made 2026-01-02 03:04 (UTC+0000)",
        "volume 2530 ml, mean density -812 HU",
        "left lung, image 5, table position 10.0 mm, area 120 mm2, diameter 14 mm",
        "score 96 %, reported (from 50 % on)",
        "score 3 %, not reported (from 25 % on)",
        *CARD,
        *REMARKS,
    ):
        assert line in said


@pytest.mark.parametrize("count", [0, 1, 60, 190])
def test_every_page_has_the_words_of_every_result_and_its_number(count: int, tmp_path: Path) -> None:
    pages = text(many(tmp_path, count))
    assert len(pages) >= count // 60
    for number, page in enumerate(pages, 1):
        assert page.count(WARNING) == 2
        assert f"Page {number} of {len(pages)}" in page
        assert "Phantom, Chest; ID PHANTOM-1; born 1970-01-01" in page
        assert "Study of 2026-01-01; accession ACC-1; institution not stated" in page
    # Once in the table; the last line of a picture's caption may be a name alone.
    found = [sum(page.splitlines().count(f"Nodule {k}") for page in pages) for k in range(count)]
    assert sum(found) - count in (0, 1)
    assert all(found)


def test_a_model_for_use_is_not_called_a_demonstration(tmp_path: Path) -> None:
    run = result_cases.segments_alone(tmp_path)
    model = replace(run.findings.model, demonstration=False)
    for page in text(replace(run, findings=replace(run.findings, model=model))):
        assert page.count("AI generated, not verified") == 2
        assert "emonstration" not in page


WHO = {"patient_name": "Quuxworth^Ybbsalbert=山田^太郎", "patient_id": "PX-77182-ZK", "birth_date": "19010203"}


def test_every_page_says_whose_it_is_and_its_properties_do_not(tmp_path: Path) -> None:
    phantom = Phantom(slices=3, size=(16, 16), charset=JAPANESE, accession_number="ACCXQ90817", **WHO)  # type: ignore[arg-type]
    datasets = phantom.datasets()
    for dataset in datasets:
        dataset.InstitutionName = "St. Elsewhere"
    paths = phantoms.write(datasets, tmp_path)
    run = Run(findings_on(paths, segments=()), None, paths)
    for page in text(run):
        assert "Quuxworth, Ybbsalbert; ID PX-77182-ZK; born 1901-02-03" in page
        assert "Study of 2026-01-01; accession ACCXQ90817; St. Elsewhere" in page
    for word in ("quuxworth", "px-77182", "1901", "accxq"):
        assert word not in str(reader(run).metadata).lower()


@pytest.mark.parametrize("written", ["東京病院", ""])
def test_what_stands_for_an_institution_says_that_it_is_the_institution(written: str, tmp_path: Path) -> None:
    datasets = Phantom(slices=2, size=(16, 16), charset=JAPANESE).datasets()
    for dataset in datasets:
        dataset.InstitutionName = written
    paths = phantoms.write(datasets, tmp_path)
    said = "in letters that this page has not" if written else "not stated"
    assert f"; institution {said}" in " ".join(text(Run(findings_on(paths, segments=()), None, paths))[0].split())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("山田^太郎", "Name in Han letters that this page has not"),
        ("=山田^太郎=", "Name in Han letters that this page has not"),
        ("", "Name not stated"),
        ("^^^", "Name not stated"),
        ("Müller^Anna^M.^Dr.^MD", "Müller, Dr. Anna M. MD"),
        ("A" * 31 + "^" + "B" * 32, "B" * 32),
    ],
)
def test_a_name_is_whole_or_said_not_to_be_there(written: str, said: str, tmp_path: Path) -> None:
    run = result_cases.masked(Phantom(slices=2, size=(16, 16), patient_name=written), tmp_path)
    assert said in "\n".join(text(run))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("chrArab.dcm", "Name in Arabic letters that this page has not"),
        ("chrFrenMulti.dcm", "Buc, Jérôme"),
        ("chrGreek.dcm", "Name in Greek letters that this page has not"),
        ("chrH31.dcm", "Yamada, Tarou"),
        ("chrH32.dcm", "Name in Katakana letters that this page has not"),
        ("chrHbrw.dcm", "Name in Hebrew letters that this page has not"),
        ("chrI2.dcm", "Hong, Gildong"),
        ("chrJapMulti.dcm", "Name in Hiragana letters that this page has not"),
        ("chrKoreanMulti.dcm", "Name in Hangul letters that this page has not"),
        ("chrRuss.dcm", "Name in Cyrillic letters that this page has not"),
        ("chrX1.dcm", "Wang, XiaoDong"),
        ("chrX2.dcm", "Wang, XiaoDong"),
    ],
)
def test_a_name_in_any_character_set_is_written_or_its_letters_are_named(file: str, said: str, tmp_path: Path) -> None:
    named = pydicom.dcmread(data("charset", file))
    datasets = Phantom(slices=1, size=(16, 16)).datasets()
    for dataset in datasets:
        dataset.SpecificCharacterSet, dataset.PatientName = named.SpecificCharacterSet, named.PatientName
    paths = phantoms.write(datasets, tmp_path)
    head = text(Run(findings_on(paths, segments=()), None, paths))[0]
    assert said in head
    assert "ID PHANTOM-1; born" in " ".join(head.split())


def test_values_that_cannot_be_read_cost_no_page(tmp_path: Path) -> None:
    with pydicom.config.disable_value_validation():
        datasets = Phantom(slices=2, size=(16, 16), birth_date="3. Februar", patient_id="").datasets()
        for dataset in datasets:
            del dataset.AccessionNumber, dataset.StudyDate
        paths = phantoms.write(datasets, tmp_path)
        said = "\n".join(text(Run(findings_on(paths, segments=()), None, paths)))
    assert "ID not stated; born 3. Februar" in said
    assert "Study of not stated; accession not stated" in said


def test_the_same_findings_give_the_same_bytes(tmp_path: Path) -> None:
    run = result_cases.everything(tmp_path)
    assert run.results((FORM,)) == run.results((FORM,))


def test_letters_that_the_font_has_are_kept_and_others_do_not_break_it(tmp_path: Path) -> None:
    run = result_cases.segments_alone(tmp_path)
    findings = replace(
        run.findings,
        segments=(replace(RIGHT_LUNG, label="Größere Lunge, 肺"), *run.findings.segments[1:]),
        remarks=("Ein Maß: 5 µm \u0007 ≤ (Ende)", "x" * 500, "<b>&amp;</b>"),
    )
    said = "\n".join(text(replace(run, findings=findings)))
    assert "Größere Lunge, ?" in said
    assert "5 µm" in said
    assert "<b>&amp;</b>" in said
    assert said.replace("\n", "").count("x" * 500) == 1


def test_a_list_that_nobody_reads_is_cut_and_says_so(tmp_path: Path) -> None:
    said = "\n".join(text(many(tmp_path, 210)))
    assert "and 10 more, which the report holds" in said
    assert "Nodule 200\n" not in said


def test_a_heading_is_never_the_last_of_its_page(tmp_path: Path) -> None:
    run = many(tmp_path, 3)
    for count in range(44, 56):  # of which one ends where the heading alone has room
        sentences = tuple(f"Sentence {k}." for k in range(count))
        model = replace(CLASSIFIER, card=("The last.",))
        for page in text(replace(run, findings=replace(run.findings, remarks=sentences, model=model)))[:-1]:
            body = [line for line in page.splitlines() if line and WARNING not in line]
            assert "The model" not in body or "The last." in body


@pytest.mark.parametrize("before", range(3))
def test_no_page_parts_a_number_from_the_name_that_it_belongs_to(before: int, tmp_path: Path) -> None:
    run = many(tmp_path, 40)
    told = tuple(
        replace(one, label=f"{'A name of several lines, which belongs together, ' * (2 if k < before else 3)}{k} .")
        for k, one in enumerate(run.findings.regions)
    )
    for page in text(replace(run, findings=replace(run.findings, regions=told)))[1:-1]:
        lines = [line for line in page.splitlines() if "name" in line or line.endswith(" .")]
        if lines:
            assert lines[0].startswith("A name")
            assert lines[-1].endswith(" .")


def test_pictures_are_in_it(tmp_path: Path) -> None:
    pages = reader(result_cases.everything(tmp_path)).pages
    assert sum(len(page.images) for page in pages) == 5


def test_there_are_pages_when_nothing_was_found(tmp_path: Path) -> None:
    said = "\n".join(text(result_cases.no_segments(tmp_path)))
    assert "The model reports nothing." in said
