"""A PET comes in the units that its model wants, by QIBA's formula, or is refused by an attribute's name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import PositronEmissionTomographyImageStorage

from domain.errors import UnusableInput
from inference_worker.volume import build
from tests.support.phantoms import Phantom, write

HALF_LIFE = 6586.2  # s, of F-18
PET = Phantom(body=lambda points: np.full(points.shape[:-1], 1000, np.int16), slices=3, size=(8, 8))
STORED = 2024.0
DRUG = {"RadionuclideTotalDose": "370000000", "RadionuclideHalfLife": str(HALF_LIFE)}
STARTED = {**DRUG, "RadiopharmaceuticalStartTime": "090000"}
USUAL: Mapping[str, Any] = {
    "Units": "BQML", "CorrectedImage": ["ATTN", "DECY", "SCAT"], "DecayCorrection": "START", "PatientWeight": "74",
    "SeriesDate": "20260102", "SeriesTime": "100000", "AcquisitionDate": "20260102", "AcquisitionTime": "100500",
    "FrameReferenceTime": "0", "ActualFrameDuration": "120000",
}  # fmt: skip


def pet(folder: Path, drug: Mapping[str, str] = STARTED, **elements: Any) -> list[Path]:
    """Three slices whose values are 2 x 2,024 in their units; an element that is None is not there."""
    datasets = PET.datasets()
    item = Dataset()
    for keyword, value in drug.items():
        setattr(item, keyword, value)
    for dataset in datasets:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = PositronEmissionTomographyImageStorage
        dataset.Modality, dataset.RescaleSlope, dataset.RescaleIntercept = "PT", "2", "0"
        dataset.RadiopharmaceuticalInformationSequence = [item]
        for keyword, value in {**USUAL, **elements}.items():
            if value is not None:
                setattr(dataset, keyword, value)
    return write(datasets, folder)


def value(paths: list[Path], units: str) -> float:
    (one,) = np.unique(build(paths, units=units).voxels)
    return float(one)


def suv(hours: float) -> float:
    """QIBA: concentration x g / (Bq x 2^(-waited / half-life))."""
    return 2 * STORED * 74_000 / (370e6 * 2 ** (-hours * 3600 / HALF_LIFE))


def test_a_model_that_wants_no_units_gets_what_is_stored(tmp_path: Path) -> None:
    assert value(pet(tmp_path), "") == 2 * STORED
    assert value(pet(tmp_path), "BQML") == 2 * STORED


def test_suv_is_concentration_times_weight_over_the_dose_that_was_left(tmp_path: Path) -> None:
    assert value(pet(tmp_path), "SUVbw") == pytest.approx(suv(1), rel=1e-6)


@pytest.mark.parametrize(
    ("drug", "elements", "hours"),
    [
        ({**DRUG, "RadiopharmaceuticalStartDateTime": "20260102083000"}, {}, 1.5),
        ({**DRUG, "RadiopharmaceuticalStartTime": "233000"}, {"SeriesTime": "003000", "AcquisitionTime": "003500"}, 1),
        (STARTED, {"DecayCorrection": "ADMIN"}, 0),
        # Written anew later: what an image says of itself counts. Reference time 0 is the start of its frame.
        (STARTED, {"SeriesTime": "140000", "FrameReferenceTime": "60000"}, 1 + 5 / 60),
    ],
)
def test_the_moment_of_the_scan_is_that_to_which_the_values_are_corrected(
    drug: Mapping[str, str], elements: Mapping[str, str], hours: float, tmp_path: Path
) -> None:
    # The mean of a frame of two minutes lies 60 s behind its start, but for a tenth of a second of decay.
    assert value(pet(tmp_path, drug, **elements), "SUVbw") == pytest.approx(suv(hours), rel=1e-4)


def private(paths: list[Path], creator: int, name: str, tag: int, vr: str, said: str) -> list[Path]:
    for path in paths:
        dataset = dcmread(path)
        dataset.add_new(creator, "LO", name)
        dataset.add_new(tag, vr, said)
        dataset.save_as(path)
    return paths


def test_philips_states_the_factor_of_its_counts(tmp_path: Path) -> None:
    made = private(pet(tmp_path, Units="CNTS"), 0x7053_0010, "Philips PET Private Group", 0x7053_1000, "DS", "0.0005")
    assert value(made, "SUVbw") == pytest.approx(2 * STORED * 0.0005)


def test_ge_states_the_moment_of_the_scan(tmp_path: Path) -> None:
    paths = pet(tmp_path, SeriesTime="140000")
    made = private(paths, 0x0009_0010, "GEMS_PETD_01", 0x0009_100D, "DT", "20260102093000")
    assert value(made, "SUVbw") == pytest.approx(suv(0.5), rel=1e-6)


def test_counts_without_their_factor_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UnusableInput, match=r"^Units of image 1 is CNTS, without the factor that makes SUVbw of counts"
    ):
        build(pet(tmp_path, Units="CNTS"), units="SUVbw")


def test_suv_by_body_weight_is_taken_as_it_is_and_no_other(tmp_path: Path) -> None:
    assert value(pet(tmp_path / "a", Units="GML", SUVType="BW"), "SUVbw") == 2 * STORED
    assert value(pet(tmp_path / "b", Units="GML"), "SUVbw") == 2 * STORED
    with pytest.raises(UnusableInput, match=r"^SUV Type of image 1 is not by body weight \(BW\): LBM$"):
        build(pet(tmp_path / "c", Units="GML", SUVType="LBM"), units="SUVbw")


@pytest.mark.parametrize(
    ("elements", "drug", "reason"),
    [
        ({"Units": None}, STARTED, "image 1 states no Units"),
        ({"Units": "PROPCPS"}, STARTED, "Units of image 1 is PROPCPS, of which SUVbw cannot be computed"),
        ({"PatientWeight": None}, STARTED, "image 1 states no Patient's Weight that can be read"),
        ({"PatientWeight": "0"}, STARTED, "Patient's Weight of image 1 is none that can be in kg"),
        ({"PatientWeight": "74000"}, STARTED, "Patient's Weight of image 1 is none that can be in kg"),
        ({"CorrectedImage": ["DECY"]}, STARTED, "Corrected Image of image 1 names no correction of attenuation"),
        ({"CorrectedImage": ["ATTN"]}, STARTED, "Corrected Image of image 1 names no correction of decay"),
        ({"DecayCorrection": "NONE"}, STARTED, "Decay Correction of image 1 is neither START nor ADMIN: NONE"),
        (
            {},
            {**STARTED, "RadionuclideTotalDose": "370"},
            "Radionuclide Total Dose of image 1 is none that can be in Bq",
        ),
        ({}, {**STARTED, "RadionuclideHalfLife": "0"}, "Radionuclide Half Life of image 1 is none that can be in s"),
        ({}, DRUG, "image 1 states no Radiopharmaceutical Start DateTime that can be read"),
        (
            {},
            {**DRUG, "RadiopharmaceuticalStartDateTime": "20260103090000"},
            "the moments of injection and scan in image 1 contradict each other",
        ),
        ({"RadiopharmaceuticalInformationSequence": []}, STARTED, "image 1 has 0 items in Radiopharmaceutical Inform"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_its_attribute_and_quotes_no_patient(
    elements: Mapping[str, Any], drug: Mapping[str, str], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UnusableInput) as refusal:
        build(pet(tmp_path, drug, **elements), units="SUVbw")
    assert str(refusal.value).startswith(reason)
    assert not any(one in str(refusal.value) for one in ("74", "2026"))


def test_units_are_of_pet_alone(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="image 1 is no PET, of which the model wants SUVbw"):
        build(write(PET.datasets(), tmp_path), units="SUVbw")


def test_a_pet_without_a_rescale_is_refused(tmp_path: Path) -> None:
    paths = pet(tmp_path, RescaleSlope="")
    with pytest.raises(UnusableInput, match="image 1 states no Rescale Slope"):
        build(paths)
