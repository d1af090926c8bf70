"""The Fleischner Society's table of 2017, cell by cell, and what is said where the facts do not tell which cell it is.

MacMahon et al., Radiology 2017;284:228-243, table 1 (A solid, B subsolid nodules). The table here is written down apart
from the one that is tested.
"""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from domain.impressions import Facts, Topic
from summary.guidelines import (
    FLEISCHNER,
    ROWS,
    UNKNOWN,
    Consistency,
    Known,
    Risk,
    Size,
    mean_of,
    rounded,
    row,
    sentences,
    size_of,
)
from tests.support.impressions import CHEST_CT, LEFT, RIGHT, facts_of, lungs, nodules

S, G, P = Consistency.SOLID, Consistency.GROUND_GLASS, Consistency.PART_SOLID
LOW, HIGH = Risk.LOW, Risk.HIGH
ALL = Known(True, S, True, True, False, False, False, LOW)

STAYS = "its solid part stays below 6 mm"

# Consistency, several, mean diameter (mm), risk: what the paper's cell says, in the order of its table.
CELLS = [
    (S, False, 5, LOW, "no routine follow-up"),
    (S, False, 5, HIGH, "CT at 12 months is optional"),
    (S, False, 6, LOW, "CT at 6 to 12 months, then CT at 18 to 24 months is to be considered"),
    (S, False, 8, LOW, "CT at 6 to 12 months, then CT at 18 to 24 months is to be considered"),
    (S, False, 6, HIGH, "CT at 6 to 12 months, then CT at 18 to 24 months"),
    (S, False, 8, HIGH, "CT at 6 to 12 months, then CT at 18 to 24 months"),
    (S, False, 9, LOW, "CT at 3 months, PET/CT or tissue sampling is to be considered"),
    (S, False, 9, HIGH, "CT at 3 months, PET/CT or tissue sampling is to be considered"),
    (S, True, 5, LOW, "no routine follow-up"),
    (S, True, 5, HIGH, "CT at 12 months is optional"),
    (S, True, 7, LOW, "CT at 3 to 6 months, then CT at 18 to 24 months is to be considered"),
    (S, True, 7, HIGH, "CT at 3 to 6 months, then CT at 18 to 24 months"),
    (S, True, 9, LOW, "CT at 3 to 6 months, then CT at 18 to 24 months is to be considered"),
    (S, True, 9, HIGH, "CT at 3 to 6 months, then CT at 18 to 24 months"),
    (G, False, 5, None, "no routine follow-up"),
    (G, False, 6, None, "CT at 6 to 12 months whether it persists, then CT every 2 years until 5 years"),
    (G, False, 20, None, "CT at 6 to 12 months whether it persists, then CT every 2 years until 5 years"),
    (P, False, 5, None, "no routine follow-up"),
    (
        P, False, 6, None,
        f"CT at 3 to 6 months whether it persists, and where it is unchanged and {STAYS}, CT every year for 5 years",
    ),
    (G, True, 5, None, "CT at 3 to 6 months, and where they are stable, CT at 2 and 4 years is to be considered"),
    (P, True, 5, None, "CT at 3 to 6 months, and where they are stable, CT at 2 and 4 years is to be considered"),
    (G, True, 6, None, "CT at 3 to 6 months, then as the most suspicious of them asks for"),
    (P, True, 12, None, "CT at 3 to 6 months, then as the most suspicious of them asks for"),
]  # fmt: skip


def seen(mean: float, several: bool) -> Facts:
    """Facts of one candidate, or of that and a smaller one."""
    smaller = [(4.0, 4.0, LEFT, 0.97)] if several else []
    return facts_of(nodules((mean, mean, RIGHT, 0.97), *smaller))


@pytest.mark.parametrize(("consistency", "several", "mm", "risk", "says"), CELLS)
def test_a_cell_says_what_the_paper_says(
    consistency: Consistency, several: bool, mm: int, risk: Risk | None, says: str
) -> None:
    (said,) = sentences(seen(mm, several), replace(ALL, consistency=consistency, risk=risk))
    part = "A" if consistency is S else "B"
    assert said.text.startswith(f"Fleischner 2017, table 1 {part} ({consistency.value}, ")
    assert said.text.endswith(f": {says}.")
    assert (said.topic, said.guideline) == (Topic.GUIDELINE, FLEISCHNER)


