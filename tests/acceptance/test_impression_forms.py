"""Every form of an impression before judges that others wrote, with and without reports to refer to: no complaint."""

from dataclasses import replace
from pathlib import Path

import pytest

from domain.impressions import Impression
from domain.profiles import ResultFormat
from tests.support import impression_cases, judges
from tests.support.impression_cases import BY_MODEL, BY_TEMPLATE, Study

pytestmark = pytest.mark.slow

FORMS = impression_cases.forms()
WRITTEN = [
    *((form, BY_TEMPLATE) for form in FORMS),
    *((replace(form, refers=""), BY_TEMPLATE) for form in FORMS if form.refers),
    (FORMS[0], BY_MODEL),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return impression_cases.study(tmp_path_factory.mktemp("study"))


@pytest.mark.parametrize(("form", "impression"), WRITTEN, ids=lambda one: getattr(one, "name", "")[:60])
def test_no_judge_complains_of_an_impression(
    form: ResultFormat, impression: Impression, study: Study, tmp_path: Path
) -> None:
    (one,) = study.results([form], impression)
    path = tmp_path / "impression.dcm"
    path.write_bytes(one.part10)
    assert judges.complaints(path, study.source) == []


def test_it_agrees_with_its_source_and_with_the_reports_on_patient_and_study(study: Study, tmp_path: Path) -> None:
    files = []
    for number, one in enumerate((*study.made, *study.results(FORMS[:1]))):
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(one.part10)
    assert judges.disagreements(files, study.runs[0].files) == []
