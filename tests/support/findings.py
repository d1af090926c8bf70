"""Findings as a lung model would make them, for tests of what becomes of findings."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dicom_node.attributes.files import opened
from domain.findings import (
    Code,
    FindingProbability,
    Findings,
    Map,
    Mask,
    Measurement,
    ModelIdentity,
    Segment,
    SourceFrame,
)

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STRUCTURE = Code("123037004", "SCT", "Anatomical Structure")
LUNG = Code("39607008", "SCT", "Lung")
RIGHT, LEFT = Code("24028007", "SCT", "Right"), Code("7771000", "SCT", "Left")
VOLUME, MILLILITRE = Code("118565006", "SCT", "Volume"), Code("ml", "UCUM", "milliliter")
ATTENUATION, HOUNSFIELD = Code("112031", "DCM", "Attenuation Coefficient"), Code("[hnsf'U]", "UCUM", "Hounsfield unit")

MEAN = Code("373098007", "SCT", "Mean")
PNEUMONIA, CARDIOMEGALY = Code("233604007", "SCT", "Pneumonia"), Code("8186001", "SCT", "Cardiomegaly")

MODEL = ModelIdentity(
    name="ct_lung",
    version="1.0.0",
    title="Lungs in chest CT",
    manufacturer="DICOM Node project",
    device_uid="2.25.1234567890",
    digest="ab" * 32,
    demonstration=True,
)


def measured(volume_ml: float, attenuation_hu: float) -> tuple[Measurement, ...]:
    """Volume and mean attenuation."""
    return (Measurement(VOLUME, volume_ml, MILLILITRE), Measurement(ATTENUATION, attenuation_hu, HOUNSFIELD, MEAN))


CLASSIFIER = replace(MODEL, name="cxr_findings", title="Findings in chest radiographs", device_uid="2.25.987654321")
RIGHT_LUNG = Segment(1, "Right lung", STRUCTURE, LUNG, (230, 120, 60), RIGHT, measured(2534.7189, -812.34))
LEFT_LUNG = Segment(2, "Left lung", STRUCTURE, LUNG, (60, 120, 230), LEFT, measured(2210.5, -805.0))
LUNGS = (RIGHT_LUNG, LEFT_LUNG)


def frames_of(paths: Sequence[Path]) -> tuple[SourceFrame, ...]:
    """Every frame of the files, in their order."""
    headers = [opened(path, path.name, ["SOPInstanceUID", "NumberOfFrames"]) for path in paths]
    return tuple(
        SourceFrame(str(header.SOPInstanceUID), number)
        for header in headers
        for number in range(1, int(header.get("NumberOfFrames") or 1) + 1)
    )


def findings_on(
    paths: Sequence[Path],
    mask: NDArray[np.uint8] | None = None,
    segments: tuple[Segment, ...] = LUNGS,
    model: ModelIdentity = MODEL,
) -> Findings:
    """The findings of `model` on all frames of the files."""
    kept = None if mask is None else Mask("masks/1", "0" * 64, (mask.shape[0], mask.shape[1], mask.shape[2]))
    return Findings(model, "cd" * 32, frames_of(paths), kept, segments)


def likelihoods(frame: int | None = None) -> tuple[FindingProbability, ...]:
    """One finding that the model reports and one that it does not."""
    return (
        FindingProbability("Pneumonia", PNEUMONIA, 0.95536, 0.5, frame),
        FindingProbability("Cardiomegaly", CARDIOMEGALY, 0.034, 0.25, frame),
    )


def classified(paths: Sequence[Path]) -> Findings:
    """What a classifier makes of each image of the files by itself, with everything that findings can hold besides."""
    frames = frames_of(paths)
    return Findings(
        model=CLASSIFIER,
        input_digest="ef" * 32,
        frames=frames,
        mask=None,
        segments=(),
        likelihoods=tuple(one for index in range(len(frames)) for one in likelihoods(index)),
        maps=(Map("Pneumonia", "class activation map", "maps/1", "0" * 64, (1, 8, 8), (0,)),),
        engine="OpenVINO on CPU",
        remarks=("The radiograph was stored inverted, and was turned.",),
    )


def boxes(slices: int, rows: int, columns: int) -> NDArray[np.uint8]:
    """A mask of two boxes, neither in the middle nor symmetric, with empty slices at both ends where there is room."""
    mask = np.zeros((slices, rows, columns), np.uint8)
    first, last = (1, slices - 1) if slices > 2 else (0, slices)
    mask[first:last, rows // 8 : rows // 2, 1 : columns // 3] = 1
    mask[first : last - 1 if slices > 4 else last, rows // 4 : rows - 3, columns // 2 : columns - 2] = 2
    return mask


def assert_same_place(
    affine: NDArray[np.float64], found: NDArray[np.integer], true_affine: NDArray[np.float64], mask: NDArray[np.uint8]
) -> None:
    """Whether two label volumes mark the same points of the patient alike, within 0.01 mm.

    An affine takes (slice, row, column, 1) to patient mm; `found` may have other axes and hold fewer slices.
    """
    index = np.argwhere(found)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    inverse = np.linalg.inv(true_affine)
    nearest = (points @ inverse[:3, :3].T + inverse[:3, 3]).round()
    distance = np.abs(nearest @ true_affine[:3, :3].T + true_affine[:3, 3] - points)
    assert distance.max(initial=0.0) < 0.01
    back = np.zeros_like(mask)
    back[tuple(nearest.astype(int).T)] = found[tuple(index.T)]
    np.testing.assert_array_equal(back, mask)
