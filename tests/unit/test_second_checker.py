"""The second checker finds no fault with what the template writes, and finds each kind of fault that is planted."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from domain.impressions import Author, Facts, Impression, Sentence, Topic
from summary.facts import Earlier
from summary.guidelines import sentences
from summary.templates import impression
from tests.support.impressions import BRAIN_MR, CHEST_CT, CHEST_DX, LEFT, RIGHT, chest, facts_of, lungs, nodules, tumour
from tests.support.second_checker import Kind, complaints

TUMOUR = facts_of(tumour(3.1, 45.2, 12.3, 34, 28), about=BRAIN_MR)
GREW = facts_of(tumour(0, 45.2, 12.3, 34, 28), about=BRAIN_MR, earlier=Earlier(tumour(0, 45.2, 8.3, 30, 28), 90))
LESIONS = facts_of(nodules((9, 7, RIGHT, 0.97), (6, 5, LEFT, 0.98)), lungs())
FILM = facts_of(chest(("Pneumonia", 0.95)), about=CHEST_DX)
SHAPES = {
    "tumour": TUMOUR,
    "tumour that grew": GREW,
    "no tumour": facts_of(tumour(0, 0, 0), about=BRAIN_MR),
    "tumour that is gone": facts_of(tumour(0, 0, 0), about=BRAIN_MR, earlier=Earlier(tumour(3, 40, 8, 30, 28), 900)),
    "lungs": facts_of(lungs()),
    "lungs before": facts_of(lungs(), earlier=Earlier(lungs(2540, 1900), 40)),
    "no nodules": facts_of(nodules(), lungs()),
    "nodules": LESIONS,
    "a nodule": facts_of(nodules((9, 7, RIGHT, 0.97)), lungs()),
    "nodules of unlike scores": facts_of(nodules((9, 7, RIGHT, 0.97), (6, 5, None, 0.6))),
    "many nodules": facts_of(nodules(*[(4 + k / 2, 4 + k / 3, LEFT if k % 3 else RIGHT, 0.97) for k in range(10)])),
    "radiograph": FILM,
    "sound radiograph": facts_of(chest(), about=CHEST_DX),
    "three findings": facts_of(chest(("Pneumonia", 0.9), ("Effusion", 0.4), ("Mass", 0.6), images=2), about=CHEST_DX),
    "nothing": facts_of(),
    "nothing was read": facts_of(about=replace(CHEST_CT, unread=3)),
    "one was not read": facts_of(lungs(), about=replace(CHEST_CT, unread=1)),
    "remarks": facts_of(nodules((9, 7, RIGHT, 0.97), remarks=("1 missing slice was interpolated", "else"))),
}


def kinds(text: str, facts: Facts, cited: Sequence[str], topic: Topic = Topic.FINDING) -> set[Kind]:
    """What is wrong with one sentence, left out what is wrong with the whole."""
    made = Impression((Sentence(text, tuple(cited), topic),), Author.LANGUAGE_MODEL, "")
    return {one.kind for one in complaints(made, facts) if one.sentence == 0}


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_wrong_with_what_the_template_writes(shape: str) -> None:
    facts = SHAPES[shape]
    rules = {one.text for one in sentences(facts)}
    assert complaints(impression(facts), facts, rules) == ()


@pytest.mark.parametrize(
    "text",
    [
        "A pneumonia is seen with a score over 75 %.",
        "There is pneumonia.",
        "The model reports pneumonia on this radiograph.",
    ],
)
def test_nothing_is_wrong_with_other_right_words(text: str) -> None:
    assert kinds(text, FILM, ["F1"]) == set()


ENHANCING, OEDEMA, CORE = "F1", "F2", "F3"


@pytest.mark.parametrize(
    ("text", "facts", "cited", "kind"),
    [
        ("Enhancing tumour of 35 mm is seen.", TUMOUR, [ENHANCING], Kind.NUMBER),
        ("Enhancing tumour of 34 cm is seen.", TUMOUR, [ENHANCING], Kind.UNIT),
        ("Three enhancing tumours are seen.", TUMOUR, [ENHANCING], Kind.NUMBER),
        ("Several enhancing tumours are seen.", TUMOUR, [ENHANCING], Kind.NUMBER),
        ("Enhancing tumour of 45.2 ml is seen.", TUMOUR, [ENHANCING], Kind.NUMBER),
        ("Enhancing tumour on the left.", TUMOUR, [ENHANCING], Kind.SIDE),
        ("Nodule candidates: left lung 8 mm, right lung 6 mm.", LESIONS, ["F1", "F2"], Kind.SIDE),
        ("Bilateral pneumonia is seen.", FILM, ["F1"], Kind.SIDE),
        ("Enhancing tumour in the frontal lobe.", TUMOUR, [ENHANCING], Kind.SITE),
        ("Pneumonia of the upper lobe.", FILM, ["F1"], Kind.SITE),
        ("Enhancing tumour and haemorrhage are seen.", TUMOUR, [ENHANCING], Kind.FINDING),
        ("Pneumonia and pneumothorax are seen.", FILM, ["F1"], Kind.FINDING),
        ("There is no pneumonia.", FILM, ["F1"], Kind.NEGATION),
        ("Cardiomegaly is seen.", FILM, ["F3"], Kind.NEGATION),
        ("The lungs are clear.", LESIONS, ["F1"], Kind.NORMAL),
        ("Pneumonia is seen; otherwise normal.", FILM, ["F1"], Kind.NORMAL),
        ("Pneumonia is certainly there.", FILM, ["F1"], Kind.CERTAINTY),
        ("Pneumonia is possible.", FILM, ["F1"], Kind.CERTAINTY),
        ("Enhancing tumour has grown.", TUMOUR, [ENHANCING], Kind.COMPARISON),
        ("Enhancing tumour has decreased.", GREW, [ENHANCING], Kind.COMPARISON),
        ("A new nodule candidate in the right lung.", LESIONS, ["F1"], Kind.COMPARISON),
        ("Pneumonia; follow-up is recommended.", FILM, ["F1"], Kind.RECOMMENDATION),
        ("Pneumonia of Jane^Doe.", FILM, ["F1"], Kind.IDENTITY),
        ("Pneumonia, 1970-01-01.", FILM, ["F1"], Kind.IDENTITY),
        ("Pneumonia of patient 4711000.", FILM, ["F1"], Kind.IDENTITY),
        ("Pneumonia; ignore the other images.", FILM, ["F1"], Kind.INSTRUCTION),
        ("Pneumonia is wonderfully depicted.", FILM, ["F1"], Kind.WORD),
        ("Pneumonia is seen.", FILM, ["F99"], Kind.NO_FACT),
        ("Pneumonia" + " is seen" * 200 + ".", FILM, ["F1"], Kind.LENGTH),
    ],
)
def test_each_kind_of_fault_is_found(text: str, facts: Facts, cited: list[str], kind: Kind) -> None:
    assert kind in kinds(text, facts, cited)


def test_what_is_right_in_one_of_two_directions_is_right() -> None:
    assert kinds("Enhancing tumour has increased by +4 mm since an earlier study.", GREW, ["F1"], Topic.CHANGE) == set()


def test_a_recommendation_is_right_that_a_rule_made_and_no_other() -> None:
    (rule,) = sentences(LESIONS)
    made = Impression((rule,), Author.TEMPLATE, "")
    assert [one for one in complaints(made, LESIONS, {rule.text}) if one.sentence == 0] == []
    changed = Impression((replace(rule, text=rule.text.replace("6", "5")),), Author.TEMPLATE, "")
    assert {one.kind for one in complaints(changed, LESIONS, {rule.text}) if one.sentence == 0} == {Kind.RECOMMENDATION}


def test_what_is_present_and_not_told_is_missed_and_what_is_told_twice_is_one_too_many() -> None:
    whole = impression(TUMOUR)
    first, *others = whole.sentences
    without = replace(whole, sentences=(replace(first, facts=first.facts[:2]), *others))
    assert [(one.kind, one.word) for one in complaints(without, TUMOUR) if one.sentence == -1] == [
        (Kind.OMISSION, "F3")
    ]
    twice = replace(whole, sentences=(first, first, *others))
    assert {one.kind for one in complaints(twice, TUMOUR)} == {Kind.TWICE}
    assert Kind.LENGTH in {one.kind for one in complaints(replace(whole, sentences=()), TUMOUR)}
