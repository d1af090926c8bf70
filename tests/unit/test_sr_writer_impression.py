"""A study's impression in DICOM: what each sentence rests on, who wrote it, and what makes it another object."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pydicom
import pypdf
import pytest
from pydicom import Dataset

from domain.editions import Edition
from domain.errors import IntegrityError
from domain.findings import Findings
from domain.ids import JobId
from domain.impressions import Facts, FactSource, Impression, Part, Reference, Sentence
from domain.profiles import (
    BASIC_TEXT_SR,
    ENCAPSULATED_PDF,
    ENHANCED_SR,
    SECONDARY_CAPTURE,
    ResultFormat,
    ResultKind,
)
from domain.words import SCORE
from sr_writer.content import Predecessor
from sr_writer.impressions.content import Run
from sr_writer.impressions.words import READ_ON
from sr_writer.results import ResultObject
from tests.support import impression_cases, result_cases
from tests.support.findings import MOMENT
from tests.support.impression_cases import BY_MODEL, BY_TEMPLATE, FACTS, FIRST_JOB, REPORTS, SENTENCES, SOURCES, Study
from tests.support.phantoms import JAPANESE, Phantom

CODED = next(one for one in impression_cases.forms() if one.sop_class == ENHANCED_SR)
BY_VALUE = replace(CODED, refers="")
TEXT, PDF, PAGE = (
    ResultFormat(ResultKind.IMPRESSION, one) for one in (BASIC_TEXT_SR, ENCAPSULATED_PDF, SECONDARY_CAPTURE)
)
IMPRESSION, REPORT, TRACKING = "121073", "126000", "112040"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return impression_cases.study(tmp_path_factory.mktemp("study"))


def opened(one: ResultObject) -> Dataset:
    return pydicom.dcmread(io.BytesIO(one.part10))


def written(study: Study, form: ResultFormat = CODED, **given: object) -> Dataset:
    (one,) = study.results([form], **given)  # type: ignore[arg-type]
    return opened(one)


def items(item: Dataset, value_type: str = "") -> Iterator[Dataset]:
    """An item of content and everything below it."""
    for one in item.get("ContentSequence", ()):
        if one.ValueType == value_type or not value_type:
            yield one
        yield from items(one, value_type)


def code(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def sentences(report: Dataset) -> list[Dataset]:
    return [one for one in items(report, "TEXT") if code(one) == IMPRESSION]


def said(item: Dataset) -> tuple[str, str, str, str]:
    """A number: its name, value, unit and derivation."""
    value = item.MeasuredValueSequence[0]
    derived = [one.ConceptCodeSequence[0].CodeValue for one in items(item, "CODE")]
    return code(item), str(value.NumericValue), value.MeasurementUnitsCodeSequence[0].CodeValue, "".join(derived)


def tracked(report: Dataset) -> dict[str, list[tuple[str, str, str, str]]]:
    """Of a report of measurements the numbers of each group by its tracking UID."""
    groups = [one for one in items(report, "CONTAINER") if code(one) == "125007"]
    uids = ([str(one.UID) for one in items(group, "UIDREF") if code(one) == TRACKING] for group in groups)
    return {uid[0]: [said(one) for one in items(group, "NUM")] for uid, group in zip(uids, groups, strict=True)}


def test_every_number_and_tracking_uid_of_a_fact_is_that_of_its_own_report(study: Study) -> None:
    known = {
        key: value
        for one in study.made
        if one.kind in impression_cases.CODED
        for key, value in tracked(opened(one)).items()
    }
    said_of = sentences(written(study))
    facts = [one for sentence in said_of[:-1] for one in items(sentence, "TEXT") if code(one) == "121071"]
    assert len(facts) == 6
    for fact in facts:
        uids = [str(one.UID) for one in fact.ContentSequence if code(one) == TRACKING]
        numbers = [said(one) for one in fact.ContentSequence if one.ValueType == "NUM"]
        assert uids
        assert numbers == [number for uid in uids for number in known[uid]]
    assert not list(items(said_of[-1], "NUM"))  # a caution
    assert "373098007" in {derivation for values in known.values() for *_, derivation in values}


def test_of_several_parts_of_a_fact_each_number_says_of_which_it_is(study: Study) -> None:
    (negative,) = [one for one in sentences(written(study)) if "Cardiomegaly" in one.TextValue]
    (fact,) = [one for one in negative.ContentSequence if one.ValueType == "TEXT"]
    uids = [str(one.UID) for one in fact.ContentSequence if one.ValueType == "UIDREF"]
    assert len(set(uids)) == 5
    assert [str(one.UID) for number in items(fact, "NUM") for one in items(number, "UIDREF")] == uids


def test_each_sentence_is_inferred_from_the_report_that_says_what_it_rests_on_and_from_no_other(study: Study) -> None:
    kinds = {one.sop_instance_uid: one.kind for one in study.made}
    dataset = written(study)
    found = [
        [kinds[one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID] for one in items(sentence, "COMPOSITE")]
        for sentence in sentences(dataset)
    ]
    regions, segments = ResultKind.SR_REGIONS, ResultKind.SR
    # The classifier has no segments, so that its one report is the SR.
    assert found == [[regions], [regions], [ResultKind.SR], [segments], [regions], [regions]]
    (evidence,) = dataset.CurrentRequestedProcedureEvidenceSequence
    referred = {
        one.ReferencedSOPInstanceUID
        for series in evidence.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert {one.sop_instance_uid for one in study.made if one.kind in (regions, segments)} <= referred
    assert {one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in items(dataset, "COMPOSITE")} <= referred


def test_where_likelihoods_have_a_report_of_their_own_that_one_is_meant(study: Study) -> None:
    own = FactSource("F3", FIRST_JOB, Part.LIKELIHOOD, 1)
    (sentence,) = sentences(written(study, impression=replace(BY_TEMPLATE, sentences=SENTENCES[2:3]), sources=[own]))
    (reference,) = items(sentence, "COMPOSITE")
    (meant,) = [one for one in study.made if one.kind is ResultKind.SR_LIKELIHOODS]
    assert reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == meant.sop_instance_uid
    without = tuple(
        replace(one, written=[two for two in one.written if two.form.kind is not ResultKind.SR]) for one in study.runs
    )
    (sentence,) = sentences(
        written(replace(study, runs=without), impression=replace(BY_TEMPLATE, sentences=SENTENCES[3:4]))
    )
    assert not list(items(sentence, "COMPOSITE"))


def test_a_destination_without_a_coded_report_gets_the_numbers_and_no_reference(study: Study) -> None:
    by_value = written(study, BY_VALUE)
    assert not list(items(by_value, "COMPOSITE"))
    assert [said(one) for one in items(by_value, "NUM")] == [said(one) for one in items(written(study), "NUM")]
    assert by_value.SOPInstanceUID != written(study).SOPInstanceUID


def test_a_form_names_no_report_where_none_was_written(study: Study) -> None:
    bare = replace(study, runs=tuple(replace(one, written=()) for one in study.runs))
    (one,) = bare.results([CODED, BY_VALUE])
    assert one.form == BY_VALUE
    assert one.part10 == study.results([BY_VALUE])[0].part10


def test_a_report_that_was_written_without_segments_is_referred_to_in_place_of_the_one_with_them(study: Study) -> None:
    classifier = study.runs[1]
    assert [one.form.refers for one in classifier.written if one.form.kind is ResultKind.SR] == [""]
    assert REPORTS[2].refers
    assert REPORTS[2].name in CODED.referred


@pytest.mark.parametrize("form", [CODED, TEXT, PDF, PAGE], ids=lambda one: one.sop_class)
def test_a_retry_gives_the_same_bytes_whatever_the_order_of_runs_and_forms(form: ResultFormat, study: Study) -> None:
    turned = replace(study, runs=study.runs[::-1])
    again = {one.form: one.part10 for one in turned.results([PDF, form, BY_VALUE])}
    assert again[form] == study.results([form])[0].part10


def test_what_makes_another_impression_makes_another_object_in_a_series_of_its_own(study: Study) -> None:
    reworded = replace(BY_TEMPLATE, sentences=(replace(SENTENCES[0], text="Pneumonia, right lung."), *SENTENCES[1:]))
    later = replace(study, runs=(replace(study.runs[0], findings=amended(study.runs[0].findings)), study.runs[1]))
    others = [
        written(study),
        written(study, impression=BY_MODEL),
        written(study, impression=reworded),
        written(study, facts=replace(FACTS, unread=0)),
        written(study, edition=Edition(2, 1, MOMENT)),
        written(later),
    ]
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert len({one[keyword].value for one in others}) == len(others)
    moved = written(study, moment=MOMENT + timedelta(hours=1))
    assert moved.SOPInstanceUID == others[0].SOPInstanceUID


def amended(findings: Findings) -> Findings:
    return replace(findings, input_digest="of one image more")


def test_nobody_has_looked_and_no_research_is_called_a_product(study: Study) -> None:
    dataset = written(study)
    assert (dataset.CompletionFlag, dataset.PreliminaryFlag, dataset.VerificationFlag) == (
        "COMPLETE", "PRELIMINARY", "UNVERIFIED",
    )  # fmt: skip
    assert dataset.ContentQualification == "RESEARCH"
    assert dataset.SeriesDescription.startswith("Study, impression; AI, unverified, demo")
    warning = "AI generated, not verified; demonstration model, not for clinical use"
    assert warning in [one.TextValue for one in items(dataset, "TEXT")]
    assert [one.ContributionDescription for one in dataset.ContributingEquipmentSequence] == [warning]


def test_it_is_a_product_only_where_every_model_is_one_and_no_language_model_wrote(study: Study) -> None:
    def of(*products: bool) -> Study:
        marked = [
            replace(
                one,
                findings=replace(one.findings, model=replace(one.findings.model, product=product, demonstration=False)),
            )
            for one, product in zip(study.runs, products, strict=True)
        ]
        return replace(study, runs=tuple(marked))

    assert written(of(True, True)).ContentQualification == "PRODUCT"
    assert written(of(True, False)).ContentQualification == "RESEARCH"
    assert written(of(True, True), impression=BY_MODEL).ContentQualification == "RESEARCH"
    assert "demo" not in written(of(True, True)).SeriesDescription


def test_one_demonstration_model_makes_it_a_demonstration(study: Study) -> None:
    first, second = study.runs
    real = replace(second, findings=replace(second.findings, model=replace(second.findings.model, demonstration=False)))
    assert ", demo" in written(replace(study, runs=(first, real))).SeriesDescription


def algorithm(dataset: Dataset) -> list[tuple[str, str]]:
    named = [
        (one.ConceptNameCodeSequence[0].CodeMeaning, str(one.get("TextValue", ""))) for one in dataset.ContentSequence
    ]
    return [(name, value) for name, value in named if name.startswith("Algorithm")]


def test_who_wrote_the_sentences_is_coded_beside_them_and_in_the_header(study: Study) -> None:
    dataset = written(study, impression=BY_MODEL)
    assert algorithm(dataset) == [
        ("Algorithm Name", "SmolLM2-135M-Instruct"),
        ("Algorithm Version", "3"),
        ("Algorithm Manufacturer", "ward server"),
        ("Algorithm Parameters", "Author: language model"),
        ("Algorithm Parameters", "Provider: ward server"),
        ("Algorithm Parameters", "Prompt: 3"),
        ("Algorithm Parameters", "Checker: 1"),
        ("Algorithm Family", ""),
    ]
    (equipment,) = dataset.ContributingEquipmentSequence
    assert (equipment.ManufacturerModelName, equipment.Manufacturer) == ("SmolLM2-135M-Instruct", "ward server")
    assert equipment.DeviceUID == dataset.DeviceUID != written(study).DeviceUID


def test_a_template_in_place_of_a_language_model_says_so_to_readers_and_why_beside_the_algorithm(study: Study) -> None:
    why = "house: the key is not accepted: status 401"
    impression = replace(BY_TEMPLATE, fallback=why)
    dataset = written(study, impression=impression)
    assert ("Algorithm Parameters", f"Language model not used: {why}") in algorithm(dataset)
    assert ("Algorithm Name", "impression template") in algorithm(dataset)
    assert "Sentences by a template (template 1), in place of a language model." in [
        one.TextValue for one in items(dataset, "TEXT")
    ]
    assert "401" not in text_of(written(study, PDF, impression=impression))


def test_a_later_impression_names_those_reports_alone_that_it_supersedes(study: Study) -> None:
    earlier = [
        Predecessor("IMPRESSION", ENHANCED_SR, "2.25.31", "2.25.32"),
        Predecessor("IMPRESSION", ENCAPSULATED_PDF, "2.25.33", "2.25.34"),
    ]
    edition = Edition(2, 1, datetime(2026, 1, 1, tzinfo=UTC))
    for form in (CODED, TEXT):
        dataset = written(study, form, edition=edition, predecessors=earlier)
        (found,) = dataset.PredecessorDocumentsSequence
        (series,) = found.ReferencedSeriesSequence
        assert [one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence] == ["2.25.31"]
        assert "Result 2, supersedes result 1 of 2026-01-01 00:00." in [one.TextValue for one in items(dataset, "TEXT")]
    pages = written(study, PDF, edition=edition, predecessors=earlier)
    assert "PredecessorDocumentsSequence" not in pages
    assert "Result 2, supersedes result 1" in text_of(pages)


def test_the_patient_is_the_source_s_byte_for_byte(tmp_path: Path) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    run = result_cases.masked(Phantom(slices=2, size=(16, 16), charset=JAPANESE, patient_name=name), tmp_path)
    study = Study((Run(FIRST_JOB, run.findings, run.paths),), ())
    source = pydicom.dcmread(run.paths[0])
    only = replace(BY_TEMPLATE, sentences=SENTENCES[3:4])
    for form in (BY_VALUE, TEXT, PDF, PAGE):
        dataset = written(study, form, impression=only)
        for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "AccessionNumber", "SpecificCharacterSet"):
            tag = pydicom.tag.Tag(keyword)
            assert dataset.get_item(tag).value == source.get_item(tag).value


def text_of(pages: Dataset) -> str:
    found = pypdf.PdfReader(io.BytesIO(pages.EncapsulatedDocument)).pages
    return " ".join(" ".join(page.extract_text().split()) for page in found)


def test_the_pages_hold_each_sentence_with_what_it_rests_on(study: Study) -> None:
    told = text_of(written(study, PDF))
    for sentence in SENTENCES:
        assert sentence.text in told
    for line in (
        "[F1] Nodule, lower, left lung, diameter 14 mm, diameter +1.5 mm against an earlier study within half a year",
        "[F2] Pneumonia, right lung, score over 75 % (Lungs in chest CT)",
        "Lungs in chest CT: missing slices were interpolated.",
        "[F3] Cardiomegaly, 5 alike, score below 25 %, not reported (Findings in chest radiographs)",
        "[F4] Right lung, volume 2530 ml (Lungs in chest CT)",
        "[F1] as above",
        "Rule: Fleischner Society 2017",
        "1 further model ended without findings, of which nothing is said here.",
        SCORE,
    ):
        assert line in told


def test_the_plain_text_says_the_same_words_as_the_coded_report(study: Study) -> None:
    plain, coded = written(study, TEXT), written(study)
    assert [one.TextValue for one in items(plain, "TEXT")] == [one.TextValue for one in items(coded, "TEXT")]
    assert not list(items(plain, "NUM"))


READ = Reference("28240562", "Pulmonary nodules in adults", "Radiology", 2017, ("F1",), "PubMed")
REFERENCE = "[F1] Pulmonary nodules in adults. Radiology 2017. PMID 28240562."


def test_references_stand_by_themselves_where_people_alone_read_and_not_in_the_coded_report(study: Study) -> None:
    named = replace(BY_TEMPLATE, references=(READ,))
    assert f"References {READ_ON} {REFERENCE} How it came about" in text_of(written(study, PDF, impression=named))
    plain = [one.TextValue for one in items(written(study, TEXT, impression=named), "TEXT")]
    assert plain[-2:] == [f"References. {READ_ON}", REFERENCE]
    coded = written(study, impression=named)
    assert [one.TextValue for one in items(coded, "TEXT")] == plain[:-2]
    without, page = written(study, PAGE), written(study, PAGE, impression=named)
    assert page.Rows > without.Rows
    for form in (TEXT, PDF):
        assert "References" not in str(list(items(written(study, form), "TEXT")) or text_of(written(study, form)))


def test_an_impression_without_references_is_the_object_that_an_earlier_release_wrote(study: Study) -> None:
    assert "references" not in BY_TEMPLATE.to_json()
    named = replace(BY_TEMPLATE, references=(READ,))
    assert Impression.from_json(named.to_json()) == named
    assert written(study, impression=named).SOPInstanceUID != written(study).SOPInstanceUID


@pytest.mark.parametrize("form", [CODED, TEXT, PDF, PAGE], ids=lambda one: one.sop_class)
def test_a_sentence_may_rest_on_nothing_where_nothing_was_found(form: ResultFormat, study: Study) -> None:
    nothing = replace(BY_TEMPLATE, sentences=(Sentence("No model reports a finding.", ()),))
    dataset = written(study, form, impression=nothing, facts=Facts(()), sources=())
    assert not [one for one in items(dataset) if code(one) == "121071" or not one.get("ContentSequence", [1])]
    if form == PDF:
        assert "No model reports a finding." in text_of(dataset)


def test_viewers_that_show_sections_alone_show_every_fact_once(study: Study) -> None:
    sections = {code(one): one for one in written(study).ContentSequence}
    told = [one.TextValue for one in sections["121070"].ContentSequence]
    assert [one[:4] for one in told] == ["[F2]", "[F1]", "[F3]", "[F4]", "[F5]"]
    assert [one.TextValue for one in sections["121072"].ContentSequence] == [one.text for one in SENTENCES]


def test_the_page_shows_no_image_and_names_nobody(study: Study) -> None:
    page = written(study, PAGE)
    assert (page.BurnedInAnnotation, "SourceImageSequence" in page) == ("NO", False)
    short = written(study, PAGE, impression=replace(BY_TEMPLATE, sentences=SENTENCES[:1]))
    assert short.Rows < page.Rows


def test_long_words_in_any_letters_are_set_on_as_many_pages_as_they_need(study: Study) -> None:
    long = replace(SENTENCES[0], text="Größe \\ Maß " + "wort " * 2000)
    impression = replace(BY_TEMPLATE, sentences=(long, *SENTENCES[1:]))
    assert len(pypdf.PdfReader(io.BytesIO(written(study, PDF, impression=impression).EncapsulatedDocument)).pages) > 1
    (sentence, *_) = sentences(written(study, impression=impression))
    assert sentence.TextValue.startswith("Grosse ? Mass wort")


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (
            {"impression": replace(BY_TEMPLATE, sentences=(Sentence("Something.", ("F9",)),))},
            "F9, and there is no such",
        ),
        ({"impression": replace(BY_TEMPLATE, sentences=())}, "needs a sentence"),
        ({"sources": [FactSource("F2", FIRST_JOB, Part.REGION, 40)]}, "F2 was taken from region 40"),
        ({"sources": [replace(SOURCES[0], job=JobId(UUID(int=9)))]}, "F1 was taken from region 2"),
        ({"facts": Facts(())}, "F2, and there is no such"),
    ],
)
def test_what_is_not_of_these_findings_is_written_in_no_form(
    given: dict[str, object], wrong: str, study: Study
) -> None:
    for form in (CODED, TEXT):
        with pytest.raises(IntegrityError, match=wrong):
            written(study, form, **given)


def test_runs_of_several_studies_have_no_impression_together(study: Study, tmp_path: Path) -> None:
    other = result_cases.masked(Phantom(slices=2, size=(16, 16), study="other"), tmp_path)
    mixed = replace(study, runs=(study.runs[0], replace(study.runs[1], findings=other.findings, files=other.paths)))
    with pytest.raises(IntegrityError, match="several studies"):
        written(mixed)


def test_an_impression_of_json_is_the_same_object(study: Study) -> None:
    read = Impression.from_json(BY_MODEL.to_json()), Facts.from_json(FACTS.to_json())
    again = written(study, impression=read[0], facts=read[1])
    assert again.SOPInstanceUID == written(study, impression=BY_MODEL).SOPInstanceUID
