"""Errors of fifteen classes are planted into right impressions: every one is found, and right ones pass."""

from benchmarks.grounding.planted import CLASSES
from benchmarks.grounding.run import score


def test_two_thousand_planted_errors_are_all_caught_and_right_paraphrases_pass() -> None:
    found = score(planted=2000, right=500, seed=20261129)
    assert len(CLASSES) >= 12
    assert found.planted.total() >= 2000
    assert not found.missed
    assert len(found.refused) <= found.right * 0.02
