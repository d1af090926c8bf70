"""When a study is complete and a series is whole, by which evidence, and in which words."""

from dataclasses import replace

import pytest

from domain.completeness import SeriesArrival, SettlePolicy, StudyFacts, Verdict, decide, wants_geometry
from domain.expectations import Expectation

POLICY = SettlePolicy(15, {})
CT = frozenset({"CT"})
SENDER, ARCHIVE, MPPS = "the sender says", "PACS says", "MPPS"


def series(came: int, *expected: Expectation) -> SeriesArrival:
    return SeriesArrival(came, expected, max((one.present or 0 for one in expected), default=0))


def study(*its: SeriesArrival, silence: float = 0.0, held: bool = True, **more: object) -> StudyFacts:
    """One whose association is open, as long as nothing else is said."""
    came = sum(one.came for one in its)
    return replace(StudyFacts(silence, held, CT, came=came, series=its, released=not held), **more)  # type: ignore[arg-type]


def test_a_study_of_which_as_many_came_as_were_expected_waits_for_nothing_even_while_its_association_is_open() -> None:
    said = (Expectation(SENDER, instances=130),)
    assert decide(study(series(130), expected=said), POLICY) == Verdict(True, "all 130 images came (the sender says)")


def test_a_study_all_of_whose_series_are_counted_and_there_is_complete() -> None:
    its = [series(number, Expectation(SENDER, instances=number)) for number in (100, 30)]
    verdict = decide(study(*its, expected=(Expectation(ARCHIVE, series=2),)), POLICY)
    assert verdict == Verdict(True, "all 130 images of 2 series came (PACS says)")
    assert not decide(study(*its), POLICY).complete  # of how many series nobody speaks
    assert decide(study(*its, expected=(Expectation(ARCHIVE, series=3),)), POLICY).reason.startswith("2 of 3 series")


def test_a_study_that_lacks_what_is_expected_waits_longer_than_silence_and_not_for_ever_and_says_what_is_missing() -> (
    None
):
    said = (Expectation(SENDER, instances=130),)
    waits = decide(study(series(120), silence=16, held=False, expected=said), POLICY)
    assert (waits.complete, waits.again_in) == (False, 44)
    lacks = "120 of 130 images came (the sender says), 10 are missing"
    assert waits.reason == f"{lacks}: waiting for them"
    ends = decide(study(series(120), silence=60, held=False, expected=said), POLICY)
    assert ends == Verdict(True, f"{lacks}; nothing more came for 60 s", lacks=lacks)


@pytest.mark.parametrize(
    ("its", "reason"),
    [
        (
            [series(40, Expectation(MPPS, instances=50, present=40)), series(7)],
            "40 of 50 images of a series came (MPPS)",
        ),
        ([series(1, Expectation(SENDER, 2)), series(0, Expectation(MPPS, 3, present=0))], "1 of 5 images of 2 series"),
        (
            [series(9, Expectation(SENDER, 9), Expectation(ARCHIVE, 10))],
            "9 of 10 images of a series came (PACS says), 1 is",
        ),
    ],
)
def test_what_is_missing_of_series_is_told_by_who_expects_the_most(its: list[SeriesArrival], reason: str) -> None:
    assert decide(study(*its, silence=20, held=False, known=True), POLICY).reason.startswith(reason)


def test_a_number_that_is_exceeded_counts_no_more_and_that_is_said() -> None:
    said = (Expectation(SENDER, instances=100),)
    verdict = decide(study(series(130), silence=15, held=False, expected=said), POLICY)
    assert verdict.complete
    assert verdict.reason.endswith(", more than the 100 that were expected (the sender says)")


def test_a_number_that_grows_with_the_images_or_is_one_with_the_first_completes_nothing_at_once() -> None:
    growing = (Expectation(SENDER, instances=20, varies=True),)
    assert not decide(study(series(20), expected=growing), POLICY).complete
    first = (Expectation(SENDER, instances=1),)
    assert not decide(study(series(1), expected=first), POLICY).complete
    assert decide(study(series(1), held=False, expected=first), POLICY).complete


