"""The shipped models that were taught by phantoms, through the whole node: on phantoms they run, on people they do not.

The phantoms are the packages' own golden samples, sent as a scanner would send them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import MRImageStorage, generate_uid

from config.peers import parse_destination
from domain.profiles import ResultKind
from tests.support import judges
from tests.support.counterparts import ROOT, data
from tests.support.node import Node
from tests.support.radiographs import Radiograph
from tests.support.senders import scan, storescu
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, SEGMENTED, Trial, save

pytestmark = pytest.mark.slow

SEQUENCES = {"t1": "T1 MPRAGE", "t1ce": "T1 MPRAGE post Gd", "t2": "T2 TSE", "flair": "T2 FLAIR"}


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, archive: Orthanc, shipped: Path) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("shipped")
    # Weasis shows every kind: a Parametric Map and a PDF as well.
    destination = {**parse_destination(archive.destination), "profile": "weasis"}
    env = {**QUICK, "DICOM_NODE_DESTINATIONS": json.dumps([destination])}
    with Node(folder / "node", models=shipped, env=env) as node:
        trial = Trial(node, archive)
        asked = "SELECT 1 FROM destinations_seen WHERE accepted IS NOT NULL"
        trial.wait_for(lambda: trial.rows(asked), "the archive to be asked", 30)
        yield trial


def sample(package: str) -> dict[str, NDArray[np.float64]]:
    with np.load(ROOT / "models" / package / "golden_input.npz") as arrays:
        return dict(arrays)


def radiograph(pixels: NDArray[np.float64]) -> Dataset:
    dataset = Radiograph(pixels.round().astype(np.uint8), study="shipped", patient_name="Phantom^Chest").dataset()
    dataset.StudyDescription = "Phantom of a chest"
    return dataset


def magnetic(voxels: NDArray[np.float64], affine: NDArray[np.float64], number: int, name: str) -> list[Dataset]:
    """One MR series, slice k of `voxels` (slices, rows, columns) where `affine` (index to LPS, mm) says."""
    step, down, along = (affine[:3, axis] for axis in range(3))
    made = []
    for k, plane in enumerate(voxels.astype(np.uint16)):
        base = Radiograph(plane, study="head", series=str(number), number=k + 1, spacing=None, view="")
        dataset = replace(base, patient_name="Phantom^Head").dataset()
        dataset.SOPClassUID, dataset.Modality, dataset.BodyPartExamined = MRImageStorage, "MR", "HEAD"
        dataset.StudyDescription, dataset.SeriesDescription, dataset.SeriesNumber = "Phantom of a head", name, number
        del dataset.Laterality, dataset.ViewPosition
        dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["head"])
        dataset.PositionReferenceIndicator = ""
        dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "RM", "NONE", ""
        dataset.MRAcquisitionType, dataset.EchoTime, dataset.EchoTrainLength = "3D", "", ""
        dataset.ImagePositionPatient = list(affine[:3, 3] + k * step)
        dataset.ImageOrientationPatient = [*(along / np.linalg.norm(along)), *(down / np.linalg.norm(down))]
        dataset.PixelSpacing = [np.linalg.norm(down), np.linalg.norm(along)]
        dataset.SliceThickness = np.linalg.norm(step)
        made.append(dataset)
    return made


def test_a_phantom_radiograph_comes_home_with_the_certainty_of_all_fourteen_findings(
    trial: Trial, tmp_path: Path
) -> None:
    source = radiograph(sample("cxr_findings")["image.0.values"])
    scan(trial.node, [source], tmp_path / "sent")
    trial.await_home(str(source.StudyInstanceUID))
    study = str(source.StudyInstanceUID)
    files = save(trial.results(study), tmp_path / "home")
    sent = next((tmp_path / "sent").iterdir())
    assert {file.name: judges.complaints(file, sent) for file in files} == {file.name: [] for file in files}
    (report,) = [one for one in trial.results(study) if one.Modality == "SR"]
    text = report.to_json()
    assert text.count('"Certainty of Finding"') == 14
    assert "demonstration model, not for clinical use" in text
    (job,) = trial.rows("SELECT findings FROM jobs JOIN studies s ON s.id = study_id WHERE study_uid = %s", study)
    present = [one for one in job["findings"]["likelihoods"] if one["probability"] >= one["threshold"]]
    assert len(job["findings"]["maps"]) == len(present) > 0
    # A radiograph has no frame of reference, which a Parametric Map must have: its maps are drawn on the page.
    assert trial.kinds(study) == sorted([ResultKind.SR, ResultKind.GSPS, ResultKind.SC, ResultKind.KOS, ResultKind.PDF])


def test_frontal_films_of_two_series_come_home_as_one_set_of_results_that_names_both_and_not_the_lateral(
    trial: Trial, tmp_path: Path
) -> None:
    films = sample("cxr_findings")
    sent = [
        film(films[f"image.{at}.values"], number, view)
        for at, number, view in ((0, 1, "PA"), (1, 2, "LL"), (3, 3, "PA"))
    ]
    study, frontal = str(sent[0].StudyInstanceUID), [sent[0], sent[2]]
    scan(trial.node, sent[::-1], tmp_path / "sent")
    trial.await_home(study)
    assert trial.kinds(study) == sorted([ResultKind.SR, ResultKind.GSPS, ResultKind.SC, ResultKind.KOS, ResultKind.PDF])
    both = {(str(one.SeriesInstanceUID), str(one.SOPInstanceUID)) for one in frontal}
    results = {one.Modality: one for one in trial.results(study)}
    for modality in ("SR", "KO"):
        (evidence,) = results[modality].CurrentRequestedProcedureEvidenceSequence
        assert referred(evidence.ReferencedSeriesSequence, "ReferencedSOPSequence") == both
    assert referred(results["PR"].ReferencedSeriesSequence, "ReferencedImageSequence") == both
    text = results["SR"].to_json()
    assert text.count('"Certainty of Finding"') == 28
    assert text.count("cxr_findings: Effusion, series 1, image 1") == text.count("Effusion, series 3, image 1") == 1
    explained = trial.node.cli("explain", study)
    numbers = {one["id"]: one["number"] for one in explained["series"]}
    (decision,) = [one for one in explained["models"] if one["model"] == "cxr_findings"]
    assert [numbers[one] for one in decision["images_of"]] == [1, 3]
    assert {numbers[one]: why for one, why in decision["refusals"].items()} == {2: ["view is LL, not PA or AP"]}
    files = save(trial.results(study), tmp_path / "home")
    source = next((tmp_path / "sent").iterdir())
    assert {file.name: judges.complaints(file, source) for file in files} == {file.name: [] for file in files}


def film(pixels: NDArray[np.float64], number: int, view: str) -> Dataset:
    """A radiograph in a series of its own, as each exposure has one."""
    made = Radiograph(pixels.round().astype(np.uint8), study="films", series=str(number), series_number=number)
    dataset = replace(made, view=view, patient_name="Phantom^Films").dataset()
    dataset.StudyDescription = "Phantom of a chest"
    return dataset


def referred(series: Iterable[Dataset], images: str) -> set[tuple[str, str]]:
    """Series and SOP Instance UIDs of what an object refers to."""
    return {(one.SeriesInstanceUID, image.ReferencedSOPInstanceUID) for one in series for image in getattr(one, images)}


def test_four_sequences_of_a_phantom_head_come_home_as_one_set_of_results(trial: Trial, tmp_path: Path) -> None:
    arrays = sample("brain_tumor")
    series = [
        magnetic(arrays[f"{name}.voxels"], arrays[f"{name}.affine"], number, description)
        for number, (name, description) in enumerate(SEQUENCES.items(), start=1)
    ]
    study = str(series[0][0].StudyInstanceUID)
    scan(trial.node, [dataset for one in series for dataset in one], tmp_path / "sent")
    trial.await_home(study)
    results = trial.results(study)
    assert trial.kinds(study) == sorted([*SEGMENTED, ResultKind.PM, ResultKind.PDF])
    files = save(results, tmp_path / "home")
    assert {file.name: judges.complaints(file, next((tmp_path / "sent").iterdir())) for file in files} == {
        file.name: [] for file in files
    }
    (decision,) = [one for one in trial.node.cli("explain", study)["models"] if one["model"] == "brain_tumor"]
    chosen = {one["id"]: one["series_uid"] for one in trial.node.cli("explain", study)["series"]}
    assert {name: chosen[one] for name, one in decision["inputs"].items()} == {
        name: str(one[0].SeriesInstanceUID) for name, one in zip(SEQUENCES, series, strict=True)
    }


def test_a_radiograph_of_a_person_goes_to_no_model_that_has_seen_phantoms_alone(trial: Trial, tmp_path: Path) -> None:
    film = min(data("cxr_paediatric_cr").iterdir())
    (tmp_path / film.name).symlink_to(film)
    source = dcmread(film, stop_before_pixels=True)
    storescu(trial.node, tmp_path)
    study = str(source.StudyInstanceUID)
    trial.wait_for(lambda: trial.study(study).get("state") == "complete", "the study to be complete")
    trial.await_rest()
    (decision,) = [one for one in trial.node.cli("explain", study)["models"] if one["model"] == "cxr_findings"]
    assert decision["series_id"] is None
    assert "study description does not match 'phantom'" in str(decision["refusals"])
    assert set(trial.home(study)) <= {"CR"}
