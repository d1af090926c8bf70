"""What nodes in the field met, from the front door: an association in, results home, and what `status` says.

Every case is sent to one node before the first test looks; what became of each is the tests' business.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.intake.filing import reread
from dicom_node.intake.header import read_header
from tests.support.cases import data_set, make_case, open_association, send_case, send_odd_requests
from tests.support.judges import dciodvfy
from tests.support.listening import REJECT
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
# What case 29 meets, and all the others do.
max_spacing_mm = 5.0
"""
SLICES = 56
ODD = 4  # of the associations of case 15, those that are accepted
# Case, and the folder of its input that is one study.
STUDIES = {
    "01": "01",
    "02": "02",
    "03": "03",
    "05": "05",
    "08": "08",
    "09": "09",
    "11a": "11/a-slice-thickness",
    "11b": "11/b-pixel-spacing",
    "12": "12",
    "17 first": "17/first",
    "17 second": "17/second",
    "19a": "19/a-explicit",
    "19b": "19/b-implicit",
    "20a": "20/a-image-without-place",
    "20b": "20/b-structure-set",
    "22": "22",
    "25": "25",
    "27": "27",
    "29": "29",
}
# Whose series is whole and has no stranger in it.
WHOLE = [name for name in STUDIES if not name.startswith(("12", "20"))]
STRANGERS = {"20a": "it states no Image Position", "20b": "RT Structure Set Storage"}
# Whose results come home; 11b says 3,0 where the distance of its pixels belongs.
HOME = [*(name for name in WHOLE if name != "11b"), *STRANGERS]
_TOLD: dict[str, dict[str, Any]] = {}


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
        # First, so that it waits for no other study's inference.
        _send_over_one_association(trial, inputs)
        for name, case in inputs.items():
            if not name.startswith("17"):
                statuses = send_case(node, case)
                assert set(statuses.values()) == {"0000"}, (name, statuses)
        _send_oddly(node)
        trial.await_closed(len(inputs) - 1 + ODD)
        trial.await_rest()
        yield trial


def _send_oddly(node: Node) -> None:
    """Case 15, between the studies of others."""
    answers = send_odd_requests(node)
    assert all(answers[name].endswith("status 0") for name in "abcd"), answers
    assert f"answer {REJECT}" in answers["e"], answers


def _send_over_one_association(trial: Trial, inputs: Mapping[str, Path]) -> None:
    """Case 17: the first study is home before the association, which goes on with the second, has ended."""
    first, second = (sorted(inputs[f"17 {one}"].glob("*.dcm")) for one in ("first", "second"))
    with open_association(trial.node, first[0]) as store:
        assert {store(path) for path in [*first, second[0]]} == {0}
        trial.await_home(uid(inputs, "17 first"))
        assert {store(path) for path in second[1:]} == {0}


def uid(inputs: Mapping[str, Path], name: str) -> str:
    return read_header(data_set(min(inputs[name].glob("*.dcm"))), ExplicitVRLittleEndian).study_uid


def status_of(trial: Trial, study: str) -> dict[str, Any]:
    """What `status` prints of a study; everything has come to rest, so that it is asked for once."""
    if study not in _TOLD:
        _TOLD[study] = trial.status(study)
    return _TOLD[study]


def rows(trial: Trial, study: str) -> list[dict[str, Any]]:
    query = "SELECT i.* FROM instances i JOIN studies s ON s.id = i.study_id WHERE study_uid = %s ORDER BY sop_uid"
    return trial.rows(query, study)


def stored(trial: Trial, row: Mapping[str, Any]) -> Path:
    return trial.node.data / "objects" / str(row["object_key"])


@pytest.mark.parametrize("name", WHOLE)
def test_the_series_is_whole(trial: Trial, inputs: Mapping[str, Path], name: str) -> None:
    status = status_of(trial, uid(inputs, name))
    assert status["unreadable"] == 0
    (series,) = [one for one in status["series"] if one["modality"] == "CT"]
    assert (series["instances"], series["slices"]) == (SLICES, SLICES)


