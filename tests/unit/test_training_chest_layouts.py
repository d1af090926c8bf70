"""ChestX-ray14 and CheXpert as their publishers lay them out, on a few files made here."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tqdm", reason="tqdm is not installed; `uv sync --extra training` installs it")

from domain.errors import ConfigurationError, UnusableInput
from training.chest.findings import FINDINGS
from training.chest.layouts import read_chestxray14, read_chexpert, splits
from training.chest.radiographs import Files, Radiograph, prepare, read_image
from training.chest.recipe import RECIPE, Preparation, Recipe
from training.recipe import read_recipe

NIH_HEAD = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
NIH = (
    "00000001_000.png,Cardiomegaly|Pleural_Thickening,0,1,58,M,PA,2682,2749,0.143,0.143,",
    "00000001_001.png,No Finding,1,1,058Y,M,AP,2682,2749,0.143,0.143,",
    "00000002_000.png,Hernia,0,2,411,F,PA,2500,2048,0.168,0.168,",
    "00000003_000.png,Effusion,0,3,30,F,PA,2500,2048,0.168,0.168,",
    "00000004_000.png,Mass,0,4,30,F,PA,2500,2048,0.168,0.168,",
)
CHEXPERT_HEAD = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
# Digests of the patients' numbers decide: of these, patient 1 and patient00001 are for training, the other for looking.
NIH_VALIDATION, CHEXPERT_VALIDATION = "9", "patient00012"


def write_image(path: Path, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).convert(mode).save(path)


def nih(folder: Path, test: str = "00000003_000.png") -> Path:
    rows = (*NIH, f"00000009_000.png,Nodule,0,{NIH_VALIDATION},30,F,PA,2500,2048,0.168,0.168,")
    (folder / "Data_Entry_2017.csv").write_text("\n".join([NIH_HEAD, *rows]))
    names = [row.partition(",")[0] for row in rows]
    (folder / "train_val_list.txt").write_text("\n".join(name for name in names if name not in test))
    (folder / "test_list.txt").write_text(test)
    for at, name in enumerate(name for name in names if name != "00000004_000.png"):
        write_image(folder / f"images_00{1 + at % 2}" / "images" / name, "RGBA" if at == 1 else "L")
    return folder


def chexpert(folder: Path) -> Path:
    rows = (
        "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,,,1.0,,,0.0,-1.0,,,,,,,",
        "CheXpert-v1.0-small/train/patient00001/study1/view2_lateral.jpg,Female,68,Lateral,,,,1.0,,,0.0,-1.0,,,,,,,",
        f"CheXpert-v1.0-small/train/{CHEXPERT_VALIDATION}/study1/view1_frontal.jpg,Unknown,0,Frontal,PA,1.0,,,,,,,,,,1.0,,,",
    )
    valid = "CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP,0.0" + ",0.0" * 13
    (folder / "train.csv").write_text("\n".join([CHEXPERT_HEAD, *rows]))
    (folder / "valid.csv").write_text("\n".join([CHEXPERT_HEAD, valid]))
    for row in (*rows, valid):
        write_image(folder.joinpath(*Path(row.partition(",")[0]).parts[1:]))
    return folder


def present(one: Radiograph) -> set[str]:
    return {name for name, label in zip(FINDINGS, one.labels, strict=True) if label == 1}


def known(one: Radiograph) -> dict[str, float]:
    return {name: label for name, label in zip(FINDINGS, one.labels, strict=True) if not math.isnan(label)}


def test_chestxray14_knows_every_finding_of_every_radiograph_that_is_there(tmp_path: Path) -> None:
    found = read_chestxray14(nih(tmp_path))
    by_name = {one.path.name: one for split in found.values() for one in split}
    assert set(by_name) == {f"0000000{n}_00{k}.png" for n, k in ((1, 0), (1, 1), (2, 0), (3, 0), (9, 0))}
    assert present(by_name["00000001_000.png"]) == {"Cardiomegaly", "Pleural thickening"}
    assert present(by_name["00000001_001.png"]) == set()
    assert all(len(known(one)) == 14 for one in by_name.values())
    first = by_name["00000001_001.png"].person
    assert (first.patient, first.age, first.sex, first.view) == ("1", 58, "M", "AP")
    assert math.isnan(by_name["00000002_000.png"].person.age)  # nobody is 411 years old


def test_chestxray14_is_split_by_patient(tmp_path: Path) -> None:
    found = read_chestxray14(nih(tmp_path))
    patients = {split: {one.person.patient for one in each} for split, each in found.items()}
    assert patients == {"train": {"1", "2"}, "validation": {NIH_VALIDATION}, "test": {"3"}}


def test_a_patient_in_training_and_in_test_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="both in training and test: 1"):
        read_chestxray14(nih(tmp_path, test="00000001_001.png"))


def test_a_label_that_we_do_not_know_is_refused(tmp_path: Path) -> None:
    nih(tmp_path)
    table = tmp_path / "Data_Entry_2017.csv"
    table.write_text(table.read_text().replace("Hernia", "Dragon"))
    with pytest.raises(ConfigurationError, match="dragon"):
        read_chestxray14(tmp_path)


def test_chexpert_maps_seven_labels_and_leaves_the_rest_unknown(tmp_path: Path) -> None:
    found = read_chexpert(chexpert(tmp_path))
    assert known(found["train"][0]) == {"Cardiomegaly": 1, "Edema": 0}  # uncertain and blank are unknown
    assert known(found["test"][0]) == {
        "Cardiomegaly": 0, "Edema": 0, "Consolidation": 0, "Pneumonia": 0, "Atelectasis": 0, "Pneumothorax": 0,
        "Effusion": 0,
    }  # fmt: skip


def test_in_chexpert_no_finding_makes_what_is_blank_absent(tmp_path: Path) -> None:
    (one,) = read_chexpert(chexpert(tmp_path))["validation"]
    assert present(one) == {"Effusion"}
    assert len(known(one)) == 7


def test_chexpert_gives_frontal_radiographs_alone_whatever_its_folder_is_called(tmp_path: Path) -> None:
    found = read_chexpert(chexpert(tmp_path))
    (one,) = found["train"]
    assert one.path == tmp_path / "train/patient00001/study1/view1_frontal.jpg"
    assert (one.person.patient, one.person.age, one.person.sex, one.person.view) == ("patient00001", 68, "F", "AP")


def test_a_collection_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"test_list.txt: cannot be read"):
        read_chestxray14(tmp_path)
    nih(tmp_path)
    (tmp_path / "images_001" / "images" / "00000003_000.png").unlink(missing_ok=True)
    (tmp_path / "images_002" / "images" / "00000003_000.png").unlink(missing_ok=True)
    with pytest.raises(ConfigurationError, match="no radiograph is there for test"):
        read_chestxray14(tmp_path)


def test_a_data_set_is_named_by_layout_and_folder(tmp_path: Path) -> None:
    recipe = read_recipe(RECIPE, Recipe)
    found = splits(f"chexpert={chexpert(tmp_path)}", recipe, tmp_path)
    assert found["train"].labels.shape == (1, 14)
    assert found["train"].image(0).shape == (224, 224)
    for wrong in ("mimic=somewhere", "chexpert"):
        with pytest.raises(ConfigurationError, match="LAYOUT=DIR"):
            splits(wrong, recipe, tmp_path)


def test_an_image_becomes_what_the_network_wants(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", "RGBA")
    prepared = prepare(read_image(tmp_path / "a.png"), Preparation(16, (0.05, 0.95)))
    assert prepared.shape == (16, 16)
    assert (prepared.min(), prepared.max()) == (0, 1)
    assert (np.diff(prepared.mean(axis=1)) >= 0).all()
    assert not prepare(np.full((5, 7), 9, np.float32), Preparation(16, (0.05, 0.95))).any()


def test_a_16_bit_image_keeps_its_values(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 3000], [4095, 60000]], np.uint16)).save(tmp_path / "deep.png")
    assert read_image(tmp_path / "deep.png").tolist() == [[0, 3000], [4095, 60000]]


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_text("nothing")
    files = Files([Radiograph(tmp_path / "b.png", (0.0,) * 14, None)], Preparation(16, (0, 1)))  # type: ignore[arg-type]
    with pytest.raises(UnusableInput, match=r"b\.png"):
        files.image(0)
