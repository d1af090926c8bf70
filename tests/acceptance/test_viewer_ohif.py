"""What a radiologist sees: a real CT that the node has processed, opened in OHIF over the archive's DICOMweb.

The assertions are on pixels of the browser's window. Places are computed from the DICOM geometry of images and results,
so that a shift, a flip or a wrong slice would show.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import pytest
from highdicom.color import CIELabColor
from highdicom.seg import segread
from highdicom.sr import PlanarROIMeasurementsAndQualitativeEvaluations, srread
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from scipy.ndimage import binary_dilation, binary_erosion

from config.peers import Destination
from dicom_node.scu.store import Verdict, outgoing, send
from domain.findings import Findings
from domain.profiles import COMPREHENSIVE_3D_SR, ENHANCED_SR, ResultFormat, ResultKind
from domain.vocabulary import Vocabulary
from sr_writer.impressions.content import Run, WrittenResult
from sr_writer.impressions.results import write
from summary.facts import About, Studied, facts
from summary.templates import impression
from tests.support import counterparts
from tests.support.node import Node
from tests.support.senders import storescu
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, Trial
from tests.support.viewer import Picture, Reader, Reading, coloured, untolerated

T = TypeVar("T")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STUDY = "ct_chest_lidc0003"
NOT_VERIFIED = "AI, unverified"
# Patterns of complaints that are not ours, each with its reason.
TOLERATED: dict[str, str] = {}


@pytest.fixture(scope="module")
def images() -> dict[str, Dataset]:
    """The CT's images by SOP Instance UID."""
    found = [dcmread(file, stop_before_pixels=True) for file in counterparts.data(STUDY).glob("*.dcm")]
    return {str(one.SOPInstanceUID): one for one in found}


@pytest.fixture(scope="module")
def study(images: dict[str, Dataset]) -> str:
    return str(next(iter(images.values())).StudyInstanceUID)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, lungs: Path, study: str) -> Iterator[Trial]:
    """An archive that holds the images as the scanner sent them, and what the node made of them."""
    folder = tmp_path_factory.mktemp("viewer")
    with ExitStack() as stack:
        (folder / "archive").mkdir()
        archive = stack.enter_context(Orthanc(folder / "archive"))
        node = Node(folder / "node", destinations=[archive.destination], models=lungs, env=QUICK)
        trial = Trial(stack.enter_context(node), archive)
        files = sorted(counterparts.data(STUDY).glob("*.dcm"))
        sent = send([outgoing(file) for file in files], Destination.model_validate(archive.destination), "SCANNER")
        assert {outcome.verdict for outcome in sent} == {Verdict.STORED}
        storescu(trial.node, counterparts.data(STUDY))
        trial.await_home(study)
        file = folder / "impression.dcm"
        file.write_bytes(_impression(trial))
        (outcome,) = send([outgoing(file)], Destination.model_validate(archive.destination), "NODE")
        assert outcome.verdict is Verdict.STORED
        yield trial


def _impression(trial: Trial) -> bytes:
    """What the study's findings come to, by the template, referring to the reports that have come home."""
    with trial.superuser() as connection:
        (job,) = connection.execute("SELECT id, findings, input_set FROM jobs").fetchall()
        rows = connection.execute("SELECT * FROM results").fetchall()
    findings = replace(Findings.from_json(job["findings"]), input_digest=job["input_set"])
    made = [
        WrittenResult(
            ResultFormat(ResultKind(one["kind"]), one["sop_class"], one["transfer_syntax"], one["refers"]),
            one["sop_uid"], one["series_uid"],
        )
        for one in rows
    ]  # fmt: skip
    known = Vocabulary(
        frozenset(one.label for one in findings.segments), frozenset(one.type for one in findings.segments)
    )
    found, sources = facts([Studied(job["id"], findings, known)], About("CT"))
    run = Run(job["id"], findings, sorted(counterparts.data(STUDY).glob("*.dcm")), made)
    reports = [one.form for one in made if one.form.kind in (ResultKind.SR, ResultKind.SR_REGIONS)]
    form = ResultFormat(ResultKind.IMPRESSION, ENHANCED_SR, refers="+".join(one.name for one in reports))
    (one,) = write(impression(found), found, sources, [run], [form], datetime.now(UTC))
    return one.part10


