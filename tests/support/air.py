"""The table of the IHE Radiology AI Results page (Evidence Creator), and what the judges say of the sample files."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.profiles import SOP_CLASSES
from tests.support import judges
from tests.support.conformance import table
from tests.support.counterparts import ROOT
from tests.support.samples import EVERY, FOLDER, FORMS

PAGE = ROOT / "docs" / "ihe-air.md"
VERDICTS = "verdicts"
NO_COMPLAINT = "no complaint"


@dataclass(frozen=True)
class Row:
    """A requirement: whether it is met, by what, which test shows it (file::name), which samples have it."""

    requirement: str
    met: str
    how: str
    test: str
    samples: tuple[str, ...] = ()


_REPORTS = ("report-of-regions", "report-of-segments", "report-of-findings")
ROWS = (
    Row(
        "General attributes and consistency: patient, study, equipment, algorithm, device UID",
        "yes",
        "every SOP class; PS3.3 C.7.1.1, C.7.2.1, C.7.5.1, C.12.1; TID 1004, TID 4019",
        "tests/acceptance/test_results_validators.py::"
        "test_results_and_source_agree_on_patient_study_and_frame_of_reference",
        tuple(FORMS),
    ),
    Row(
        "Root of a set of results: a measurement report",
        "yes",
        "Comprehensive 3D SR, Comprehensive SR or Enhanced SR; TID 1500",
        "tests/unit/test_sr_writer_report.py::test_the_names_that_viewers_look_for_are_written_to_the_letter",
        _REPORTS,
    ),
    Row(
        "Qualitative findings",
        "yes",
        "as the root; TID 1501 with a CODE: Presence of property, CID 240",
        "tests/unit/test_sr_writer_likelihoods.py::"
        "test_every_finding_is_coded_with_its_certainty_and_whether_it_is_reported",
        ("report-of-findings",),
    ),
    Row(
        "Measurements",
        "yes",
        "as the root; TID 300, NUM with UCUM units",
        "tests/unit/test_sr_writer_report.py::test_each_segment_has_a_group_that_points_at_it_with_its_measurements",
        ("report-of-segments", "report-of-regions"),
    ),
    Row(
        "Locations",
        "yes",
        "as the root; SCOORD of (111030, DCM, Image Region): POINT, closed POLYLINE; no SCOORD3D",
        "tests/unit/test_sr_writer_regions.py::test_each_shape_is_drawn_as_viewers_draw_it_and_outlines_are_closed",
        ("report-of-regions", "report-of-regions-enhanced"),
    ),
    Row(
        "Regions",
        "yes",
        "Segmentation (BINARY) or Label Map Segmentation with TID 1411; planar regions with TID 1410",
        "tests/unit/test_sr_writer_segmentation.py::test_every_voxel_comes_back_where_it_was",
        ("segmentation", "segmentation-label-map", "report-of-segments", "report-of-regions"),
    ),
    Row(
        "Parametric maps",
        "yes",
        "Parametric Map (32-bit floats) with Real World Value Mapping; not of radiographs without a frame of reference",
        "tests/unit/test_sr_writer_parametric_map.py::test_it_says_what_its_numbers_are_and_of_which_finding",
        ("parametric-map",),
    ),
    Row(
        "Tracking identifiers",
        "yes",
        "Tracking Identifier and Tracking Unique Identifier in every measurement group and segment",
        "tests/unit/test_sr_writer_regions.py::"
        "test_no_two_regions_share_a_tracking_uid_and_a_segment_s_outline_has_not_the_segment_s",
        ("report-of-regions", "report-of-segments", "segmentation"),
    ),
    Row(
        "Beyond the profile: what the results of all models come to, in sentences",
        "yes",
        "Enhanced SR, else Basic Text SR, Encapsulated PDF or Secondary Capture; TID 2000, (121073, DCM, Impression) "
        "INFERRED FROM the measurement reports and their numbers",
        "tests/unit/test_sr_writer_impression.py::"
        "test_each_sentence_is_inferred_from_the_report_that_says_what_it_rests_on_and_from_no_other",
        ("impression", "impression-as-text", "impression-pdf"),
    ),
    Row(
        "Image references",
        "yes",
        "Key Object Selection; TID 2010, title (113000, DCM, Of Interest)",
        "tests/unit/test_sr_writer_key_objects.py::test_every_key_image_is_selected_with_why",
        ("key-objects",),
    ),
    Row(
        "Transport: store",
        "yes",
        "C-STORE as SCU; the same UIDs for the same results, so that none comes twice",
        "tests/contract/test_sender_archives.py::test_objects_of_several_classes_and_syntaxes_share_an_association",
    ),
    Row(
        "Transport: retry",
        "yes",
        "with growing pauses, for days; what the peer refuses for good is not sent again",
        "tests/acceptance/test_outages.py::test_studies_that_arrive_while_the_archive_is_stopped_come_home_after",
    ),
    Row(
        "Transport: storage commitment",
        "yes",
        "asked after each delivery; an archive without it is looked into by a query",
        "tests/contract/test_commitment_orthanc.py::"
        "test_what_orthanc_keeps_is_committed_and_what_it_lost_is_sent_again",
    ),
    Row(
        "Security: audit",
        "partly",
        "a hash-chained trail of the node's own; no audit messages to a repository (ATNA)",
        "tests/acceptance/test_whole_path.py::"
        "test_the_audit_chain_verifies_and_tells_the_whole_story_of_the_study",
    ),
    Row("Security: TLS", "no", "not there yet; callers are known by AE title and address", ""),
    Row(
        "Security: consistent time",
        "partly",
        "Timezone Offset From UTC in every object; the machine's clock is left to the machine (NTP)",
        "tests/unit/test_sr_writer_results.py::test_times_are_in_the_zone_of_the_source",
    ),
)  # fmt: skip


def _rows() -> str:
    said = recorded(PAGE.read_text("utf-8"))
    rows = [(one.requirement, one.met, one.how, _test(one), _samples(one), _verdict(one, said)) for one in ROWS]
    return table(("requirement", "supported", "SOP class and template", "shown by", "samples", "verdict"), rows)


def _test(row: Row) -> str:
    file, _, name = row.test.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../{file})" if name else "-"


def _samples(row: Row) -> str:
    if len(row.samples) == len(FORMS):
        return "[all](samples)"
    return ", ".join(f"[{name}](samples/{name}.dcm)" for name in row.samples) or "-"


def _verdict(row: Row, said: Mapping[str, str]) -> str:
    verdicts = dict.fromkeys(said.get(name, "not judged") for name in row.samples)
    return ", ".join(verdicts) or "-"


def _judged() -> str:
    """What all judges say of each sample; takes them all, and half a minute."""
    rows = [_judgement(name, FOLDER / f"{name}.dcm") for name in EVERY]
    return table(("sample", "SOP class", "judges", "verdict", "known false alarms"), rows)


def _judgement(name: str, path: Path) -> tuple[str, str, str, str, int]:
    heard = judges.heard(path)
    wrong = sum(not one.known for one in heard)
    sop_class = EVERY[name].sop_class
    asked = ", ".join(one.name.replace("_reads", "") for one in judges.JUDGES[sop_class])
    return name, SOP_CLASSES[sop_class], asked, f"{wrong} complaints" if wrong else NO_COMPLAINT, len(heard) - wrong


def recorded(page: str) -> dict[str, str]:
    """The verdict on each sample, as it stands on the page."""
    return dict(re.findall(r"^\| ([\w-]+) \|[^|]+\|[^|]+\| ([^|]+) \| \d+ \|$", page, re.MULTILINE))


TABLES: Mapping[str, Callable[[], str]] = {"requirements": _rows, VERDICTS: _judged}
