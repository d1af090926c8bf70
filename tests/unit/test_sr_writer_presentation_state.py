import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from domain.errors import Retryable
from domain.findings import Findings, Region, Shape
from domain.profiles import GRAYSCALE_SOFTCOPY_PRESENTATION_STATE, ResultFormat, ResultKind
from sr_writer.presentation_states.rendering import renderings
from sr_writer.results import write
from sr_writer.source import Frame, Instance
from tests.support import phantoms
from tests.support.findings import LUNG, MOMENT, PNEUMONIA, classified, findings_on, likelihoods
from tests.support.phantoms import Phantom
from tests.support.radiographs import Radiograph
from tests.unit.test_pet_units import STORED, pet, suv

GSPS = ResultFormat(ResultKind.GSPS, GRAYSCALE_SOFTCOPY_PRESENTATION_STATE)
WARNING = "AI generated, not verified; demonstration model, not for clinical use"
SMALL = Phantom(slices=4, size=(64, 48))
BOX = Region("Right lung", LUNG, 1, Shape.BOX, ((30, 10), (8, 40)), 0.935)
CONTOUR = Region("Nodule", PNEUMONIA, 1, Shape.CONTOUR, ((5, 5), (12, 6), (8, 14)), colour=(255, 0, 0))
POINT = Region("Spot", PNEUMONIA, 2, Shape.POINT, ((3.5, 7.25),))
GRADIENT = np.linspace(0, 4000, 30 * 20).astype(np.uint16).reshape(30, 20)


def states(findings: Findings, paths: Sequence[Path]) -> list[Dataset]:
    return [pydicom.dcmread(io.BytesIO(one.part10)) for one in write(findings, None, paths, (), MOMENT, [GSPS])]


def state_of(datasets: Sequence[Dataset], folder: Path, *regions: Region) -> Dataset:
    paths = phantoms.write(datasets, folder)
    (state,) = states(replace(findings_on(paths), regions=regions), paths)
    return state


def texts(annotation: Dataset) -> list[str]:
    return [item.UnformattedTextValue for item in annotation.TextObjectSequence]


def uids(items: Sequence[Dataset]) -> list[str]:
    return [str(one.ReferencedSOPInstanceUID) for one in items]


def test_each_region_is_drawn_in_pixels_on_its_own_image_with_its_label(tmp_path: Path) -> None:
    datasets = SMALL.datasets()
    first, second = state_of(datasets, tmp_path, BOX, CONTOUR, POINT).GraphicAnnotationSequence
    assert uids(first.ReferencedImageSequence) == [datasets[1].SOPInstanceUID]
    assert uids(second.ReferencedImageSequence) == [datasets[2].SOPInstanceUID]
    box, contour = first.GraphicObjectSequence
    assert (box.GraphicType, box.GraphicAnnotationUnits, box.NumberOfGraphicPoints) == ("POLYLINE", "PIXEL", 5)
    assert box.GraphicData == [8, 10, 30, 10, 30, 40, 8, 40, 8, 10]
    assert contour.GraphicData == [5, 5, 12, 6, 8, 14, 5, 5]
    (point,) = second.GraphicObjectSequence
    assert (point.GraphicType, point.GraphicData) == ("POINT", [3.5, 7.25])
    assert texts(first) == [WARNING, "Right lung, score 94 %", "Nodule"]
    assert texts(second) == [WARNING, "Spot"]


def test_the_state_refers_to_the_images_that_it_says_something_of_alone(tmp_path: Path) -> None:
    datasets = SMALL.datasets()
    (series,) = state_of(datasets, tmp_path, BOX, POINT).ReferencedSeriesSequence
    assert series.SeriesInstanceUID == datasets[0].SeriesInstanceUID
    assert uids(series.ReferencedImageSequence) == [datasets[1].SOPInstanceUID, datasets[2].SOPInstanceUID]
    assert all("ReferencedFrameNumber" not in one for one in series.ReferencedImageSequence)