@pytest.fixture(scope="module")
def reader(home: Trial) -> Iterator[Reader]:
    with Reader(home.archive) as reader:
        yield reader


@pytest.fixture
def reading(reader: Reader, study: str) -> Iterator[Reading]:
    """The study, opened."""
    reading = reader.open(study)
    yield reading
    reading.close()


@pytest.fixture(scope="module")
def segmentation(home: Trial, study: str) -> Dataset:
    (found,) = [one for one in _results(home, study) if one.Modality == "SEG"]
    return found


@pytest.fixture(scope="module")
def masks(segmentation: Dataset) -> dict[str, NDArray[np.bool_]]:
    """The segments' masks on each image that has any, (rows, columns, segments), as highdicom's reader finds them."""
    read = _read(segmentation, segread)
    uids = list(dict.fromkeys(uid for _, _, uid in read.get_source_image_uids()))
    stacks = read.get_pixels_by_source_instance(
        uids, ignore_spatial_locations=True, assert_missing_frames_are_empty=True
    )
    return {uid: stack.astype(bool) for uid, stack in zip(uids, stacks, strict=True) if stack.any()}


@pytest.fixture(scope="module")
def report(home: Trial, study: str) -> Dataset:
    """The report that says what lies where."""
    reports = [one for one in _results(home, study) if one.SOPClassUID == COMPREHENSIVE_3D_SR]
    (found,) = [one for one in reports if _groups(one)]
    return found


def _read(result: Dataset, reader: Callable[[IO[bytes]], T]) -> T:
    """A result as one of highdicom's readers finds it."""
    buffer = io.BytesIO()
    result.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return reader(buffer)


def _results(home: Trial, study: str) -> list[Dataset]:
    """The study's objects in the archive that are no CT images."""
    ids = [one for found in home.archive.series(StudyInstanceUID=study) for one in _instances(found)]
    return [home.result(one) for one in ids]


def _instances(series: dict[str, object]) -> list[str]:
    main = series["MainDicomTags"]
    assert isinstance(main, dict)
    held = series["Instances"]
    assert isinstance(held, list)
    return [] if main["Modality"] == "CT" else held


def test_the_studys_panel_lists_the_results_with_their_warning(reading: Reading, home: Trial, study: str) -> None:
    listed = reading.series()
    expected = sorted((one.Modality, one.SeriesDescription) for one in _results(home, study))
    assert sorted(one for one in listed if one[0] != "CT") == expected
    assert all(NOT_VERIFIED in description for modality, description in listed if modality != "CT")
    assert untolerated(reading.complaints, TOLERATED) == []


def test_segments_are_named_in_the_panel_and_lie_over_the_image_where_the_mask_is(
    reading: Reading, images: dict[str, Dataset], segmentation: Dataset, masks: dict[str, NDArray[np.bool_]]
) -> None:
    image, mask = _fullest(images, masks)

    def agreement(picture: Picture) -> float:
        place = reading.onto_picture(image, np.asarray(mask.any(axis=2)), picture.shape)
        return float((coloured(picture) & place).sum() / (coloured(picture) | place).sum())

    reading.show(image.SeriesInstanceUID)
    reading.go_to(image.SOPInstanceUID)
    assert agreement(reading.picture()) < 0.01

    reading.show(segmentation.SeriesInstanceUID)
    assert reading.segments() == [one.SegmentLabel for one in segmentation.SegmentSequence]
    reading.go_to(image.SOPInstanceUID)
    picture = reading.await_picture(lambda seen: agreement(seen) > 0.95, "the segments over the image")
    for number, segment in enumerate(segmentation.SegmentSequence):
        place = reading.onto_picture(image, mask[:, :, number], picture.shape)
        assert _same_hue(picture[binary_erosion(place, iterations=4)], segment), segment.SegmentLabel
    reading.keep("ohif-segmentation")
    assert untolerated(reading.complaints, TOLERATED) == []


def test_the_impression_is_read_as_sentences_with_what_they_rest_on(reading: Reading, home: Trial, study: str) -> None:
    impression = next(one for one in _results(home, study) if "impression" in one.SeriesDescription)
    sentences = next(one for one in impression.ContentSequence if one.ConceptNameCodeSequence[0].CodeValue == "121072")
    shown = reading.read_document(impression.SeriesInstanceUID, sentences.ContentSequence[0].TextValue)
    assert "[F1]" in shown
    assert "AI generated, not verified" in shown
    reading.keep("ohif-impression")
    assert untolerated(reading.complaints, TOLERATED) == []


