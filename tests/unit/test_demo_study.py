"""Which study a demonstration shows where nobody names one, and of the brain which model."""

from pathlib import Path

import pytest

from console.demo import brain, study
from domain.errors import Permanent
from tests.support.counterparts import ROOT, data
from tests.support.phantoms import Phantom, write


def test_a_real_study_beside_the_repository_is_found_as_the_tests_find_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ROOT.parent / "shared" / "data" == study._BESIDE
    monkeypatch.setattr(study, "_BESIDE", tmp_path)
    write(Phantom(size=(16, 16), slices=1).datasets(), tmp_path / "ct_chest_lidc0003")
    assert "LIDC-IDRI" in study.find(None, tmp_path / "scratch", {}).source
    assert not (tmp_path / "scratch").exists()


def test_without_a_head_at_hand_it_says_what_is_missing_and_how_to_name_it(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"no T1 series of a head here .*STUDY=FOLDER, or set DICOM_NODE_TEST_DATA"):
        study.find_head(None, {"DICOM_NODE_TEST_DATA": str(tmp_path)})


def test_a_head_of_the_user_s_own_is_taken_without_another_at_hand(tmp_path: Path) -> None:
    write(Phantom(size=(16, 16), slices=1).datasets(), tmp_path)
    assert study.find_head(tmp_path, {}).source == str(tmp_path)


def test_without_the_network_at_hand_it_says_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"the network is not here .*dicom-node models pull brain_tissue --models"):
        brain.models(None, tmp_path / "models", {"DICOM_NODE_TEST_DATA": str(tmp_path)})
    with pytest.raises(Permanent, match=r"has no brain_tissue; fetch it, dicom-node models pull brain_tissue"):
        brain.models(tmp_path, tmp_path / "models", {})


def test_what_is_missing_is_said_at_once(tmp_path: Path) -> None:
    head, network = brain.missing(None, None, {"DICOM_NODE_TEST_DATA": str(tmp_path)})
    assert "STUDY=FOLDER, or set DICOM_NODE_TEST_DATA" in head
    assert "dicom-node models pull brain_tissue" in network
    assert brain.missing(tmp_path, None, {"DICOM_NODE_TEST_DATA": str(tmp_path)}) == (network,)


def test_the_network_at_hand_becomes_the_package_that_is_shown_twice_in_a_row(tmp_path: Path) -> None:
    environment = {"DICOM_NODE_TEST_DATA": str(data())}
    for _ in range(2):
        folder = brain.models(None, tmp_path / "models", environment)
    assert (folder / brain.NAME / "manifest.toml").is_file()
    assert brain.models(folder, tmp_path / "other", {}) == folder
