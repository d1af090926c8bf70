"""Any label volume as pixels of a segmentation: what decoders that others wrote make of the bytes."""

import highdicom
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from imagecodecs import dicomrle_decode
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.rle import _rle_decode_frame

from domain.profiles import EXPLICIT, LABEL_MAP_SEGMENTATION, RLE, SEGMENTATION, ResultFormat, ResultKind
from sr_writer.segments import pixels as segment_pixels
from sr_writer.segments.segmentation import drafts
from tests.support.label_volumes import content_of, dataset_of, segments, source_of

Labels = NDArray[np.uint8]
BINARY = ResultFormat(ResultKind.SEG, SEGMENTATION)
LABEL_MAPS = (
    ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION),
    ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION, RLE),
)

volumes = arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=9), elements=st.integers(0, 4)).filter(np.any)
# Runs that are longer than RLE can say at once, up to as many labels as there can be.
images = st.lists(st.tuples(st.integers(0, 255), st.integers(1, 300)), min_size=1, max_size=12).map(
    lambda runs: np.repeat(*np.array(runs).T).astype(np.uint8)
)


def frames_of(mask: Labels, form: ResultFormat) -> Labels:
    """The mask put together again from what pydicom decodes, by what the frames say of themselves."""
    (draft,) = drafts(content_of(mask, named=segments(4)), form)
    seg = dataset_of(draft)
    volume = source_of(mask.shape).volume
    assert volume
    found, positions = np.zeros_like(mask), volume.positions
    pixels = seg.pixel_array.reshape(-1, *mask.shape[1:])
    for groups, frame in zip(seg.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber if form == BINARY else 1
        found[positions.index(tuple(groups.PlanePositionSequence[0].ImagePositionPatient))] += frame * np.uint8(number)
        assert frame.any()
    return found


@settings(max_examples=60, deadline=None)
@given(volumes)
@example(np.ones((7, 1, 1), np.uint8))  # seven frames in one byte
@example(np.ones((3, 5, 5), np.uint8))
@example(np.array([[[0, 0, 0]], [[0, 0, 1]], [[1, 0, 0]]], np.uint8))  # two voxels of two frames in one byte
def test_pydicom_decodes_every_voxel_of_any_volume_in_every_form(mask: Labels) -> None:
    for form in (BINARY, *LABEL_MAPS):
        np.testing.assert_array_equal(frames_of(mask, form), mask)


@settings(max_examples=20, deadline=None)
@given(volumes)
def test_highdicom_reads_the_same_volume_from_every_form(mask: Labels) -> None:
    content = content_of(mask, named=segments(4))
    uids = [one.sop_instance_uid for one in content.source.instances]
    for form in (BINARY, *LABEL_MAPS):
        (draft,) = drafts(content, form)
        seg = highdicom.seg.Segmentation.from_dataset(dataset_of(draft))
        arguments = {"combine_segments": True, "assert_missing_frames_are_empty": True}
        np.testing.assert_array_equal(seg.get_pixels_by_source_instance(uids, **arguments), mask)


@pytest.mark.parametrize("form", [BINARY, *LABEL_MAPS])
@pytest.mark.parametrize("shape", [(3, 5, 7), (4, 8, 8), (1, 37, 43)])
def test_the_value_has_the_length_that_its_frames_take_and_is_even(
    shape: tuple[int, int, int], form: ResultFormat
) -> None:
    mask = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8) % 4
    (draft,) = drafts(content_of(mask), form)
    seg = dataset_of(draft)
    assert len(seg.PixelData) % 2 == 0
    if form.transfer_syntax == EXPLICIT:
        bits = seg.NumberOfFrames * seg.Rows * seg.Columns * seg.BitsAllocated
        assert (bits + 7) // 8 <= len(seg.PixelData) <= (bits + 7) // 8 + 1


