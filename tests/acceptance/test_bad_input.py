"""Input that no model can use: each study ends in a state with a reason that `status` prints, and the others go on.

All of it is sent first, good studies before, between and after; then each test looks at what became of one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from dicom_node.scu.store import Outgoing
from tests.support import counterparts
from tests.support.node import Node
from tests.support.phantoms import CORONAL, Phantom
from tests.support.senders import acknowledged, instance, paced, scan
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, Trial, small

pytestmark = pytest.mark.slow

RULES = """
[[rule]]
name = "every CT"
model = "body_and_bone"

[rule.when]
modality = ["CT"]
min_slices = 3
"""

# How bytes are cut off the end of a slice of 64 x 64: into the pixels, and (from the front) into the header.
INTO_PIXELS, INTO_HEADER = -1000, 402
_CUT = ("cut in the pixels", "cut in the header")


@dataclass(frozen=True)
class Sent:
    """What was sent as one study."""

    uid: str
    instances: Sequence[Outgoing]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rules") / "rules.toml"
    file.write_text(RULES)
    return file


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, thresholds: Path, archive: Orthanc, rules: Path) -> Iterator[Trial]:
    data = tmp_path_factory.mktemp("bad-input") / "node"
    env = {**QUICK, "DICOM_NODE_MODELS__RULES": str(rules)}
    with Node(data, destinations=[archive.destination], models=thresholds, env=env) as node:
        yield Trial(node, archive)


@pytest.fixture(scope="module")
def sent(trial: Trial) -> Mapping[str, Sent]:
    """Every study by its name, after the node has come to rest."""
    studies = {
        "first good": _study("first good"),
        "cut in the pixels": _cut_in_the_pixels(),
        "cut in the header": _cut_in_the_header(),
        "no image": _no_image(),
        "two slices": _of(small("two slices").datasets()[:2]),
        "uneven": _of([one for k, one in enumerate(small("uneven").datasets()) if k not in {7, 8, 15}]),
        "mixed": _mixed(),
        "good between": _study("good between"),
        "enhanced": _of([small("enhanced").enhanced()]),
        "last good": _study("last good"),
    }
    for study in studies.values():
        _send(trial, study.instances)
    trial.await_closed(len(studies))
    trial.await_rest()
    return studies


@pytest.mark.parametrize("name", ["first good", "good between", "last good"])
def test_good_studies_between_bad_ones_come_home(trial: Trial, sent: Mapping[str, Sent], name: str) -> None:
    trial.await_home(sent[name].uid)
    trial.assert_one_set(sent[name].uid)


def test_an_enhanced_multi_frame_ct_of_sound_geometry_comes_home(trial: Trial, sent: Mapping[str, Sent]) -> None:
    trial.await_home(sent["enhanced"].uid)
    trial.assert_one_set(sent["enhanced"].uid)
    (segmentation,) = [one for one in trial.results(sent["enhanced"].uid) if one.Modality == "SEG"]
    (source,) = sent["enhanced"].instances
    (series,) = segmentation.ReferencedSeriesSequence
    assert [one.ReferencedSOPInstanceUID for one in series.ReferencedInstanceSequence] == [source.sop_instance]


@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        (
            "cut in the pixels",
            "stuck",
            r"body_and_bone: 1 image of the series came and cannot be read: have it sent again",
        ),
        # Cut before it names its study.
        ("cut in the header", "stuck", r"body_and_bone: slices are missing: 1 in all"),
        ("no image", "complete", r"no model wants it"),
        ("two slices", "complete", r"no model wants it"),
        ("uneven", "stuck", r"body_and_bone: slices are missing: 3 in all"),
        ("mixed", "complete", r"no model wants it"),
    ],
)
def test_a_study_that_cannot_be_used_ends_in_a_state_with_a_reason(
    trial: Trial, sent: Mapping[str, Sent], name: str, state: str, reason: str
) -> None:
    status = trial.status(sent[name].uid)
    assert status["study"]["state"] == state
    assert re.search(reason, status["why"])
    assert trial.home(sent[name].uid) == {}


def test_an_instance_cut_short_is_in_quarantine_with_the_reason_wherever_it_ends(
    trial: Trial, sent: Mapping[str, Sent]
) -> None:
    cut = {sent[name].instances[10].sop_instance: sent[name].instances[10] for name in _CUT}
    assert trial.node.cli("status")["quarantined"] == len(cut)
    kept = {one["sop_uid"]: one for one in trial.node.cli("quarantine", "list")["quarantine"]}
    assert kept.keys() == cut.keys()
    for uid, one in kept.items():
        assert re.search("cut short: .* ends within .*; have it sent again", one["reason"])
        assert (trial.node.data / "objects" / one["object_key"]).read_bytes() == cut[uid].file


def test_unevenly_spaced_slices_of_a_real_scanner_are_refused_with_the_place_of_the_gap(
    trial: Trial, tmp_path: Path
) -> None:
    folder = counterparts.data("ct_odd", "sliceincrement", "001")
    uid = str(dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True).StudyInstanceUID)
    scan(trial.node, map(dcmread, folder.glob("*.dcm")), tmp_path / "study")
    trial.wait_for(lambda: trial.study(uid).get("state") == "stuck", "the study to be stuck")
    assert re.search(r"slices are missing: 1 in all.*28\.11 mm.*38\.11 mm", trial.status(uid)["why"])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("two slices", "has 2 slices, fewer than 3"),
        ("mixed", "its images are not parallel: 12 of 24 are turned against the others"),
    ],
)
def test_explain_names_what_a_series_lacks(trial: Trial, sent: Mapping[str, Sent], name: str, reason: str) -> None:
    (model,) = trial.node.cli("explain", sent[name].uid)["models"]
    assert list(model["refusals"].values()) == [[reason]]


def test_a_study_that_was_stuck_for_missing_slices_comes_home_when_they_arrive(
    trial: Trial, sent: Mapping[str, Sent]
) -> None:
    _send(trial, [instance(one) for one in small("uneven").datasets()])
    trial.await_home(sent["uneven"].uid, revision=2)
    trial.assert_one_set(sent["uneven"].uid)


def test_a_revision_that_is_overtaken_while_its_job_waits_is_not_run(trial: Trial) -> None:
    """As where the worker has much to do: it comes to the first revision when the second waits behind it."""
    phantom = small("overtaken")
    trial.node.pause("work")
    try:
        _send_with_gap(trial, phantom)
        _send(trial, [instance(one) for one in phantom.datasets()])
        trial.wait_for(lambda: trial.study(phantom.uid("study"))["revision"] == 2, "the second revision")
        trial.wait_for(lambda: _jobs(trial, phantom, "cancelled") == 1, "the first revision's job to be cancelled")
    finally:
        trial.node.resume("work")
    trial.await_home(phantom.uid("study"), revision=2)
    assert _jobs(trial, phantom, "failed") == 0
    trial.assert_one_set(phantom.uid("study"))


def test_a_study_whose_missing_slices_are_coming_in_is_not_run_without_them(trial: Trial) -> None:
    phantom = small("being amended")
    trial.node.pause("work")
    try:
        _send_with_gap(trial, phantom)
        trial.wait_for(lambda: _jobs(trial, phantom, "requested") == 1, "the job to wait")
        trial.node.pause("assemble")
        _send(trial, [instance(one) for one in phantom.datasets()])
        trial.wait_for(lambda: trial.study(phantom.uid("study"))["state"] == "amended", "the missing slices")
        trial.node.resume("work")
    finally:
        trial.node.resume("work")
        trial.node.resume("assemble")
    trial.await_home(phantom.uid("study"), revision=2)
    assert _jobs(trial, phantom, "failed") == 0
    trial.assert_one_set(phantom.uid("study"))


def test_a_wrong_key_in_the_rules_stops_studies_with_its_line_until_it_is_mended_and_they_are_replayed(
    trial: Trial, rules: Path
) -> None:
    study = _study("wrong rules")
    rules.write_text(RULES.replace("min_slices", "least_slices"))
    _send(trial, study.instances)
    trial.wait_for(lambda: trial.study(study.uid).get("state") == "stuck", "the study to be stuck")
    line = 1 + RULES.splitlines().index("min_slices = 3")
    assert f'{rules}:{line}: rule."every CT".when.least_slices: is not a key here' in trial.status(study.uid)["why"]

    rules.write_text(RULES)
    (letter,) = trial.node.cli("dead-letters", "list")["dead_letters"]
    trial.node.run("dead-letters", "replay", str(letter["id"]))
    trial.await_home(study.uid)
    trial.assert_one_set(study.uid)


def _send(trial: Trial, instances: Sequence[Outgoing]) -> None:
    assert len(acknowledged(paced(trial.node, instances))) == len(instances)


def _send_with_gap(trial: Trial, phantom: Phantom) -> None:
    """All but one slice, and wait until that counts as the study."""
    whole = phantom.datasets()
    _send(trial, [instance(one) for one in (*whole[:10], *whole[11:])])
    trial.wait_for(lambda: trial.study(phantom.uid("study")).get("state") == "complete", "the first revision")


def _jobs(trial: Trial, phantom: Phantom, state: str) -> int:
    study = trial.study(phantom.uid("study"))["id"]
    return len(trial.rows("SELECT 1 FROM jobs WHERE study_id = %s AND state = %s", study, state))


def _study(name: str) -> Sent:
    return _of(small(name).datasets())


def _of(datasets: Sequence[Dataset]) -> Sent:
    return Sent(str(datasets[0].StudyInstanceUID), [instance(one) for one in datasets])


def _cut_in_the_pixels() -> Sent:
    whole = small("cut in the pixels").datasets()
    return _with(_of(whole), 10, instance(whole[10], cut=INTO_PIXELS))


def _cut_in_the_header() -> Sent:
    whole = small("cut in the header").datasets()
    return _with(_of(whole), 10, instance(whole[10], cut=INTO_HEADER))


def _with(study: Sent, number: int, other: Outgoing) -> Sent:
    return replace(study, instances=[*study.instances[:number], other, *study.instances[number + 1 :]])


def _no_image() -> Sent:
    report = dcmread(counterparts.data("seg_sr_sm", "sr_document.dcm"))
    report.StudyInstanceUID = generate_uid(entropy_srcs=["no image"])
    return _of([report])


def _mixed() -> Sent:
    """Axial and coronal slices under one Series Instance UID."""
    axial = small("mixed")
    coronal = replace(axial, orientation=CORONAL).datasets()
    for number, one in enumerate(coronal):
        one.SOPInstanceUID = axial.uid("coronal", number)
    return _of([*axial.datasets()[:12], *coronal[12:]])
