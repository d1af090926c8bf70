"""Studies as files, on a real PostgreSQL: without their persons, or as they are."""

import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from typer.testing import CliRunner, Result

from console.cli.app import app
from models.registry import Registry
from tests.support.bench import Bench
from tests.support.judges import dciodvfy, disagreements
from tests.support.working import ARCHIVE, SMALL, FakeChild, route, study_id, worker, write_and_plan

NAME, IDENT = "Quillfeather^Ottoline", "QX-7731904"


@pytest.fixture
def written(bench: Bench, registry: Registry) -> Iterator[Bench]:
    datasets = list(SMALL.datasets())
    for one in datasets:
        one.PatientName, one.PatientID = NAME, IDENT
        one.SeriesDescription = "Chest axial for Ottoline"
    bench.receive(datasets)
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    yield bench


def export(bench: Bench, *words: str) -> Result:
    url = bench.database._engine.url.render_as_string(hide_password=False)
    line = ["export", str(study_id(bench)), "--data", str(bench.root), "--database", url, *words]
    return CliRunner().invoke(app, line)


def test_a_deidentified_export_has_images_and_results_that_refer_to_them_and_names_nobody(
    written: Bench, tmp_path: Path
) -> None:
    said = export(written, "--to", str(tmp_path / "out"), "--deidentify", "--report", str(tmp_path / "report"))

    assert said.exit_code == 0, said.output
    files = sorted((tmp_path / "out").rglob("*.dcm"))
    objects = [dcmread(one) for one in files]
    images = {one.SOPInstanceUID for one in objects if one.Modality == "CT"}
    report = next(one for one in objects if one.Modality == "SR")
    named = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert images & {one.ReferencedSOPInstanceUID for series in named for one in series.ReferencedSOPSequence}
    assert len({one.StudyInstanceUID for one in objects}) == len({one.PatientID for one in objects}) == 1
    errors = [f"{file.name}: {one}" for file in files for one in dciodvfy(file) if one.startswith("Error")]
    results = [file for file, one in zip(files, objects, strict=True) if one.SOPInstanceUID not in images]
    assert not errors and not disagreements(results, [file for file in files if file not in results])
    everything = b"".join(one.read_bytes() for one in files) + (tmp_path / "report").read_bytes()
    assert not any(one in everything for one in (b"Quillfeather", b"Ottoline", IDENT.encode()))
    assert {one.get("SeriesDescription") for one in objects if one.Modality == "CT"} == {"Chest axial for *"}


def test_an_export_is_on_the_trail_with_its_user_its_counts_and_the_digest_of_its_report(
    written: Bench, tmp_path: Path
) -> None:
    said = export(written, "--to", str(tmp_path / "out"), "--deidentify", "--no-results", "--json")

    assert said.exit_code == 0, said.output
    begun, ended = [
        json.loads(row[0])
        for row in written.ask("SELECT entry FROM dicom_node.audit_entries ORDER BY number")
        if "export" in row[0]
    ]
    assert [begun["action"], ended["action"]] == ["study export begun", "study exported"]
    assert begun["details"]["user"] and len(ended["details"]["report"]) == 64
    assert ended["details"]["objects"] == len(json.loads(said.stdout)["files"]) > 0


def test_a_plain_export_has_to_be_asked_for_in_words_and_is_the_bytes_that_came(written: Bench, tmp_path: Path) -> None:
    refused = export(written, "--to", str(tmp_path / "out"))
    said = export(written, "--to", str(tmp_path / "out"), "--identified", "--no-results")

    assert refused.exit_code == 1 and "--identified" in refused.output
    assert said.exit_code == 0, said.output
    assert {str(dcmread(one).PatientName) for one in (tmp_path / "out").iterdir()} == {NAME}


def test_a_folder_that_has_files_is_refused(written: Bench, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")

    said = export(written, "--to", str(tmp_path), "--identified")

    assert said.exit_code == 1 and "new or empty" in said.output


def test_an_export_whose_report_cannot_be_written_does_not_begin(written: Bench, tmp_path: Path) -> None:
    said = export(written, "--to", str(tmp_path / "out"), "--identified", "--report", str(tmp_path / "no" / "report"))

    assert said.exit_code == 1 and "nothing was exported" in said.output
    assert not (tmp_path / "out").exists()


def test_an_export_that_the_disk_cuts_short_leaves_whole_files_and_the_trail_says_how_many(
    written: Bench, tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(len(written.objects.get(key)) for (key,) in written.ask("SELECT object_key FROM dicom_node.results"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, before[1]))
    try:
        said = export(written, "--to", str(tmp_path / "out"), "--identified")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert said.exit_code == 1 and "export again" in said.output
    there = [dcmread(one) for one in (tmp_path / "out").iterdir()]
    entries = [json.loads(row[0]) for row in written.ask("SELECT entry FROM dicom_node.audit_entries ORDER BY number")]
    (ended,) = [one["details"] for one in entries if one["action"] == "study exported"]
    assert ended["cut_short"] == "yes" and ended["objects"] == len(there) > 0