def test_a_study_is_complete_the_moment_that_all_instances_are_there_that_were_named() -> None:
    def named(present: int) -> Expectation:
        return Expectation(MPPS, instances=50, present=present)

    verdict = decide(study(series(50, named(50)), series(3, replace(named(3), instances=3))), POLICY)
    assert verdict == Verdict(True, "all 53 images came that were named (MPPS)")
    assert not decide(study(series(50, named(49)), silence=20, held=False), POLICY).complete
    assert not decide(
        study(series(50, named(50)), series(3)), POLICY
    ).complete  # a series that nobody named still comes
    whole = replace(named(53), instances=53)
    assert decide(study(replace(series(53), named=53), expected=(whole,)), POLICY).complete


def test_who_names_a_part_of_what_came_completes_nothing() -> None:
    part = Expectation(MPPS, instances=1, present=1)
    assert not decide(study(series(5, part)), POLICY).complete
    assert not decide(study(replace(series(5), named=1), expected=(part,)), POLICY).complete
    twice = (part, replace(part, source=ARCHIVE))
    assert not decide(study(replace(series(2, *twice), named=1)), POLICY).complete  # each names the same one


def test_what_is_available_at_a_moment_completes_nothing_while_more_may_come() -> None:
    here = Expectation("IAN", instances=1, present=1, ended=False)
    assert not decide(study(series(1, here)), POLICY).complete
    assert not decide(study(series(1, here), held=False), POLICY).complete
    assert not decide(study(series(1, here), held=False, known=True, pause=1.0), POLICY).complete
    assert decide(study(series(1, here), held=False, known=True), POLICY) == Verdict(
        True, "all 1 image came that were named (IAN)"
    )


def test_a_list_that_names_nothing_completes_nothing_and_holds_nothing_up() -> None:
    nothing = Expectation(MPPS, instances=0, present=0)
    assert not decide(study(series(5, nothing)), POLICY).complete
    assert not decide(study(series(5), expected=(nothing,)), POLICY).complete
    named = Expectation(MPPS, instances=5, present=5)
    assert decide(study(series(5, named), series(0, nothing)), POLICY).complete


def test_geometry_needs_a_known_sender_its_release_and_a_look_and_then_a_short_grace_is_enough() -> None:
    whole = study(series(80), gap="", silence=0.3, held=False, known=True)
    verdict = decide(whole, POLICY)
    assert verdict.complete
    assert verdict.reason.startswith("no slice and no image number is missing")
    assert decide(replace(whole, silence=0.1), POLICY).again_in == pytest.approx(0.2)
    for doubtful, why in (
        (replace(whole, known=False), "how its sender sends is not known yet"),
        (replace(whole, released=False), "not all of its associations were released"),
        (replace(whole, opening=True), "its sender has another association open"),
        (replace(whole, gap="2 slices seem to be missing from a series"), "2 slices seem"),
    ):
        verdict = decide(doubtful, POLICY)
        assert not verdict.complete
        assert f"waiting for 15 s of silence ({why}" in verdict.reason
    unseen = replace(whole, gap=None)
    assert wants_geometry(unseen, POLICY)
    assert not decide(unseen, POLICY).complete


def test_while_a_procedure_step_is_in_progress_geometry_is_not_enough_and_silence_lasts_as_long_as_a_hold() -> None:
    stepping = study(series(80), gap="", silence=59, held=False, known=True, in_progress=True)
    verdict = decide(stepping, POLICY)
    assert (verdict.complete, verdict.again_in) == (False, 1)
    assert "a procedure step of it is in progress" in verdict.reason
    assert decide(replace(stepping, silence=60), POLICY).complete
    counted = Expectation("the sender says", instances=80)
    assert decide(replace(stepping, silence=0, expected=(counted,)), POLICY).complete


def test_a_sender_that_pauses_within_its_studies_is_waited_for_twice_as_long_and_never_longer_than_the_hold() -> None:
    paused = study(series(80), gap="", silence=11, held=False, known=True, pause=6)
    assert decide(paused, POLICY).again_in == 1
    assert decide(replace(paused, silence=12), POLICY).complete
    assert decide(replace(paused, known=False, pause=20, silence=39), POLICY).again_in == 1
    assert decide(replace(paused, pause=59), POLICY).again_in == 49
