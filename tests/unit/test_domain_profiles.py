"""Which form of each kind a destination gets, and why: every fall-back, and what holds whatever it takes."""

from collections.abc import Collection
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.profiles import (
    BASIC_TEXT_SR,
    BUILT_IN,
    COMPREHENSIVE_3D_SR,
    COMPREHENSIVE_SR,
    DEFLATED,
    ENCAPSULATED_PDF,
    ENHANCED_SR,
    EXPLICIT,
    IMPLICIT,
    KEY_OBJECT_SELECTION,
    LABEL_MAP_SEGMENTATION,
    OF_A_RUN,
    OF_A_STUDY,
    RLE,
    SECONDARY_CAPTURE,
    SEGMENTATION,
    SOP_CLASSES,
    Choice,
    Profile,
    Report,
    ResultFormat,
    ResultKind,
    Segmentation,
    choose,
    every_form,
    to_write,
)

SR_ONLY = Profile("reports", (ResultKind.SR,))
CODED = {ResultKind.SR_REGIONS, ResultKind.SR, ResultKind.SR_LIKELIHOODS}


def takes(*sop_classes: str) -> frozenset[tuple[str, str]]:
    """What a destination accepts that takes these classes uncompressed."""
    return frozenset((one, syntax) for one in sop_classes for syntax in (EXPLICIT, IMPLICIT))


def written(forms: Collection[ResultFormat], without: Collection[ResultKind] = ()) -> frozenset[ResultFormat]:
    """What becomes of `forms` where the findings give nothing for the kinds in `without`."""
    made = {form for form in forms if form.kind not in without}
    names = {form.name for form in made}
    return frozenset(form if form.refers in names else replace(form, refers="") for form in made)


def sent(choices: Collection[Choice]) -> dict[ResultKind, ResultFormat]:
    return {one.kind: one.form for one in choices if one.form}


def why(choices: Collection[Choice], kind: ResultKind) -> str:
    (found,) = [one.why for one in choices if one.kind is kind]
    return found


@pytest.mark.parametrize(
    ("taken", "sop_class", "reason"),
    [
        ([COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR], COMPREHENSIVE_3D_SR, "Comprehensive 3D SR, as preferred"),
        ([COMPREHENSIVE_SR, ENHANCED_SR], COMPREHENSIVE_SR, "Comprehensive SR, for it takes no Comprehensive 3D SR"),
        (
            [ENHANCED_SR, BASIC_TEXT_SR],
            ENHANCED_SR,
            "Enhanced SR, for it takes no Comprehensive 3D SR, no Comprehensive SR",
        ),
    ],
)
def test_a_report_falls_back_class_by_class_and_says_why(taken: list[str], sop_class: str, reason: str) -> None:
    choices = choose(SR_ONLY, takes(*taken))
    assert sent(choices)[ResultKind.SR].sop_class == sop_class
    assert why(choices, ResultKind.SR) == reason
    assert ResultKind.TEXT not in sent(choices)


def test_where_no_coded_report_is_taken_plain_text_goes_in_their_place() -> None:
    choices = choose(SR_ONLY, takes(BASIC_TEXT_SR))
    assert sent(choices) == {ResultKind.TEXT: ResultFormat(ResultKind.TEXT, BASIC_TEXT_SR)}
    assert (
        why(choices, ResultKind.SR) == "left out: it takes no Comprehensive 3D SR, no Comprehensive SR, no Enhanced SR"
    )
    assert why(choices, ResultKind.TEXT) == (
        "Basic Text SR in place of SR and SR-LIKELIHOODS, for "
        "it takes no Comprehensive 3D SR, no Comprehensive SR, no Enhanced SR"
    )


def test_the_plain_text_is_chosen_too_among_what_was_written_for_it() -> None:
    accepted = takes(BASIC_TEXT_SR)
    choices = choose(SR_ONLY, accepted, to_write(SR_ONLY, accepted))
    assert sent(choices) == {ResultKind.TEXT: ResultFormat(ResultKind.TEXT, BASIC_TEXT_SR)}


def test_a_profile_without_plain_text_leaves_the_reports_out() -> None:
    profile = replace(SR_ONLY, reports=(Report.ENHANCED,))
    choices = choose(profile, takes(BASIC_TEXT_SR))
    assert sent(choices) == {}
    assert why(choices, ResultKind.SR) == "left out: it takes no Enhanced SR"


