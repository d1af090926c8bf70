"""docs/friday.md has a line for each state, cause, refusal, wait and error that the code knows, and for no other."""

import re
from enum import StrEnum

import pytest

from consumers.steps.stuck import Cause
from dicom_node.dimse import Status
from domain.states import DeliveryState, JobState, StudyState
from tests.support import friday
from tests.support.counterparts import ROOT

PAGE = (ROOT / "docs" / "friday.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("rows", "known"),
    [
        (friday.STUDIES, set(StudyState)),
        (friday.CAUSES, set(Cause)),
        (friday.JOBS, set(JobState)),
        (friday.DELIVERIES, set(DeliveryState)),
        (friday.STATUSES, set(Status)),
        (friday.REJECTIONS, friday.refusals()),
        (friday.LOOKS, friday.looks()),
        (friday.WAITS, friday.waits()),
        (friday.ERRORS, set(friday.kinds_of_errors())),
    ],
    ids=["study", "cause", "run", "delivery", "answer", "refusal", "look", "wait", "error"],
)
def test_whatever_the_code_can_say_has_a_line_and_no_line_is_of_what_it_cannot(
    rows: dict[object, object], known: set[object]
) -> None:
    assert set(rows) == known, (
        "write it into tests/support/friday.py; then .venv/bin/python -m tests.support.made_pages"
    )


def test_what_waits_for_a_person_says_a_command_or_what_to_look_at() -> None:
    for state in (StudyState.STUCK, JobState.FAILED, JobState.TIMED_OUT, DeliveryState.FAILED, DeliveryState.REFUSED):
        rows: dict[StrEnum, friday.Row] = {}
        for every in (friday.STUDIES, friday.JOBS, friday.DELIVERIES):
            rows.update(every.items())
        _, do = rows[state]
        assert re.search(r"`dicom-node |as above", do), state
    assert all("dicom-node" in do for _, do in friday.CAUSES.values())


def test_the_first_steps_are_on_the_first_screen() -> None:
    first = PAGE.splitlines()[:18]
    for command in ("status --stuck", "status STUDY", "doctor", "retry STUDY"):
        assert any(f"`dicom-node {command}`" in line for line in first), command
