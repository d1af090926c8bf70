"""NIfTI files as others read them, and results on the source's grid whatever order a file's axes have."""

import tracemalloc
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from domain.errors import ConfigurationError, Permanent
from inference_worker.bundle_grid import Labels, needed, onto, read_nifti, to_source, whole_numbers, write_nifti
from inference_worker.transforms.grids import Grid, Real
from tests.support.bundles import phantom, truth
from tests.support.phantoms import AXIAL, CORONAL, OBLIQUE, SAGITTAL

pytest.importorskip("nibabel", reason="nibabel is not installed; `uv sync --extra monai` installs it")

ORIENTATIONS = [AXIAL, SAGITTAL, CORONAL, OBLIQUE]


def turned(labels: Labels, grid: Grid, order: tuple[int, ...], backwards: tuple[bool, ...]) -> tuple[Labels, Grid]:
    """The same labels in the same places, under other axes."""
    index = np.zeros((4, 4))
    index[3, 3] = 1
    for new, old in enumerate(order):
        index[old, new] = -1 if backwards[new] else 1
        index[old, 3] = grid.shape[old] - 1 if backwards[new] else 0
    steps = tuple(slice(None, None, -1 if one else 1) for one in backwards)
    moved = labels.transpose(order)[steps]
    return moved, Grid(moved.shape, grid.affine @ index)


def finer(grid: Grid, step: float) -> Grid:
    """A grid of `step` of the other's voxels that begins at the same voxel and covers it."""
    shape = tuple(int(np.ceil((size - 1) / step)) + 1 for size in grid.shape)
    return Grid(shape, grid.affine @ np.diag([step, step, step, 1.0]))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_another_reader_finds_each_voxel_where_the_series_has_it(
    tmp_path: Path, orientation: tuple[float, ...]
) -> None:
    sitk = pytest.importorskip("SimpleITK")
    made = phantom(orientation)
    write_nifti(made.hounsfield(), made.affine(), tmp_path / "a.nii")
    image = sitk.ReadImage(str(tmp_path / "a.nii"))
    assert image.GetPixelID() == sitk.sitkInt16
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), made.hounsfield())
    for k, j, i in ((0, 0, 0), (20, 3, 5), (7, 25, 33)):
        expected = made.affine() @ (k, j, i, 1)
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((i, j, k)), expected[:3], atol=1e-3)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    made = phantom(OBLIQUE)
    values = made.hounsfield().astype(np.float32) / 3
    write_nifti(values, made.affine(), tmp_path / "a.nii")
    read, grid = read_nifti(tmp_path / "a.nii")
    np.testing.assert_array_equal(read, values)
    assert grid.shape == values.shape
    np.testing.assert_allclose(grid.affine, made.affine(), atol=1e-4)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_result_under_any_axes_goes_back_voxel_for_voxel(orientation: tuple[float, ...]) -> None:
    made = phantom(orientation)
    labels, grid = truth(made), Grid((21, 26, 34), made.affine())
    for order, backwards in product(permutations(range(3)), product((False, True), repeat=3)):
        moved, lies = turned(labels, grid, order, backwards)
        back, own = to_source(moved, lies, grid)
        np.testing.assert_array_equal(back, labels)
        assert own


def test_the_rounding_of_a_header_takes_no_voxel_away() -> None:
    made = phantom(OBLIQUE)
    labels, grid = truth(made), Grid((21, 26, 34), made.affine())
    rounded = Grid(grid.shape, np.asarray(made.affine().astype(np.float32), np.float64))
    back, own = to_source(labels, rounded, grid)
    np.testing.assert_array_equal(back, labels)
    assert own


