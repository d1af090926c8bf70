"""Completeness, routing and retry: pure decisions."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.choice import Choice, Wanted, choose
from domain.completeness import SettlePolicy, StudyFacts, decide
from domain.events import Event, StudyCompleted
from domain.findings import Code, Findings, Mask, Measurement, ModelIdentity, Segment, SourceFrame
from domain.ids import StudyId, derived_uid, new_id, result_uid, set_digest
from domain.retry import RetryPolicy
from domain.routing import Conditions, SeriesFacts, in_short, unmet, unquoted
from models.registry import load_package
from tests.support.counterparts import ROOT

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = SettlePolicy(5, {"MR": 60})
CHEST = SeriesFacts(
    series_id="a",
    modality="CT",
    sop_classes=frozenset({"1.2.840.10008.5.1.4.1.1.2"}),
    body_parts=frozenset({"CHEST"}),
    series_description="Thorax 1.0 lung",
    study_description="CT chest",
    calling_aes=frozenset({"CT1"}),
    slices=120,
    spacing_mm=1.0,
    ages=frozenset({41.0}),
    image_types=frozenset({"DERIVED", "SECONDARY"}),
    photometric=frozenset({"MONOCHROME1"}),
    contrast=True,
    burned_in=True,
)


CT = frozenset({"CT"})


def test_a_study_that_an_association_holds_waits_for_longer_silence() -> None:
    policy = SettlePolicy(5, {}, hold=60)
    verdict = decide(StudyFacts(59, True, CT), policy)
    assert (verdict.complete, verdict.reason, verdict.again_in) == (False, "its association is still open", 1)
    assert decide(StudyFacts(60, True, CT), policy).complete


def test_a_study_that_nothing_holds_waits_for_silence_and_says_how_long() -> None:
    verdict = decide(StudyFacts(4.5, False, CT), POLICY)
    assert (verdict.complete, verdict.again_in) == (False, 0.5)
    assert decide(StudyFacts(5, False, CT), POLICY).complete


def test_a_study_whose_objects_a_loss_of_power_could_take_waits_however_silent_it_is() -> None:
    verdict = decide(StudyFacts(1e6, False, CT, synced=False), POLICY)
    assert not verdict.complete
    assert verdict.again_in > 0


def test_a_settle_time_above_the_hold_counts_for_a_held_study_too() -> None:
    policy = SettlePolicy(5, {"MR": 90}, hold=60)
    assert not decide(StudyFacts(89, True, frozenset({"MR"})), policy).complete
    assert decide(StudyFacts(90, True, frozenset({"MR"})), policy).complete


def test_the_longest_settle_time_of_its_modalities_decides() -> None:
    both = frozenset({"CT", "MR"})
    assert not decide(StudyFacts(59, False, both), POLICY).complete
    assert decide(StudyFacts(60, False, both), POLICY).complete


def test_a_shorter_settle_time_of_a_modality_counts() -> None:
    policy = SettlePolicy(5, {"CR": 1})
    assert decide(StudyFacts(1, False, frozenset({"CR"})), policy).complete


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        (Conditions(modality=("MR",)), "modality is CT, not MR"),
        (Conditions(sop_class=("1.2.3",)), "SOP class 1.2.840.10008.5.1.4.1.1.2 is not wanted"),
        (Conditions(body_part=("HEAD", "")), "body part is CHEST, not HEAD or absent"),
        (Conditions(series_description="^head"), "series description does not match '^head'"),
        (Conditions(study_description="brain"), "study description does not match 'brain'"),
        (Conditions(calling_ae=("CT2",)), "came from CT1, not CT2"),
        (Conditions(min_slices=200), "has 120 slices, fewer than 200"),
        (Conditions(max_slices=100), "has 120 slices, more than 100"),
        (Conditions(min_spacing_mm=2), "slices lie 1 mm apart, closer than 2 mm"),
        (Conditions(max_spacing_mm=0.5), "slices lie 1 mm apart, farther than 0.5 mm"),
        (Conditions(view=("PA", "AP")), "view is absent, not PA or AP"),
        (Conditions(photometric=("MONOCHROME2",)), "photometric interpretation is MONOCHROME1, not MONOCHROME2"),
        (Conditions(not_image_type=("DERIVED",)), "image type is DERIVED, which is not wanted"),
        (Conditions(not_series_description="lung"), "series description matches 'lung', which is not wanted"),
        (Conditions(min_age=60), "the patient is younger than 60 years"),
        (Conditions(max_age=18), "the patient is older than 18 years"),
        (Conditions(contrast=False), "a contrast agent is named"),
        (Conditions(burned_in=False), "text is burned into its pixels"),
    ],
)
def test_each_condition_that_is_not_met_is_a_sentence(conditions: Conditions, reason: str) -> None:
    assert unmet(conditions, CHEST) == (reason,)


def test_what_asks_nothing_is_met() -> None:
    assert unmet(Conditions(), CHEST) == ()
    assert unmet(Conditions(body_part=("chest",), series_description="LUNG", max_spacing_mm=1), CHEST) == ()
    assert unmet(Conditions(body_part=("",)), replace(CHEST, body_parts=frozenset({""}))) == ()


def test_spacing_that_cannot_be_told_does_not_pass() -> None:
    unknown = replace(CHEST, spacing_mm=None)
    assert unmet(Conditions(max_spacing_mm=5), unknown) == ("distance between slices cannot be told",)


def test_the_series_with_the_most_slices_is_chosen_and_the_others_learn_why_not() -> None:
    thick, scout = replace(CHEST, series_id="b", slices=40), replace(CHEST, series_id="c", modality="SR")
    choice = choose([wanted("ct", Conditions(modality=("CT",)), Conditions(min_slices=10))], [thick, scout, CHEST])
    assert choice.series_id == "a"
    assert "suits the model better" in choice.refusals["b"][0]
    assert choice.refusals["c"] == ("modality is SR, not CT",)


@given(st.permutations([replace(CHEST, series_id=name, slices=n) for name, n in (("a", 5), ("b", 9), ("c", 9))]))
def test_the_choice_does_not_depend_on_the_order(series: list[SeriesFacts]) -> None:
    assert choose([wanted("ct", Conditions())], series).series_id == "b"


def wanted(name: str, *conditions: Conditions) -> Wanted:
    return Wanted(name, conditions)


def test_each_input_finds_a_series_of_its_own_or_none_runs() -> None:
    before, after = replace(CHEST, series_id="b", contrast=False), replace(CHEST, series_id="c", slices=90)
    both = [wanted("plain", Conditions(contrast=False)), wanted("contrast", Conditions(contrast=True))]
    choice = choose(both, [after, before])
    assert (choice.inputs, choice.series_id) == ({"plain": "b", "contrast": "c"}, "b")
    assert choose([wanted("one", Conditions()), wanted("two", Conditions())], [CHEST, after]).inputs == {
        "one": "a",
        "two": "c",
    }
    lacking = choose(both, [before])
    assert lacking == Choice({}, {"b": ("would do, but the study has no series for contrast",)})


def test_what_stands_against_a_series_is_said_once_whatever_the_number_of_inputs() -> None:
    inputs = [
        wanted("plain", Conditions(modality=("MR",), series_description="t1")),
        wanted("contrast", Conditions(modality=("MR",), series_description="t2")),
        wanted("late", Conditions(modality=("MR",), series_description="t2")),
    ]
    assert choose(inputs, [CHEST]).refusals["a"] == (
        "modality is CT, not MR",
        "as contrast and late: series description does not match 't2'",
        "as plain: series description does not match 't1'",
    )


def test_a_long_pattern_is_quoted_by_its_beginning() -> None:
    (reason,) = unmet(Conditions(series_description="x" * 400), CHEST)
    assert len(reason) < 100
    (reason,) = unmet(Conditions(not_series_description=f"lung|{'x' * 400}"), CHEST)
    assert len(reason) < 100


@pytest.mark.parametrize("package", ["brain_tumor", "ct_lung", "ct_nodules", "cxr_findings"])
@pytest.mark.parametrize("series", [replace(CHEST, modality="MR"), replace(CHEST, modality="DX", slices=1)])
def test_why_a_shipped_model_is_left_out_fits_a_line(package: str, series: SeriesFacts) -> None:
    manifest = load_package(ROOT / "models" / package).manifest
    others = [replace(series, series_id=str(number), modality="SR", slices=number) for number in range(5)]
    choice = choose([Wanted(one.name, (one.conditions,)) for one in manifest.inputs], [series, *others])
    assert choice.series_id is None
    assert len(in_short("no series meets its intended use", choice.refusals)) < 150


def test_in_short_what_stands_against_the_series_that_came_nearest_is_said() -> None:
    refusals = {"a": ("too thick", "too few", "wrong part"), "b": ("too few", "too thick")}
    assert in_short("none fits", refusals) == "none fits: too few (`explain` has 2 more)"
    assert in_short("none fits", {"a": ("too few",), "b": ("too few",)}) == "none fits: too few"
    assert in_short("no rule names this model", {}) == "no rule names this model"


def test_an_age_that_is_not_stated_meets_no_limit() -> None:
    assert unmet(Conditions(max_age=18), replace(CHEST, ages=frozenset())) == (
        "neither the patient's age (as 045Y) nor a birth date is stated that can be read",
    )


def test_retries_grow_to_a_ceiling_and_end() -> None:
    policy = RetryPolicy(first=2, factor=2, longest=30, attempts=6)
    assert [policy.delay(n) for n in range(1, 7)] == [2, 4, 8, 16, 30, None]
    assert RetryPolicy(1, 2, 900).delay(10_000) == 900
    days = RetryPolicy(1, 2, 900, total=timedelta(days=7))
    assert days.delay(500, timedelta(days=6.9)) == 900
    assert days.delay(500, timedelta(days=7)) is None


def test_a_result_has_the_same_uid_each_time_and_another_one_for_each_part_of_what_it_is() -> None:
    whole = ("1.2.3", "ct_lung", "1.0", "cd", "ab", "SEG")
    uid = result_uid(*whole)
    assert uid == result_uid(*whole)
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    others = {result_uid(*[*whole[:at], whole[at] + "x", *whole[at + 1 :]]) for at in range(6)}
    assert len(others | {uid}) == 7
    assert derived_uid("a", "b") != derived_uid("ab")


def test_a_set_of_inputs_has_one_digest_in_any_order() -> None:
    assert set_digest(["b", "a"]) == set_digest(["a", "b"]) != set_digest(["a"])


def test_findings_survive_json() -> None:
    code = Code("39607008", "SCT", "Lung")
    segment = Segment(1, "Left lung", code, code, (1, 2, 3), code, (Measurement(code, 2.5, code),))
    model = ModelIdentity("m", "1", "t", "x", "2.25.1", "d", True)
    findings = Findings(model, "i", (SourceFrame("1.2", 3),), Mask("k", "s", (1, 2, 3)), (segment,))
    assert Findings.from_json(findings.to_json()) == findings
    assert Findings.from_json(replace(findings, mask=None).to_json()).mask is None
    sized = replace(findings, voxel=(5.0, 0.7, 0.8))
    assert Findings.from_json(json.loads(json.dumps(sized.to_json()))) == sized


def test_findings_of_a_release_that_knew_no_voxel_are_read() -> None:
    model = ModelIdentity("m", "1", "t", "x", "2.25.1", "d", True)
    kept = Findings(model, "i", (), None, ()).to_json()
    del kept["voxel"]
    assert Findings.from_json(kept).voxel is None


def test_an_event_survives_its_envelope() -> None:
    event = Event(StudyCompleted(1, 2, 3), StudyId(new_id()), NOW)
    assert Event.from_envelope(event.envelope()) == event


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("body part is DOE JOHN, not CHEST or absent", "body part is another, not CHEST or absent"),
        ("view is A, not B, not PA or AP", "view is another, not PA or AP"),
        ("requested procedure is DOE:JOHN, not L:1", "requested procedure is another, not L:1"),
        ("photometric interpretation is DOE", "photometric interpretation is another"),
        ("modality is CT, not MR", "modality is CT, not MR"),
        ("text is burned into its pixels", "text is burned into its pixels"),
    ],
)
def test_a_reason_is_told_without_what_a_scanners_user_wrote(reason: str, said: str) -> None:
    assert unquoted(reason) == said


def test_every_word_of_an_image_that_a_reason_quotes_is_known_as_one() -> None:
    wanted = Conditions(
        body_part=("CHEST",), view=("PA",), photometric=("RGB",), procedure_code=("L:1",), not_series_description="doe"
    )
    secret = "DOE"
    series = replace(
        CHEST,
        body_parts=frozenset({secret}),
        views=frozenset({secret}),
        photometric=frozenset({secret}),
        procedure_codes=frozenset({secret}),
        series_description=secret,
        study_description=secret,
    )
    reasons = unmet(wanted, series)
    assert sum(secret in one for one in reasons) == 4
    assert not any(secret in unquoted(one) for one in reasons)