def test_an_image_without_a_segment_shows_none(
    reading: Reading, images: dict[str, Dataset], segmentation: Dataset, masks: dict[str, NDArray[np.bool_]]
) -> None:
    _, mask = _fullest(images, masks)
    bare = images[min(set(images) - set(masks))]
    reading.show(segmentation.SeriesInstanceUID)
    reading.go_to(bare.SOPInstanceUID)
    picture = reading.picture()
    assert not coloured(picture)[reading.onto_picture(bare, np.asarray(mask.any(axis=2)), picture.shape)].any()


def test_the_viewer_leads_from_place_to_place_of_the_report_and_draws_each_on_its_image_alone_with_its_figure(
    reading: Reading, images: dict[str, Dataset], report: Dataset
) -> None:
    groups = _groups(report)
    reading.show(report.SeriesInstanceUID)
    taken = reading.read_measurements(report.SeriesInstanceUID)
    assert taken == {_identifier(group): _region(group)[0] for group in groups}

    for number, group in enumerate(groups, 1):
        uid, outline = _region(group)
        reading.await_instance(uid)
        shown = partial(_drawn, reading, images[uid], outline)
        reading.await_picture(lambda seen, shown=shown: shown(seen) > 0.9, "the outline")  # type: ignore[misc]
        figure = group.get_measurements()[0]
        assert any(figure.name.meaning in line and f"{figure.value:.2f}" in line for line in reading.words())
        reading.keep(f"ohif-report-{number}")
        reading.next_place()

    elsewhere = min(set(images) - {_region(group)[0] for group in groups})
    reading.go_to(elsewhere)
    assert reading.words() == []
    assert _drawn(reading, images[elsewhere], _region(groups[0])[1], reading.picture()) < 0.1
    assert untolerated(reading.complaints, TOLERATED) == []


def _groups(report: Dataset) -> list[PlanarROIMeasurementsAndQualitativeEvaluations]:
    """The report's places, each with its outline, as highdicom's reader finds them."""
    return list(_read(report, srread).content.get_planar_roi_measurement_groups())


def _identifier(group: PlanarROIMeasurementsAndQualitativeEvaluations) -> str:
    return str(group.tracking_identifier)


def _region(group: PlanarROIMeasurementsAndQualitativeEvaluations) -> tuple[str, NDArray[np.float64]]:
    """SOP Instance UID of the image, and the outline on it: (n, 2), column and row, closed."""
    region = group.roi
    return str(region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID), np.array(region.value)


def _drawn(reading: Reading, image: Dataset, outline: NDArray[np.float64], picture: Picture) -> float:
    """The share of the outline along which something coloured is drawn. Lines are dashed, with gaps of a few pixels."""
    ends = reading.places(image, outline)
    lengths = np.linalg.norm(np.diff(ends, axis=0), axis=1)
    along = np.interp(np.arange(0, lengths.sum(), 2.0), np.r_[0, lengths.cumsum()], np.arange(len(ends)))
    x, y = (np.interp(along, np.arange(len(ends)), ends[:, axis]).astype(int) for axis in (0, 1))
    return float(binary_dilation(coloured(picture), iterations=4)[y, x].mean())


def _fullest(images: dict[str, Dataset], masks: dict[str, NDArray[np.bool_]]) -> tuple[Dataset, NDArray[np.bool_]]:
    """The image of which the segments take most, among those that every segment is on, and its mask."""
    shared = {uid: mask for uid, mask in masks.items() if mask.any(axis=(0, 1)).all()}
    uid = max(shared, key=lambda one: int(shared[one].sum()))
    return images[uid], shared[uid]


def _same_hue(pixels: NDArray[np.uint8], segment: Dataset) -> bool:
    """Whether the pixels lean to the colour that the segmentation recommends: the cosine of both without their grey."""
    recommended = np.array(CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue).to_rgb(), float)
    seen = pixels.astype(float).mean(axis=0)
    one, other = recommended - recommended.mean(), seen - seen.mean()
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other))) > 0.95
