"""Results that replace others say so in every object: which they are, which they supersede, when those were made."""

import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone

import pydicom
import pytest
from pydicom import Dataset

from domain.editions import FIRST, Edition
from domain.profiles import ResultKind
from sr_writer.results import write
from tests.support import result_cases
from tests.support.findings import MOMENT
from tests.support.result_cases import EARLIER, Run
from tests.support.result_files import KINDS, usual

MADE = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
SECOND = Edition(2, 1, MADE)
SAID = "Result 2, supersedes result 1 of 2026-01-02 03:04"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return result_cases.everything(tmp_path_factory.mktemp("everything"))


def objects(run: Run, edition: Edition) -> Mapping[ResultKind, Dataset]:
    forms = [usual(kind) for kind in KINDS]
    made = write(run.findings, run.mask, run.paths, EARLIER, MOMENT, forms, run.maps, edition)
    return {one.kind: pydicom.dcmread(io.BytesIO(one.part10)) for one in made}


@pytest.fixture(scope="module")
def second(run: Run) -> Mapping[ResultKind, Dataset]:
    return objects(run, SECOND)


@pytest.fixture(scope="module")
def first(run: Run) -> Mapping[ResultKind, Dataset]:
    return objects(run, FIRST)


def texts(item: Dataset) -> Iterator[str]:
    """Every text of a content tree."""
    yield str(item.get("TextValue", ""))
    for one in item.get("ContentSequence", ()):
        yield from texts(one)


@pytest.mark.parametrize("kind", KINDS)
def test_every_object_says_which_it_is_and_what_it_supersedes(
    kind: ResultKind, second: Mapping[ResultKind, Dataset]
) -> None:
    found = second[kind]
    assert "; AI, unverified" in found.SeriesDescription
    (equipment,) = found.ContributingEquipmentSequence
    assert SAID in equipment.ContributionDescription


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_series_begins_with_which_result_and_what_it_is(
    kind: ResultKind, first: Mapping[ResultKind, Dataset], second: Mapping[ResultKind, Dataset]
) -> None:
    """In the twenty letters or so that a list shows, however long the name of what it is of."""
    said, _, _ = first[kind].SeriesDescription.partition(";")
    of, _, what = said.rpartition(", ")
    assert second[kind].SeriesDescription.startswith(f"Result 2, {what}: {of}; AI")


def test_reports_say_it_in_their_content(second: Mapping[ResultKind, Dataset]) -> None:
    for kind in (ResultKind.SR, ResultKind.SR_REGIONS, ResultKind.SR_LIKELIHOODS, ResultKind.TEXT, ResultKind.KOS):
        assert any(SAID in one for one in texts(second[kind])), kind


def test_images_say_it_in_their_comments_and_what_has_a_description_in_that(
    second: Mapping[ResultKind, Dataset],
) -> None:
    for kind in (ResultKind.SEG, ResultKind.PM, ResultKind.SC):
        assert SAID in second[kind].ImageComments, kind
    for kind in (ResultKind.SEG, ResultKind.PM, ResultKind.GSPS):
        said = second[kind].ContentDescription
        assert said == "AI demo, unverified, not for clinical use; supersedes result 1", kind
        assert len(said) <= 64


def test_overlays_say_it_on_each_image(second: Mapping[ResultKind, Dataset]) -> None:
    for image in second[ResultKind.GSPS].GraphicAnnotationSequence:
        assert any(SAID in one.UnformattedTextValue for one in image.TextObjectSequence)


def test_a_first_result_says_nothing_of_it(first: Mapping[ResultKind, Dataset]) -> None:
    for found in first.values():
        assert "result 1" not in str(found).lower() and "supersedes" not in str(found).lower()


def test_pages_of_a_second_result_are_others(
    first: Mapping[ResultKind, Dataset], second: Mapping[ResultKind, Dataset]
) -> None:
    assert second[ResultKind.SC].Rows > first[ResultKind.SC].Rows
    assert second[ResultKind.PDF].EncapsulatedDocument != first[ResultKind.PDF].EncapsulatedDocument


def test_the_moment_is_told_in_the_zone_of_the_study() -> None:
    assert SECOND.said(timezone(timedelta(hours=9))) == "Result 2, supersedes result 1 of 2026-01-02 12:04"


@pytest.mark.parametrize(
    ("edition", "said"),
    [
        (FIRST, ""),
        (Edition(3), "Result 3"),
        (Edition(3, withdrawn=True), "Result 3; the one before was withdrawn"),
        (Edition(12, 11, MADE), "Result 12, supersedes result 11 of 2026-01-02 03:04"),
    ],
)
def test_what_is_said_of_an_edition(edition: Edition, said: str) -> None:
    assert edition.said(UTC) == said
