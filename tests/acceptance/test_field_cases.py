"""What nodes in the field met, from the front door: an association in, results home, and what `status` says.

Every case is sent to one node before the first test looks; what became of each is the tests' business.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.intake.filing import reread
from dicom_node.intake.header import read_header
from tests.support.cases import data_set, make_case, send_case
from tests.support.judges import dciodvfy
from tests.support.node import Node
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, Trial

# What pydicom has to say of these inputs is their point.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]

RULES = """
[[rule]]
name = "every CT"
model = "body_and_bone"

[rule.when]
modality = ["CT"]
min_slices = 50
"""
SLICES = 56
# Case, and the folder of its input that is one study.
STUDIES = {
    "01": "01",
    "02": "02",
    "03": "03",
    "05": "05",
    "08": "08",
    "09": "09",
    "11a": "11/a-slice-thickness",
    "19a": "19/a-explicit",
    "20a": "20/a-image-without-place",
    "20b": "20/b-structure-set",
    "22": "22",
    "25": "25",
    "27": "27",
}
# Those that are whole series of slices, with a stranger among them or not.
WHOLE = ["01", "02", "03", "05", "08", "09", "11a", "19a", "20a", "20b", "22", "25", "27"]
STRANGERS = {"20a": "it states no Image Position", "20b": "RT Structure Set Storage"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The folder of each study."""
    root = tmp_path_factory.mktemp("cases")
    for number in sorted({one.partition("/")[0] for one in STUDIES.values()}):
        make_case(number, root / number)
    return {name: root / folder for name, folder in STUDIES.items()}


@pytest.fixture(scope="module")
def trial(
    tmp_path_factory: pytest.TempPathFactory, thresholds: Path, archive: Orthanc, inputs: Mapping[str, Path]
) -> Iterator[Trial]:
    """A node that has got them all and has come to rest."""
    folder = tmp_path_factory.mktemp("field-cases")
    (folder / "rules.toml").write_text(RULES)
    env = {**QUICK, "DICOM_NODE_MODELS__RULES": str(folder / "rules.toml")}
    with Node(folder / "node", destinations=[archive.destination], models=thresholds, env=env) as node:
        trial = Trial(node, archive)
        for name, case in inputs.items():
            statuses = send_case(node, case)
            assert set(statuses.values()) == {"0000"}, (name, statuses)
        trial.await_closed(len(inputs))
        trial.await_rest()
        yield trial


def uid(inputs: Mapping[str, Path], name: str) -> str:
    return read_header(data_set(min(inputs[name].glob("*.dcm"))), ExplicitVRLittleEndian).study_uid


def rows(trial: Trial, study: str) -> list[dict[str, Any]]:
    query = "SELECT i.* FROM instances i JOIN studies s ON s.id = i.study_id WHERE study_uid = %s ORDER BY sop_uid"
    return trial.rows(query, study)


def stored(trial: Trial, row: Mapping[str, Any]) -> Path:
    return trial.node.data / "objects" / str(row["object_key"])


@pytest.mark.parametrize("name", WHOLE)
def test_the_series_is_whole_and_its_results_come_home(trial: Trial, inputs: Mapping[str, Path], name: str) -> None:
    study = uid(inputs, name)
    status = trial.status(study)
    assert status["unreadable"] == 0
    (series,) = [one for one in status["series"] if one["modality"] == "CT"]
    assert {series["instances"], series["slices"]} == {SLICES + (name in STRANGERS)}
    assert status["where"].startswith("results stored at "), (status["where"], status["why"])
    trial.assert_one_set(study)


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_what_is_kept_is_what_was_sent_and_can_be_read(trial: Trial, inputs: Mapping[str, Path], name: str) -> None:
    sent = {data_set(path) for path in inputs[name].glob("*.dcm")}
    kept = [stored(trial, row).read_bytes() for row in rows(trial, uid(inputs, name))]
    assert len(kept) == len(sent)
    assert all(any(one.endswith(data) for data in sent) for one in kept)
    for row in rows(trial, uid(inputs, name)):
        assert reread(stored(trial, row)).header.sop_uid == row["sop_uid"]


def test_a_file_whose_data_set_begins_with_a_second_meta_can_be_read(trial: Trial, inputs: Mapping[str, Path]) -> None:
    for row in rows(trial, uid(inputs, "08")):
        read = dcmread(stored(trial, row))
        assert (read.SOPInstanceUID, read.pixel_array.shape) == (row["sop_uid"], (128, 128))


def test_a_code_string_ends_at_its_nul(trial: Trial, inputs: Mapping[str, Path]) -> None:
    for row in rows(trial, uid(inputs, "01")):
        assert (row["image_type"], row["body_part"]) == ("ORIGINAL\\PRIMARY\\AXIAL", "CHEST")


def test_an_unknown_character_set_is_read_as_the_default_repertoire(trial: Trial, inputs: Mapping[str, Path]) -> None:
    query = "SELECT series_description FROM series JOIN studies ON studies.id = study_id WHERE study_uid = %s"
    (series,) = trial.rows(query, uid(inputs, "02"))
    assert series["series_description"].startswith("Thorax nativ, Sch")


def test_results_refer_to_the_very_uids_that_the_archive_knows(trial: Trial, inputs: Mapping[str, Path]) -> None:
    segmentation = _segmentation(trial, uid(inputs, "09"))
    (series,) = segmentation.ReferencedSeriesSequence
    referred = {str(one.ReferencedSOPInstanceUID) for one in series.ReferencedInstanceSequence}
    assert referred <= {row["sop_uid"] for row in rows(trial, uid(inputs, "09"))}
    assert all(".0007." in one for one in referred)
    assert str(segmentation.StudyInstanceUID) == uid(inputs, "09")


def test_results_of_slices_without_a_thickness_state_the_distance_between_them(
    trial: Trial, inputs: Mapping[str, Path]
) -> None:
    segmentation = _segmentation(trial, uid(inputs, "27"))
    (measures,) = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert float(measures.SliceThickness) == 5


@pytest.mark.parametrize("name", ["20a", "20b"])
def test_strangers_in_a_series_are_filed_beside_its_slices(trial: Trial, inputs: Mapping[str, Path], name: str) -> None:
    found = rows(trial, uid(inputs, name))
    assert len(found) == SLICES + 1
    assert len({row["series_id"] for row in found}) == 1
    placed = [row for row in found if row["position"]]
    assert len(placed) == SLICES


# Each of another kind of value that is wrong.
@pytest.mark.parametrize("name", ["02", "11a", "19a"])
def test_no_result_holds_what_its_source_has_wrong(trial: Trial, inputs: Mapping[str, Path], name: str) -> None:
    for number, one in enumerate(trial.results(uid(inputs, name))):
        path = inputs[name].parent / f"result-{name}-{number}.dcm"
        one.save_as(path, enforce_file_format=True)
        assert dciodvfy(path) == [], one.Modality
        assert "DeidentificationMethodCodeSequence" not in one


@pytest.mark.parametrize("name", sorted(STRANGERS))
def test_a_report_names_the_stranger_that_was_left_aside(trial: Trial, inputs: Mapping[str, Path], name: str) -> None:
    (report,) = [one for one in trial.results(uid(inputs, name)) if one.Modality == "SR"]
    assert STRANGERS[name] in str(report)


def test_nothing_was_put_into_quarantine_and_nothing_waits(trial: Trial) -> None:
    assert trial.node.cli("status")["quarantined"] == 0
    assert not trial.node.unready()


def _segmentation(trial: Trial, study: str) -> Dataset:
    (found,) = [one for one in trial.results(study) if one.Modality == "SEG"]
    return found
