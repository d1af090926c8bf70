"""What a list of series shows in the twenty letters or so that it has room for."""

from dataclasses import replace

import pytest

from domain.profiles import ResultKind
from domain.rejections import Cause
from sr_writer.codes.wording import plain, rejection_description, series_description, subject
from tests.support.findings import MODEL

LONG = replace(MODEL, title="Lung nodule candidates in chest CT")


@pytest.mark.parametrize("kind", ResultKind)
def test_a_later_result_is_told_from_the_first_in_twenty_letters_whatever_it_is_of(kind: ResultKind) -> None:
    first, second = (series_description(LONG, kind, number=number)[:20] for number in (1, 2))
    assert second.startswith("Result 2, ")
    assert first != second


def test_every_kind_of_a_later_result_is_told_apart_in_twenty_letters() -> None:
    assert len({series_description(LONG, kind, number=2)[:20] for kind in ResultKind}) == len(ResultKind)


@pytest.mark.parametrize("cause", Cause)
def test_notes_on_two_results_are_told_apart_in_twenty_letters(cause: Cause) -> None:
    first, second = (rejection_description(LONG, cause, number)[:20] for number in (1, 2))
    assert first != second


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Lung nodule candidates in chest CT", "Nodule cand."),
        ("Candidates", "Candidates"),
        ("Haemorrhage candidates", "Haemorr cand."),
        ("Lungs in chest CT", "Lungs"),
        ("Brain tumour in MR", "Brain tumour"),
    ],
)
def test_candidates_are_called_so_in_thirteen_letters(title: str, said: str) -> None:
    assert subject(title) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Größe, Maß", "Grosse, Mass"),
        ("Søren Æbelø", "Soren AEbelo"),
        ("Œdème du cœur", "OEdeme du coeur"),
        ("łąka", "laka"),
        ("≥ 3 \N{MULTIPLICATION SIGN} 4 µm \N{EN DASH} 30°", ">= 3 x 4 um - 30 deg"),
        ("肺", "?"),
        ("a\\b", "a?b"),
    ],
)
def test_words_of_european_languages_are_readable_in_ascii(text: str, said: str) -> None:
    assert plain(text) == said
