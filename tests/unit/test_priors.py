"""Which of an archive's studies may be compared with, and what a manifest may ask for."""

from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from domain.priors import Candidate, EarlierChoice, Wanted, choice_of_json, earlier, may_be_read, of_json, together
from models.checks import read_manifest
from tests.support.prior_packages import comparing

CT = frozenset({"CT"})
ANY = Wanted()


def uids(candidates: list[Candidate], wanted: Wanted = ANY) -> list[str]:
    return [one.uid for one in earlier(candidates, "this", "20260101", wanted)]


def test_the_newest_study_before_comes_first_and_those_of_its_own_day_or_later_never() -> None:
    every = [
        Candidate("old", "20200101"),
        Candidate("new", "20251231"),
        Candidate("that day", "20260101"),
        Candidate("later", "20260102"),
        Candidate("this", "20250101"),
        Candidate("no day", ""),
        Candidate("31 February", "20250231"),
    ]
    assert uids(every) == ["new", "old"]
    assert uids(every, Wanted(within_days=30)) == ["new"]
    assert earlier(every, "this", "", Wanted()) == []


def test_what_an_archive_does_not_say_may_be_what_is_wanted() -> None:
    every = [
        Candidate("CT", "20250101", CT),
        Candidate("MR", "20250101", frozenset({"MR"})),
        Candidate("?", "20250101"),
    ]
    assert uids(every, Wanted(("CT",))) == ["?", "CT"]
    wanted = Wanted(("CT",), ("CHEST",))
    assert [
        may_be_read(*one, wanted) for one in (("CT", "chest"), ("CT", ""), ("", ""), ("MR", ""), ("CT", "HEAD"))
    ] == [
        *(True, True, True),
        *(False, False),
    ]


def test_models_of_one_study_share_what_is_fetched() -> None:
    lungs, heart = Wanted(("CT",), ("CHEST",), 1, 365), Wanted(("CT", "MR"), ("HEART",), 3, 100)
    assert together({"a": lungs, "b": heart}) == Wanted(("CT", "MR"), ("CHEST", "HEART"), 3, 365)
    assert together({"a": lungs, "b": Wanted()}).modality == ()


def test_a_wish_and_a_choice_are_kept_as_json() -> None:
    choice = EarlierChoice("id", "within a year", 2, {"ct": "series"}, {"ct": ("1.2", "1.3")})
    assert choice_of_json(choice.to_json()) == choice
    assert of_json(Wanted(("CT",)).to_json()) == Wanted(("CT",))


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("deadline = 40.0", "deadline = 0.0", "priors.deadline: must be above 0, and 600 s at the most"),
        ("deadline = 40.0", "newest = 0", "priors.newest: must be from 1 to 10"),
        ("deadline = 40.0", "within_days = 0", "priors.within_days: must be 1 or more"),
        ('compare = "change"', 'compare = "sum"', "compare: must be one of before, change, percent, or left out"),
        ('compare = "before"', 'compare = "before"\nof = "largest"', "compare: is of a whole"),
        ('what = "volume"\ncompare = "before"', 'what = "mean"\ncompare = "before"', "compare: wants that the same is"),
        ('value = "%"', 'value = "ml"', "unit: must be %"),
        ("[priors]", "[prior]", "prior: is not a key here"),
    ],
)
def test_a_manifest_that_cannot_compare_says_at_which_key(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    comparing(tmp_path)
    file = tmp_path / "body_and_bone" / "manifest.toml"
    text = file.read_text("utf-8")
    assert right in text
    with pytest.raises(ConfigurationError, match=said):
        read_manifest(text.replace(right, wrong), file)


def test_what_compares_wants_priors_and_priors_want_what_compares(tmp_path: Path) -> None:
    comparing(tmp_path)
    file = tmp_path / "body_and_bone" / "manifest.toml"
    text = file.read_text("utf-8")
    before, after = text.index("[priors]"), text.index("[[measurements]]", text.index("[priors]"))
    with pytest.raises(ConfigurationError, match=r"compare: is of \[\[segments\]\], and wants \[priors\]"):
        read_manifest(text[:before] + text[after:], file)
    with pytest.raises(ConfigurationError, match=r"priors: is for \[\[measurements\]\] that compare"):
        read_manifest(text[:after] + text[text.index("[digests]") :], file)
