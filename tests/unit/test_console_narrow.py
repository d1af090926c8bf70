"""On a terminal of 80 columns no word is broken: rows that have no room beneath their columns become lines."""

import io
import re
from dataclasses import replace

import pytest

from console.cli.entry_view import _short, details
from console.cli.output import Screen, screen, table
from console.cli.study_view import overview, whole_path
from domain.profiles import ResultKind
from domain.progress import progress
from domain.records import StudySummary
from domain.states import StudyState
from tests.support.records import BEGUN, a_delivery, a_job, a_path, a_result, a_study

WHY = "PACS: out of resources (status A700H); attempt 3, next in 60 s, and the archive's administrator knows of it"
SUMMARY = StudySummary(
    a_study(reason=WHY),
    120,
    2,
    (),
    (),
    (),
    senders=("CT_EMERGENCY_01", "MR2"),
    modalities=("CT", "SR"),
    description="CT Abdomen/Becken nativ und portalvenös",
)


def drawn(*renderables: object, width: int) -> str:
    out = Screen(file=io.StringIO(), width=width, color_system=None)
    for one in renderables:
        out.print(one)
    return out.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def broken(words: str, text: str) -> list[str]:
    """The words that are not there as a whole."""
    return [word for word in words.split() if not re.search(rf"(?<!\S){re.escape(word)}(?!\S)", text)]


@pytest.mark.parametrize("width", [80, 100, 139, 140, 200])
@pytest.mark.parametrize("state", [StudyState.COMPLETE, StudyState.STUCK])
def test_the_list_of_studies_breaks_no_word(width: int, state: StudyState) -> None:
    one = replace(SUMMARY, study=replace(SUMMARY.study, state=state))
    shown = drawn(overview([one], [progress(one.study, (), (), ())], BEGUN, width), width=width)
    words = f"{WHY} {one.description} CT_EMERGENCY_01 MR2 CT, {str(one.study.id)[:8]} 120 in 2 series"
    assert broken(words.replace("(status", "(status"), shown) == []
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= width


def test_the_tables_of_a_study_break_no_word_that_has_room_on_a_line() -> None:
    job = a_job(reason=WHY)
    path = a_path(
        jobs=(job,),
        results=(a_result(job_id=job.id, kind=ResultKind.SR),),
        deliveries=(a_delivery(job_id=job.id, reason=WHY),),
    )
    shown = drawn(*whole_path(path, progress(path.study, (), (), ()), BEGUN), width=80)
    assert broken(f"{WHY} {job.model} attempts: objects:", shown) == []
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80


def test_a_table_that_has_room_stays_a_table() -> None:
    shown = drawn(table("", ("name", "why"), [("PACS", "it is full"), ("RIS", "-")]), width=80)
    assert shown.splitlines()[1].split() == ["name", "why"]


@pytest.mark.parametrize(("columns", "wide"), [("80", 80), ("", 200), ("wide", 200), ("0", 200), ("5000", 200)])
def test_a_pipe_is_as_wide_as_it_is_asked_to_be(columns: str, wide: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert screen().width == wide


def test_what_an_entry_of_the_trail_holds_is_said_in_words() -> None:
    planned = {"name": "PACS", "objects": ["SR", "SEG"], "kept": None, "compress": False, "count": 3}
    assert _short([planned]) == "(name PACS, objects SR and SEG, kept -, compress no, count 3)"
    assert (_short([]), _short(list("abcd")), _short("a b")) == ("none", "(4 of them)", "a b")


def test_settings_that_have_changed_are_told_with_both_values() -> None:
    changes = [["data", "trial", "/srv/node"], ["listener.plain", None, "false"]]
    told = details({"changes": changes, "since": "the defaults", "instances": [["1.2", "ab"]]})
    assert (
        told == "changes=data: trial → /srv/node; listener.plain: - → false, since=the defaults, instances=1.2 and ab"
    )
    assert details({"changes": [[str(n), "a", "b"] for n in range(5)]}).endswith("2: a → b and 2 more")