def test_a_result_on_a_grid_of_its_own_goes_back_as_another_library_resamples_it(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    made = phantom(OBLIQUE)
    grid = Grid((21, 26, 34), made.affine())
    lies = finer(grid, 0.83)
    labels = np.random.default_rng(3).integers(0, 3, lies.shape).astype(np.uint8)
    moved, own = to_source(*turned(labels, lies, (2, 0, 1), (True, False, True)), grid)
    assert not own
    write_nifti(labels, lies.affine, tmp_path / "result.nii")
    write_nifti(truth(made), made.affine(), tmp_path / "source.nii")
    source, result = (sitk.ReadImage(str(tmp_path / f"{name}.nii")) for name in ("source", "result"))
    expected = sitk.GetArrayFromImage(sitk.Resample(result, source, sitk.Transform(), sitk.sitkNearestNeighbor))
    np.testing.assert_array_equal(moved, expected)


def test_a_result_that_was_rotated_goes_back_by_its_affine() -> None:
    made = phantom(AXIAL)
    grid = Grid((21, 26, 34), made.affine())
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    around: Real = np.eye(4)
    around[:3, 3] = (-80, -80, -80)
    lies = Grid((160, 160, 160), turn @ around @ np.eye(4))
    inside = np.stack(np.meshgrid(*map(np.arange, lies.shape), indexing="ij"), axis=-1) @ lies.affine[:3, :3].T
    labels = np.where((inside + lies.affine[:3, 3])[..., 0] > 5, 1, 0).astype(np.uint8)
    back, own = to_source(labels, lies, grid)
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    x = (index @ grid.affine[:3, :3].T + grid.affine[:3, 3])[..., 0]
    assert not own
    np.testing.assert_array_equal(back[np.abs(x - 5) > 1.8], (x > 5)[np.abs(x - 5) > 1.8])


@pytest.mark.parametrize("shape", [(10, 26, 34), (21, 13, 17), (21, 34, 26)])
def test_a_shape_that_does_not_fit_its_affine_is_refused(shape: tuple[int, int, int]) -> None:
    grid = Grid((21, 26, 34), phantom(OBLIQUE).affine())
    with pytest.raises(Permanent, match=r"does not cover the series .*in 21 x 26 x 34"):
        to_source(np.zeros(shape, np.uint8), Grid(shape, grid.affine), grid)


def test_a_result_with_channels_is_no_volume_of_labels(tmp_path: Path) -> None:
    nibabel = needed("nibabel")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6, 3), np.float32), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(Permanent, match="its shape is 4 x 5 x 6 x 3"):
        read_nifti(tmp_path / "a.nii")


def test_a_result_with_one_channel_is_a_volume(tmp_path: Path) -> None:
    nibabel = needed("nibabel")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6, 1), np.float32), np.eye(4)), tmp_path / "a.nii")
    assert read_nifti(tmp_path / "a.nii")[1].shape == (6, 5, 4)


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"not an image")
    with pytest.raises(Permanent, match="cannot be read"):
        read_nifti(tmp_path / "a.nii.gz")


def test_a_series_on_the_same_grid_is_left_as_it_is_and_another_is_interpolated() -> None:
    made = phantom(OBLIQUE)
    grid = Grid((21, 26, 34), made.affine())
    values = made.hounsfield()
    assert onto(values, grid, grid) is values
    shift = np.eye(4)
    shift[0, 3] = 0.5
    between = onto(values, Grid(grid.shape, grid.affine @ np.linalg.inv(shift)), grid)
    np.testing.assert_allclose(between[:-1], (values[:-1].astype(np.float32) + values[1:]) / 2, atol=1e-2)


def test_a_library_that_is_missing_is_told_with_its_extra() -> None:
    with pytest.raises(
        ConfigurationError, match=r"needs absent_library, which is not installed; install dicom-node\[monai\]"
    ):
        needed("absent_library.part")


@pytest.mark.parametrize("wrong", [0.5, -1.0, 256.0, float("nan"), float("inf")])
def test_values_that_are_no_labels_are_refused_wherever_they_lie(wrong: float) -> None:
    values = np.zeros((3, 2, 2), np.float32)
    values[2, 1, 1] = wrong
    with pytest.raises(Permanent, match="no labels"):
        whole_numbers(values)


def test_labels_are_made_of_a_series_in_the_memory_that_labels_take() -> None:
    """A bundle saves 32-bit floats: of 500 slices half a gigabyte, of which no second copy is made."""
    values = np.arange(200, dtype=np.float32).repeat(100 * 100).reshape(200, 100, 100)
    tracemalloc.start()
    try:
        made = whole_numbers(values)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(made, values)
    assert peak < 1.2 * made.nbytes
