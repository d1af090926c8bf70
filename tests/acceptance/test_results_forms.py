"""Every form that a kind of object can take, before judges that others wrote: no complaint of any."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from domain.profiles import OF_A_RUN, ResultFormat, ResultKind
from tests.support import judges
from tests.support.result_cases import CASES, Case, Run
from tests.support.result_files import forms, save, segmentations

pytestmark = pytest.mark.slow

FORMS = [
    pytest.param(case, form, id=f"{case.name}-{form.name}-{form.transfer_syntax.rpartition('.')[2]}")
    for case in CASES
    if case.name in ("everything", "cr")
    for form in forms()
    if form.kind not in case.lacks and not (form.refers and ResultKind.SEG in case.lacks)
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Run]:
    """What a model found in a case."""
    return cache(lambda case: case.make(tmp_path_factory.mktemp(case.name) / "source"))


@pytest.mark.parametrize(("case", "form"), FORMS)
def test_no_judge_complains_of_a_form(
    case: Case, form: ResultFormat, run: Callable[[Case], Run], tmp_path: Path
) -> None:
    found = run(case)
    referred = (one for one in segmentations() if one.name == form.refers)
    files = [path for one, path in save(found, (*referred, form), tmp_path) if one == form]
    assert files, "nothing was written"
    assert [one for path in files for one in judges.complaints(path, found.paths[0])] == []


def test_every_form_is_written() -> None:
    assert {form.kind for form in forms()} == OF_A_RUN