def test_a_label_map_goes_where_the_profile_prefers_it_and_it_is_taken() -> None:
    profile = Profile("p", (ResultKind.SEG,), segmentations=(Segmentation.LABEL_MAP, Segmentation.BINARY))
    both = choose(profile, takes(SEGMENTATION, LABEL_MAP_SEGMENTATION))
    assert sent(both)[ResultKind.SEG].sop_class == LABEL_MAP_SEGMENTATION
    older = choose(profile, takes(SEGMENTATION))
    assert sent(older)[ResultKind.SEG].sop_class == SEGMENTATION
    assert why(older, ResultKind.SEG) == "Segmentation, for it takes no Label Map Segmentation"
    assert sent(choose(profile, None))[ResultKind.SEG].sop_class == SEGMENTATION


def test_a_segmentation_is_compressed_only_where_that_is_taken() -> None:
    profile = Profile("p", (ResultKind.SEG,), segmentations=(Segmentation.LABEL_MAP,), compress=True)
    compressed = takes(LABEL_MAP_SEGMENTATION) | {(LABEL_MAP_SEGMENTATION, RLE)}
    assert sent(choose(profile, compressed))[ResultKind.SEG].transfer_syntax == RLE
    plain = choose(profile, takes(LABEL_MAP_SEGMENTATION))
    assert sent(plain)[ResultKind.SEG].transfer_syntax == EXPLICIT
    assert "no Label Map Segmentation in RLE Lossless" in why(plain, ResultKind.SEG)
    assert sent(choose(profile, None))[ResultKind.SEG].transfer_syntax == EXPLICIT


def test_a_destination_of_implicit_vr_alone_gets_that() -> None:
    choices = choose(Profile("p", (ResultKind.SC,)), {(SECONDARY_CAPTURE, IMPLICIT)})
    assert sent(choices)[ResultKind.SC].transfer_syntax == IMPLICIT
    assert why(choices, ResultKind.SC) == (
        "Secondary Capture in Implicit VR Little Endian, for it takes no Secondary Capture in Explicit VR Little Endian"
    )


def test_a_report_refers_to_the_segmentation_that_goes_with_it_or_to_none() -> None:
    profile = Profile("p", (ResultKind.SR, ResultKind.SEG), compress=True)
    with_segments = takes(SEGMENTATION, COMPREHENSIVE_3D_SR) | {(SEGMENTATION, DEFLATED)}
    chosen = sent(choose(profile, with_segments))
    assert chosen[ResultKind.SR].refers == chosen[ResultKind.SEG].name
    assert sent(choose(profile, takes(COMPREHENSIVE_3D_SR)))[ResultKind.SR].refers == ""
    assert sent(choose(SR_ONLY, with_segments))[ResultKind.SR].refers == ""


def test_findings_without_segments_are_reported_without_them() -> None:
    accepted = takes(SEGMENTATION, COMPREHENSIVE_3D_SR)
    profile = Profile("p", (ResultKind.SEG, ResultKind.SR))
    choices = choose(
        profile, accepted, written(to_write(profile, accepted), without=[ResultKind.SEG, ResultKind.SR_LIKELIHOODS])
    )
    assert [one.kind for one in choices] == [ResultKind.SR]
    assert sent(choices)[ResultKind.SR].refers == ""


def test_what_is_not_taken_is_on_record_though_it_was_never_written() -> None:
    accepted = takes(SECONDARY_CAPTURE, KEY_OBJECT_SELECTION)
    profile = BUILT_IN["classic"]
    choices = choose(profile, accepted, to_write(profile, accepted))
    assert set(sent(choices)) == {ResultKind.SC, ResultKind.KOS}
    assert why(choices, ResultKind.GSPS) == "left out: it takes no Grayscale Softcopy Presentation State"
    assert why(choices, ResultKind.PDF) == "left out: it takes no Encapsulated PDF"


def test_what_would_be_taken_and_was_not_written_is_called_so() -> None:
    choices = choose(SR_ONLY, takes(ENHANCED_SR), [ResultFormat(ResultKind.SR, COMPREHENSIVE_3D_SR)])
    assert why(choices, ResultKind.SR) == (
        "left out: it takes no Comprehensive 3D SR, no Comprehensive SR; Enhanced SR was not written"
    )
    older = choose(SR_ONLY, takes(COMPREHENSIVE_3D_SR, ENHANCED_SR), [ResultFormat(ResultKind.SR, ENHANCED_SR)])
    assert why(older, ResultKind.SR) == (
        "Enhanced SR, for it takes no Comprehensive SR; Comprehensive 3D SR was not written"
    )
    nothing = replace(SR_ONLY, reports=())
    assert why(choose(nothing, None), ResultKind.SR) == "left out: the profile allows no form of it"


