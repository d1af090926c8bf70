"""The layout of BraTS, old and new: which files are a case's, what its labels mean, where its voxels lie."""

from pathlib import Path

import numpy as np
import pytest

from domain.errors import UnusableInput
from training.brain.grids import canonical, overlap_weights
from training.brain.layout import NAMINGS, Case, Facts, Naming, find_cases, read_case, write_case, write_facts

nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed; the extra `training` installs it")

OLD, NEW = NAMINGS
SHAPE = (6, 8, 10)


def small_case(name: str = "BraTS2021_00001") -> Case:
    rng = np.random.default_rng(1)
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:5, 2:7, 3:9] = 2
    labels[2:4, 3:6, 4:8] = 1
    labels[3, 4, 5:7] = 3
    return Case(name, rng.integers(1, 500, (4, *SHAPE)).astype(np.float32), labels, Facts(61.0, "F", "A"))


@pytest.mark.parametrize("naming", NAMINGS, ids=("2021", "2023"))
def test_a_case_of_either_generation_is_read_as_it_was_written(tmp_path: Path, naming: Naming) -> None:
    case = small_case()
    write_case(tmp_path, case, 2.0, naming)
    (files,) = find_cases(tmp_path)
    read = read_case(files, 2.0)
    assert np.array_equal(read.voxels, case.voxels)
    assert np.array_equal(read.labels, case.labels)


@pytest.mark.parametrize(("naming", "stored"), [(OLD, {0, 1, 2, 4}), (NEW, {0, 1, 2, 3})], ids=("2021", "2023"))
def test_the_files_bear_the_names_and_labels_of_their_generation(
    tmp_path: Path, naming: Naming, stored: set[int]
) -> None:
    write_case(tmp_path, small_case("X"), 2.0, naming)
    names = {path.name for path in (tmp_path / "X").iterdir()}
    assert names == {f"X{ending}.nii.gz" for ending in (*naming.images, naming.labels)}
    labels = nibabel.load(tmp_path / "X" / f"X{naming.labels}.nii.gz").get_fdata()
    assert set(np.unique(labels)) == stored


def test_a_file_that_counts_towards_right_and_front_is_turned_to_back_and_left(tmp_path: Path) -> None:
    case = small_case("X")
    write_case(tmp_path, case, 2.0, NEW)
    for path in (tmp_path / "X").iterdir():
        # The same picture with its first two axes the other way round, as in RAS+ files.
        image = nibabel.as_closest_canonical(nibabel.load(path))
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine), path)
    read = read_case(find_cases(tmp_path)[0], 2.0)
    assert np.array_equal(read.voxels, case.voxels)
    assert np.array_equal(read.labels, case.labels)


def test_canonical_axes_lead_to_head_back_and_left() -> None:
    affine = np.diag([1.0, 1.0, 1.0, 1.0])  # NIfTI: the array's axes lead to right, front and head
    position = np.indices((2, 3, 4))
    right, front, head = (canonical(axis, affine) for axis in position)
    assert (np.diff(head, axis=0) == 1).all()
    assert (np.diff(front, axis=1) == -1).all()
    assert (np.diff(right, axis=2) == -1).all()


def test_a_finer_case_is_averaged_onto_the_network_s_grid(tmp_path: Path) -> None:
    fine = small_case("X")
    write_case(tmp_path, fine, 1.0)
    read = read_case(find_cases(tmp_path)[0], 2.0)
    blocks = fine.voxels.reshape(4, 3, 2, 4, 2, 5, 2).mean(axis=(2, 4, 6))
    assert np.allclose(read.voxels, blocks, rtol=1e-5)
    assert read.labels.shape == (3, 4, 5)
    assert set(np.unique(read.labels)) <= {0, 1, 2, 3}


def test_the_weights_of_a_new_grid_sum_to_one_and_keep_a_ramp() -> None:
    weights = overlap_weights(9, 1.0, 2.0)
    assert np.allclose(weights.sum(axis=1), 1)
    ramp = weights @ np.arange(9, dtype=np.float32)
    assert np.allclose(np.diff(ramp)[1:-1], 2)


def test_what_is_known_of_a_case_comes_from_the_table_beside_it(tmp_path: Path) -> None:
    for name in ("A", "B"):
        write_case(tmp_path, small_case(name), 2.0)
    write_facts(tmp_path, {"A": Facts(61.0, "F", "C")})
    known, unknown = find_cases(tmp_path)
    assert known.facts == Facts(61.0, "F", "C")
    assert (unknown.facts.sex, unknown.facts.vendor) == ("unknown", "unknown")
    assert np.isnan(unknown.facts.age)


def test_a_case_that_lacks_a_sequence_is_named(tmp_path: Path) -> None:
    write_case(tmp_path, small_case("X"), 2.0)
    (tmp_path / "X" / "X_t1ce.nii.gz").unlink()
    with pytest.raises(UnusableInput, match=r"lacks X_t1ce\.nii\.gz"):
        find_cases(tmp_path)


def test_a_folder_without_cases_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").mkdir()
    with pytest.raises(UnusableInput, match="holds no case"):
        find_cases(tmp_path)


def test_labels_that_mean_something_else_are_refused(tmp_path: Path) -> None:
    write_case(tmp_path, small_case("X"), 2.0, NEW)
    path = tmp_path / "X" / "X-seg.nii.gz"
    image = nibabel.load(path)
    labels = np.asarray(image.dataobj).copy()
    labels[0, 0, 0] = 4  # the resection cavity of later collections
    nibabel.save(nibabel.Nifti1Image(labels, image.affine), path)
    with pytest.raises(UnusableInput, match="has the labels 4"):
        read_case(find_cases(tmp_path)[0], 2.0)


def test_images_on_different_grids_are_refused(tmp_path: Path) -> None:
    write_case(tmp_path, small_case("X"), 2.0)
    path = tmp_path / "X" / "X_t2.nii.gz"
    image = nibabel.load(path)
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj)[1:], image.affine), path)
    with pytest.raises(UnusableInput, match=r"X_t2\.nii\.gz: is not on the grid of X_t1"):
        read_case(find_cases(tmp_path)[0], 2.0)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    write_case(tmp_path, small_case("X"), 2.0)
    (tmp_path / "X" / "X_t2.nii.gz").write_bytes(b"not a picture")
    with pytest.raises(UnusableInput, match="is not a NIfTI image"):
        read_case(find_cases(tmp_path)[0], 2.0)


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    write_case(tmp_path, small_case("X"), 2.0)
    (tmp_path / "cases.csv").write_text("name,age\nX,old\n")
    with pytest.raises(UnusableInput, match="is not a table of case, age, sex, vendor"):
        find_cases(tmp_path)
