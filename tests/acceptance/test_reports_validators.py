"""What reports say of places, in the eyes of programs by other hands: outlines on their voxels, and text that reads."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pytest

from domain.findings import Code, Region, Shape
from domain.profiles import BASIC_TEXT_SR, COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR, ResultFormat, ResultKind
from tests.support import judges, phantoms, result_cases
from tests.support.findings import RIGHT_LUNG, findings_on
from tests.support.outlining import farthest, filled, largest_part
from tests.support.phantoms import Phantom
from tests.support.result_cases import Run

pytestmark = pytest.mark.slow

REGIONS = [ResultFormat(ResultKind.SR_REGIONS, one) for one in (COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR)]


def saved(run: Run, form: ResultFormat, folder: Path) -> Path:
    (result,) = run.results([form])
    path = folder / f"{form.name}.dcm"
    path.write_bytes(result.part10)
    return path


def test_the_outlines_of_real_lungs_lie_on_the_edges_of_their_voxels(tmp_path: Path) -> None:
    run = result_cases.real_chest(tmp_path)
    assert run.mask is not None
    (result,) = run.results(REGIONS[:1])
    groups = highdicom.sr.srread(io.BytesIO(result.part10)).content.get_planar_roi_measurement_groups()
    frames = [frame.sop_instance_uid for frame in run.findings.frames]
    for number, group in zip((1, 2), groups[-2:], strict=True):
        (image,) = group.roi.ContentSequence
        k = frames.index(image.referenced_sop_instance_uid)
        counts = (run.mask == number).sum(axis=(1, 2))
        assert counts[k] == counts.max()
        points = group.roi.value[:-1]
        (part,) = largest_part(run.mask[k] == number)
        np.testing.assert_array_equal(filled(points, part.shape), part)
        assert farthest(points, part) < 0.5


def ragged(folder: Path) -> Run:
    """A model that marks noise, in codes of its own."""
    paths = phantoms.write(Phantom(slices=2, size=(160, 160)).datasets(), folder / "source")
    noise = (np.random.default_rng(7).random((2, 160, 160)) > 0.3).astype(np.uint8)
    own = replace(RIGHT_LUNG, type=Code("NOISE 1", "99OURS", "Noise"))
    many = tuple((80 + 70 * np.cos(one), 80 + 70 * np.sin(one)) for one in np.linspace(0, 6, 9000))
    ring = Region("Ring", Code("RING", "99OURS", "Ring"), 1, Shape.CONTOUR, many, 0.5)
    return Run(replace(findings_on(paths, noise, (own,)), regions=(ring,)), noise, paths)


@pytest.mark.parametrize("form", REGIONS, ids=lambda form: form.name)
def test_no_judge_complains_of_outlines_without_end_and_codes_of_one_s_own(form: ResultFormat, tmp_path: Path) -> None:
    run = ragged(tmp_path)
    assert judges.complaints(saved(run, form, tmp_path), run.paths[0]) == []


@pytest.mark.parametrize("form", REGIONS, ids=lambda form: form.name)
def test_another_program_finds_every_region_with_its_number(form: ResultFormat, tmp_path: Path) -> None:
    run = result_cases.everything(tmp_path / "source")
    out = tmp_path / "read.json"
    reader = Path(sys.executable).with_name("tid1500reader")
    path = saved(run, form, tmp_path)
    subprocess.run([reader, "--inputDICOM", path, "--outputMetadata", out], check=True, capture_output=True)
    read = json.loads(out.read_text())["Measurements"]
    said = [(one["TrackingIdentifier"], one["Finding"]["CodeMeaning"], first(one)) for one in read]
    assert said == [
        ("ct_lung: Nodule, image 1, table position -10.0 mm", "Nodule", ("Certainty of Finding", 75.0, "%")),
        ("ct_lung: Pneumonia, image 3, table position 0.0 mm", "Pneumonia", ("Certainty of Finding", 91.0, "%")),
        ("ct_lung: Nodule, lower, image 5, table position 10.0 mm", "Nodule", ("Area", 120.0, "mm2")),
        ("ct_lung: Right lung, image 2, table position -5.0 mm", "Lung", ("Area", 1900.0, "mm2")),
        ("ct_lung: Left lung, image 2, table position -5.0 mm", "Lung", ("Area", 5300.0, "mm2")),
    ]


def first(group: dict[str, list[dict[str, dict[str, str]]]]) -> tuple[str, float, str]:
    item = group["measurementItems"][0]
    return item["quantity"]["CodeMeaning"], float(str(item["value"])), item["units"]["CodeValue"]


def test_the_plain_report_reads_like_a_report(tmp_path: Path) -> None:
    run = result_cases.everything(tmp_path / "source")
    text = judges.report_text(saved(run, ResultFormat(ResultKind.TEXT, BASIC_TEXT_SR), tmp_path))
    for line in (
        "Basic Text SR Document",
        "Verification Flag   : UNVERIFIED",
        '"Summary")="AI generated, not verified; demonstration model, not for clinical use"',
        '"Finding")="Right lung: volume 2530 ml, mean density -812 HU"',
        '"Finding")="Nodule: right lung, image 1, table position -10.0 mm, score 75 %"',
        '"Procedure Description")="Limits: whatever is not a phantom."',
    ):
        assert line in text
