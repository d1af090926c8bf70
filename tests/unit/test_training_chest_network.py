"""The chest network: its size, its maps, its ONNX file, its batches and their augmentation."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `uv sync --extra training` installs it")

import openvino  # noqa: E402

from training.chest.batches import Batches, augmented  # noqa: E402
from training.chest.densenet import DenseNet, WithMaps  # noqa: E402
from training.chest.findings import FINDINGS  # noqa: E402
from training.chest.radiographs import Person, Pool  # noqa: E402
from training.chest.recipe import RECIPE, Augmentation, Recipe, Shape  # noqa: E402
from training.chest.train import export_with_maps  # noqa: E402
from training.recipe import read_recipe  # noqa: E402

NONE = Augmentation(rotation_deg=0, scale=(1, 1), shift=0, gamma=(1, 1), noise=0)
SOME = Augmentation(rotation_deg=6, scale=(0.9, 1.1), shift=0.1, gamma=(0.7, 1.4), noise=0.05)
TINY = Shape(stem=4, growth=3, blocks=(2, 2))


def weights(network: Any) -> int:
    return sum(part.numel() for part in network.parameters())


def tiny() -> Any:
    torch.manual_seed(1)
    network = DenseNet(TINY, 14)
    with torch.no_grad():
        network.classifier.bias.uniform_(-1, 1)
    return network.eval()


def pool(count: int) -> Pool:
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32), np.uint8)
    labels = np.zeros((count, 14), np.float32)
    labels[:, 0] = np.arange(count)
    return Pool(images, labels, [Person(str(at)) for at in range(count)])


def recipe(change: Augmentation = NONE) -> Recipe:
    stated = read_recipe(RECIPE, Recipe)
    return replace(stated, schedule=replace(stated.schedule, batch=4), augmentation=change)


def test_the_recipe_of_densenet_121_is_densenet_121() -> None:
    stated = read_recipe(RECIPE.with_name("densenet121.toml"), Recipe)
    # The network of the paper for colour images and 1,000 labels has 7,978,856 weights.
    grey_and_fourteen = 7_978_856 - 2 * 64 * 7 * 7 - (1024 * 1000 + 1000) + (1024 * 14 + 14)
    assert weights(DenseNet(stated.network, 14)) == grey_and_fourteen


def test_what_ships_is_a_small_one_of_the_family() -> None:
    assert weights(DenseNet(read_recipe(RECIPE, Recipe).network, 14)) < 10e6 / 4


def test_a_map_averages_to_its_logit() -> None:
    network, image = tiny(), torch.rand(2, 1, 64, 48)
    with torch.inference_mode():
        logits, maps = WithMaps(network)(image)
        assert maps.shape == (2, 14, 8, 6)
        torch.testing.assert_close(maps.mean(dim=(2, 3)) + network.classifier.bias, logits)
        torch.testing.assert_close(network(image), logits)


def test_the_file_takes_any_number_of_images_and_answers_as_the_network(tmp_path: Path) -> None:
    network = tiny()
    assert export_with_maps(network, 64, tmp_path / "network.onnx") < 1e-4
    model = openvino.Core().compile_model(str(tmp_path / "network.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert [one.get_any_name() for one in model.inputs] == ["image"]
    images = torch.rand(5, 1, 64, 64)
    given = model([images.numpy()])
    with torch.inference_mode():
        logits, maps = WithMaps(network)(images)
    np.testing.assert_allclose(given["logits"], logits, atol=1e-4)
    np.testing.assert_allclose(given["cam"], maps, atol=1e-4)
    assert given["logits"].shape == (5, len(FINDINGS))


def test_an_epoch_shows_each_radiograph_once_in_an_order_of_its_own() -> None:
    batches = Batches(pool(12), recipe())
    first, second = (
        [int(one) for step in steps for one in batches(step)[1][:, 0]] for steps in (range(3), range(3, 6))
    )
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second


def test_a_batch_depends_on_the_step_alone() -> None:
    collection, stated = pool(12), recipe(SOME)
    forward = [Batches(collection, stated)(step)[0] for step in range(3)]
    backward = [Batches(collection, stated)(step)[0] for step in (2, 1, 0)][::-1]
    assert all(torch.equal(one, other) for one, other in zip(forward, backward, strict=True))
    assert forward[0].shape == (4, 1, 32, 32)


def test_augmentation_of_nothing_changes_nothing() -> None:
    images = torch.rand(3, 1, 32, 32)
    torch.testing.assert_close(augmented(images, NONE, np.random.default_rng(0)), images, atol=1e-4, rtol=0)


def test_augmented_images_stay_in_range_and_change_each_in_its_own_way() -> None:
    images = torch.rand(1, 1, 32, 32).repeat(3, 1, 1, 1)
    changed = augmented(images, SOME, np.random.default_rng(0))
    assert changed.min() >= 0 and changed.max() <= 1
    assert not torch.equal(changed[0], changed[1])
    assert changed.dtype == torch.float32


def test_a_shift_moves_by_its_share_of_the_side() -> None:
    images = torch.zeros(1, 1, 40, 40)
    images[0, 0, 20, 20] = 1

    class Ends:
        def uniform(self, low: float, high: float, size: Any) -> Any:
            return np.full(size, high, np.float64)

        def standard_normal(self, shape: Any, kind: Any) -> Any:
            return np.zeros(shape, kind)

    moved = augmented(images, replace(NONE, shift=0.1), Ends())  # type: ignore[arg-type]
    assert np.argwhere(moved[0, 0].numpy() > 0.5).tolist() == [[16, 16]]