def test_what_is_empty_is_one_buffer_however_often_it_is_written() -> None:
    mask = np.zeros((50, 64, 64), np.uint8)
    mask[:, 30, 30] = 1
    pieces = list(segment_pixels.bits(mask, frames_in(mask)))
    owned = {id(piece.obj): piece.obj for piece in pieces if isinstance(piece, memoryview)}
    assert sum(map(len, pieces)) == 12 + 50 * 64 * 64 // 8
    assert sum(memoryview(one).nbytes for one in owned.values()) < 2 * 64 * 64


def frames_in(mask: Labels) -> list[segment_pixels.Bits]:
    found = enumerate(segment_pixels.extents(mask))
    return [segment_pixels.Bits(number, k, *extent) for k, one in found for number, extent in one.items()]


@pytest.mark.filterwarnings("ignore:The number of bytes of compressed pixel data matches")
@settings(max_examples=200, deadline=None)
@given(images, st.integers(1, 3))
@example(np.arange(256).astype(np.uint8), 1)
@example(np.repeat(np.arange(200), 2).astype(np.uint8), 1)
@example(np.zeros(129, np.uint8), 2)
@example(np.array([1, 2, 2, 3], np.uint8), 1)
def test_two_decoders_read_what_run_length_has_written(row: Labels, rows: int) -> None:
    image = np.stack([np.roll(row, index) for index in range(rows)])
    written = segment_pixels.run_length(image)
    assert len(written) % 2 == 0
    np.testing.assert_array_equal(np.frombuffer(dicomrle_decode(written, np.uint8), np.uint8), image.ravel())
    # pydicom's own, asked by itself: as a plug-in the intake has another one in its place.
    decoded = np.frombuffer(_rle_decode_frame(written, rows, row.size, 1, 8), np.uint8).reshape(image.shape)
    np.testing.assert_array_equal(decoded, image)


def test_no_run_goes_on_in_the_next_row_and_each_is_as_long_as_it_can_be() -> None:
    written = segment_pixels.run_length(np.full((2, 200), 7, np.uint8))
    assert written[64:] == bytes([129, 7, 185, 7, 129, 7, 185, 7])
    written = segment_pixels.run_length(np.array([[1, 2, 3, 3], [3, 4, 4, 5]], np.uint8))
    assert written[64:] == bytes([1, 1, 2, 255, 3, 0, 3, 255, 4, 0, 5, 0])


def test_the_offset_table_leads_to_every_frame() -> None:
    mask = np.zeros((6, 9, 11), np.uint8)
    mask[1:5, 2:7, 3:8] = 2
    mask[3, 0, 0] = 1
    (draft,) = drafts(content_of(mask), LABEL_MAPS[1])
    seg = dataset_of(draft)
    frames = list(generate_frames(seg.PixelData, number_of_frames=seg.NumberOfFrames))
    (table,) = np.frombuffer(seg.PixelData, "<u4", 1, 4)
    offsets = np.frombuffer(seg.PixelData, "<u4", table // 4, 8)
    first = 8 + table
    starts = [seg.PixelData[first + offset : first + offset + 72] for offset in offsets.tolist()]
    assert [start[8:72] for start in starts] == [frame[:64] for frame in frames]
    assert {start[:4] for start in starts} == {bytes.fromhex("feff00e0")}
    assert len(frames) == 4


def test_small_and_sparse_segments_are_found_too() -> None:
    mask = np.zeros((64, 100, 100), np.uint8)
    mask[63, 99, 99], mask[0, 0, 0], mask[31, 17, 33] = 9, 3, 200
    assert segment_pixels.present(mask) == {3, 9, 200}
    assert segment_pixels.present(np.zeros((2, 3, 4), np.uint8)) == frozenset()
    found = segment_pixels.extents(mask)
    assert (found[0], found[31], found[63]) == ({3: (0, 8)}, {200: (1728, 1736)}, {9: (9992, 10000)})
    assert segment_pixels.extents(mask[31:32, :, :99])[0] == {200: (17 * 99 + 33, 17 * 99 + 34)}
