"""The judges of results do find what is wrong: each is shown an object without its heart."""

from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement

from domain import profiles
from domain.profiles import ResultKind
from tests.support import judges
from tests.support.judges import JUDGES, Judge
from tests.support.result_cases import CASES
from tests.support.result_files import KINDS, Written, usual, written

pytestmark = pytest.mark.slow

# What each kind of object cannot be without; a value that is none of its representation is wrong in all of them.
HEARTS = {
    profiles.SEGMENTATION: "SegmentSequence",
    profiles.LABEL_MAP_SEGMENTATION: "SegmentSequence",
    profiles.PARAMETRIC_MAP: "SharedFunctionalGroupsSequence",
    profiles.GRAYSCALE_SOFTCOPY_PRESENTATION_STATE: "DisplayedAreaSelectionSequence",
    profiles.SECONDARY_CAPTURE: "PixelData",
    profiles.ENCAPSULATED_PDF: "EncapsulatedDocument",
}
JUDGED = [
    pytest.param(kind, judge, id=f"{kind}-{judge.name}") for kind in KINDS for judge in JUDGES[usual(kind).sop_class]
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Results without a fault."""
    return written(CASES[0], tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize(("kind", "judge"), JUDGED)
def test_a_judge_does_find_what_is_wrong(kind: ResultKind, judge: Judge, sound: Written, tmp_path: Path) -> None:
    good, broken = sound.files[kind][0], tmp_path / "broken.dcm"
    dataset = pydicom.dcmread(good)
    spoil(dataset)
    dataset.save_as(broken)
    assert judge(good) == []
    assert judge(broken) != []


def spoil(dataset: Dataset) -> None:
    """Take its heart out, and put a word where a date belongs."""
    del dataset[HEARTS.get(dataset.SOPClassUID, "ContentSequence")]
    dataset["StudyDate"] = DataElement("StudyDate", "DA", "tomorrow", validation_mode=IGNORE)


def test_dcentvfy_does_find_what_is_wrong(sound: Written, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(sound.all[0])
    dataset.PatientName = "Somebody^Else"
    dataset.save_as(tmp_path / "broken.dcm")
    assert judges.dcentvfy([*sound.all, *sound.run.paths]) == []
    assert judges.dcentvfy([tmp_path / "broken.dcm", *sound.all[1:], *sound.run.paths]) != []
