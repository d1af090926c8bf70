"""Plain radiology English, written without a look at the vocabulary, passes where it says what the facts hold."""

import pytest

from domain.impressions import Sentence
from summary.flaws import Flaw
from summary.grounding import Objection, ground
from tests.support.dictated import DICTATED, OVERSAID, STUDIES


def _objections(study: str, cited: tuple[str, ...], text: str) -> list[Objection]:
    found = ground([Sentence(text, cited)], STUDIES[study]())
    return [one for one in found if one.sentence is not None or one.flaw is Flaw.TWICE]


def test_no_dictated_sentence_that_is_right_is_refused() -> None:
    assert [text for study, cited, text in DICTATED if _objections(study, cited, text)] == []
    assert len(DICTATED) + len(OVERSAID) == 200


@pytest.mark.parametrize(("study", "cited", "text", "why"), OVERSAID)
def test_a_sentence_that_says_a_little_more_than_its_facts_is_refused(
    study: str, cited: tuple[str, ...], text: str, why: str
) -> None:
    assert _objections(study, cited, text), why
