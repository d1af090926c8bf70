"""The verdicts on the sample files of the IHE page are those that the judges give."""

import pytest

from tests.support import air, made_pages

pytestmark = pytest.mark.slow


def test_the_page_says_what_the_judges_say() -> None:
    text = air.PAGE.read_text("utf-8")
    renewed = made_pages.renewed(text, frozenset(made_pages.TABLES) - {air.VERDICTS})
    assert text == renewed, "run .venv/bin/python -m tests.support.made_pages --judge"


def test_no_judge_complains_of_a_sample() -> None:
    assert set(air.recorded(air.PAGE.read_text("utf-8")).values()) == {air.NO_COMPLAINT}
