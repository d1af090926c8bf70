"""Real series, pinned: which are volumes, which are not, and why."""

import os
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid

from domain.errors import UnusableInput
from inference_worker.frames import read
from inference_worker.pixels import voxels
from inference_worker.volume import build

DATA = Path(os.environ.get("DICOM_NODE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data; set DICOM_NODE_TEST_DATA (looked in {DATA})")


def series(name: str) -> list[Path]:
    return sorted(path for path in (DATA / name).iterdir() if path.is_file())


@pytest.mark.parametrize(
    ("name", "shape", "spacing"),
    [
        ("ct_chest_lidc0001", (133, 512, 512), (2.5, 0.703125, 0.703125)),
        ("ct_chest_lidc0003", (140, 512, 512), (2.5, 0.820312, 0.820312)),
        ("mr_small/hyperfine/anatomical/001", (8, 138, 112), (5, 1.61, 1.59)),
        ("mr_small/philips_enhanced/anatomical/001", (8, 256, 256), (1.2, 1, 1)),
        ("mr_small/siemens_multiframe/anatomical/001", (8, 256, 256), (0.9, 0.9375, 0.9375)),
        ("mr_small/ge/anatomical/001_implicit", (4, 256, 256), (1, 1, 1)),
    ],
)
def test_a_sound_series_is_a_volume(name: str, shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    volume = build(series(name))
    assert volume.voxels.shape == shape
    assert len(volume.frames) == shape[0]
    assert np.linalg.norm(volume.affine[:3, :3], axis=0) == pytest.approx(spacing, rel=1e-3)


def test_a_chest_ct_is_in_hounsfield_units_with_air_around_tissue() -> None:
    values = build(series("ct_chest_lidc0003")).voxels
    assert values.dtype == np.int16
    assert -1010 < np.median(values[(values > -1100) & (values < -950)]) < -950
    assert 0 < np.median(values[(values > -50) & (values < 150)]) < 80


def test_philips_scales_each_frame_to_floating_point() -> None:
    values = build(series("mr_small/philips_enhanced/anatomical/001")).voxels
    assert values.dtype == np.float32
    assert np.allclose(values / 4.25885225885225, np.round(values / 4.25885225885225), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ct_odd/gantrytilting/001", "the slices are tilted by 14.0 degrees against their stack (gantry tilt)"),
        (
            "ct_odd/sliceincrement/001",
            (
                "slices are missing: 1 in all, the widest gap between image 9 (28.11 mm) and image 10 (38.11 mm), "
                "where 5.00 mm is the usual distance"
            ),
        ),
        (
            "mr_t1_siemens_trio",
            (
                "slices are missing: 1 in all, the widest gap between image 114 (28.52 mm) and image 116 (30.52 mm), "
                "where 1.00 mm is the usual distance"
            ),
        ),
        (
            "mr_small/philips_enhanced/fmri/001",
            (
                "frame 1 of image 1 and frame 2 of image 1 lie at the same position (-69.04 mm); "
                "the series holds duplicates, phases or echoes (24 of 32 slices too many)"
            ),
        ),
        (
            "mr_small/ge/dti/001",
            (
                "image 1 and image 76 lie at the same position (-61.50 mm); "
                "the series holds duplicates, phases or echoes (4 of 8 slices too many)"
            ),
        ),
        ("mr_small/siemens/fmri/001", "image 1 is a mosaic of many slices in one image, which is no slice of a volume"),
        ("mr_small/ge/anatomical/001_single_slice", "the series has 1 slice; a volume needs at least two"),
    ],
)
def test_an_unsound_series_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(UnusableInput) as refusal:
        build(series(name))
    assert str(refusal.value) == reason


# Largest difference to the uncompressed slice that a lossy encoding of this file made, in HU.
LOSSY = {uid.JPEG2000: 5, uid.JPEGLSNearLossless: 2}
OTHER_PICTURE = {uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit}  # reduced to 8 and 12 bits before they were encoded
NO_DECODER = {"1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"}  # retired progressive JPEG


def test_one_slice_has_the_same_values_in_every_lossless_encoding() -> None:
    plain = voxels(read([DATA / "syntax_ct" / "CTImage.dcm"]).frames)
    compared = 0
    for path in series("syntax_ct"):
        (frame,) = read([path]).frames
        syntax = frame.dataset.file_meta.TransferSyntaxUID
        if syntax in OTHER_PICTURE | NO_DECODER:
            continue
        difference = np.abs(voxels([frame]).astype(np.int32) - plain).max()
        assert difference <= LOSSY.get(syntax, 0), syntax
        compared += 1
    assert compared == 12


def test_an_encoding_that_nobody_decodes_is_refused_by_its_instance() -> None:
    paths = [path for path in series("syntax_ct") if any(syntax in path.name for syntax in NO_DECODER)]
    assert len(paths) == 2
    for path in paths:
        (frame,) = read([path]).frames
        with pytest.raises(UnusableInput, match=frame.source.sop_instance_uid):
            voxels([frame])


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_no_single_file_of_the_odd_ones_ends_in_anything_but_a_reason() -> None:
    files = sorted(path for path in (DATA / "pydicom_test_files").rglob("*") if path.is_file())
    assert files
    for path in files:
        try:
            for frame in read([path]).frames:
                assert voxels([frame]).size
        except UnusableInput as refusal:
            assert str(refusal)
