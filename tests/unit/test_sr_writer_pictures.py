"""A key picture shows what was found where it was found, says that no person has looked, and names nobody."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from domain.findings import Code, Map, Measurement, Region, Shape
from sr_writer.codes import sentences
from sr_writer.codes.wording import warning
from sr_writer.content import Content
from sr_writer.pages.captions import block
from sr_writer.pages.drawing import AMBER, BACKGROUND, font
from sr_writer.pages.hanging import Edges, turned, turned_edges
from sr_writer.pages.pictures import BARE, MOST, View, caption, picture, shown_letters, views, without_picture
from sr_writer.pages.pixels import display
from tests.support import phantoms
from tests.support.contents import NODULE, box, content_of, images, ramp, slices
from tests.support.findings import RIGHT_LUNG, findings_on, likelihoods
from tests.support.phantoms import Phantom
from tests.support.radiographs import Radiograph
from tests.support.result_cases import Run
from tests.unit.test_pet_units import STORED, pet, suv

GREEN = (0, 255, 0)


def drawn(content: Content, frame: int = 0, on: int | None = None) -> NDArray[np.uint8]:
    return np.asarray(picture(content, View(frame, "why", on), 400, 400))


def near(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Which pixels have a colour, about."""
    return np.asarray((np.abs(pixels.astype(int) - colour) < 40).all(axis=-1))


