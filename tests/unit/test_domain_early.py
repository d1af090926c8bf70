"""On which series a model may start before its study is complete, as a pure function of what has come."""

from dataclasses import replace

import pytest

from domain.choice import Wanted
from domain.early import early_series, is_whole
from domain.expectations import Expectation
from domain.instances import gathered
from domain.preferences import Preferences
from domain.routing import Conditions, InstanceFacts, SeriesFacts
from tests.unit.test_choice_rules import CORONAL, series, stack

CT = Conditions(modality=("CT",), min_slices=5)


def volume(*conditions: Conditions, **prefer: object) -> list[Wanted]:
    return [Wanted("ct", conditions or (CT,), prefer=Preferences(**prefer))]  # type: ignore[arg-type]


def start(wanted: list[Wanted], known: list[SeriesFacts], *coming: str) -> str:
    return early_series([wanted], known, coming, {one.series_id for one in known} - set(coming))


WHOLE = series("whole", 1)
MR = series("mr", 2, modality="MR")


def test_a_model_starts_on_a_whole_series_while_one_comes_that_it_never_reads() -> None:
    assert start(volume(), [WHOLE, MR], "mr") == "whole"
    assert start(volume(), [replace(WHOLE, modality="MR"), MR], "mr") == ""


@pytest.mark.parametrize(
    "facts",
    [
        {"modality": "CT"},
        {"slices": 1, "no_volume": ("has a single slice, and a volume needs two",), "spacing_mm": None},
        {"missing": 3},
        {"calling_aes": frozenset({"CT2"})},
    ],
)
def test_a_model_waits_for_a_series_that_comes_and_may_do_as_well(facts: dict[str, object]) -> None:
    wanted = volume(CT, Conditions(calling_ae=("CT1",), max_spacing_mm=3))
    assert start(wanted, [WHOLE, series("coming", 2, **facts)], "coming") == ""


@pytest.mark.parametrize(
    "facts",
    [
        {"modality": "MR"},
        {"body_parts": frozenset({"KNEE"})},
        {"image_types": frozenset({"LOCALIZER"})},
        {"no_volume": ("its images are localizers (scouts)",)},
        {"slices": 90},
        {"contrast": True},
    ],
)
def test_what_no_further_slice_can_mend_is_not_waited_for(facts: dict[str, object]) -> None:
    narrow = Conditions(body_part=("CHEST",), not_image_type=("LOCALIZER",), max_slices=50, contrast=False)
    assert start(volume(CT, narrow), [WHOLE, series("coming", 2, **facts)], "coming") == "whole"


@pytest.mark.parametrize(
    ("prefer", "facts"),
    [
        ({"thickness_mm": 2.0}, {"thickness_mm": 5.0}),
        ({"kernel": ("B30",)}, {"kernel": "B70f"}),
        ({"series_description": ("CT|^$",)}, {"series_description": "lung"}),
        ({"orientation": ("axial",)}, {"orientation": "coronal"}),
        ({}, {"image_types": frozenset({"DERIVED"})}),
        ({"contrast": False}, {"contrast": True}),
    ],
)
def test_a_series_that_comes_is_not_waited_for_where_the_model_likes_it_less_whatever_its_size(
    prefer: dict[str, object], facts: dict[str, object]
) -> None:
    whole = replace(WHOLE, series_description="CT")
    coming = series("coming", 2, slices=3, **facts)
    assert start(volume(**prefer), [whole, coming], "coming") == "whole"
    reversed_ = [replace(coming, series_id="whole", slices=10), replace(whole, series_id="coming", slices=3)]
    assert start(volume(**prefer), reversed_, "coming") == ""


@pytest.mark.parametrize(
    ("prefer", "facts"),
    [
        ({"contrast": True}, {"contrast": False}),
        ({"thickness_mm": 2.0}, {"thickness_mm": None, "spacing_mm": None}),
        ({"orientation": ("axial",)}, {"orientation": ""}),
    ],
)
def test_what_is_not_known_yet_of_a_series_that_comes_may_still_be_what_the_model_likes(
    prefer: dict[str, object], facts: dict[str, object]
) -> None:
    whole = replace(WHOLE, contrast=True, thickness_mm=2.5)
    assert start(volume(**prefer), [whole, series("coming", 2, **facts)], "coming") == ""


def test_nothing_is_started_on_a_series_that_comes_or_is_not_whole() -> None:
    assert start(volume(), [WHOLE, MR], "whole") == ""
    assert early_series([volume()], [WHOLE, MR], ["mr"], []) == ""


def test_models_of_several_inputs_and_of_radiographs_wait_for_the_complete_study() -> None:
    images = [Wanted("film", (Conditions(),), kind="images")]
    assert start(images, [WHOLE, MR], "mr") == ""
    assert start([*volume(), Wanted("second", (CT,))], [WHOLE, MR], "mr") == ""


def test_a_rule_that_a_series_may_yet_meet_comes_before_the_next_rule() -> None:
    knee, any_ct = volume(CT, Conditions(body_part=("KNEE",))), volume()
    coming = series("coming", 2, body_parts=frozenset({"KNEE"}), kernel="B70f")
    assert early_series([knee, any_ct], [WHOLE, coming], ["coming"], ["whole"]) == ""
    assert early_series([knee, any_ct], [WHOLE, MR], ["mr"], ["whole"]) == "whole"
    assert early_series([], [WHOLE, MR], ["mr"], ["whole"]) == ""


def whole(instances: list[InstanceFacts], *expected: Expectation, unreadable: int = 0) -> bool:
    return is_whole(gathered(instances), len(instances) + unreadable, expected)


def test_a_series_is_whole_that_is_a_volume_without_a_gap_in_places_or_numbers() -> None:
    slices = stack()
    assert whole(slices)
    assert not whole([*slices[:4], *slices[5:]])
    assert not whole([replace(one, instance_number=None) for one in slices])
    assert not whole([replace(one, instance_number=2 * k) for k, one in enumerate(slices)])
    assert not whole(slices[:1])
    assert not whole([*slices[:6], *stack(3, orientation=CORONAL)])
    assert not whole(slices, unreadable=1), "models refuse a part of a series"


def test_what_is_expected_of_a_series_says_more_than_its_geometry() -> None:
    slices = stack()
    assert not whole(slices, Expectation("the sender says", instances=11))
    assert not whole(slices, Expectation("MPPS", instances=11, present=10))
    numbered_oddly = [replace(one, instance_number=7) for one in slices]
    assert whole(numbered_oddly, Expectation("the sender says", instances=10))
    assert whole(numbered_oddly, Expectation("MPPS", instances=10, present=10))
