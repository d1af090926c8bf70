"""Engines side by side: each one's time, and its distance from the first that ran."""

from collections.abc import Callable
from itertools import count

import numpy as np
import pytest

from domain.errors import ConfigurationError
from inference_worker.engines.comparison import compare, dice, difference, shares
from inference_worker.engines.protocol import Engine, Float
from models.manifest import Network
from models.steps import Argmax, Sigmoid, Softmax
from tests.support.networks import ArrayEngine, volume

WANTED = Network("n", shape=(1, 2, 0, 0, 0))


def scaled(factor: float) -> Callable[[], Engine]:
    return lambda: ArrayEngine(lambda batch: {"logits": factor * batch})


def absent() -> Engine:
    raise ConfigurationError("the engine cannot be used")


def test_each_engine_has_a_row_in_order_and_is_held_against_the_first_that_ran() -> None:
    batch = volume(1, 2, 6, 6, 6)
    engines = [("absent", absent), ("one", scaled(1)), ("same", scaled(1)), ("turned", scaled(-1))]
    rows = compare(b"", WANTED, batch, engines, steps=(Softmax(),), repeats=1)
    assert [row.engine for row in rows] == ["absent", "NumPy", "NumPy", "NumPy"]
    assert rows[0].failure == "the engine cannot be used" and rows[0].seconds is None
    assert (rows[1].difference, rows[1].dice) == (rows[2].difference, rows[2].dice) == (0, 1)
    assert rows[3].difference == pytest.approx(np.abs(np.tanh((batch[:, 0] - batch[:, 1]) / 2)).max(), abs=1e-6)
    assert rows[3].dice == 0


def test_an_engine_that_fails_on_the_input_is_a_row_with_its_reason() -> None:
    def network(_batch: Float) -> dict[str, Float]:
        raise ConfigurationError("not that")

    (row,) = compare(b"", WANTED, volume(1, 2, 4, 4, 4), [("bad", lambda: ArrayEngine(network))])
    assert row.failure == "not that" and row.dice is None


def test_the_time_is_the_median_of_the_runs_after_the_first() -> None:
    ticks = iter((0.0, 1.0, 10.0, 15.0, 20.0, 22.0))
    engine = ArrayEngine(lambda batch: {"logits": batch})
    (row,) = compare(b"", WANTED, volume(1, 2, 4, 4, 4), [("a", lambda: engine)], clock=lambda: next(ticks))
    assert row.seconds == 2 and len(engine.shapes) == 4
    (row,) = compare(b"", WANTED, volume(1, 2, 4, 4, 4), [("a", lambda: engine)], repeats=5, clock=count().__next__)
    assert row.seconds == 1 and len(engine.shapes) == 4 + 6


def test_shares_are_made_as_the_package_makes_them() -> None:
    logits = np.array([[1.0, 3.0]], np.float32)
    assert np.allclose(shares(logits, (Softmax(), Argmax())), [[0.1192, 0.8808]], atol=1e-4)
    assert np.allclose(shares(logits, (Sigmoid(),)), [[0.7311, 0.9526]], atol=1e-4)
    assert np.array_equal(shares(logits, (Argmax(),)), logits)


def test_the_least_dice_of_a_label_counts() -> None:
    one = np.zeros((1, 3, 1, 1, 8), np.float32)
    one[0, 0] = 0.5
    one[0, 1, ..., :4] = 1
    one[0, 2, ..., 6:] = 1
    other = one.copy()
    other[0, 2, ..., 5] = 1
    assert dice(one, other) == pytest.approx(2 * 2 / (2 + 3)) and dice(one, one) == 1


def test_one_channel_is_a_mask_and_a_classifier_has_no_dice() -> None:
    mask = np.array([0.2, 0.6, 0.7, 0.1], np.float32).reshape(1, 1, 2, 2)
    assert dice(mask, (mask > 0.65).astype(np.float32)) == pytest.approx(2 / 3)
    assert dice(np.zeros((1, 14), np.float32), np.ones((1, 14), np.float32)) is None
    assert dice(mask * 0, mask * 0) == 1


def test_outputs_of_unlike_shapes_agree_in_nothing() -> None:
    assert difference(volume(1, 2, 4, 4), volume(1, 2, 4, 5)) == float("inf")
    assert dice(volume(1, 2, 4, 4), volume(1, 2, 4, 5)) == 0