def test_every_row_is_reached_by_a_cell_and_no_two_are_of_one() -> None:
    met = {row(one, several, size_of(mm), risk) for one, several, mm, risk, _ in CELLS}
    assert met == set(ROWS)
    for one, several, size, risk in product(Consistency, (False, True), Size, Risk):
        fitting = [
            cell
            for cell in ROWS
            if one in cell.consistencies
            and cell.several == several
            and size in cell.sizes
            and cell.risk in (None, risk)
        ]
        assert len(fitting) == 1


@pytest.mark.parametrize(
    ("mm", "whole", "size"),
    [(5.4, 5, Size.SMALL), (5.5, 6, Size.MIDDLE), (6.0, 6, Size.MIDDLE), (8.4, 8, Size.MIDDLE), (8.5, 9, Size.LARGE)],
)
def test_a_size_is_rounded_to_the_nearest_millimetre(mm: float, whole: int, size: Size) -> None:
    assert (rounded(mm), size_of(mm)) == (whole, size)


def test_a_size_is_the_mean_of_both_axes() -> None:
    (fact,) = facts_of(nodules((9.4, 6.6, RIGHT, 0.97))).facts
    assert mean_of(fact) == 8
    axes = replace(fact, amounts=tuple(one for one in fact.amounts if one.measurement.name.meaning != "Diameter"))
    assert mean_of(axes) == 8
    assert mean_of(replace(fact, amounts=fact.amounts[:1])) is None


def test_of_a_model_alone_no_cell_is_chosen_and_what_is_missing_is_said() -> None:
    (said,) = sentences(seen(7, several=False))
    assert said.text == (
        "Fleischner 2017 has rules for a nodule of 6 to 8 mm, in patients aged 35 and over; none is chosen, since it "
        "is not known whether a reader has confirmed it, whether solid or subsolid, whether found by chance or in "
        "screening, whether the patient has cancer, whether the patient is immunosuppressed, and how high the risk of "
        "lung cancer is."
    )


@pytest.mark.parametrize(
    ("unknown", "said"),
    [
        ("nodule", "since it is not known whether a reader has confirmed it."),
        ("consistency", "since it is not known whether solid or subsolid."),
        ("incidental", "since it is not known whether found by chance or in screening."),
        ("screening", "since it is not known whether found by chance or in screening."),
        ("cancer", "since it is not known whether the patient has cancer."),
        ("immunosuppressed", "since it is not known whether the patient is immunosuppressed."),
        ("risk", "since it is not known how high the risk of lung cancer is."),
    ],
)
def test_each_thing_that_is_not_known_is_named_and_nothing_is_guessed(unknown: str, said: str) -> None:
    (found,) = sentences(seen(7, several=False), replace(ALL, **{unknown: None}))
    assert found.text.endswith(said)


def test_an_age_is_missing_where_its_band_is_not_known() -> None:
    some = nodules((7.0, 7.0, RIGHT, 0.97))
    (found,) = sentences(facts_of(some, about=replace(CHEST_CT, age=None)), replace(ALL, adult=None))
    assert found.text.endswith("since it is not known how old the patient is.")
    (found,) = sentences(facts_of(some, about=replace(CHEST_CT, age=35.0)), replace(ALL, adult=None))
    assert found.text.startswith("Fleischner 2017, table 1 A")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"nodule": False}, "what was found is no nodule"),
        ({"adult": False}, "the patient is younger than 35"),
        ({"incidental": False}, "it was not found by chance"),
        ({"cancer": True}, "the patient has known cancer"),
        ({"immunosuppressed": True}, "the patient is immunosuppressed"),
        ({"screening": True}, "this is screening"),
    ],
)
def test_the_guideline_is_not_applied_where_it_does_not_apply(changes: dict[str, Any], why: str) -> None:
    (found,) = sentences(seen(7, several=False), replace(ALL, **changes))
    assert found.text == f"Fleischner 2017 does not apply, since {why}."


def test_a_patient_below_35_is_told_by_the_band_of_the_age() -> None:
    young = facts_of(nodules((7.0, 7.0, RIGHT, 0.97)), about=replace(CHEST_CT, age=34.9))
    (found,) = sentences(young)
    assert found.text == "Fleischner 2017 does not apply, since the patient is younger than 35."


def test_nothing_is_said_of_what_is_no_nodule_of_a_lung_in_ct() -> None:
    assert list(sentences(facts_of(lungs()))) == []
    assert list(sentences(facts_of(nodules()))) == []
    on_mr = facts_of(nodules((7.0, 7.0, RIGHT, 0.97)), about=replace(CHEST_CT, modality="MR"))
    assert list(sentences(on_mr, UNKNOWN)) == []