def extent(marked: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is marked."""
    rows, columns = np.nonzero(marked)
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def lines(marked: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The extent of the long lines of what is marked: not of a letter beside it."""
    rows, columns = marked.sum(axis=1), marked.sum(axis=0)
    down, across = np.flatnonzero(columns > 0.5 * columns.max()), np.flatnonzero(rows > 0.5 * rows.max())
    return int(down.min()), int(across.min()), int(down.max()), int(across.max())


def masked(folder: Path, mask: NDArray[np.uint8]) -> Content:
    count, rows, columns = mask.shape
    paths = phantoms.write(Phantom(slices=count, size=(rows, columns)).datasets(), folder)
    return content_of(Run(findings_on(paths, mask), mask, paths))


def mapped(folder: Path, values: NDArray[np.float32], frames: tuple[int, ...] = (0,), count: int = 1) -> Content:
    content = slices(folder, count, size=(16, 16))
    depth, rows, columns = values.shape
    one = Map("Pneumonia", "class activation map", "m", "0" * 64, (depth, rows, columns), frames)
    return replace(content, findings=replace(content.findings, maps=(one,)), maps=(values,))


def test_an_image_has_square_pixels_and_as_much_room_as_there_is(tmp_path: Path) -> None:
    content = slices(tmp_path, 1, size=(20, 20), spacing=(5.0, 2.0, 1.0))
    pixels = drawn(content)
    assert pixels.shape[1:] == (400, 3)
    assert extent(np.asarray(pixels[:400].any(axis=-1)))[::2] == (100, 299)
    wide = slices(tmp_path / "wide", 1, size=(20, 20), spacing=(5.0, 1.0, 2.0))
    assert drawn(wide).shape[0] - 200 == pixels.shape[0] - 400


def test_a_box_lies_where_it_was_found(tmp_path: Path) -> None:
    content = images(
        [Radiograph(np.full((40, 40), 9, np.uint16)).dataset()], tmp_path, regions=(box(0, 10, 20, 30, 35),)
    )
    left, top, right, bottom = lines(near(drawn(content)[:400], GREEN))
    # Around it, so that nothing of it is covered.
    assert (left, right) == pytest.approx((94, 306), abs=2)
    assert (top, bottom) == pytest.approx((194, 356), abs=2)


@pytest.mark.parametrize("corners", [(0, 0, 40, 40), (0, 10, 15, 25), (25, 0, 40, 12), (30, 30, 40, 40)])
def test_a_box_that_reaches_the_edge_of_the_image_is_seen_on_all_four_sides(
    corners: tuple[int, int, int, int], tmp_path: Path
) -> None:
    content = images([Radiograph(np.full((40, 40), 9, np.uint16)).dataset()], tmp_path, regions=(box(0, *corners),))
    found = near(drawn(content)[:400], GREEN)
    left, top, right, bottom = lines(found)
    assert (left, top, right, bottom) == pytest.approx([10 * one for one in corners], abs=12)
    assert 0 < left < right < 399
    assert 0 < top < bottom < 399


def test_a_lesion_of_a_few_pixels_is_not_covered_by_the_box_around_it(tmp_path: Path) -> None:
    content = images(
        [Radiograph(np.full((200, 200), 9, np.uint16)).dataset()], tmp_path, regions=(box(0, 100, 100, 103, 103),)
    )
    lesion = drawn(content)[200:206, 200:206].astype(int)
    assert lesion.max() - lesion.min(axis=-1).max() < 25


@pytest.mark.parametrize("shape", [Shape.POINT, Shape.CONTOUR])
def test_points_and_outlines_lie_where_they_were_found(shape: Shape, tmp_path: Path) -> None:
    points = ((20.0, 10.0),) if shape is Shape.POINT else ((10.0, 10.0), (30.0, 10.0), (20.0, 30.0))
    region = Region("", NODULE, 0, shape, points, colour=GREEN)
    content = images([Radiograph(np.full((40, 40), 9, np.uint16)).dataset()], tmp_path, regions=(region,))
    found = near(drawn(content)[:400], GREEN)
    for x, y in ((189, 100), (211, 100), (200, 89), (200, 111)) if shape is Shape.POINT else ((150, 200), (200, 100)):
        assert found[y - 3 : y + 3, x - 3 : x + 3].any()
    assert extent(found)[2:] == pytest.approx((216, 116) if shape is Shape.POINT else (300, 300), abs=4)


def test_a_region_stands_on_its_own_image_alone(tmp_path: Path) -> None:
    content = slices(tmp_path, 2, size=(16, 16))
    content = replace(content, findings=replace(content.findings, regions=(box(1, 4, 4, 12, 12),)))
    assert not near(drawn(content, 0), GREEN).any()
    assert near(drawn(content, 1), GREEN).any()


def test_a_segment_is_outlined_and_what_lies_in_it_is_left_to_be_judged(tmp_path: Path) -> None:
    mask = np.zeros((2, 40, 40), np.uint8)
    mask[0, 10:30, 18:34] = 1
    content = masked(tmp_path, mask)
    pixels, second = drawn(content, 0)[:400].astype(int), drawn(content, 1)[:400].astype(int)
    coloured = pixels.max(axis=-1) - pixels.min(axis=-1) > 25
    found = lines(near(drawn(content, 0)[:400], RIGHT_LUNG.colour))
    assert found == pytest.approx((180, 100, 340, 300), abs=3)
    assert not coloured[108:292, 188:332].any()
    assert not (second.max(axis=-1) - second.min(axis=-1) > 25).any()


def test_a_lesion_of_a_few_pixels_is_not_covered_by_its_own_outline(tmp_path: Path) -> None:
    mask = np.zeros((1, 200, 200), np.uint8)
    mask[0, 100:102, 100:102] = 1
    lesion = drawn(masked(tmp_path, mask))[200:204, 200:204].astype(int)
    assert lesion.max() - lesion.min(axis=-1).max() < 25


@pytest.mark.parametrize("colour", [(12, 48, 255), (0, 118, 14), (120, 18, 134), (0, 0, 0), (40, 20, 10)])
def test_a_letter_of_a_dark_colour_can_be_read_below_the_picture_as_in_it(
    colour: tuple[int, int, int], tmp_path: Path
) -> None:
    mask = np.zeros((1, 40, 40), np.uint8)
    mask[0, 10:30, 18:34] = 1
    content = masked(tmp_path, mask)
    dark = replace(content.findings.segments[0], colour=colour)
    content = replace(content, findings=replace(content.findings, segments=(dark, *content.findings.segments[1:])))
    (mark,) = shown_letters(content, View(0, ""))
    said = np.asarray(block(content, View(0, ""), [mark], 400)).astype(int)
    letter = said[8 : 8 + 17, 8 : 8 + round(font(13).getlength("A"))]
    # 4.5 to 1 beside the page, as WCAG 2.2 (1.4.3) asks of text.
    assert (luminance(letter.reshape(-1, 3)).max() + 0.05) / (luminance(np.array(BACKGROUND)) + 0.05) >= 4.5


def luminance(colours: np.ndarray) -> np.ndarray:
    """Relative luminance of sRGB (WCAG 2.2)."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ (0.2126, 0.7152, 0.0722))


def test_a_letter_stands_beside_what_it_names_and_never_on_what_is_marked(tmp_path: Path) -> None:
    mask = np.zeros((1, 100, 100), np.uint8)
    mask[0, 30:70, 20:48], mask[0, 30:70, 52:80] = 1, 2
    content = masked(tmp_path, mask)
    pixels = drawn(content)[:400].astype(int)
    inside = np.kron(mask[0] > 0, np.ones((4, 4))).astype(bool)
    coloured = pixels.max(axis=-1) - pixels.min(axis=-1) > 25
    # The outline of one may run along the edge of the other; nothing else is on either.
    assert coloured[inside].mean() < 0.02
    assert [(one.letter, one.label) for one in shown_letters(content, View(0, "why"))] == [
        ("A", "Right lung"), ("B", "Left lung")
    ]  # fmt: skip


def test_where_an_image_is_and_how_it_is_shown_stand_in_its_corners(tmp_path: Path) -> None:
    def corners(content: Content) -> list[NDArray[np.bool_]]:
        pixels = near(drawn(content)[:400], (236, 238, 240))
        return [pixels[:60, :150], pixels[-30:, :150], pixels[-40:, -150:]]

    dark = Phantom(slices=2, size=(64, 64), body=lambda points: np.full(points.shape[:-1], -1000, np.int16))
    assert [one.any() for one in corners(images(dark.datasets(), tmp_path / "1"))] == [True] * 3
    bare = Radiograph(np.zeros((64, 64), np.uint16), spacing=None).dataset()
    assert [one.any() for one in corners(images([bare], tmp_path / "2"))] == [False, True, False]


def test_a_film_is_shown_as_it_is_before_anything_lies_over_it(tmp_path: Path) -> None:
    content = images([Radiograph(ramp()).dataset()], tmp_path, likelihoods=likelihoods(0))
    maps = tuple(Map(label, "occlusion", "m", "0" * 64, (1, 64, 64), (0,)) for label in ("Pneumonia", "Cardiomegaly"))
    findings = replace(content.findings, maps=maps, key_frames=(0,))
    content = replace(
        content_of(Run(findings, None, [content.source.instances[0].file])),
        maps=(np.ones((1, 64, 64), np.float32),) * 2,
    )
    shown = views(content)
    assert shown == (View(0, BARE, bare=True), View(0, "Pneumonia", 0), View(0, "Cardiomegaly", 1))
    assert caption(content, shown[0]) == ("The image as it was read",)
    first, second = caption(content, shown[1])
    assert first == "Pneumonia: score 96 %, reported (from 50 % on)"
    assert "relative" in second


def test_a_film_that_is_stored_mirrored_hangs_as_any_other_with_what_is_marked_on_it(tmp_path: Path) -> None:
    dataset = Radiograph(ramp()).dataset()
    dataset.PatientOrientation = ["R", "F"]
    mirrored = images([dataset], tmp_path / "1", regions=(box(0, 8, 32, 24, 56),))
    dataset = Radiograph(ramp()[:, ::-1].copy()).dataset()
    dataset.PatientOrientation = ["L", "F"]
    usual = images([dataset], tmp_path / "2", regions=(box(0, 40, 32, 56, 56),))
    one, other = drawn(mirrored)[:400], drawn(usual)[:400]
    assert lines(near(one, GREEN)) == pytest.approx(lines(near(other, GREEN)), abs=2)
    assert (one != other).any(axis=-1).mean() < 0.02, "a line is a pixel beside the other, and nothing else"


def test_a_patient_who_lies_prone_is_shown_with_the_front_above(tmp_path: Path) -> None:
    content = slices(tmp_path, 1, size=(16, 16), orientation=(-1, 0, 0, 0, -1, 0))
    shown = display(content.frame(0))
    assert shown.edges == ("L", "R", "P", "A")
    assert turned_edges(shown.edges) == ("R", "L", "A", "P")
    assert np.array_equal(turned(shown.pixels, shown.edges), shown.pixels[::-1, ::-1])


@pytest.mark.parametrize("edges", [("R", "L", "A", "P"), ("A", "P", "H", "F"), ("P", "A", "H", "F"), ("", "", "", "")])
def test_what_hangs_right_or_either_way_stays_as_it_is_stored(edges: Edges) -> None:
    assert turned_edges(edges) == edges


def test_all_pictures_of_a_series_share_a_window_so_that_a_faint_image_looks_faint(tmp_path: Path) -> None:
    bright, faint = Radiograph(ramp(high=1000)), Radiograph(ramp(high=100))
    datasets = Phantom(slices=2, size=(64, 64)).datasets()
    for dataset, one in zip(datasets, (bright, faint), strict=True):
        dataset.Modality, dataset.PixelData = "MR", one.dataset().PixelData
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.PixelRepresentation = "1", "0", 0
        dataset.pop("WindowCenter", None), dataset.pop("WindowWidth", None)
    content = images(datasets, tmp_path)
    assert drawn(content, 0)[200:380, 396].min() > 200
    assert drawn(content, 1)[200:380, 396].max() < 60


def test_a_pet_is_shown_in_the_units_of_its_findings(tmp_path: Path) -> None:
    paths = pet(tmp_path)
    content = content_of(Run(findings_on(paths), None, paths))
    found = content.window_of(content.source)
    assert found is not None
    assert (found.window, found.inverse, found.said) == ((2.5, 5.0), True, "SUVbw 0 to 5")
    assert {round(found.factor(one) * 2 * STORED, 6) for one in content.source.frames} == {round(suv(1), 6)}


def test_a_pet_that_does_not_say_enough_for_suv_is_shown_all_the_same(tmp_path: Path) -> None:
    paths = pet(tmp_path, PatientWeight=None)
    content = content_of(Run(findings_on(paths), None, paths))
    found = content.window_of(content.source)
    assert found is not None
    assert (found.inverse, found.said, found.factors) == (True, "", {})
    assert drawn(content).shape[1:] == (400, 3)


def test_no_name_is_cut(tmp_path: Path) -> None:
    label = "Necrotic and non-enhancing core of a lesion with a name that no line of a picture has room for " * 2
    content = images(
        [Radiograph(ramp()).dataset()], tmp_path / "1", regions=(replace(box(0, 2, 2, 8, 9), label=label),)
    )
    short = images([Radiograph(ramp()).dataset()], tmp_path / "2", regions=(box(0, 2, 2, 8, 9),))
    assert drawn(content).shape[0] >= drawn(short).shape[0] + 2 * 17


def test_a_map_colours_what_the_model_looked_at_and_nothing_else(tmp_path: Path) -> None:
    values = np.zeros((1, 8, 8), np.float32)
    values[0, 2, 5] = 1
    content = mapped(tmp_path, values)
    plain, seen = drawn(content)[:400].astype(int), drawn(content, on=0)[:400].astype(int)
    warm = seen[..., 0] - seen[..., 2] > 60
    left, top, right, bottom = extent(warm)
    assert (left + right) / 2 == pytest.approx(275, abs=12)
    assert (top + bottom) / 2 == pytest.approx(125, abs=12)
    np.testing.assert_array_equal(seen[:, :150], plain[:, :150])


def test_a_map_says_what_its_colours_mean(tmp_path: Path) -> None:
    content = mapped(tmp_path, np.ones((1, 4, 4), np.float32))
    scale, bare = (one[410:, :].astype(int) for one in (drawn(content, on=0), drawn(content)))
    assert (scale[..., 0] - scale[..., 2] > 100).any()
    assert (scale[..., 2] - scale[..., 1] > 60).any()
    assert not (bare[..., 2] - bare[..., 1] > 60).any()


def test_a_map_that_is_not_a_number_somewhere_is_drawn(tmp_path: Path) -> None:
    values = np.full((1, 4, 4), np.nan, np.float32)
    content = mapped(tmp_path, values)
    np.testing.assert_array_equal(drawn(content, on=0)[:400], drawn(content)[:400])


def test_every_picture_bears_the_words_of_every_result(tmp_path: Path) -> None:
    content = slices(tmp_path, 1, size=(16, 16))
    words = drawn(content)[400:]
    assert near(words, AMBER).sum() > 500
    unmarked = replace(
        content, findings=replace(content.findings, model=replace(content.findings.model, demonstration=False))
    )
    assert warning(unmarked.findings.model) != warning(content.findings.model)
    assert not np.array_equal(drawn(unmarked)[400:], words)


def test_no_pixel_depends_on_who_the_patient_is(tmp_path: Path) -> None:
    other = {"patient_name": "Somebody^Else", "patient_id": "X-77", "birth_date": "19991231", "accession_number": "A"}
    one, two = slices(tmp_path / "1", 2, size=(16, 16)), slices(tmp_path / "2", 2, size=(16, 16), **other)
    np.testing.assert_array_equal(drawn(one), drawn(two))


def test_the_same_image_gives_the_same_picture(tmp_path: Path) -> None:
    content = mapped(tmp_path, np.ones((1, 4, 4), np.float32))
    np.testing.assert_array_equal(drawn(content, on=0), drawn(content, on=0))


@pytest.mark.parametrize("wrong", ["burned in", "damaged"])
def test_an_image_that_cannot_be_shown_leaves_its_words(wrong: str, tmp_path: Path) -> None:
    dataset = Radiograph(ramp()).dataset()
    if wrong == "burned in":
        dataset.BurnedInAnnotation = "YES"
    else:
        dataset.PixelData = dataset.PixelData[:100]
    content = images([dataset], tmp_path, regions=(box(0, 1, 1, 9, 9),))
    pixels = drawn(content)
    assert not near(pixels[:200], GREEN).any()
    assert near(pixels[:200], (236, 238, 240)).any()
    assert near(pixels[200:], AMBER).any()


def test_long_and_many_names_stay_inside_the_picture(tmp_path: Path) -> None:
    names = [replace(box(0, 2, 2 + k, 8, 9), label=f"{'a very long name ' * 9}{k}") for k in range(40)]
    content = images([Radiograph(ramp()).dataset()], tmp_path, regions=tuple(names))
    assert drawn(content).shape[1:] == (400, 3)
    assert [one.letter for one in shown_letters(content, View(0, "why"))][25:28] == ["Z", "AA", "AB"]


def test_a_view_for_each_key_image_and_each_map_on_it(tmp_path: Path) -> None:
    content = mapped(tmp_path, np.ones((1, 4, 4), np.float32), frames=(1,), count=4)
    findings = replace(content.findings, regions=(box(1, 1, 1, 5, 5, 0.9), box(3, 1, 1, 5, 5, 0.2)))
    content = replace(
        content_of(Run(findings, None, [one.file for one in content.source.instances])), maps=content.maps
    )
    assert views(content) == (View(1, "Nodule"), View(1, "Pneumonia", 0), View(3, "Nodule"))


def test_pictures_follow_the_table_of_findings_so_that_the_first_finding_has_the_first(tmp_path: Path) -> None:
    regions = tuple(replace(box(11 - k, 1, 1, 5, 5, 1.0), label=f"Nodule {k + 1}") for k in range(12))
    content = images(Phantom(slices=12, size=(16, 16)).datasets(), tmp_path, regions=regions, key_frames=(2,))
    shown = views(content)
    assert [view.frame for view in shown] == [2, 11, 10, 9, 8, 7]
    assert [view.why for view in shown[:3]] == ["named by the model, Nodule 10", "Nodule 1", "Nodule 2"]
    assert len(shown) == MOST
    assert without_picture(content) == "6 of 12 places have no picture here; the table names their images."


SEGMENTS = tuple(
    replace(RIGHT_LUNG, number=k, label=f"Part {k}", type=Code(str(k), "99X", f"Part {k}")) for k in range(1, 10)
)


def spread(folder: Path, middles: Sequence[int], slices_: int) -> Content:
    """A column for each segment, that tapers off to both sides of the slice where it is largest."""
    mask = np.zeros((slices_, 64, 64), np.uint8)
    for number, middle in enumerate(middles, 1):
        for k in range(slices_):
            mask[k, : max(0, 40 - 4 * abs(k - middle)), 6 * number : 6 * number + 4] = number
    paths = phantoms.write(Phantom(slices=slices_, size=(64, 64)).datasets(), folder)
    return content_of(Run(findings_on(paths, mask, SEGMENTS[: len(middles)]), mask, paths))


def test_a_few_images_together_show_each_segment_near_its_largest_area(tmp_path: Path) -> None:
    content = spread(tmp_path, (20, 3, 19, 4, 18, 5, 12), 24)
    assert [(view.frame, view.why) for view in views(content)] == [
        (4, "Part 2, Part 4, Part 6"), (12, "Part 7"), (19, "Part 1, Part 3, Part 5")
    ]  # fmt: skip
    assert without_picture(content) == ""


def test_segments_that_no_picture_shows_are_counted(tmp_path: Path) -> None:
    content = spread(tmp_path, tuple(range(2, 60, 8)), 60)
    assert len(views(content)) == MOST
    assert without_picture(content) == "2 of 8 segments have no picture here; the segmentation shows them."


def test_a_segment_is_shown_on_the_image_that_its_axes_are_told_for(tmp_path: Path) -> None:
    content = spread(tmp_path, (4, 2), 10)
    axis = Measurement(Code("103339001", "SCT", "Long Axis"), 9.0, Code("mm", "UCUM", "millimeter"), frame=7)
    first, second = content.findings.segments
    findings = replace(content.findings, segments=(replace(first, measurements=(axis,)), second))
    assert [view.frame for view in views(replace(content, findings=findings))] == [2, 7]


def test_findings_that_are_pointed_at_come_before_segments(tmp_path: Path) -> None:
    content = spread(tmp_path, (3, 11), 14)
    findings = replace(content.findings, regions=tuple(box(k, 1, 1, 5, 5, 0.5) for k in (7, 3)))
    content = content_of(Run(findings, content.mask, [one.file for one in content.source.instances]))
    assert [view.frame for view in views(content)] == [7, 3, 11]
    assert views(content)[1].why == "Nodule, Part 1"


def test_maps_stand_in_the_order_of_their_scores_and_those_without_one_are_counted(tmp_path: Path) -> None:
    names = ("Infiltration", "Mass", "Nodule", "Edema", "Hernia", "Fibrosis", "Effusion", "Atelectasis")
    scores = (0.58, 0.99, 0.7, 0.6, 0.3, 0.9, 0.8, 0.95)
    likely = [replace(likelihoods(0)[0], label=name, probability=p) for name, p in zip(names, scores, strict=True)]
    content = images([Radiograph(ramp()).dataset()], tmp_path, likelihoods=tuple(likely))
    maps = tuple(Map(name, "occlusion", "m", "0" * 64, (1, 64, 64), (0,)) for name in names)
    content = replace(
        content, findings=replace(content.findings, maps=maps), maps=(np.ones((1, 64, 64), np.float32),) * len(maps)
    )
    assert [view.why for view in views(content)] == [BARE, "Mass", "Atelectasis", "Fibrosis", "Effusion", "Nodule"]
    assert without_picture(content) == "2 of 7 reported findings have no map here."


def test_a_segment_whose_parts_are_pointed_at_has_no_letter_beside_theirs(tmp_path: Path) -> None:
    run = candidates(tmp_path)
    assert [mark.label for mark in shown_letters(run, View(0, "why"))] == ["Nodule"]
    assert [line.letter for line in sentences.lines(run)] == ["", "A"]


def candidates(folder: Path) -> Content:
    """A nodule as a segment and as the box around it."""
    paths = phantoms.write(Phantom(slices=1, size=(40, 40)).datasets(), folder)
    mask = np.zeros((1, 40, 40), np.uint8)
    mask[0, 15:20, 15:20] = 1
    found = findings_on(paths, mask, (replace(RIGHT_LUNG, type=NODULE, label="Candidates"),))
    return content_of(Run(replace(found, regions=(box(0, 14, 14, 21, 21),)), mask, paths))


def test_the_middle_of_a_box_has_no_line_letter_or_picture_of_its_own(tmp_path: Path) -> None:
    around = box(1, 10, 10, 14, 14, 0.9)
    middle = Region("Nodule, middle", NODULE, 1, Shape.POINT, ((12.0, 12.0),), colour=GREEN, of="Nodule")
    datasets = Phantom(slices=3, size=(40, 40)).datasets()
    alone = images(datasets, tmp_path / "1", regions=(around,))
    both = images(datasets, tmp_path / "2", regions=(around, middle))

    assert [one.label for one in sentences.lines(both)] == ["Nodule"]
    assert [one.label for one in shown_letters(both, View(1, ""))] == ["Nodule"]
    assert [one.why for one in both.key_frames] == ["Nodule"]
    assert np.array_equal(drawn(alone, 1), drawn(both, 1))
    assert without_picture(both) == ""


def test_where_a_classifier_names_no_image_its_maps_do(tmp_path: Path) -> None:
    values = np.zeros((3, 4, 4), np.float32)
    values[2, 1, 1] = 0.8
    content = mapped(tmp_path, values, frames=(0, 1, 3), count=4)
    content = replace(content, findings=replace(content.findings, likelihoods=likelihoods()))
    assert views(content) == (View(3, "Pneumonia", 0),)


def test_the_probabilities_of_a_segment_do_not_hide_it(tmp_path: Path) -> None:
    mask = np.zeros((2, 16, 16), np.uint8)
    mask[1, 4:9, 4:9] = 1
    content = masked(tmp_path, mask)
    one = Map("Right lung", "probability", "m", "0" * 64, (1, 16, 16), (1,))
    content = replace(
        content, findings=replace(content.findings, maps=(one,)), maps=(np.ones((1, 16, 16), np.float32),)
    )
    assert views(content) == (View(1, "Right lung"),)


def test_where_nothing_is_marked_one_image_is_shown_and_says_so(tmp_path: Path) -> None:
    (view,) = views(slices(tmp_path, 5, size=(16, 16)))
    assert view == View(2, "nothing is marked in any image")


def test_the_picture_is_plain_rgb(tmp_path: Path) -> None:
    image = picture(slices(tmp_path, 1, size=(16, 16)), View(0, "why"), 400, 400)
    assert isinstance(image, Image.Image)
    assert image.mode == "RGB"