def test_a_destination_that_never_answered_gets_what_is_taken_most_widely() -> None:
    for choice in choose(BUILT_IN["weasis"], None):
        assert choice.form
        assert choice.form.transfer_syntax == EXPLICIT
        assert choice.why.endswith("what it takes is not known yet")


def test_every_form_has_a_name_of_its_own() -> None:
    forms = every_form()
    assert len({form.name for form in forms}) == len(forms)
    assert {form.sop_class for form in forms} == set(SOP_CLASSES)


def test_the_built_in_profiles_send_what_their_readers_show() -> None:
    everything = frozenset(form.context for form in every_form())
    kinds = {name: set(sent(choose(profile, everything))) for name, profile in BUILT_IN.items()}
    assert kinds["default"] == {ResultKind.SEG, *CODED, ResultKind.GSPS, ResultKind.SC, ResultKind.KOS}
    assert kinds["classic"] == {ResultKind.GSPS, ResultKind.SC, ResultKind.KOS, ResultKind.PDF}
    assert kinds["reporting"] == {ResultKind.TEXT}
    assert ResultKind.GSPS not in kinds["ohif"]
    assert sent(choose(BUILT_IN["weasis"], everything))[ResultKind.SEG].transfer_syntax == DEFLATED


def impression(profile: Profile, *taken: str) -> Choice:
    """What becomes of an impression at a destination that takes these classes."""
    (choice,) = choose(profile, takes(*taken), of=OF_A_STUDY)
    return choice


def test_an_impression_goes_as_what_its_readers_see() -> None:
    every = tuple({form.sop_class for form in every_form()})
    forms = {name: impression(profile, *every).form for name, profile in BUILT_IN.items()}
    assert {name: form.sop_class for name, form in forms.items() if form} == {
        "default": ENHANCED_SR,
        "ohif": ENHANCED_SR,
        "weasis": ENHANCED_SR,
        "classic": ENCAPSULATED_PDF,
        "reporting": BASIC_TEXT_SR,
    }


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ((BASIC_TEXT_SR,), "Basic Text SR, for it takes no Enhanced SR"),
        ((ENCAPSULATED_PDF,), "Encapsulated PDF, for it takes no Enhanced SR, no Basic Text SR"),
        ((SECONDARY_CAPTURE,), "Secondary Capture, for it takes no Enhanced SR, no Basic Text SR, no Encapsulated PDF"),
        (
            (KEY_OBJECT_SELECTION,),
            "left out: it takes no Enhanced SR, no Basic Text SR, no Encapsulated PDF, no Secondary Capture",
        ),
    ],
)
def test_an_impression_falls_back_to_plain_text_and_to_a_page(taken: tuple[str, ...], said: str) -> None:
    assert impression(BUILT_IN["default"], *taken).why == said


def test_an_impression_refers_to_the_coded_reports_that_the_destination_gets() -> None:
    accepted = takes(SEGMENTATION, COMPREHENSIVE_SR, ENHANCED_SR)
    reports = [one.form for one in choose(BUILT_IN["default"], accepted) if one.kind in CODED and one.form]
    (choice,) = choose(BUILT_IN["default"], accepted, of=OF_A_STUDY)
    assert choice.form
    assert choice.form.referred == tuple(one.name for one in reports)
    assert len(reports) == len(CODED)
    alone = impression(replace(SR_ONLY, objects=(ResultKind.IMPRESSION,)), COMPREHENSIVE_SR, ENHANCED_SR).form
    pages = impression(
        replace(BUILT_IN["default"], reports=(Report.COMPREHENSIVE,)), COMPREHENSIVE_SR, ENCAPSULATED_PDF
    ).form
    assert alone
    assert pages
    assert (alone.refers, pages.refers) == ("", "")