@pytest.mark.parametrize("name", HOME)
def test_its_results_come_home(trial: Trial, inputs: Mapping[str, Path], name: str) -> None:
    assert_home(trial, uid(inputs, name))


def assert_home(trial: Trial, study: str) -> None:
    status = status_of(trial, study)
    assert status["where"].startswith("results stored at "), (status["where"], status["why"])
    trial.assert_one_set(study)


def test_values_of_an_unsigned_codestream_are_read_by_their_pixel_representation(
    trial: Trial, inputs: Mapping[str, Path]
) -> None:
    """With a wrong sign, air is bone: the volumes differ from those of the uncompressed series."""
    plain, coded = (_volumes(trial, uid(inputs, name)) for name in ("09", "25"))
    assert coded == pytest.approx(plain, rel=0.01)


def test_odd_requests_leave_a_trace_and_no_harm(trial: Trial) -> None:
    refused = [
        one
        for one in trial.node.cli("audit", "show", "--last", "1000")["entries"]
        if one["action"] == "association refused"
    ]
    assert [(one["details"]["code"], one["details"]["count"]) for one in refused] == [(3, 1)]


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


@pytest.mark.parametrize("name", sorted(STRANGERS))
def test_a_report_names_the_stranger_that_was_left_aside(trial: Trial, inputs: Mapping[str, Path], name: str) -> None:
    reports = [one for one in trial.results(uid(inputs, name)) if one.Modality == "SR"]
    said = [str(item.value) for one in reports for item in one.iterall() if item.keyword == "TextValue"]
    assert any(STRANGERS[name] in one for one in said), said


# Each of another kind of value that is wrong.
@pytest.mark.parametrize("name", ["02", "11a", "19a"])
def test_no_result_holds_what_its_source_has_wrong(trial: Trial, inputs: Mapping[str, Path], name: str) -> None:
    for number, one in enumerate(trial.results(uid(inputs, name))):
        path = inputs[name].parent / f"result-{name}-{number}.dcm"
        one.save_as(path, enforce_file_format=True)
        assert dciodvfy(path) == [], one.Modality


def test_images_of_two_patients_stop_their_study_before_any_model(trial: Trial, inputs: Mapping[str, Path]) -> None:
    status = status_of(trial, uid(inputs, "12"))
    assert (status["where"], status["jobs"], status["results"]) == ("stuck", [], [])
    assert status["why"].startswith("its images name two patients (they differ in Patient ID, Patient's Name")
    assert trial.results(uid(inputs, "12")) == []


def test_a_decimal_comma_that_decides_is_refused_with_its_value(trial: Trial, inputs: Mapping[str, Path]) -> None:
    why = str(status_of(trial, uid(inputs, "11b")))
    assert re.search(r"Pixel Spacing of image \d+ is not 2 numbers: 3,0", why)


@pytest.mark.parametrize("name", ["20a", "20b"])
def test_strangers_in_a_series_are_filed_beside_its_slices(trial: Trial, inputs: Mapping[str, Path], name: str) -> None:
    found = rows(trial, uid(inputs, name))
    assert len(found) == SLICES + 1
    assert len({row["series_id"] for row in found}) == 1
    placed = [row for row in found if row["position"]]
    assert len(placed) == SLICES


def test_nothing_was_put_into_quarantine_and_nothing_waits(trial: Trial) -> None:
    assert trial.node.cli("status")["quarantined"] == 0
    assert not trial.node.unready()


def _volumes(trial: Trial, study: str) -> Mapping[str, float]:
    (job,) = status_of(trial, study)["jobs"]
    return {
        f"{segment['segment']} {one['name']}": one["value"]
        for segment in job["findings"]
        for one in segment["measurements"]
        if one["unit"] == "ml"
    }


def _segmentation(trial: Trial, study: str) -> Dataset:
    (found,) = [one for one in trial.results(study) if one.Modality == "SEG"]
    return found