def test_frames_of_an_enhanced_image_are_named_by_number_in_one_item(tmp_path: Path) -> None:
    state = state_of([SMALL.enhanced()], tmp_path, BOX, POINT)
    (image,) = state.ReferencedSeriesSequence[0].ReferencedImageSequence
    assert list(image.ReferencedFrameNumber) == [2, 3]
    numbers = [one.ReferencedImageSequence[0].ReferencedFrameNumber for one in state.GraphicAnnotationSequence]
    assert numbers == [2, 3]
    assert (state.RescaleSlope, state.RescaleIntercept, state.RescaleType) == (1, -1024, "HU")
    assert state.DisplayedAreaSelectionSequence[0].PresentationPixelSpacing == [3, 3]


def test_what_is_not_verified_says_so_on_every_image_and_in_the_list_of_series(tmp_path: Path) -> None:
    state = state_of(SMALL.datasets(), tmp_path, BOX, POINT)
    assert all(WARNING in texts(one) for one in state.GraphicAnnotationSequence)
    assert state.SeriesDescription == "Lungs, overlay; AI, unverified, demo; ct_lung"
    assert (state.ContentLabel, state.ContentCreatorName) == ("AI_FINDINGS", "")
    assert state.ContentDescription == "AI demo, unverified, not for clinical use"
    assert (state.PresentationCreationDate, state.PresentationCreationTime) == ("20260102", "030405")


def test_one_layer_for_everything_has_a_grey_and_a_colour_and_each_line_its_own_colour(tmp_path: Path) -> None:
    state = state_of(SMALL.datasets(), tmp_path, BOX, CONTOUR)
    (layer,) = state.GraphicLayerSequence
    assert {one.GraphicLayer for one in state.GraphicAnnotationSequence} == {layer.GraphicLayer} == {"AI"}
    assert layer.GraphicLayerRecommendedDisplayGrayscaleValue > 0x8000
    assert len(layer.GraphicLayerRecommendedDisplayCIELabValue) == 3
    box, contour = state.GraphicAnnotationSequence[0].GraphicObjectSequence
    styles = [tuple(one.LineStyleSequence[0].PatternOnColorCIELabValue) for one in (box, contour)]
    assert styles[0] != styles[1]


def test_labels_stay_in_the_image_and_clear_of_each_other(tmp_path: Path) -> None:
    corners = [((0.0, 0.0), (9.0, 9.0)), ((0.0, 0.0), (48.0, 64.0)), ((40.0, 60.0), (48.0, 64.0))]
    regions = [Region(f"Region {n}", LUNG, 0, Shape.BOX, points) for n, points in enumerate(corners * 4)]
    (annotation,) = state_of(SMALL.datasets(), tmp_path, *regions).GraphicAnnotationSequence
    boxes = [
        (*one.BoundingBoxTopLeftHandCorner, *one.BoundingBoxBottomRightHandCorner)
        for one in annotation.TextObjectSequence
        if one.BoundingBoxAnnotationUnits == "PIXEL"
    ]
    assert len(boxes) == 12
    assert all(0 <= left < right <= 48 and 0 <= top < bottom <= 64 for left, top, right, bottom in boxes)
    assert len(set(boxes[:8:3])) == 3, "regions with one corner have their labels below each other"


def test_what_float_numbers_make_of_the_edge_lies_in_the_image(tmp_path: Path) -> None:
    whole = Region("All", LUNG, 0, Shape.CONTOUR, ((0, 0), (48, 0), (48, 64), (0, 64)))
    (annotation,) = state_of(SMALL.datasets(), tmp_path, whole).GraphicAnnotationSequence
    points = np.array(annotation.GraphicObjectSequence[0].GraphicData).reshape(-1, 2)
    assert points.min() == 0
    assert points.max(axis=0).tolist() == [48, 64]


def test_an_outline_of_more_points_than_fit_is_thinned(tmp_path: Path) -> None:
    angles = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    circle = tuple((24 + 20 * float(np.cos(one)), 32 + 20 * float(np.sin(one))) for one in angles)
    (annotation,) = state_of(
        SMALL.datasets(), tmp_path, Region("Circle", LUNG, 0, Shape.CONTOUR, circle)
    ).GraphicAnnotationSequence
    (graphic,) = annotation.GraphicObjectSequence
    points = np.array(graphic.GraphicData).reshape(-1, 2)
    assert graphic.NumberOfGraphicPoints == len(points) < 8191
    assert np.abs(np.hypot(*(points - (24, 32)).T) - 20).max() < 0.5


