"""A demonstration says what it was given, and beside it what each package wants where none of them takes it."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from console.demo.held import compared, found, held
from console.demo.study import find
from tests.support.counterparts import ROOT
from tests.support.phantoms import Phantom, write
from tests.support.radiographs import Radiograph

SMALL = Phantom(size=(8, 8), slices=3)


def test_what_a_folder_holds_is_said_by_what_packages_ask_and_names_nobody(tmp_path: Path) -> None:
    write([*SMALL.datasets(), *replace(SMALL, study="2", series="2").datasets()], tmp_path)
    film = Radiograph(np.full((8, 8), 9, np.uint16)).dataset()
    film.Modality, film.ViewPosition, film.BodyPartExamined = "DX", "LL", "CHEST"
    write([film], tmp_path)

    what = held(find(tmp_path, tmp_path / "scratch", {}).objects)

    assert what.studies == 3
    assert found(what) == "3 studies; CT of CHEST: 6 images in 2 series; DX of CHEST, view LL: 1 image in 1 series"


def test_what_states_nothing_says_so(tmp_path: Path) -> None:
    bare = SMALL.datasets()[0]
    bare.Modality = bare.BodyPartExamined = ""
    write([bare], tmp_path)
    assert found(held(find(tmp_path, tmp_path, {}).objects)) == (
        "1 study; no modality of an unnamed part: 1 image in 1 series"
    )


def test_every_shipped_package_says_what_it_wants_beside_what_there_is(tmp_path: Path) -> None:
    write(SMALL.datasets(), tmp_path)
    lines = compared(held(find(tmp_path, tmp_path, {}).objects), ROOT / "models")
    packages = {folder.parent.name for folder in (ROOT / "models").glob("*/manifest.toml")}

    assert "  1 study; CT of CHEST: 3 images in 1 series" in lines
    said = {line.split()[0].rstrip(":"): line for line in lines if line.startswith("  ") and "modality" in line}
    assert packages <= set(said)
    assert "study description matches 'phantom'" in said["cxr_findings"]
    assert not any("1.2.840" in line for line in lines)
