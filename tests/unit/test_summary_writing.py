"""Whatever a language model does, an impression comes of it: its words where they pass, the template's where not."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.errors import Retryable
from domain.impressions import Author, Facts, Impression, Sentence, Topic
from summary.flaws import Flaw
from summary.grounding import VERSION
from summary.prompt import Prompt
from summary.writing import Answered, Written, write
from tests.support.told_facts import chest

FACTS = Facts(chest().facts[:1], "CT", "CHEST")
RIGHT = {"sentences": [{"facts": ["F1"], "parts": [{"words": "There is a"}, {"slot": "F1.finding"}]}]}
WRONG = {"sentences": [{"facts": ["F1"], "parts": [{"words": "There is a mass"}]}]}
_CAUTION = Sentence("Demonstration model, not for clinical use.", ("F1",), Topic.CAUTION)


def _template(facts: Facts) -> Impression:
    return Impression((Sentence("A nodule candidate.", ("F1",)), _CAUTION), Author.TEMPLATE, VERSION)


def _ask(*answers: object) -> Callable[[Prompt], Answered]:
    left = list(answers)

    def ask(prompt: Prompt) -> Answered:
        one = left.pop(0)
        if isinstance(one, Exception):
            raise one
        return Answered(one if isinstance(one, str) else json.dumps(one), "local", "small")

    return ask


def test_without_a_language_model_the_template_writes() -> None:
    assert write(FACTS, _template) == Written(_template(FACTS))


def test_words_that_pass_are_the_impression_with_the_cautions_that_are_ours() -> None:
    written = write(FACTS, _template, _ask(RIGHT))
    assert written.impression.author is Author.LANGUAGE_MODEL
    assert [one.text for one in written.impression.sentences] == ["There is a nodule candidate.", _CAUTION.text]
    assert written.impression.language_model is not None
    assert written.impression.language_model.model == "small"


_GREW = Sentence("Compared with an earlier study: nodule candidate +1.5 mm in long axis.", ("F1",), Topic.CHANGE)
TOLD = {"sentences": [{"facts": ["F1"], "parts": [{"slot": "F1.finding"}, {"words": "with"}, {"slot": "F1.change1"}]}]}


@pytest.mark.parametrize(("answer", "ours"), [(RIGHT, [_GREW, _CAUTION]), (TOLD, [_CAUTION])])
def test_what_has_changed_is_ours_to_say_where_a_language_model_does_not(
    answer: dict[str, object], ours: list[Sentence]
) -> None:
    written = write(FACTS, lambda facts: replace(_template(facts), sentences=(_GREW, _CAUTION)), _ask(answer))
    assert written.impression.author is Author.LANGUAGE_MODEL
    assert list(written.impression.sentences[1:]) == ours


def test_what_was_wrong_is_said_when_it_is_asked_once_more() -> None:
    asked: list[Prompt] = []
    answer = _ask(WRONG, RIGHT)

    def ask(prompt: Prompt) -> Answered:
        asked.append(prompt)
        return answer(prompt)

    written = write(FACTS, _template, ask)
    assert written.impression.author is Author.LANGUAGE_MODEL
    assert "refused" not in asked[0].user
    assert "sentence 1: finding" in asked[1].user
    assert "mass" not in asked[1].user
    assert [bool(one.objections) for one in written.attempts] == [True, False]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ((WRONG, WRONG), "finding"),
        (("no JSON", "no JSON"), "no JSON object"),
        ((Retryable("the provider does not answer"),), "does not answer"),
        ((WRONG, Retryable("the provider does not answer")), "does not answer"),
    ],
)
def test_the_template_writes_where_the_words_do_not_pass_and_says_so(answers: tuple[object, ...], reason: str) -> None:
    written = write(FACTS, _template, _ask(*answers))
    assert written.impression.author is Author.TEMPLATE
    assert written.impression.sentences == _template(FACTS).sentences
    assert reason in written.impression.fallback


def test_flaws_are_told_with_each_attempt() -> None:
    written = write(FACTS, _template, _ask(WRONG, RIGHT))
    assert Flaw.FINDING in {one.flaw for one in written.attempts[0].objections}
