"""The rules by which series are chosen, one by one: what can never be a volume, what is preferred, over all inputs."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.choice import Choice, Wanted, _assignments, choose
from domain.instances import gathered, series_facts
from domain.preferences import Preferences, faults
from domain.routing import Conditions, InstanceFacts, SeriesFacts, unmet
from models.registry import load_package
from tests.support.counterparts import ROOT

AXIAL, CORONAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
ONE = InstanceFacts(
    series_id="s", series_uid="1.2.1", sop_uid="1.2.1.1", modality="CT", series_description="Thorax",
    study_description="CT", sop_class="1.2", body_part="CHEST", frames=1, position=(0.0, 0.0, 0.0), orientation=AXIAL,
    slice_spacing=None, calling_ae="CT1", view="", image_type="ORIGINAL\\PRIMARY\\AXIAL", photometric="MONOCHROME2",
    contrast=False, burned_in=False, age=60.0, series_number=1, instance_number=1, frame_of_reference="1.2.9",
    kernel="B30f", thickness=2.0,
)  # fmt: skip
FILM = replace(ONE, modality="DX", position=None, orientation=None, view="PA", frame_of_reference="", kernel="")


def stack(count: int = 10, spacing: float = 2.0, **facts: object) -> list[InstanceFacts]:
    """Slices one upon the other."""
    places = ({"position": (0.0, 0.0, k * spacing), "sop_uid": f"1.2.1.{k}"} for k in range(count))
    return [replace(ONE, instance_number=k, **{**place, **facts}) for k, place in enumerate(places, 1)]  # type: ignore[arg-type]


def series(name: str, number: int | None = 1, **facts: object) -> SeriesFacts:
    """A sound series of ten slices with other facts."""
    usual = replace(gathered(stack()), series_id=name, series_uid=f"1.2.{number or 0}", number=number, instances=())
    return replace(usual, **facts)  # type: ignore[arg-type]


def lost(prefer: Preferences, better: SeriesFacts, other: SeriesFacts) -> str:
    """What `other` is told where `better` is read, whichever is named first."""
    wanted = [Wanted("ct", (Conditions(),), prefer=prefer)]
    choices = [choose(wanted, [better, other]), choose(wanted, [other, better])]
    assert choices[0] == choices[1]
    assert choices[0].series_id == better.series_id
    return choices[0].refusals[other.series_id][0]


@pytest.mark.parametrize(
    ("instances", "fault"),
    [
        (stack(1), "has a single slice"),
        (stack(10, position=None), "state no position"),
        (stack(10, image_type="ORIGINAL\\PRIMARY\\LOCALIZER"), "localizers"),
        ([*stack(6), *stack(6)], "its 12 images lie at 6 positions"),
        (stack(10, position=(0.0, 0.0, 0.0)), "its 10 images lie at one position"),
        ([*stack(6), *stack(3, orientation=CORONAL)], "not parallel: 3 of 9"),
        ([replace(one, position=(0.0, k / 2, k)) for k, one in enumerate(stack())], "tilted"),
        (stack(10, image_type="DERIVED\\SECONDARY\\CT_SOM5 MIP"), "projections"),
        (stack(1, frames=60, places=20, position=None), "its 60 images lie at 20 positions"),
        (stack(10, orientation=(0.0,) * 6), "no pair of directions"),
    ],
)
def test_what_can_never_be_a_volume_is_no_candidate_and_the_next_is_read(
    instances: list[InstanceFacts], fault: str
) -> None:
    wanted = [Wanted("ct", (Conditions(),))]
    never = [replace(one, series_id="never", series_uid="1.2.0", series_number=0) for one in instances]
    choice = choose(wanted, series_facts([*never, *stack(2)]))
    assert choice.series_id == "s"
    assert fault in " ".join(choice.refusals["never"])


def test_a_sound_series_has_no_fault_and_its_rounding_is_none() -> None:
    decimals = [replace(one, position=(0.0, 0.0, round(k * 0.625, 1))) for k, one in enumerate(stack(40))]
    for instances in (stack(), decimals, stack(1, frames=60, places=60, position=None), stack(1, frames=60)):
        facts = gathered(instances)
        assert (facts.no_volume, facts.missing) == ((), 0)
    assert gathered(stack()).orientation == "axial"


def test_a_series_that_lacks_slices_is_read_where_no_other_is_whole() -> None:
    gapped = [one for one in stack(20) if one.instance_number not in (7, 8)]
    facts = gathered(gapped)
    assert (facts.missing, facts.no_volume) == (2, ())
    assert choose([Wanted("ct", (Conditions(),))], [facts]).series_id == "s"
    whole = series("whole", 5)
    assert lost(Preferences(), whole, facts) == (
        "series 5 suits the model better: it is complete, this one seems to lack 2 slices"
    )
    allowed = [Wanted("ct", (Conditions(),), missing_slices=2)]
    assert choose(allowed, [facts, whole]).series_id == "s"


@pytest.mark.parametrize("up", [1, -1])
def test_a_gap_is_told_apart_from_a_spacing_and_where_it_is(up: int) -> None:
    gone = {61, 62, 63, 64, 90}
    whole = [replace(one, position=(0.0, 0.0, 2.5 * up * k)) for k, one in enumerate(stack(120), 1)]
    facts = gathered([one for one in whole if one.instance_number not in gone])
    assert facts.spacing_mm == pytest.approx(2.5)
    (said,) = unmet(Conditions(max_spacing_mm=5), facts)
    assert said == (
        "5 slices seem to be missing, 4 of them between image 60 and image 65: the gap is 12.5 mm wide, farther than "
        "5 mm; the others lie 2.5 mm apart"
    )
    assert unmet(Conditions(max_spacing_mm=12.5), facts) == ()
    assert unmet(Conditions(min_spacing_mm=3), facts) == ("slices lie 2.5 mm apart, closer than 3 mm",)
    single = gathered([one for one in whole if one.instance_number != 7])
    assert unmet(Conditions(max_spacing_mm=4), single)[0].startswith("1 slice seems to be missing between image 6 and")
    unnumbered = gathered([replace(one, instance_number=None) for one in whole if one.instance_number not in gone])
    assert unmet(Conditions(max_spacing_mm=5), unnumbered)[0].startswith(
        "5 slices seem to be missing, 4 of them in one place: "
    )


@pytest.mark.parametrize(
    ("prefer", "better", "other", "said"),
    [
        ({}, {}, {"image_types": frozenset({"DERIVED"})}, "its images are original, those of this one derived"),
        ({"contrast": True}, {"contrast": True}, {}, "it names a contrast agent, this one none"),
        ({"contrast": False}, {}, {"contrast": True}, "it names no contrast agent"),
        (
            {"series_description": ("portal", "arterial")},
            {"series_description": "PORTAL"},
            {"series_description": "arterial"},
            "its description matches 'portal', which the model prefers",
        ),
        ({"kernel": ("B3",)}, {}, {"kernel": "B70f"}, "its kernel matches 'B3', which the model prefers"),
        ({"kernel": ("B9",)}, {"kernel": ""}, {}, "it states no kernel, and that of this one is none that"),
        ({"orientation": ("axial",)}, {}, {"orientation": "coronal"}, "it is axial, this one coronal"),
        ({"thickness_mm": 1.0}, {}, {"thickness_mm": 5.0}, "its slices are 2 mm thick, those of this one 5 mm"),
        ({"thickness_mm": 1.0}, {}, {"thickness_mm": None, "spacing_mm": None}, "a thickness that is not known"),
        ({}, {"slices": 11}, {}, "it has 11 slices, this one 10"),
        ({}, {"spacing_mm": 1.0}, {}, "its slices lie 1 mm apart, those of this one 2 mm"),
        ({}, {}, {"frame_of_reference": "1\\2"}, "it lies in one frame of reference, this one in several"),
    ],
)
def test_of_two_that_would_do_what_tells_them_apart_is_said(
    prefer: dict[str, object], better: dict[str, object], other: dict[str, object], said: str
) -> None:
    # The number of the better is the higher one: it decides nothing here.
    told = lost(Preferences(**prefer), series("b", 9, **better), series("o", 2, **other))  # type: ignore[arg-type]
    assert told.startswith("series 9 suits the model better: ")
    assert said in told


@pytest.mark.parametrize("sharp", ["B70f", "LUNG", "Bl57f", "L", "FC51"])
@pytest.mark.parametrize("soft", ["B31f", "STANDARD", "Br40d", "B", "FC08"])
def test_the_shipped_model_of_lungs_reads_the_soft_kernel_of_two(soft: str, sharp: str) -> None:
    prefer = load_package(ROOT / "models" / "ct_lung").manifest.inputs[0].prefer
    assert "its kernel matches" in lost(prefer, series("b", 9, kernel=soft), series("o", 2, kernel=sharp))


def test_of_equals_the_lower_number_is_read_then_the_lower_uid_and_never_an_id_of_ours() -> None:
    first, second = series("z", 2), series("a", 10)
    assert lost(Preferences(), first, second).endswith("it comes first by its number")
    first, second = series("z", 2, series_uid="1.2.9"), series("a", 2, series_uid="1.2.10")
    assert lost(Preferences(), first, second).endswith("it comes first by its Series Instance UID")
    assert lost(Preferences(), first, series("a", None)).startswith("series 2 is read")


def test_inputs_are_served_at_once_and_not_one_after_another() -> None:
    large, small = series("large", 1, slices=90), series("small", 2, modality="MR")
    wanted = [Wanted("any", (Conditions(),)), Wanted("ct", (Conditions(modality=("CT",)),))]
    assert choose(wanted, [large, small]).inputs == {"any": "small", "ct": "large"}


def test_a_better_series_in_another_frame_of_reference_is_left_and_told_so() -> None:
    wanted = [Wanted(name, (Conditions(series_description=name),)) for name in ("t1", "t2")]
    t1, t2 = series("t1", 1, series_description="t1"), series("t2", 2, series_description="t2")
    moved = series("moved", 3, series_description="t2", slices=99, frame_of_reference="1.2.8")
    choice = choose(wanted, [t1, t2, moved])
    assert choice.inputs == {"t1": "t1", "t2": "t2"}
    assert (
        "as t2: lies in another frame of reference than the series that are read together" in choice.refusals["moved"]
    )
    apart = choose(wanted, [t1, moved])
    assert apart.inputs == {}
    assert all("several frames of reference" in reason for reasons in apart.refusals.values() for reason in reasons)
    assert choose(wanted, [t1, moved], registered=True).inputs == {"t1": "t1", "t2": "moved"}
    assert choose(wanted, [t1, t2, moved], registered=True).inputs == {"t1": "t1", "t2": "t2"}
    unknown = replace(moved, frame_of_reference=None)
    assert choose(wanted, [t1, unknown]).inputs == {"t1": "t1", "t2": "moved"}


@given(st.lists(st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 3), st.integers(0, 3))), max_size=4))
def test_the_assignment_is_the_best_of_all(costs: list[dict[int, tuple[int, int]]]) -> None:
    everything = [
        tuple(map(sum, zip(*(each[at] for each, at in zip(costs, chosen, strict=True)), strict=True)))
        for chosen in permutations(range(6), len(costs))
        if all(at in each for each, at in zip(costs, chosen, strict=True))
    ]
    found = _assignments(costs).get((1 << len(costs)) - 1)
    assert (found[0] if found else None) == (min(everything) if everything else None)


def test_a_body_part_is_met_by_every_slice_and_not_by_any() -> None:
    mixed = gathered([*stack(5), *stack(10, body_part="HEAD")[5:]])
    assert unmet(Conditions(body_part=("chest",)), mixed) == ("body part is HEAD, not chest",)
    assert unmet(Conditions(body_part=("chest", "head")), mixed) == ()


def test_radiographs_are_chosen_image_by_image_and_those_that_are_left_out_are_named() -> None:
    films = [
        replace(FILM, sop_uid="1", instance_number=1),
        replace(FILM, sop_uid="2", instance_number=2, view="LL"),
        replace(FILM, sop_uid="3", instance_number=3, view="AP"),
        replace(FILM, sop_uid="4", instance_number=None, body_part="HAND"),
        replace(FILM, sop_uid="5", instance_number=5, frames=9),
    ]
    wanted = [Wanted("film", (Conditions(view=("PA", "AP"), body_part=("CHEST",)),), kind="images")]
    choice = choose(wanted, series_facts(films))
    assert choice == Choice(
        {"film": "s"},
        {
            "s": (
                "image 2: view is LL, not PA or AP",
                "image 5: has 9 frames; a single picture is wanted",
                "an image without a number: body part is HAND, not CHEST",
            )
        },
        {"film": ("1", "3")},
    )
    assert choose(wanted, series_facts(films[:1])) == Choice({"film": "s"}, {})
    assert choose(wanted, series_facts(films[1:2])) == Choice({}, {"s": ("view is LL, not PA or AP",)})


ONE_AT_MOST = "the model reads 1 image at the most,"
NOTHING = Preferences()
ERECT = Preferences(series_description=("erect",))


def series_of(number: int, *views: str, **facts: object) -> list[InstanceFacts]:
    """A series of radiographs by its number, an image a view."""
    own = replace(FILM, series_id=f"s{number}", series_uid=f"1.2.{number}", series_number=number, **facts)  # type: ignore[arg-type]
    return [
        replace(own, sop_uid=f"1.2.{number}.{at}", instance_number=at, view=view) for at, view in enumerate(views, 1)
    ]


def of_films(*films: list[InstanceFacts], prefer: Preferences = NOTHING, **conditions: object) -> Choice:
    asked = Conditions(view=("PA", "AP"), **conditions)  # type: ignore[arg-type]
    facts = series_facts(one for series in films for one in series)
    return choose([Wanted("film", (asked,), kind="images", prefer=prefer)], facts)


def test_frontal_films_are_read_in_whatever_series_they_lie_and_a_lateral_is_told_why_not() -> None:
    choice = of_films(series_of(10, "PA"), series_of(2, "PA"), series_of(3, "LL"), series_of(9, "RL", "AP"))
    assert choice == Choice(
        {"film": "s2"},
        {"s3": ("view is LL, not PA or AP",), "s9": ("image 1: view is RL, not PA or AP",)},
        {"film": ("1.2.2.1", "1.2.9.2", "1.2.10.1")},
        ("s9", "s10"),
    )
    assert choice.series == ("s2", "s9", "s10")


def test_a_model_that_reads_one_film_gets_the_preferred_one_and_each_other_is_told_so() -> None:
    first, second, derived = series_of(1, "PA"), series_of(2, "PA"), series_of(0, "PA", image_type="DERIVED\\PRIMARY")
    choice = of_films(second, derived, first, max_slices=1)
    assert (choice.series, choice.images) == (("s1",), {})
    assert choice.refusals == {
        "s0": (f"{ONE_AT_MOST} and series 1 suits it better: its images are original, those of this one derived",),
        "s2": (f"{ONE_AT_MOST} and series 1 comes first by its number",),
    }
    preferred = of_films(first, series_of(4, "PA", series_description="erect"), max_slices=1, prefer=ERECT)
    assert preferred.series == ("s4",)


def test_a_series_with_more_films_than_a_model_reads_is_no_reason_to_leave_the_others() -> None:
    choice = of_films(series_of(1, "PA", "AP", "PA"), series_of(2, "PA"), series_of(3, "AP"), max_slices=2)
    assert choice.series == ("s2", "s3")
    assert choice.refusals == {"s1": ("has 3 images that would do, more than 2",)}


def test_how_many_films_are_asked_for_counts_those_that_would_be_read_together() -> None:
    assert of_films(series_of(1, "PA"), series_of(2, "AP", "LL"), min_slices=2).series == ("s1", "s2")
    assert of_films(series_of(1, "PA", "LL"), min_slices=2).refusals == {
        "s1": ("has 1 image that would do, fewer than 2",)
    }
    assert of_films(series_of(1, "PA"), series_of(2, "AP"), min_slices=3).refusals == dict.fromkeys(
        ("s1", "s2"), ("has 1 image that would do, 2 with those of other series, fewer than 3",)
    )


def test_what_no_series_could_be_preferred_by_is_a_fault() -> None:
    wrong = Preferences(kernel=("(",), orientation=("oblique",), thickness_mm=0.0)
    assert [key for key, _ in faults(wrong)] == ["kernel", "orientation", "thickness_mm"]
    assert list(faults(Preferences(kernel=("B",), orientation=("axial",), thickness_mm=1.0))) == []