def test_each_image_keeps_the_first_window_of_its_own(tmp_path: Path) -> None:
    datasets = SMALL.datasets()
    for dataset, window in zip(datasets, ([-600, 1500], [-600, 1500], [40, 400]), strict=False):
        dataset.WindowCenter, dataset.WindowWidth = [window[0], 99], [window[1], 9]
    regions = [replace(POINT, frame=index) for index in range(4)]
    lung, tissue, _ = state_of(datasets, tmp_path, *regions).SoftcopyVOILUTSequence
    assert (lung.WindowCenter, lung.WindowWidth) == (-600, 1500)
    assert uids(lung.ReferencedImageSequence) == [datasets[0].SOPInstanceUID, datasets[1].SOPInstanceUID]
    assert (tissue.WindowCenter, tissue.WindowWidth) == (40, 400)
    assert uids(tissue.ReferencedImageSequence) == [datasets[2].SOPInstanceUID]


def test_a_window_of_all_images_names_none_of_them(tmp_path: Path) -> None:
    datasets = SMALL.datasets()
    for dataset in datasets:
        dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = 40, 400, "SIGMOID"
    (window,) = state_of(datasets, tmp_path, BOX, POINT).SoftcopyVOILUTSequence
    assert (window.WindowCenter, window.VOILUTFunction) == (40, "SIGMOID")
    assert "ReferencedImageSequence" not in window


def test_images_that_state_no_window_are_shown_in_that_of_the_pages_and_never_over_their_whole_range(
    tmp_path: Path,
) -> None:
    datasets = SMALL.datasets()
    (lung,) = state_of(datasets, tmp_path / "none", BOX, POINT).SoftcopyVOILUTSequence
    assert (lung.WindowCenter, lung.WindowWidth) == (-600, 1500)

    datasets[1].WindowCenter, datasets[1].WindowWidth = 40, 400
    own, found = state_of(datasets, tmp_path / "one", BOX, POINT).SoftcopyVOILUTSequence
    assert (own.WindowCenter, own.WindowWidth) == (40, 400)
    assert uids(found.ReferencedImageSequence) == [datasets[2].SOPInstanceUID]


def test_a_pet_without_a_window_is_shown_in_that_of_the_pages_in_its_own_units(tmp_path: Path) -> None:
    paths = pet(tmp_path)
    (state,) = states(replace(findings_on(paths), regions=(POINT,)), paths)
    (window,) = state.SoftcopyVOILUTSequence
    # SUV 0 to 5; 2 x STORED of its values are suv(1).
    assert window.WindowWidth == pytest.approx(5 * 2 * STORED / suv(1), rel=1e-5)
    assert window.WindowCenter == pytest.approx(2.5 * 2 * STORED / suv(1), rel=1e-5)


def test_a_radiograph_without_a_window_is_shown_from_its_darkest_to_its_brightest_part(tmp_path: Path) -> None:
    state = state_of([Radiograph(GRADIENT).dataset()], tmp_path, replace(POINT, frame=0))
    (window,) = state.SoftcopyVOILUTSequence
    assert 1900 < window.WindowCenter < 2100
    assert 3500 < window.WindowWidth <= 4000


def test_a_frame_of_an_enhanced_image_keeps_the_window_of_its_functional_groups(tmp_path: Path) -> None:
    dataset = SMALL.enhanced()
    shared, own = Dataset(), Dataset()
    shared.WindowCenter, shared.WindowWidth = -600, 1500
    own.WindowCenter, own.WindowWidth, own.VOILUTFunction = 40, 400, "LINEAR_EXACT"
    dataset.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence[2].FrameVOILUTSequence = [own]
    lung, tissue = state_of([dataset], tmp_path, BOX, POINT).SoftcopyVOILUTSequence
    assert (lung.WindowCenter, lung.ReferencedImageSequence[0].ReferencedFrameNumber) == (-600, 2)
    assert (tissue.WindowCenter, tissue.ReferencedImageSequence[0].ReferencedFrameNumber) == (40, 3)
    assert (lung.get("VOILUTFunction"), tissue.VOILUTFunction) == (None, "LINEAR_EXACT")


