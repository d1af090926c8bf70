"""The public layout of BraTS, read and written. The one place here that knows nibabel.

A folder a case: `<case>/<case>_t1.nii.gz`, `_t1ce`, `_t2`, `_flair` and `_seg` (until BraTS 2021; labels 1, 2 and 4 for
enhancing), or `<case>/<case>-t1n.nii.gz`, `-t1c`, `-t2w`, `-t2f` and `-seg` (from 2023 on; enhancing is 3). Beside the
folders `cases.csv` (case, age, sex, vendor) may say what is known of each; BraTS itself has no such file.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import nibabel
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError

from domain.errors import UnusableInput
from training.brain.grids import resample
from training.brain.regions import CORE, ENHANCING, OEDEMA, Labels
from training.brain.shapes import Float

Array: TypeAlias = npt.NDArray[Any]

SEQUENCES = ("t1", "t1ce", "t2", "flair")
FACTS = "cases.csv"


@dataclass(frozen=True)
class Naming:
    """How one generation of BraTS names its files (endings in the order of SEQUENCES) and numbers its labels."""

    images: tuple[str, str, str, str]
    labels: str
    meaning: Mapping[int, int]


NAMINGS = (
    Naming(("_t1", "_t1ce", "_t2", "_flair"), "_seg", {1: CORE, 2: OEDEMA, 4: ENHANCING}),
    Naming(("-t1n", "-t1c", "-t2w", "-t2f"), "-seg", {1: CORE, 2: OEDEMA, 3: ENHANCING}),
)


@dataclass(frozen=True)
class Facts:
    """What is known of a case; an age in years, NaN or "unknown" where it is not."""

    age: float = math.nan
    sex: str = "unknown"
    vendor: str = "unknown"


@dataclass(frozen=True)
class Files:
    """Where one case's four images and its labels lie."""

    name: str
    images: tuple[Path, ...]
    labels: Path
    naming: Naming
    facts: Facts


@dataclass(frozen=True)
class Case:
    """Four sequences (4, z, y, x) as stored, labels (z, y, x), towards head, back and left, on one isotropic grid."""

    name: str
    voxels: Float
    labels: Labels
    facts: Facts


def find_cases(folder: Path) -> tuple[Files, ...]:
    """Every case with labels in `folder`, by name; raises UnusableInput where none is or a sequence is missing."""
    facts = _read_facts(folder / FACTS)
    cases = [_files(case, facts) for case in sorted(folder.iterdir()) if case.is_dir()]
    found = tuple(case for case in cases if case is not None)
    if not found:
        raise UnusableInput(f"{folder}: holds no case in the layout of BraTS with labels")
    return found


def read_case(files: Files, spacing_mm: float) -> Case:
    """One case on a grid of `spacing_mm`; raises UnusableInput where its files do not belong together."""
    images = [_load(path) for path in (*files.images, files.labels)]
    shape, affine = images[0].shape, np.asarray(images[0].affine)
    for image, path in zip(images, (*files.images, files.labels), strict=True):
        if image.shape != shape or not np.allclose(image.affine, affine, atol=1e-3):
            raise UnusableInput(f"{path}: is not on the grid of {files.images[0].name}")
    labels = _meant(np.asarray(images[-1].dataobj), files)
    voxels = np.stack([resample(np.asarray(one.dataobj), affine, spacing_mm) for one in images[:-1]])
    shares = np.stack([resample(labels == label, affine, spacing_mm) for label in (CORE, OEDEMA, ENHANCING)])
    best = np.where(shares.sum(axis=0) > 0.5, shares.argmax(axis=0) + 1, 0).astype(np.uint8)
    return Case(files.name, voxels, best, files.facts)


def write_case(folder: Path, case: Case, spacing_mm: float, naming: Naming = NAMINGS[0]) -> None:
    """Write a case in the layout; its images are stored as 16-bit whole numbers."""
    place = folder / case.name
    place.mkdir(parents=True, exist_ok=True)
    stored = np.zeros_like(case.labels)
    for value, label in naming.meaning.items():
        stored[case.labels == label] = value
    pictures = dict(zip(naming.images, case.voxels.astype(np.int16), strict=True)) | {naming.labels: stored}
    # Arrays (head, back, left) become (left, back, head), which NIfTI's axes call -x, -y, z.
    affine = np.diag([-spacing_mm, -spacing_mm, spacing_mm, 1.0])
    for ending, picture in pictures.items():
        image = nibabel.Nifti1Image(np.ascontiguousarray(picture.transpose()), affine)
        nibabel.save(image, place / f"{case.name}{ending}.nii.gz")


def write_facts(folder: Path, cases: Mapping[str, Facts]) -> None:
    """Write `cases.csv`."""
    with (folder / FACTS).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("case", "age", "sex", "vendor"))
        table.writerows((name, f"{one.age:.1f}", one.sex, one.vendor) for name, one in cases.items())


def _read_facts(path: Path) -> dict[str, Facts]:
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        return {row["case"]: Facts(float(row["age"] or "nan"), row["sex"], row["vendor"]) for row in rows}
    except (KeyError, ValueError) as error:
        raise UnusableInput(f"{path}: is not a table of case, age, sex, vendor: {error}") from error


def _files(case: Path, facts: Mapping[str, Facts]) -> Files | None:
    """The files in a case's folder, or None where it has no labels in either naming."""
    for naming in NAMINGS:
        labels = _path(case, naming.labels)
        if labels is not None:
            images = [_path(case, ending) for ending in naming.images]
            missing = [ending for ending, path in zip(naming.images, images, strict=True) if path is None]
            if missing:
                raise UnusableInput(f"{case}: lacks {', '.join(f'{case.name}{ending}.nii.gz' for ending in missing)}")
            known = facts.get(case.name, Facts())
            return Files(case.name, tuple(path for path in images if path), labels, naming, known)
    return None


def _path(case: Path, ending: str) -> Path | None:
    names = [case / f"{case.name}{ending}{kind}" for kind in (".nii.gz", ".nii")]
    return next((path for path in names if path.exists()), None)


def _load(path: Path) -> Any:
    try:
        return nibabel.load(path)
    except (ImageFileError, OSError) as error:
        raise UnusableInput(f"{path}: is not a NIfTI image: {error}") from error


def _meant(stored: Array, files: Files) -> Labels:
    """The labels in this package's numbers; one that the naming does not know (a resection cavity, say) is refused."""
    unknown = sorted(set(np.unique(stored).tolist()) - {0, *files.naming.meaning})
    if unknown:
        raise UnusableInput(
            f"{files.labels}: has the labels {_listed(unknown)}, which are none of a tumour's parts here"
        )
    labels = np.zeros(stored.shape, np.uint8)
    for value, label in files.naming.meaning.items():
        labels[stored == value] = label
    return labels


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
