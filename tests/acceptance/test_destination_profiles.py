"""One study for several destinations at once: each gets what its readers can show, as what it takes, and no more."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from domain.profiles import (
    BASIC_TEXT_SR,
    COMPREHENSIVE_3D_SR,
    ENCAPSULATED_PDF,
    ENHANCED_SR,
    EXPLICIT,
    GRAYSCALE_SOFTCOPY_PRESENTATION_STATE,
    IMPLICIT,
    KEY_OBJECT_SELECTION,
    SECONDARY_CAPTURE,
    SEGMENTATION,
)
from tests.support import judges
from tests.support.node import Node
from tests.support.phantoms import write
from tests.support.receivers import ChoosyStorageScp, Receiver
from tests.support.senders import scan
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, SEGMENTED, Trial, save, small

pytestmark = pytest.mark.slow

BOTH = (EXPLICIT, IMPLICIT)
CLASSIC = [GRAYSCALE_SOFTCOPY_PRESENTATION_STATE, SECONDARY_CAPTURE, KEY_OBJECT_SELECTION, ENCAPSULATED_PDF]
STUDY = small("for destinations")
LATER_STUDY = small("for destinations, later")


@dataclass(frozen=True)
class Everybody:
    """A node and those whom it delivers to."""

    trial: Trial
    classic: ChoosyStorageScp
    text: Receiver
    older: Receiver

    def choices(self, study: str, destination: str) -> dict[str, dict[str, Any]]:
        """What became of each kind on its way to a destination, as `status` tells."""
        (found,) = [one for one in self.trial.status(study)["deliveries"] if one["destination"] == destination]
        return {one["kind"]: one for one in found["choices"]}


def as_setting(name: str, address: str, profile: str) -> dict[str, object]:
    aet, _, place = address.partition("@")
    host, _, port = place.partition(":")
    return {"name": name, "aet": aet, "host": host, "port": int(port), "profile": profile}


@pytest.fixture(scope="module")
def destinations(tmp_path_factory: pytest.TempPathFactory, archive: Orthanc, thresholds: Path) -> Iterator[Everybody]:
    data = tmp_path_factory.mktemp("profiles") / "node"
    with ExitStack() as stack:
        classic = stack.enter_context(
            ChoosyStorageScp(tmp_path_factory.mktemp("classic"), dict.fromkeys(CLASSIC, BOTH), "CLASSIC")
        )
        text = stack.enter_context(Receiver("TEXT", {BASIC_TEXT_SR: [IMPLICIT]}))
        older = stack.enter_context(Receiver("OLDER", {ENHANCED_SR: BOTH, SECONDARY_CAPTURE: BOTH}))
        destinations = [
            as_setting("VIEWER", archive.destination, "default"),
            as_setting("CLASSIC", classic.destination, "classic"),
            as_setting("TEXT", text.destination, "reporting"),
            as_setting("OLDER", older.destination, "short"),
        ]
        profiles = {"short": {"objects": ["SEG", "SR-REGIONS", "SR", "SC"]}}
        env = QUICK | {
            "DICOM_NODE_DESTINATIONS": json.dumps(destinations),
            "DICOM_NODE_PROFILES": json.dumps(profiles),
        }
        node = stack.enter_context(Node(data, models=thresholds, env=env))
        trial = Trial(node, archive)
        asked = "SELECT 1 FROM destinations_seen WHERE accepted IS NOT NULL"
        trial.wait_for(lambda: len(trial.rows(asked)) == len(destinations), "every destination to be asked", 30)
        yield Everybody(trial, classic, text, older)


@pytest.fixture(scope="module")
def delivered(destinations: Everybody, tmp_path_factory: pytest.TempPathFactory) -> Everybody:
    """The study has gone everywhere and everything has come to rest."""
    scan(destinations.trial.node, STUDY.datasets(), tmp_path_factory.mktemp("sent"))
    destinations.trial.await_home(STUDY.uid("study"))
    destinations.trial.await_rest()
    return destinations


def test_a_viewer_gets_the_whole_set_of_the_default_profile(delivered: Everybody) -> None:
    study = STUDY.uid("study")
    assert delivered.trial.kinds(study) == SEGMENTED
    choices = delivered.choices(study, "VIEWER")
    assert {kind for kind, one in choices.items() if one["sop_class"]} == set(delivered.trial.kinds(study))
    assert choices["SR"]["sop_class"] == COMPREHENSIVE_3D_SR


def test_a_classic_pacs_gets_pictures_outlines_key_images_and_pages_alone(delivered: Everybody) -> None:
    received = [dcmread(path, stop_before_pixels=True) for path in delivered.classic.files()]
    assert sorted(str(one.SOPClassUID) for one in received) == sorted(CLASSIC)
    assert {one.StudyInstanceUID for one in received} == {STUDY.uid("study")}
    choices = delivered.choices(STUDY.uid("study"), "CLASSIC")
    assert {kind: one["sop_class"] for kind, one in choices.items()} == {
        "GSPS": GRAYSCALE_SOFTCOPY_PRESENTATION_STATE,
        "SC": SECONDARY_CAPTURE,
        "KOS": KEY_OBJECT_SELECTION,
        "PDF": ENCAPSULATED_PDF,
    }


def test_reporting_software_gets_the_report_as_plain_text_as_it_takes_it(delivered: Everybody) -> None:
    (report,) = delivered.text.received
    assert report.SOPClassUID == BASIC_TEXT_SR
    assert report.file_meta.TransferSyntaxUID == IMPLICIT
    assert "AI generated, not verified" in report.to_json()
    assert delivered.choices(STUDY.uid("study"), "TEXT")["TEXT"]["why"] == (
        "Basic Text SR in Implicit VR Little Endian, for it takes no Basic Text SR in Explicit VR Little Endian"
    )


def test_an_older_archive_gets_reports_in_an_older_class_that_point_at_no_segmentation(delivered: Everybody) -> None:
    assert delivered.older.classes() == sorted([ENHANCED_SR, ENHANCED_SR, SECONDARY_CAPTURE])
    assert not any(SEGMENTATION in one.to_json() for one in delivered.older.received if one.Modality == "SR")
    choices = delivered.choices(STUDY.uid("study"), "OLDER")
    assert choices["SEG"]["why"] == "left out: it takes no Segmentation"
    assert choices["SR"]["why"] == "Enhanced SR, for it takes no Comprehensive 3D SR, no Comprehensive SR"


def test_no_validator_finds_an_error_in_what_any_of_them_got(delivered: Everybody, tmp_path: Path) -> None:
    got = [*delivered.trial.results(STUDY.uid("study")), *delivered.text.received, *delivered.older.received]
    got += [dcmread(path) for path in delivered.classic.files()]
    files = save(got, tmp_path / "got")
    (source, *_) = write(STUDY.datasets()[:1], tmp_path / "source")
    assert {file.name: judges.complaints(file, source) for file in files} == {file.name: [] for file in files}


def test_the_trail_tells_what_each_gets_and_what_was_left_out_and_why(delivered: Everybody) -> None:
    entries = delivered.trial.node.cli("audit", "show", "--study", STUDY.uid("study"))["entries"]
    (plan,) = [one["details"] for one in entries if one["action"] == "delivery planned"]
    assert sorted(plan["destinations"]) == sorted(plan["choices"]) == ["CLASSIC", "OLDER", "TEXT", "VIEWER"]
    assert {"kind": "SEG", "sop_class": None, "transfer_syntax": None, "why": "left out: it takes no Segmentation"} in (
        plan["choices"]["OLDER"]
    )
    assert delivered.trial.node.cli("audit", "verify")["intact"] is True


def test_status_shows_people_what_each_gets(delivered: Everybody) -> None:
    shown = delivered.trial.node.run("status", STUDY.uid("study"))
    assert "what each destination gets" in shown
    assert "left out: it takes no Segmentation" in shown


def test_a_destination_is_asked_by_name_and_the_answer_is_kept(destinations: Everybody) -> None:
    node = destinations.trial.node
    before = len(destinations.classic.files())
    answer = node.cli("destinations", "probe", "CLASSIC")
    assert {(one, syntax) for one in CLASSIC for syntax in BOTH} == {tuple(one) for one in answer["accepted"]}
    assert (answer["profile"], answer["kept"], answer["error"]) == ("classic", True, "")
    assert len(destinations.classic.files()) == before
    (listed,) = [one for one in node.cli("destinations", "list")["destinations"] if one["name"] == "CLASSIC"]
    assert listed["accepted"] == answer["accepted"]
    assert node.cli("destinations", "show", "CLASSIC")["choices"] == answer["choices"]
    assert "Key Object Selection (Explicit, Implicit)" in node.run("destinations", "show", "CLASSIC")


def test_a_destination_that_came_to_take_another_class_gets_that(destinations: Everybody, tmp_path: Path) -> None:
    trial = destinations.trial
    destinations.older.accept({BASIC_TEXT_SR: BOTH})
    scan(trial.node, LATER_STUDY.datasets(), tmp_path / "sent")
    trial.await_home(LATER_STUDY.uid("study"))
    trial.await_rest()
    mine = [one for one in destinations.older.received if one.StudyInstanceUID == LATER_STUDY.uid("study")]
    assert [str(one.SOPClassUID) for one in mine] == [BASIC_TEXT_SR]
    why = destinations.choices(LATER_STUDY.uid("study"), "OLDER")["TEXT"]["why"]
    assert why.startswith("Basic Text SR in place of SR-REGIONS and SR")
    assert trial.study(LATER_STUDY.uid("study"))["state"] == "complete"
