"""Which series a model reads: the right one of 2,000 made studies, whoever asks and in whatever order they came."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.choice import Choice, Wanted, choose
from domain.instances import series_facts
from domain.routing import InstanceFacts
from tests.support.mixed_studies import studies

MADE = list(studies(2000))
Read = tuple[Choice, Mapping[str, frozenset[str]]]


@pytest.fixture(scope="module")
def chosen() -> list[Read]:
    return [read(one.wanted, one.instances) for one in MADE]


def read(wanted: Sequence[Wanted], instances: Sequence[InstanceFacts]) -> Read:
    """The choice, and the SOP Instance UIDs that each input reads."""
    choice = choose(wanted, series_facts(instances))
    whole = {
        name: frozenset(one.sop_uid for one in instances if one.series_id == series)
        for name, series in choice.inputs.items()
    }
    return choice, {name: frozenset(choice.images.get(name, uids)) for name, uids in whole.items()}


def test_of_every_made_study_the_right_images_are_read(chosen: list[Read]) -> None:
    wrong = Counter(one.kind for one, (_, images) in zip(MADE, chosen, strict=True) if images != one.right)
    assert wrong == Counter()
    assert len({one.kind for one in MADE}) == 9


def test_every_series_that_is_not_read_is_told_why(chosen: list[Read]) -> None:
    for one, (choice, _) in zip(MADE, chosen, strict=True):
        everything = {each.series_id for each in one.instances}
        assert everything - set(choice.series) <= choice.refusals.keys()
        assert all(reasons and all(reasons) for reasons in choice.refusals.values())
        assert any(one.because in reason for reasons in choice.refusals.values() for reason in reasons), one


@given(st.integers(0, 359), st.integers(0))
def test_the_same_study_gives_the_same_choice_on_every_node_and_in_every_order_of_arrival(
    number: int, order: int
) -> None:
    made, ids, random = MADE[number], dict[str, str](), Random(order)
    elsewhere = [
        replace(one, series_id=ids.setdefault(one.series_id, f"{random.getrandbits(64):016x}{len(ids)}"))
        for one in random.sample(made.instances, len(made.instances))
    ]
    here, there = read(made.wanted, made.instances), read(made.wanted, elsewhere)
    assert here[1] == there[1]
    assert here[0].images == there[0].images
    assert {ids[series]: reasons for series, reasons in here[0].refusals.items()} == there[0].refusals
