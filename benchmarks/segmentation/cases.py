"""What is written: a label volume and the series that it lies on, in a folder that every side reads.

mask.npy        the label volume, (slices, rows, columns)
mask.nrrd       the same for dcmqi, not compressed
source/         one Part 10 file a slice, in the order of their names
segments.json   the segments, as dcmqi wants to be told them
small/          another such case, which is written first, so that no library is used for the first time
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from domain.findings import Code, Findings, Segment
from tests.support import phantoms
from tests.support.counterparts import data_folder
from tests.support.findings import LUNGS, findings_on
from tests.support.label_volumes import balls, segments
from tests.support.phantoms import Phantom

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """A folder as above."""

    folder: Path

    @cached_property
    def mask(self) -> Labels:
        """The label volume."""
        mask: Labels = np.load(self.folder / "mask.npy")
        return mask

    @property
    def files(self) -> list[Path]:
        """The source, a file a slice."""
        return sorted((self.folder / "source").iterdir())

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments of the mask."""
        return named(int(self.mask.max()))

    @cached_property
    def findings(self) -> Findings:
        """What a model would have found."""
        return findings_on(self.files, self.mask, self.segments)

    def headers(self) -> list[Dataset]:
        """The source as highdicom wants it."""
        return [dcmread(path, stop_before_pixels=True) for path in self.files]


def ten_balls(folder: Path) -> Case:
    """Ten balls of radius 60 in 400 slices of 512x512."""
    mask = balls()
    slices, rows, columns = mask.shape
    datasets = Phantom(slices=slices, size=(2, 2), spacing=(1.0, 0.7, 0.7)).datasets()
    for dataset in datasets:
        dataset.Rows, dataset.Columns, dataset.PixelData = rows, columns, bytes(2 * rows * columns)
    return write(folder, mask, datasets)


def two_lungs(folder: Path) -> Case | None:
    """The air in the chest of a real patient, LIDC-IDRI-0001, as two lungs; nothing where the data is not there."""
    files = sorted((data_folder() / "ct_chest_lidc0001").glob("*.dcm"))
    if not files:
        return None
    datasets = sorted(map(dcmread, files), key=lambda one: float(one.SliceLocation))
    air = np.stack([one.pixel_array.astype(np.int32) + int(one.RescaleIntercept) < -500 for one in datasets])
    mask = np.zeros(air.shape, np.uint8)
    mask[10:-10, 120:400, 80:250] = air[10:-10, 120:400, 80:250]
    mask[10:-10, 120:400, 262:430] = air[10:-10, 120:400, 262:430] * np.uint8(2)
    return write(folder, mask, datasets)


def small(folder: Path) -> Case:
    """The same kind of thing in a moment."""
    return write(folder, balls((6, 32, 32), 2, 2), Phantom(slices=6, size=(32, 32)).datasets())


def named(count: int) -> tuple[Segment, ...]:
    """So many segments: two are lungs."""
    return LUNGS if count == len(LUNGS) else segments(count)


def write(folder: Path, mask: Labels, datasets: Sequence[Dataset]) -> Case:
    """The case with this mask on these slices."""
    folder.mkdir(parents=True)
    np.save(folder / "mask.npy", mask)
    paths = phantoms.write(datasets, folder / "written")
    (folder / "source").mkdir()
    for index, path in enumerate(paths):
        path.rename(folder / "source" / f"{index:04d}.dcm")
    (folder / "mask.nrrd").write_bytes(_nrrd_head(mask, datasets) + mask.tobytes())
    (folder / "segments.json").write_text(json.dumps(_described(named(int(mask.max())))))
    return Case(folder)


def _nrrd_head(mask: Labels, datasets: Sequence[Dataset]) -> bytes:
    first, last = (np.array(one.ImagePositionPatient, float) for one in (datasets[0], datasets[-1]))
    row, column = np.reshape(np.array(datasets[0].ImageOrientationPatient, float), (2, 3))
    down, right = map(float, datasets[0].PixelSpacing)
    vectors = (row * right, column * down, (last - first) / (len(datasets) - 1))
    fields = {
        "type": "unsigned char",
        "dimension": 3,
        "space": "left-posterior-superior",
        "sizes": " ".join(str(size) for size in mask.shape[::-1]),
        "space directions": " ".join(_vector(one) for one in vectors),
        "kinds": "domain domain domain",
        "encoding": "raw",
        "space origin": _vector(first),
    }
    lines = [f"{name}: {value}" for name, value in fields.items()]
    return ("NRRD0004\n" + "\n".join(lines) + "\n\n").encode("ascii")


def _vector(values: NDArray[np.float64]) -> str:
    return f"({','.join(repr(float(one)) for one in values)})"


def _described(named_segments: Sequence[Segment]) -> dict[str, object]:
    return {
        "ContentCreatorName": "Nobody",
        "SeriesDescription": "Segmentation",
        "SeriesNumber": "9001",
        "InstanceNumber": "1",
        "BodyPartExamined": "CHEST",
        "segmentAttributes": [[_attributes(one) for one in named_segments]],
    }


def _attributes(segment: Segment) -> dict[str, object]:
    return {
        "labelID": segment.number,
        "SegmentDescription": segment.label,
        "SegmentLabel": segment.label,
        "SegmentAlgorithmType": "AUTOMATIC",
        "SegmentAlgorithmName": "ct_lung",
        "SegmentedPropertyCategoryCodeSequence": _code(segment.category),
        "SegmentedPropertyTypeCodeSequence": _code(segment.type),
        "recommendedDisplayRGBValue": list(segment.colour),
    }


def _code(code: Code) -> dict[str, str]:
    return {"CodeValue": code.value, "CodingSchemeDesignator": code.scheme, "CodeMeaning": code.meaning}
