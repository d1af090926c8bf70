"""Every word of a manifest's vocabulary is carried out by the worker, and the worker carries out no other."""

import io
from typing import Any, get_args

import numpy as np
import pytest

from domain.errors import UnusableInput
from domain.findings import SourceFrame
from inference_worker import explain, probability
from inference_worker.guards import refuse_input, refuse_output
from inference_worker.images import Picture
from inference_worker.transforms import inputs, outputs, weights
from inference_worker.volume import Volume
from models import checks, steps

# Of each check one that nothing passes.
IMPASSABLE: dict[type[steps.Check], dict[str, Any]] = {
    steps.ValueShare: {"above": 0, "least": 2, "most": 3},
    steps.QuantileBetween: {"quantile": 0.5, "least": 1e5, "most": 1e6},
    steps.Extent: {"least": (1e5, 1e5, 1e5), "most": (1e6, 1e6, 1e6)},
    steps.NoScreenCapture: {"most": -1.0},
    steps.Likeness: {"file": "template.npy", "least": 2.0},
    steps.Detail: {"least": 1e5},
    steps.Enclosed: {"below": 0, "least": 1e5},
    steps.SegmentVolume: {"least": 1e5},
}
NOISE = np.random.default_rng(7).normal(0, 1, (16, 16, 16)).astype(np.float32)
BODY = Volume(NOISE, np.diag([2.0, 2.0, 2.0, 1.0]), (SourceFrame("1.2.3"),), "")

PICTURE = Picture(NOISE[0], NOISE[0], SourceFrame("1.2.3"), None)


def template(_name: str) -> bytes:
    file = io.BytesIO()
    np.save(file, NOISE)
    return file.getvalue()


def test_every_step_before_the_network_is_carried_out() -> None:
    assert set(get_args(steps.Before)) == inputs.IMPLEMENTED


def test_every_step_after_the_network_is_carried_out() -> None:
    assert set(get_args(steps.After)) == outputs.IMPLEMENTED


@pytest.mark.parametrize("check", get_args(steps.Guard))
def test_every_check_can_refuse(check: type[Any]) -> None:
    guard = check(**IMPASSABLE[check])
    with pytest.raises(UnusableInput, match=rf"\(check {guard.word}\)"):
        refuse_input([guard], PICTURE if check is steps.NoScreenCapture else BODY, template)
        refuse_output([guard], {1: 1.0})


def test_every_way_to_resample_is_carried_out() -> None:
    assert set(checks.HOW) == set(weights.HOW)


def test_every_way_to_explain_is_carried_out() -> None:
    assert set(checks.METHODS) == {*explain.METHODS, probability.METHOD}


@pytest.mark.parametrize("vocabulary", [steps.Before, steps.After, steps.Guard])
def test_no_two_steps_bear_one_word(vocabulary: Any) -> None:
    words = [step.word for step in get_args(vocabulary)]
    assert len(words) == len(set(words))


def test_every_step_that_is_declared_is_in_a_vocabulary() -> None:
    declared = {*steps.Step.__subclasses__(), *steps.Check.__subclasses__()}
    assert declared == {*get_args(steps.Before), *get_args(steps.After), *get_args(steps.Guard)}