@pytest.mark.parametrize(("centre", "width"), [(None, 400), (40, None), (40, 0), (40, -400)])
def test_a_window_that_is_none_is_not_taken_over(centre: int | None, width: int | None, tmp_path: Path) -> None:
    datasets = SMALL.datasets()
    for dataset in datasets:
        dataset.WindowCenter, dataset.WindowWidth = centre, width
    (window,) = state_of(datasets, tmp_path, BOX).SoftcopyVOILUTSequence
    assert (window.WindowCenter, window.WindowWidth) == (-600, 1500)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_table_is_taken_over_where_there_is_no_window(syntax: str, tmp_path: Path) -> None:
    words = np.arange(0, 65536, 16, dtype="<u2")
    dataset = Radiograph(GRADIENT, modality="DX").dataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4096, 0, 16])
    table.LUTExplanation = "Täfelchen"
    table.add_new("LUTData", "OW", words.astype(">u2" if syntax == ExplicitVRBigEndian else "<u2").tobytes())
    dataset.VOILUTSequence = [table]
    dataset.PixelData = b"\0" * len(dataset.PixelData)
    state = state_of([dataset], tmp_path, replace(POINT, frame=0))
    (copy,) = state.SoftcopyVOILUTSequence[0].VOILUTSequence
    assert list(copy.LUTDescriptor) == [4096, 0, 16]
    assert copy.LUTData == words.tobytes()
    assert "LUTExplanation" not in copy


def test_a_table_of_the_modality_is_taken_over_where_there_is_no_rescale(tmp_path: Path) -> None:
    dataset = Radiograph(GRADIENT).dataset()
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [256, 0, 16])
    table.ModalityLUTType = "OD"
    table.add_new("LUTData", "US", list(range(256)))
    dataset.ModalityLUTSequence = [table]
    (copy,) = state_of([dataset], tmp_path, replace(POINT, frame=0)).ModalityLUTSequence
    assert (list(copy.LUTDescriptor), copy.ModalityLUTType) == ([256, 0, 16], "US")
    assert np.frombuffer(copy.LUTData, "<u2").tolist() == list(range(256))


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")])
def test_what_is_stored_inverted_is_shown_as_it_was_meant(photometric: str, shape: str, tmp_path: Path) -> None:
    dataset = Radiograph(GRADIENT, photometric=photometric).dataset()
    assert state_of([dataset], tmp_path, replace(POINT, frame=0)).PresentationLUTShape == shape


def test_images_of_another_polarity_or_rescale_have_a_state_of_their_own_in_the_same_series(tmp_path: Path) -> None:
    datasets = [
        Radiograph(GRADIENT, number=number, photometric=photometric).dataset()
        for number, photometric in enumerate(("MONOCHROME2", "MONOCHROME1", "MONOCHROME2"), 1)
    ]
    datasets[2].RescaleSlope, datasets[2].RescaleIntercept = 2, 0
    paths = phantoms.write(datasets, tmp_path)
    regions = tuple(replace(POINT, frame=index) for index in range(3))
    found = states(replace(findings_on(paths), regions=regions), paths)
    assert [one.PresentationLUTShape for one in found] == ["IDENTITY", "INVERSE", "IDENTITY"]
    assert [one.get("RescaleSlope") for one in found] == [None, None, 2]
    assert len({one.SeriesInstanceUID for one in found}) == 1
    assert [one.InstanceNumber for one in found] == [1, 2, 3]
    assert len({one.SOPInstanceUID for one in found}) == 3


def test_images_of_different_sizes_are_each_shown_whole(tmp_path: Path) -> None:
    datasets = [
        Radiograph(GRADIENT, number=1, spacing=(0.2, 0.1)).dataset(),
        Radiograph(GRADIENT[:10], number=2, spacing=None).dataset(),
    ]
    regions = [replace(POINT, frame=index) for index in range(2)]
    tall, small = state_of(datasets, tmp_path, *regions).DisplayedAreaSelectionSequence
    assert (tall.DisplayedAreaTopLeftHandCorner, tall.DisplayedAreaBottomRightHandCorner) == ([1, 1], [20, 30])
    assert small.DisplayedAreaBottomRightHandCorner == [20, 10]
    assert uids(tall.ReferencedImageSequence) == [datasets[0].SOPInstanceUID]
    assert uids(small.ReferencedImageSequence) == [datasets[1].SOPInstanceUID]
    assert {tall.PresentationSizeMode, small.PresentationSizeMode} == {"SCALE TO FIT"}
    assert list(tall.PresentationPixelAspectRatio) == [2000, 1000]
    assert list(small.PresentationPixelAspectRatio) == [1, 1]


