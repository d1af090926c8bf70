"""The losses, against their formulas written out for single numbers."""

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `uv sync --extra training` installs it")

from training import losses  # noqa: E402  # needs torch

UNKNOWN = math.nan


def test_a_present_finding_weighs_as_much_as_it_is_rare() -> None:
    targets = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, UNKNOWN, 0.0], [0.0, 0.0, UNKNOWN]])
    assert losses.positive_weights(targets, most=20).tolist() == pytest.approx([3, 0.5, 20])


def test_weighted_cross_entropy_counts_only_what_is_known() -> None:
    logits = torch.tensor([[0.4, -1.0], [2.0, 0.3]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0], [UNKNOWN, UNKNOWN]])
    error = losses.weighted_bce(logits, targets, torch.tensor([3.0, 5.0]))
    present = -3 * math.log(1 / (1 + math.exp(-0.4)))
    absent = -math.log(1 - 1 / (1 + math.exp(1.0)))
    assert error.item() == pytest.approx((present + absent) / 2)
    error.backward()
    assert logits.grad[0].abs().min() > 0
    assert logits.grad[1].tolist() == [0, 0]


def test_a_batch_of_which_nothing_is_known_costs_nothing() -> None:
    logits = torch.ones(2, 3, requires_grad=True)
    losses.weighted_bce(logits, torch.full((2, 3), UNKNOWN), torch.ones(3)).backward()
    assert logits.grad.abs().sum() == 0


def test_dice_and_focal_loss_follow_their_formulas() -> None:
    logits, targets = torch.tensor([0.7, -0.2]), torch.tensor([1.0, 0.0])
    p, q = (1 / (1 + math.exp(-one)) for one in (0.7, -0.2))
    dice = 1 - (2 * p + 1) / (p + q + 1 + 1)
    focal = ((1 - p) ** 2 * -math.log(p) + q**2 * -math.log(1 - q)) / 2
    error = losses.dice_focal(logits.reshape(1, 1, 1, 1, 2), targets.reshape(1, 1, 1, 1, 2))
    assert error.item() == pytest.approx(dice + focal)


def test_regions_may_overlap_and_a_right_answer_costs_next_to_nothing() -> None:
    targets = torch.zeros(2, 3, 4, 4, 4)
    targets[:, 0, :3], targets[:, 1, :2] = 1, 1
    assert losses.dice_focal(40 * targets - 20, targets).item() < 1e-3
    assert losses.dice_focal(20 - 40 * targets, targets).item() > 1