def test_an_impression_that_could_refer_to_nothing_is_chosen_as_it_was_written() -> None:
    accepted = takes(COMPREHENSIVE_SR, ENHANCED_SR)
    bare = ResultFormat(ResultKind.IMPRESSION, ENHANCED_SR)
    (choice,) = choose(BUILT_IN["default"], accepted, [bare], of=OF_A_STUDY)
    assert choice.form == bare


def test_a_form_stands_for_the_one_with_a_reference_that_it_was_written_instead_of() -> None:
    bare = ResultFormat(ResultKind.SR, COMPREHENSIVE_3D_SR)
    referring = replace(bare, refers=ResultFormat(ResultKind.SEG, SEGMENTATION).name)
    assert bare.stands_for(bare.name)
    assert bare.stands_for(referring.name)
    assert not referring.stands_for(bare.name)
    assert not bare.stands_for(replace(bare, sop_class=COMPREHENSIVE_SR).name)
    assert not ResultFormat(ResultKind.SR, COMPREHENSIVE_3D_SR, IMPLICIT).stands_for(bare.name)


PROFILES = st.builds(
    Profile,
    st.just("any"),
    st.lists(st.sampled_from(list(ResultKind)), min_size=1, unique=True).map(tuple),
    st.lists(st.sampled_from(list(Report)), unique=True).map(tuple),
    st.lists(st.sampled_from(list(Segmentation)), min_size=1, unique=True).map(tuple),
    st.booleans(),
)
CONTEXTS = sorted({form.context for form in every_form()})
ACCEPTED = st.none() | st.frozensets(st.sampled_from(CONTEXTS)) | st.just(frozenset(CONTEXTS))
DESTINATIONS = st.lists(st.tuples(PROFILES, ACCEPTED), min_size=1, max_size=3)
MISSING = st.frozensets(st.sampled_from(list(ResultKind)))


@given(DESTINATIONS, MISSING)
def test_whatever_destinations_take_each_gets_what_it_accepts_and_no_report_points_at_what_is_not_sent(
    destinations: list[tuple[Profile, frozenset[tuple[str, str]] | None]], missing: frozenset[ResultKind]
) -> None:
    wanted = frozenset().union(*(to_write(*one) for one in destinations))
    ready = written(wanted, without=missing)
    for profile, accepted in destinations:
        choices = choose(profile, accepted, ready)
        chosen = sent(choices)
        assert len({one.kind for one in choices}) == len(choices)
        assert all(one.why for one in choices)
        assert set(chosen.values()) <= ready
        assert not set(chosen) & missing
        if accepted is not None:
            assert {form.context for form in chosen.values()} <= accepted
        segmentation = chosen.get(ResultKind.SEG)
        assert {form.refers for form in chosen.values()} <= {"", segmentation.name if segmentation else ""}


@given(DESTINATIONS)
def test_a_destination_gets_the_same_beside_others_as_alone(
    destinations: list[tuple[Profile, frozenset[tuple[str, str]] | None]],
) -> None:
    ready = frozenset().union(*(to_write(*one) for one in destinations))
    for profile, accepted in destinations:
        alone = choose(profile, accepted)
        assert choose(profile, accepted, ready) == alone
        assert set(sent(alone).values()) <= to_write(profile, accepted) <= ready


@given(PROFILES, st.frozensets(st.sampled_from(CONTEXTS)), st.frozensets(st.sampled_from(CONTEXTS)))
def test_a_destination_that_takes_more_never_gets_fewer_kinds(
    profile: Profile, some: frozenset[tuple[str, str]], more: frozenset[tuple[str, str]]
) -> None:
    few, many = sent(choose(profile, some)), sent(choose(profile, some | more))
    assert set(few) - {ResultKind.TEXT} <= set(many)


@given(DESTINATIONS)
def test_what_is_of_a_study_is_chosen_apart_and_refers_to_nothing_that_does_not_go_there(
    destinations: list[tuple[Profile, frozenset[tuple[str, str]] | None]],
) -> None:
    ready = frozenset().union(*(to_write(*one, of=OF_A_STUDY) for one in destinations))
    assert {form.kind for form in ready} <= OF_A_STUDY
    for profile, accepted in destinations:
        run = sent(choose(profile, accepted))
        assert set(run) <= OF_A_RUN
        for choice in choose(profile, accepted, ready, of=OF_A_STUDY):
            assert choice.kind in OF_A_STUDY
            assert choice.form is None or choice.form in ready
            assert choice.form is None or set(choice.form.referred) <= {form.name for form in run.values()}