def test_what_a_classifier_reports_stands_on_its_image_the_likeliest_first(tmp_path: Path) -> None:
    paths = phantoms.write([Radiograph(GRADIENT, number=number).dataset() for number in (1, 2)], tmp_path)
    likely = tuple(replace(one, probability=0.6 + 0.1 * n, frame=0) for n, one in enumerate(likelihoods() * 2))
    (state,) = states(replace(classified(paths), likelihoods=likely), paths)
    (annotation,) = state.GraphicAnnotationSequence
    lines = "Cardiomegaly, score 90 %\r\nPneumonia, score 80 %\r\nCardiomegaly, score 70 %\r\nPneumonia, score 60 %"
    assert texts(annotation) == [lines, WARNING]
    assert "GraphicObjectSequence" not in annotation
    assert annotation.TextObjectSequence[0].BoundingBoxAnnotationUnits == "DISPLAY"


def test_more_findings_than_fit_are_counted(tmp_path: Path) -> None:
    paths = phantoms.write([Radiograph(GRADIENT).dataset()], tmp_path)
    likely = likelihoods()[:1] * 20
    (state,) = states(replace(classified(paths), likelihoods=likely), paths)
    lines = texts(state.GraphicAnnotationSequence[0])[0].split("\r\n")
    assert (len(lines), lines[-1]) == (12, "and 9 more")
    block = state.GraphicAnnotationSequence[0].TextObjectSequence[0]
    assert 0 < block.BoundingBoxTopLeftHandCorner[1] < block.BoundingBoxBottomRightHandCorner[1] < 1


def test_a_finding_of_the_whole_input_stands_on_radiographs_and_not_on_slices(tmp_path: Path) -> None:
    radiographs = phantoms.write([Radiograph(GRADIENT).dataset()], tmp_path / "radiographs")
    slices = phantoms.write(SMALL.datasets(), tmp_path / "slices")
    (state,) = states(replace(classified(radiographs), likelihoods=likelihoods()), radiographs)
    assert texts(state.GraphicAnnotationSequence[0])[0] == "Pneumonia, score 96 %"
    assert states(replace(classified(slices), likelihoods=likelihoods()), slices) == []


def test_an_image_that_the_model_names_is_called_a_key_image(tmp_path: Path) -> None:
    paths = phantoms.write(SMALL.datasets(), tmp_path)
    (state,) = states(replace(findings_on(paths), key_frames=(3,)), paths)
    (annotation,) = state.GraphicAnnotationSequence
    assert texts(annotation) == ["Key image: image 4, table position 7.5 mm", WARNING]


def test_where_there_is_nothing_to_say_there_is_no_state(tmp_path: Path) -> None:
    paths = phantoms.write(SMALL.datasets(), tmp_path)
    unlikely = tuple(replace(one, probability=0.01) for one in likelihoods(0))
    assert states(findings_on(paths), paths) == []
    assert states(replace(findings_on(paths), likelihoods=unlikely), paths) == []


def test_an_image_in_colour_is_left_out(tmp_path: Path) -> None:
    dataset = Radiograph(GRADIENT).dataset()
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "RGB", 3
    paths = phantoms.write([dataset], tmp_path)
    assert states(replace(findings_on(paths), regions=(replace(POINT, frame=0),)), paths) == []


def test_the_same_findings_give_the_same_bytes(tmp_path: Path) -> None:
    paths = phantoms.write(SMALL.datasets(), tmp_path)
    findings = replace(findings_on(paths), regions=(BOX, POINT))
    first, second = (write(findings, None, files, (), MOMENT, [GSPS]) for files in (paths, paths[::-1]))
    assert first == second


def test_a_source_file_that_is_gone_is_tried_again(tmp_path: Path) -> None:
    gone = Instance(tmp_path / "gone.dcm", "1.1", "CR", "1.2", "1.3", False, 4, 4, None)
    with pytest.raises(Retryable, match="cannot be opened"):
        renderings([Frame(gone, 1)])
