"""Who may write what: each fact has one place that changes it."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("audit", "consumers", "console", "dicom_node", "inference_worker", "roles", "sr_writer", "store", "summary")


def places(pattern: str) -> set[str]:
    """The files of the rooms in which `pattern` occurs, migrations apart."""
    files = (file for room in ROOMS for file in (ROOT / room).rglob("*.py") if "migrations" not in file.parts)
    return {str(file.relative_to(ROOT)) for file in files if re.search(pattern, file.read_text())}


def test_a_studys_row_is_written_in_one_module_alone() -> None:
    assert places(r"(?:update|insert|upsert|delete)\(studies\)") == {"store/studies.py"}


def test_a_study_gets_stuck_and_leaves_it_by_one_step_alone() -> None:
    assert places(r"StudyStuck\(|Action\.STUDY_STUCK|Action\.STUDY_RELEASED|StudyEvent\.(FAILED|RELEASED)") == {
        "audit/export/kinds.py",  # how such an entry goes out
        "audit/meanings.py",
        "audit/report.py",
        "consumers/steps/stuck.py",
        "store/studies.py",
    }


def test_a_study_is_announced_as_complete_by_one_step_alone() -> None:
    assert places(r"StudyCompleted\b|StudyAmended\b") == {"consumers/steps/assemble.py", "consumers/steps/route.py"}


def test_rows_are_locked_in_one_module_that_has_their_order() -> None:
    assert places(r"with_for_update\(") == {"store/locks.py"}
