"""What the template writes: in the order and the English that a radiologist wants, and never more than facts hold."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from domain.findings import Findings
from domain.impressions import Author, Caution, Facts, Impression, Presence, Sentence, Topic
from summary.disagreement import disagreements
from summary.facts import MOST_FACTS, About, Earlier, facts
from summary.flaws import Flaw
from summary.grounding import ground
from summary.guidelines import sentences
from summary.templates import MOST_LETTERS, impression
from summary.wording import listed, name, number, several
from tests.support.impressions import (
    BRAIN_MR,
    CHEST_CT,
    CHEST_DX,
    LEFT,
    RIGHT,
    chest,
    facts_of,
    job,
    lungs,
    nodules,
    studied,
    tumour,
)
from tests.support.made_studies import anything, others, study
from tests.support.second_checker import complaints

DEMO = "All of this comes from a demonstration model, not for clinical use."
DEMOS = "All of this comes from demonstration models, not for clinical use."
MEASURED = (
    "Measurements: right lung volume 2530 ml, mean density -812 HU; left lung volume 2210 ml, mean density -805 HU."
)
LAST = "edema, emphysema, fibrosis, pleural thickening, and hernia were looked for and are not reported."
NOT_EXCLUDED = "What is not reported is not excluded."


PARTS = "Necrotic and non-enhancing core, oedema, and enhancing tumour"
CORE = "necrotic and non-enhancing core (volume 3.10 ml) are reported"
GREW = "enhancing tumour +4.0 ml in volume, +4 mm in long axis, and +3 mm in short axis"
ALIKE = "oedema unchanged in volume; necrotic and non-enhancing core unchanged in volume"


def said(found: Facts) -> list[str]:
    return [one.text for one in impression(found).sentences]


def test_a_tumour_that_has_grown() -> None:
    before = Earlier(tumour(3.0, 40.2, 8.3, 30.2, 25.1), 120)
    assert said(facts_of(tumour(3.1, 45.2, 12.3, 34.2, 28.1), about=BRAIN_MR, earlier=before)) == [
        f"Enhancing tumour (long axis 34 mm, short axis 28 mm, volume 12.3 ml), oedema (volume 45.2 ml), and {CORE}.",
        f"Compared with an earlier study (within half a year): {GREW}; {ALIKE}.",
        "Unchanged is what the voxels cannot tell apart.",
        DEMO,
    ]


def test_a_lesion_that_has_grown() -> None:
    before = Earlier(nodules((9, 7, RIGHT, 0.9)), 120)
    found = facts_of(nodules((12, 10, RIGHT, 0.97)), earlier=before)
    assert said(found)[1] == (
        "Compared with an earlier study (within half a year): nodule candidate in the right lung +3 mm in long axis, "
        "+3 mm in short axis, +3 mm in diameter, and +330 mm3 in volume."
    )


def test_a_tumour_that_is_gone() -> None:
    before = Earlier(tumour(0, 40.2, 8.34, 30.2, 25.1), 900)
    changed, *_ = said(facts_of(tumour(0, 0, 0), about=BRAIN_MR, earlier=before))
    assert changed == (
        "Compared with an earlier study (more than two years before): oedema no longer reported, -40.2 ml in volume; "
        "enhancing tumour no longer reported, -8.34 ml in volume."
    )


def test_a_brain_in_which_nothing_is_reported_is_not_called_sound() -> None:
    assert said(facts_of(tumour(0, 0, 0), about=BRAIN_MR)) == [
        f"{PARTS} were looked for and are not reported.",
        NOT_EXCLUDED,
        DEMO,
    ]


def test_one_part_of_a_tumour_alone() -> None:
    assert said(facts_of(tumour(0, 1.2, 0), about=BRAIN_MR))[:2] == [
        "Oedema (volume 1.20 ml) is reported.",
        "Necrotic and non-enhancing core and enhancing tumour were looked for and are not reported.",
    ]


def test_lungs_alone_say_that_nothing_was_looked_for() -> None:
    assert said(facts_of(lungs())) == [MEASURED, "Only measurements were made; no finding was looked for.", DEMO]


def test_lungs_without_a_candidate() -> None:
    assert said(facts_of(nodules(), lungs())) == [
        "Lung nodule candidates were looked for and are not reported.",
        MEASURED,
        NOT_EXCLUDED,
        DEMOS,
    ]


def test_one_candidate() -> None:
    first, measured, guideline, _ = impression(facts_of(nodules((9.1, 7.3, RIGHT, 0.97)), lungs())).sentences
    assert first.text == "A nodule candidate in the right lung (mean diameter 8 mm, score over 75 %) is reported."
    assert (first.facts, measured.facts, guideline.facts) == (("F1",), ("F2", "F3"), ("F1",))
    assert guideline.topic is Topic.GUIDELINE


def test_several_candidates_by_lung_the_largest_first() -> None:
    lesions = nodules((9.1, 7.3, RIGHT, 0.97), (6, 5, LEFT, 0.98), (5, 4, RIGHT, 0.99))
    assert said(facts_of(lesions))[0] == (
        "Three nodule candidates are reported: two in the right lung (mean diameter 8 mm, 4 mm) and one in the left "
        "lung (mean diameter 6 mm), each with a score over 75 %."
    )


def test_two_candidates_in_one_lung() -> None:
    assert said(facts_of(nodules((9, 7, RIGHT, 0.97), (6, 5.2, RIGHT, 0.97))))[0] == (
        "Two nodule candidates in the right lung (mean diameter 8 mm, 6 mm) are reported, each with a score over 75 %."
    )


def test_candidates_of_unlike_scores_and_one_of_unknown_side() -> None:
    assert said(facts_of(nodules((9, 7, RIGHT, 0.97), (6, 5.2, None, 0.6))))[0] == (
        "Two nodule candidates are reported: one in the right lung (mean diameter 8 mm with a score over 75 %) and one "
        "in the lung (side unknown, mean diameter 6 mm with a score 50 to 75 %)."
    )


def test_many_candidates_are_counted_and_what_is_not_listed_is_said() -> None:
    many = [(4 + k * 0.5, 4 + k * 0.3, LEFT if k % 3 else RIGHT, 0.97) for k in range(10)]
    found = said(facts_of(nodules(*many, remarks=("of 15 parts that are Spots the 12 likeliest are listed",))))
    assert found[0] == (
        "Ten nodule candidates are reported: four in the right lung (mean diameter up to 8 mm) and six in the left "
        "lung (mean diameter up to 7 mm), each with a score over 75 %."
    )
    assert "More were found than are listed." in found


def test_what_not_every_candidate_has_is_not_said_of_each() -> None:
    found = facts_of(nodules(*[(20 - k, 18 - k, RIGHT, 0.97) for k in range(6)], (5, 5, RIGHT, 0.6)))
    assert said(found)[0] == "Seven nodule candidates in the right lung (mean diameter up to 19 mm) are reported."


def test_a_radiograph_with_findings_and_what_was_looked_for() -> None:
    found = chest(("Pneumonia", 0.95), ("Effusion", 0.4), ("Pneumothorax", 0.03), images=2)
    assert said(facts_of(found, about=CHEST_DX)) == [
        "Pneumonia (score over 75 %), effusion (score 25 to 50 %), and pneumothorax (score below 25 %) are reported.",
        f"Atelectasis, cardiomegaly, infiltration, mass, nodule, consolidation, {LAST}",
        NOT_EXCLUDED,
        DEMO,
    ]


def test_a_radiograph_of_which_nothing_is_reported() -> None:
    first, *others = said(facts_of(chest(), about=CHEST_DX))
    assert first.startswith("Atelectasis, cardiomegaly, effusion, infiltration, mass, nodule, pneumonia, ")
    assert first.endswith(LAST)
    assert others == [NOT_EXCLUDED, DEMO]


def by(findings: Findings, title: str) -> Findings:
    """The same of a model of another title."""
    return replace(findings, model=replace(findings.model, title=title))


def both(first: Findings, second: Findings) -> Facts:
    """The facts of two models that may contradict each other."""
    jobs = [studied(one, number) for number, one in enumerate((first, second), 1)]
    known = [replace(one.vocabulary, texts=one.vocabulary.texts | {one.findings.model.title}) for one in jobs]
    return facts([replace(one, vocabulary=words) for one, words in zip(jobs, known, strict=True)], CHEST_DX)[0]


def test_where_models_disagree_the_impression_says_so_and_does_not_choose() -> None:
    first = by(chest(("Pneumonia", 0.95), ("Mass", 0.8)), "Reader A")
    found = said(both(first, by(chest(("Mass", 0.6), ("Effusion", 0.7)), "Reader B")))
    assert found[2] == (
        "Models disagree: Reader A reports pneumonia, and Reader B does not; Reader B reports effusion, and Reader A "
        "does not."
    )
    assert "pneumonia" not in found[1]  # of what was looked for and is not reported
    assert "mass by reader a (score over 75 %)" in found[0].lower()


def test_two_results_of_one_model_that_disagree_are_told_as_such() -> None:
    other = replace(chest(), input_digest="aa")
    found = said(facts_of(chest(("Pneumonia", 0.95)), other, about=CHEST_DX))
    title = "Chest radiograph findings (demonstration)"
    assert f"Models disagree: one result of {title} reports pneumonia, and another one does not." in found


def test_what_lies_elsewhere_is_no_disagreement() -> None:
    found = facts_of(nodules((9, 7, RIGHT, 0.97)))
    absent = replace(found.facts[0], id="F2", presence=Presence.ABSENT, model="Another", laterality=LEFT, amounts=())
    assert disagreements((*found.facts, absent)) == ()
    assert disagreements((*found.facts, replace(absent, laterality=None)))


def test_a_denial_of_what_another_model_reports_passes_only_with_the_name_of_its_model() -> None:
    found = both(by(chest(("Pneumonia", 0.95)), "Reader A"), by(chest(), "Reader B"))
    denied = next(one for one in found.facts if one.label == "Pneumonia" and one.presence is Presence.ABSENT)
    told = Sentence("Pneumonia is reported.", ("F1",))
    bare, named_ = (Sentence(f"No pneumonia{who} is reported.", (denied.id,)) for who in ("", " by Reader B"))
    assert [one.flaw for one in ground([told, bare], found)] == [Flaw.NEGATION]
    assert ground([told, named_], found) == ()
    assert ground([told, replace(named_, text="No pneumonia by Reader A is reported.")], found)


def by_two(first: Findings, second: Findings) -> Facts:
    """What two models say of one study, as packages of other titles."""
    found, sources = facts([studied(first), studied(replace(second, input_digest="ef" * 32), 2)], CHEST_CT)
    of_second = {one.fact for one in sources if one.job == job(2)}
    named = (replace(one, model="B" if one.id in of_second else "A") for one in found.facts)
    return replace(found, facts=tuple(named))


ONE = (8.0, 7.0, RIGHT, 0.97)


AN_8 = "(mean diameter 8 mm, score over 75 %)"


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (
            nodules(ONE),
            f"A nodule candidate in the right lung by A {AN_8} and a nodule candidate in the right lung by B {AN_8}",
        ),
        (nodules(), "Models disagree: A reports nodule candidate, and B does not."),
        (nodules(ONE, ONE), "Two nodule candidates by B in the right lung"),
    ],
)
def test_what_several_models_looked_for_is_told_as_the_word_of_each(second: Findings, told: str) -> None:
    assert any(one.startswith(told) for one in said(by_two(nodules(ONE), second)))


@pytest.mark.parametrize(
    ("second", "sort"),
    [
        (nodules(ONE), "a nodule of 6 to 8 mm"),
        (nodules((8.0, 7.0, LEFT, 0.97)), "several nodules, the largest of 6 to 8 mm"),
        (nodules(ONE, ONE), "several nodules, the largest of 6 to 8 mm"),
        (nodules((12.0, 11.0, LEFT, 0.97)), "several nodules, the largest above 8 mm"),
    ],
)
def test_what_two_models_see_at_one_place_is_not_several_to_a_guideline(second: Findings, sort: str) -> None:
    assert any(f"has rules for {sort}," in one for one in said(by_two(nodules(ONE), second)))


@pytest.mark.parametrize(
    ("unread", "text"),
    [
        (0, "No model has given a result for this study."),
        (1, "The model that was to read this study ended without a result; nothing can be said of it."),
        (2, "Both models that were to read this study ended without a result; nothing can be said of it."),
        (3, "All three models that were to read this study ended without a result; nothing can be said of it."),
    ],
)
def test_a_study_that_no_model_has_read(unread: int, text: str) -> None:
    assert said(facts_of(about=About(unread=unread))) == [text]


def test_results_of_which_nothing_can_be_said_are_counted_and_not_denied() -> None:
    bare = tumour(0, 3, 12, 34, 28)
    unmeasured = replace(bare, segments=tuple(replace(one, measurements=()) for one in bare.segments))
    assert said(facts_of(unmeasured)) == ["Three results are not told here."]
    assert said(facts_of(unmeasured, about=About(unread=1))) == [
        "One model ended without a result; three results are not told here."
    ]


def test_what_is_to_be_known_of_how_it_came_about_is_one_sentence() -> None:
    lesions = nodules((9, 7, RIGHT, 0.97), remarks=("1 missing slice was interpolated", "something else"))
    found = said(facts_of(lesions, about=replace(CHEST_CT, unread=2)))
    assert found[-2] == (
        "Missing slices were interpolated; a model's report has a further remark; two models ended without a result."
    )


@pytest.mark.parametrize(
    ("model", "last"),
    [
        ({}, DEMO),
        ({"demonstration": False}, "All of this comes from a research model, which is no medical product."),
        ({"demonstration": False, "product": True}, "Only measurements were made; no finding was looked for."),
    ],
)
def test_demonstration_and_research_are_said_and_of_a_product_neither(model: dict[str, Any], last: str) -> None:
    one = lungs()
    found = said(facts_of(replace(one, model=replace(one.model, **model))))
    assert found[-1] == last


def test_of_several_models_those_are_named_that_are_for_demonstration() -> None:
    product = nodules((9, 7, RIGHT, 0.97))
    product = replace(product, model=replace(product.model, demonstration=False, product=True))
    assert said(facts_of(product, lungs()))[-1] == "Lungs in chest CT is a demonstration model, not for clinical use."


def test_it_says_who_wrote_it_and_comes_back_from_json() -> None:
    made = impression(facts_of(lungs()))
    assert (made.author, made.language_model, made.fallback) == (Author.TEMPLATE, None, "")
    assert Impression.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("label", "plural"),
    [("Nodule candidate", "nodule candidates"), ("Mass", "masses"), ("Opacity", "opacities"),
      ("L5 vertebra", "L5 vertebras"),
     ("Lung nodule candidates", "lung nodule candidates"), ("Apex", "apexes"), ("Oedema", "oedemas")],
)  # fmt: skip
def test_a_plural_is_one(label: str, plural: str) -> None:
    assert several(label) == plural


def test_lists_and_numbers_are_english() -> None:
    assert [listed(list(one)) for one in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b, and c"]
    assert listed(["a, b", "c"]) == "a, b; and c"
    assert listed(["a (b, c)", "d"]) == "a (b, c) and d"
    assert [number(one) for one in (1, 12, 13)] == ["one", "twelve", "13"]
    assert [name(one) for one in ("Oedema", "MRI finding", "L5 vertebra", "3rd ventricle")] == [
        "oedema", "MRI finding", "L5 vertebra", "3rd ventricle",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_whatever_was_found_it_is_told_once_within_bounds_and_grounded(seed: int) -> None:
    chance = Random(seed)
    found = [anything(chance) for _ in range(chance.randrange(5))]
    about = chance.choice((CHEST_CT, CHEST_DX, BRAIN_MR, About(unread=2)))
    made, _ = facts([studied(one, number) for number, one in enumerate(found, 1)], about)
    written = impression(made)

    assert 1 <= len(written.sentences) <= 11
    assert all(len(one.text) <= MOST_LETTERS + 700 for one in written.sentences)
    told = {name for one in written.sentences if one.topic is Topic.FINDING for name in one.facts}
    assert told == {one.id for one in made.facts if one.presence is Presence.PRESENT}
    text = " ".join(one.text for one in written.sentences).lower()
    assert "normal" not in text
    assert "abnormal" not in text
    if any(Caution.DEMONSTRATION in one.cautions for one in made.facts):
        assert "not for clinical use" in text
    assert complaints(written, made, {one.text for one in sentences(made)}) == ()


@pytest.mark.parametrize("seed", range(100))
def test_whatever_the_template_says_of_a_study_passes_the_checks_of_a_language_models_words(seed: int) -> None:
    found = study(Random(seed))
    written = impression(found)
    told = [one for one in written.sentences if one.topic not in (Topic.GUIDELINE, Topic.CAUTION)]
    assert ground(told, found) == ()
    assert complaints(written, found, {one.text for one in sentences(found)}) == ()


@pytest.mark.parametrize("seed", range(60))
def test_a_figure_a_score_a_count_a_side_or_a_model_of_something_else_is_refused(seed: int) -> None:
    chance = Random(seed)
    found = study(chance)
    told = [one for one in impression(found).sentences if one.topic not in (Topic.GUIDELINE, Topic.CAUTION)]
    for at, one in enumerate(told):
        for wrong in others(one.text, chance):
            assert ground([*told[:at], replace(one, text=wrong), *told[at + 1 :]], found), wrong


def test_a_study_with_more_findings_than_fit_is_told_within_bounds() -> None:
    many = chest(*((one.label, 0.99) for one in chest().likelihoods))
    found, _ = facts([studied(replace(many, input_digest=str(k)), k) for k in range(6)], CHEST_DX)
    assert (len(found.facts), found.left_out) == (MOST_FACTS, 84 - MOST_FACTS)
    written = said(found)
    assert max(map(len, written)) <= MOST_LETTERS
    assert "20 further results are not told here." in written


def test_an_organ_that_no_voxel_was_marked_of_measures_nothing() -> None:
    assert said(facts_of(lungs(0.0)))[0].startswith("Measurements: right lung volume 0 ml")
