"""What a demonstration leaves says of each finding where it lies and what was measured of it."""

from dataclasses import replace
from pathlib import Path

from console.demo.findings import keep
from domain.profiles import ResultKind
from tests.support.counterparts import ROOT
from tests.support.records import a_job

SAMPLES = ROOT / "docs" / "samples"


def test_what_lies_where_is_printed_and_written_with_its_measurements(tmp_path: Path) -> None:
    held = {
        str(ResultKind.SR): (SAMPLES / "report-of-segments.dcm").read_bytes(),
        str(ResultKind.SR_REGIONS): (SAMPLES / "report-of-regions.dcm").read_bytes(),
    }
    found = keep(replace(a_job(), findings=()), held, lambda _: (), tmp_path)
    assert "Nodule, lower, image 5" in found.report and "diameter: 14 mm" in found.report
    assert (tmp_path / "report.txt").read_text("utf-8") == found.report + "\n"
    assert found.files["report of what lies where"].read_bytes() == held["SR-REGIONS"]
