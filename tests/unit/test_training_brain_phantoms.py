"""Heads made by code: they repeat, their lesions are where their labels say, and look as the sequences show them."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from training.brain.anatomy import Person, draw_head, draw_person
from training.brain.layout import SEQUENCES, Case
from training.brain.lesions import draw_lesions, label
from training.brain.phantoms import phantom
from training.brain.regions import CORE, ENHANCING, OEDEMA, REGIONS, labels_of, regions_of
from training.brain.samples import Augmentation, draw, ready, z_score
from training.brain.shapes import Space

SHAPE = (32, 36, 32)
SPACING = 6.0

NOTHING = Augmentation(
    flip=0, turn=0, rotation_deg=0, scale=(1.0, 1.0), brightness=0, contrast=0, gamma=(1.0, 1.0), bias=0, noise=0,
    thick_slices=0, drop_sequence=0,
)  # fmt: skip
EVERYTHING = Augmentation(
    flip=0.5, turn=1, rotation_deg=15, scale=(0.9, 1.1), brightness=0.2, contrast=0.2, gamma=(0.8, 1.25), bias=0.1,
    noise=0.1, thick_slices=1, drop_sequence=1,
)  # fmt: skip


def made(seed: int, healthy: float = 0.0) -> Case:
    return phantom(np.random.default_rng(seed), "x", SHAPE, SPACING, healthy)


def test_a_phantom_repeats_with_its_seed_and_another_seed_gives_another() -> None:
    one, again, other = made(1), made(1), made(2)
    assert np.array_equal(one.voxels, again.voxels)
    assert np.array_equal(one.labels, again.labels)
    assert one.facts == again.facts
    assert not np.array_equal(one.voxels, other.voxels)


def test_images_are_whole_numbers_that_16_bits_hold() -> None:
    for seed in range(4):
        voxels = made(seed).voxels
        assert voxels.shape == (len(SEQUENCES), *SHAPE)
        assert np.array_equal(voxels, voxels.astype(np.int16))
        assert voxels.min() >= 0
        assert all(sequence.any() for sequence in voxels)


def test_a_healthy_head_has_no_label_and_an_ill_one_has() -> None:
    assert not made(3, healthy=1.0).labels.any()
    assert all(made(seed).labels.any() for seed in range(4))


def test_lesions_lie_inside_the_brain_and_differ_in_place_and_size() -> None:
    places, sizes = [], []
    for seed in range(6):
        space = Space(np.random.default_rng(seed), SHAPE, SPACING)
        head = draw_head(space, draw_person(space.rng))
        labels = label(draw_lesions(space, head), SHAPE)
        assert (head.depth[labels > 0] > -SPACING).all()
        places.append(ndimage.center_of_mass(labels > 0))
        sizes.append(int((labels > 0).sum()))
    assert np.std(places, axis=0).min() > 0.5
    assert len(set(sizes)) > 3


def test_the_rim_takes_up_contrast_and_oedema_is_bright_on_flair() -> None:
    rises, shines = [], []
    for seed in range(8):
        case = made(seed)
        t1, t1ce, _, flair = z_score(case.voxels)
        rest = (case.voxels.min(axis=0) > 0) & (case.labels == 0)
        if (case.labels == ENHANCING).sum() > 10:
            rises.append(float((t1ce - t1)[case.labels == ENHANCING].mean() - (t1ce - t1)[rest].mean()))
        if (case.labels == OEDEMA).sum() > 10:
            shines.append(float(flair[case.labels == OEDEMA].mean() - flair[rest].mean()))
    assert len(rises) >= 3 and min(rises) > 0.3
    assert len(shines) >= 3 and np.median(shines) > 0.3


def test_older_heads_have_wider_ventricles_and_more_fluid() -> None:
    def fluid(age: float) -> float:
        total = 0.0
        for seed in range(4):
            space = Space(np.random.default_rng(seed), SHAPE, SPACING)
            head = draw_head(space, Person(age, "F", "A"))
            left = np.zeros(SHAPE, np.float32)
            for name, share in head.layers:  # each layer covers those before it
                left += share * ((name == "csf") - left)
            total += float(left[head.depth > 0].sum())
        return total

    assert fluid(85) > 1.3 * fluid(30)


def test_regions_and_labels_say_the_same() -> None:
    labels = np.random.default_rng(1).integers(0, 4, (3, 4, 5)).astype(np.uint8)
    regions = regions_of(labels)
    assert list(REGIONS) == ["WT", "TC", "ET"]
    assert np.array_equal(regions[0], labels > 0)
    assert np.array_equal(regions[1], (labels == CORE) | (labels == ENHANCING))
    assert np.array_equal(regions[2], labels == ENHANCING)
    assert np.array_equal(labels_of(regions.astype(np.float32)), labels)


def test_a_z_score_is_of_the_voxels_other_than_0_and_leaves_0_alone() -> None:
    voxels = made(1).voxels
    voxels[3] = 0
    scored = z_score(voxels)
    assert np.array_equal(scored[:3] != 0, (voxels != 0)[:3])
    for sequence, inside in zip(scored[:3], voxels[:3] != 0, strict=True):
        assert abs(float(sequence[inside].mean())) < 1e-3
        assert abs(float(sequence[inside].std()) - 1) < 1e-3
    assert not scored[3].any()


def tumour_free_zero(case: Case) -> NDArray[np.bool_]:
    return case.voxels.any(axis=0) | (case.labels > 0)


def test_what_is_cut_off_before_training_is_0() -> None:
    case = made(5)
    kept = ready(case)
    assert int((kept.voxels != 0).any(axis=0).sum()) <= int(tumour_free_zero(case).sum())
    assert (kept.labels > 0).sum() == (case.labels > 0).sum()


def test_a_crop_without_changes_is_a_piece_of_the_case() -> None:
    case = ready(made(1))
    crop = (12, 12, 12)
    for seed in range(5):
        voxels, labels = draw(np.random.default_rng(seed), [case], crop, 1.0, NOTHING)
        assert voxels.shape == (4, *crop) and labels.shape == crop
        assert labels.any()
        value = voxels[0][labels > 0][0]
        assert np.isclose(case.voxels[0].astype(np.float32), value, atol=1e-5).any()


@pytest.mark.parametrize("crop", [(12, 12, 12), (48, 48, 48)], ids=("smaller", "larger than the head"))
def test_a_changed_crop_repeats_with_its_seed_and_keeps_nothing_outside_the_head(crop: tuple[int, int, int]) -> None:
    case = ready(made(1))
    voxels, labels = draw(np.random.default_rng(7), [case], crop, 0.5, EVERYTHING)
    again, _ = draw(np.random.default_rng(7), [case], crop, 0.5, EVERYTHING)
    assert np.array_equal(voxels, again)
    assert voxels.dtype == np.float32 and voxels.shape == (4, *crop) and labels.shape == crop
    assert [name for name, one in zip(SEQUENCES, voxels, strict=True) if not one.any()] != ["t1ce"]
    assert sum(not one.any() for one in voxels) == 1
    assert np.isfinite(voxels).all()
