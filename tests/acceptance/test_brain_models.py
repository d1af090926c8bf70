"""Real trained networks on a real T1 series and real radiographs, through the whole node.

C-STORE in, SEG and SR out at the archive. The figures are those that the networks gave in their authors' own way
(REFERENCE_RESULTS.csv and MANIFEST.csv of the test data), none of them this node's. Here run the network of most
segments and the one of another kind; what the others give, and all radiographs to three digits, is for
test_vocabulary_real_models.py, without a node.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from domain.profiles import ResultKind
from tests.support.brain_packages import DEEPBRAIN, MESHNET_18, PNEUMONIA, write_brain, write_pneumonia
from tests.support.counterparts import data
from tests.support.node import Node
from tests.support.senders import storescu
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, Trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

Mask = NDArray[np.bool_]
NETWORKS = (MESHNET_18, DEEPBRAIN)


@dataclass(frozen=True)
class Result:
    """What one model sent home: the volume (ml) and the mask of each segment, slices as in `head`."""

    seg: Dataset
    volumes: Mapping[str, float]
    masks: Mapping[str, Mask]


@pytest.fixture(scope="module")
def head() -> list[Dataset]:
    """The T1 series, of which one image is missing, from right to left."""
    files = [dcmread(path) for path in data("mr_t1_siemens_trio").iterdir()]
    return sorted(files, key=lambda one: float(one.ImagePositionPatient[0]))


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("brains")
    for name in NETWORKS:
        write_brain(folder / "models", name)
    write_pneumonia(folder / "models")
    (folder / "archive").mkdir()
    with Orthanc(folder / "archive") as archive:
        node = Node(folder / "node", destinations=[archive.destination], models=folder / "models", env=QUICK)
        with node:
            yield Trial(node, archive)


@pytest.fixture(scope="module")
def results(trial: Trial, head: list[Dataset]) -> dict[str, Result]:
    storescu(trial.node, data("mr_t1_siemens_trio"))
    study = str(head[0].StudyInstanceUID)
    trial.wait_for(lambda: trial.kinds(study).count(ResultKind.SR) == len(NETWORKS), "both reports", 400)
    held = trial.results(study)
    return {name: _result(name, held, head) for name in NETWORKS}


def _result(name: str, held: list[Dataset], head: list[Dataset]) -> Result:
    (seg,) = [one for one in held if one.Modality == "SEG" and one.SegmentSequence[0].SegmentAlgorithmName == name]
    (report,) = [one for one in held if one.Modality == "SR" and _refers_to(one, seg)]
    read = hd.seg.Segmentation.from_dataset(seg)
    pixels = read.get_pixels_by_source_instance(
        [one.SOPInstanceUID for one in head], assert_missing_frames_are_empty=True
    )
    labels = {one.SegmentNumber: one.SegmentLabel for one in seg.SegmentSequence}
    masks = {label: pixels[..., number - 1] > 0 for number, label in labels.items()}
    groups = hd.sr.Comprehensive3DSR.from_dataset(report).content.get_volumetric_roi_measurement_groups()
    volumes = {}
    for group in groups:
        (volume,) = group.get_measurements(hd.sr.CodedConcept("118565006", "SCT", "Volume"))
        volumes[labels[group.referenced_segment.referenced_segment_numbers[0]]] = float(volume.value)
    return Result(seg, volumes, masks)


def _refers_to(report: Dataset, seg: Dataset) -> bool:
    return any(
        instance.ReferencedSOPInstanceUID == seg.SOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    )


def reference(model: str) -> str:
    """The result that the reference table states for a model."""
    with data("REFERENCE_RESULTS.csv").open() as file:
        (said,) = [row["result"] for row in csv.DictReader(file) if model in row["model"]]
    return said


def stated(model: str, name: str) -> float:
    """The number behind `name` in the reference table, in ml."""
    found = re.search(rf"{re.escape(name)}[^0-9;]*([0-9.]+)", reference(model))
    assert found, (model, name)
    return float(found[1])


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Hippocampus", "hippocampus"),
        ("Thalamus", "thalamus"),
        ("Putamen", "putamen"),
        ("Brain stem", "brainstem"),
        ("Lateral ventricle", "lateral ventricle"),
    ],
)
def test_meshnet_18_class_volumes_are_within_5_percent_of_the_reference(
    results: dict[str, Result], label: str, name: str
) -> None:
    assert results[MESHNET_18].volumes[label] == pytest.approx(stated("model30chan18cls", name), rel=0.05)


def test_meshnet_18_class_total_is_within_5_percent_of_the_reference(results: dict[str, Result]) -> None:
    assert sum(results[MESHNET_18].volumes.values()) == pytest.approx(stated("model30chan18cls", "total"), rel=0.05)


def test_deepbrain_volume_is_within_3_percent_of_the_reference(results: dict[str, Result]) -> None:
    assert results[DEEPBRAIN].volumes["Brain"] == pytest.approx(stated("deepbrain_v2", "brain"), rel=0.03)


@pytest.mark.parametrize("name", NETWORKS)
def test_segmentation_geometry_is_back_on_the_source_grid(
    results: dict[str, Result], head: list[Dataset], name: str
) -> None:
    seg = results[name].seg
    assert (seg.Rows, seg.Columns) == (head[0].Rows, head[0].Columns)
    shared = seg.SharedFunctionalGroupsSequence[0]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == head[0].PixelSpacing
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == pytest.approx(head[0].ImageOrientationPatient)
    positions = {one.SOPInstanceUID: one.ImagePositionPatient for one in head}
    for frame in seg.PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert frame.PlanePositionSequence[0].ImagePositionPatient == pytest.approx(positions[source])


def test_tissues_lie_where_the_picture_has_them(results: dict[str, Result], head: list[Dataset]) -> None:
    # T1 weighted: white matter is brighter than grey, grey brighter than the ventricles; a flipped mask would not be.
    voxels = np.stack([one.pixel_array for one in head]).astype(float)
    masks = results[MESHNET_18].masks
    white, grey, fluid = (
        voxels[masks[name]].mean() for name in ("Cerebral white matter", "Cerebral cortex", "Lateral ventricle")
    )
    assert white > 1.2 * grey > 1.2 * fluid


def test_the_report_says_that_a_missing_slice_was_interpolated(
    trial: Trial, results: dict[str, Result], head: list[Dataset]
) -> None:
    assert results
    reports = [one for one in trial.results(str(head[0].StudyInstanceUID)) if one.Modality == "SR"]
    assert all("1 missing slice was interpolated" in one.to_json() for one in reports)


def test_pneumonia_probabilities_of_paediatric_radiographs_match_their_notes(trial: Trial, tmp_path: Path) -> None:
    with data("MANIFEST.csv").open() as file:
        notes = {
            row["file"]: float(re.search(r"p\(pneumonia\)=([0-9.]+)", row["note"])[1])  # type: ignore[index]
            for row in csv.DictReader(file)
            if row["file"].startswith("cxr_paediatric_cr/")
        }
    assert len(notes) == 12
    chosen = sorted(notes, key=notes.__getitem__)[::5]
    for name in chosen:
        (tmp_path / Path(name).name).symlink_to(data(*name.split("/")))
    storescu(trial.node, tmp_path)
    found: dict[str, float] = {}
    for name in chosen:
        source = dcmread(data(*name.split("/")), stop_before_pixels=True)
        trial.await_home(str(source.StudyInstanceUID))
        (report,) = [one for one in trial.results(str(source.StudyInstanceUID)) if one.Modality == "SR"]
        found[name] = _certainty(report) / 100
    assert found == pytest.approx({name: notes[name] for name in chosen}, abs=1e-2)  # whole percents


def _certainty(report: Dataset) -> float:
    """The one value of DCM 111012, certainty of finding, in percent."""
    (value,) = [
        item.MeasuredValueSequence[0].NumericValue
        for item in _items(report)
        if item.ValueType == "NUM" and item.ConceptNameCodeSequence[0].CodeValue == "111012"
    ]
    return float(value)


def _items(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", []):
        yield child
        yield from _items(child)


@pytest.mark.parametrize(
    ("path", "changes", "reason"),
    [
        (("cxr_nih_dx", "00000075_000.dcm"), {}, "series description does not match 'paediatric'"),
        (("cxr_paediatric_cr", "IM-0010-0001.dcm"), {"ViewPosition": "LL"}, "view is LL, not AP"),
        (
            ("cxr_paediatric_cr", "IM-0010-0001.dcm"),
            {"PhotometricInterpretation": "MONOCHROME1"},
            "photometric interpretation is MONOCHROME1, not MONOCHROME2",
        ),
        (("ct_chest_lidc0003", ""), {}, "modality is CT, not CR or DX"),
    ],
    ids=["an adult", "a lateral", "MONOCHROME1", "a CT slice"],
)
def test_what_the_pneumonia_classifier_is_not_meant_for_is_refused_with_the_reason(
    trial: Trial, tmp_path: Path, path: tuple[str, str], changes: dict[str, str], reason: str
) -> None:
    folder = data(path[0])
    dataset = dcmread(folder / path[1] if path[1] else min(folder.glob("*.dcm")))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, hd.UID())
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(tmp_path / "one.dcm")
    storescu(trial.node, tmp_path)
    study = str(dataset.StudyInstanceUID)
    trial.wait_for(lambda: trial.study(study).get("state") == "complete", "the study to be complete")
    trial.await_rest()
    decisions = {one["model"]: one for one in trial.node.cli("explain", study)["models"]}
    assert decisions[PNEUMONIA]["series_id"] is None
    assert reason in str(decisions[PNEUMONIA]["refusals"])
    assert trial.home(study).get("SR") is None
