"""The public collections as their publishers lay them out: ChestX-ray14 (NIH) and CheXpert (Stanford).

Neither is part of this project, and neither may be passed on without its publisher's terms.
"""

import csv
import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from domain.errors import ConfigurationError
from training.chest.findings import FINDINGS
from training.chest.radiographs import SPLITS, Collection, Files, Person, Radiograph, phantom_pool
from training.chest.recipe import Recipe

Splits = dict[str, list[Radiograph]]

# The seven of CheXpert's labels that say what one of ours says; the others stay unknown.
_CHEXPERT = {
    "Atelectasis": "Atelectasis",
    "Cardiomegaly": "Cardiomegaly",
    "Pleural Effusion": "Effusion",
    "Pneumonia": "Pneumonia",
    "Pneumothorax": "Pneumothorax",
    "Consolidation": "Consolidation",
    "Edema": "Edema",
}
_SEXES = {"M": "M", "Male": "M", "F": "F", "Female": "F"}


def splits(named: str | None, recipe: Recipe, work: Path) -> Mapping[str, Collection]:
    """Train, validation and test of `named` ("chestxray14=DIR", "chexpert=DIR"), or of phantoms kept in `work`."""
    if named is None:
        return {split: phantom_pool(split, recipe.phantoms, recipe.image, recipe.seed, work) for split in SPLITS}
    layout, _, folder = named.partition("=")
    readers = {"chestxray14": read_chestxray14, "chexpert": read_chexpert}
    if layout not in readers or not folder:
        raise ConfigurationError(f"{named}: must be LAYOUT=DIR; layouts are {', '.join(readers)}")
    return {split: Files(found, recipe.image) for split, found in readers[layout](Path(folder)).items()}


def read_chestxray14(folder: Path) -> Splits:
    """Every radiograph of Data_Entry_2017.csv whose file is there.

    "test" is test_list.txt; one patient in ten of train_val_list.txt is "validation". Raises ConfigurationError where a
    file is missing or a patient is in both lists: then the test would be of people whom the network knows.
    """
    files = {path.name: path for path in folder.glob("images*/**/*.png")}
    test = set(_text(folder / "test_list.txt").split())
    listed = test | set(_text(folder / "train_val_list.txt").split())
    found: Splits = {split: [] for split in SPLITS}
    for row in _rows(folder / "Data_Entry_2017.csv"):
        name = row["Image Index"]
        if name in files and name in listed:
            one = _of_chestxray14(row, files[name])
            found["test" if name in test else _learning_split(one.person.patient)].append(one)
    return _parted(found, folder)


def read_chexpert(folder: Path) -> Splits:
    """Every frontal radiograph of train.csv and valid.csv; laterals are left out.

    "test" is valid.csv, which radiologists labelled; one patient in ten of train.csv is "validation". A label that is
    uncertain (-1) or not mentioned (blank) is unknown, except that "No Finding" makes what is blank absent.
    """
    found: Splits = {split: [] for split in SPLITS}
    for name in ("train.csv", "valid.csv"):
        for row in _rows(folder / name):
            if row["Frontal/Lateral"] == "Frontal":
                one = _of_chexpert(row, folder)
                found["test" if name == "valid.csv" else _learning_split(one.person.patient)].append(one)
    return _parted(found, folder)


def _of_chestxray14(row: Mapping[str, str], path: Path) -> Radiograph:
    present = {_plain(name) for name in row["Finding Labels"].split("|")} - {"no finding"}
    strange = present - {_plain(name) for name in FINDINGS}
    if strange:
        raise ConfigurationError(f"{path.name}: Data_Entry_2017.csv knows findings that we do not: {sorted(strange)}")
    labels = tuple(float(_plain(name) in present) for name in FINDINGS)
    age, sex = _age(row["Patient Age"]), _SEXES.get(row["Patient Gender"], "unknown")
    return Radiograph(path, labels, Person(row["Patient ID"], age, sex, view=row["View Position"]))


def _of_chexpert(row: Mapping[str, str], folder: Path) -> Radiograph:
    # Paths begin with the collection's own folder, by whatever name it was unpacked here.
    parts = Path(row["Path"]).parts[1:]
    values = {ours: _chexpert_label(row, theirs) for theirs, ours in _CHEXPERT.items()}
    labels = tuple(values.get(name, math.nan) for name in FINDINGS)
    sex = _SEXES.get(row["Sex"], "unknown")
    person = Person(parts[1], _age(row["Age"]), sex, view=row["AP/PA"] or "unknown")
    return Radiograph(folder.joinpath(*parts), labels, person)


def _chexpert_label(row: Mapping[str, str], name: str) -> float:
    said = row[name].strip()
    if said:
        return float(said) if float(said) in (0, 1) else math.nan
    return 0.0 if row["No Finding"].strip() in ("1", "1.0") else math.nan


def _plain(name: str) -> str:
    return name.strip().replace("_", " ").lower()


def _age(said: str) -> float:
    """Years from "58" or "058Y"; NaN where it is absent or beyond a human life, as some of ChestX-ray14's are."""
    digits = said.strip().rstrip("Y")
    years = float(digits) if digits else math.nan
    return years if 0 <= years <= 120 else math.nan


def _learning_split(patient: str) -> str:
    # By the patient's digest: the same whatever else is in the list, and never two splits for one patient.
    return "validation" if hashlib.sha256(patient.encode()).digest()[0] < 26 else "train"


def _parted(found: Splits, folder: Path) -> Splits:
    known = {one.person.patient for split in ("train", "validation") for one in found[split]}
    both = known & {one.person.patient for one in found["test"]}
    if both:
        raise ConfigurationError(f"{folder}: patients are both in training and test: {', '.join(sorted(both)[:5])}")
    if not all(found.values()):
        empty = ", ".join(split for split, radiographs in found.items() if not radiographs)
        raise ConfigurationError(f"{folder}: no radiograph is there for {empty}")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    return csv.DictReader(_text(path).splitlines())
