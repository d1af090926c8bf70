"""The studies that the ingest benchmark sends, and what it makes of the seconds; how long anything takes is no test."""

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from benchmarks.ingest import report, studies
from benchmarks.ingest.node import Node
from benchmarks.ingest.receivers import Orthanc
from benchmarks.ingest.rounds import Leg, Record, Sample
from benchmarks.ingest.senders import DCMSEND
from dicom_node.intake.header import read_header
from tests.support.ingest import encoded

TINY = studies.Study("tiny", 3, 16)


def sample(sent: float, behind: float = 0.0, memory: int = 1_000_000) -> Sample:
    return Sample(sent, behind, {"": memory})


@pytest.fixture
def leg(tmp_path: Path) -> Leg:
    return Leg("3 slices", DCMSEND, (TINY.write(tmp_path),))


def test_the_files_of_a_study_are_one_series_of_valid_instances(leg: Leg) -> None:
    slices = [dcmread(path) for path in leg.batches[0].paths]
    assert len({one.SOPInstanceUID for one in slices}) == leg.count == 3
    assert len({(one.StudyInstanceUID, one.SeriesInstanceUID) for one in slices}) == 1
    for one in slices:
        assert one.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert one.pixel_array.shape == (16, 16)
        assert read_header(encoded(one), ExplicitVRLittleEndian).sop_uid == one.SOPInstanceUID


def test_a_study_is_the_same_bytes_each_time_and_shares_no_uid_with_another(tmp_path: Path) -> None:
    first, again = TINY.write(tmp_path / "first"), TINY.write(tmp_path / "again")
    assert [path.read_bytes() for path in first.paths] == [path.read_bytes() for path in again.paths]
    other = studies.Study("other", 3, 16).slice(1)
    assert other.SOPInstanceUID != TINY.slice(1).SOPInstanceUID
    assert other.StudyInstanceUID != TINY.slice(1).StudyInstanceUID


def test_slices_have_the_sizes_that_their_sets_promise() -> None:
    assert len(encoded(studies.large("l", 1).slice(1))) == pytest.approx(512 * 1024, rel=0.01)
    assert len(encoded(studies.small("s", 1).slice(1))) == pytest.approx(39_000, rel=0.05)


def test_medians_are_taken_over_rounds_and_memory_at_its_most() -> None:
    record = Record()
    record.samples["a"] += [sample(1.0, 0.1), sample(9.0, 0.3, 5_000_000), sample(2.0, 0.2)]
    assert (record.sent("a"), record.behind("a"), record.memory()) == (2.0, 0.2, {"": 5_000_000})
    assert record.wants("a") and record.wants("never measured")
    record.samples["slow"].append(sample(8.8))
    assert not record.wants("slow")


def test_the_table_gives_ratios_to_this_node_and_names_who_is_missing(leg: Leg) -> None:
    records = {Node.name: Record(), Orthanc.name: Record()}
    records[Node.name].samples[leg.name].append(sample(0.5, 0.25))
    records[Orthanc.name].samples[leg.name].append(sample(2.0))
    text = report.four_associations(leg, records, ["dicom-rs storescp"])
    node, orthanc, missing = text.splitlines()[-3:]
    assert "0.50 s" in node and "0.25 s" in node
    assert "2.00 s (4.0x)" in orthanc
    assert missing.startswith("| dicom-rs storescp") and missing.count("not installed") == 2
