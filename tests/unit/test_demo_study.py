"""Which study a demonstration shows where nobody names one."""

from pathlib import Path

import pytest

from console.demo import study
from tests.support.counterparts import ROOT
from tests.support.phantoms import Phantom, write


def test_a_real_study_beside_the_repository_is_found_as_the_tests_find_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ROOT.parent / "shared" / "data" == study._BESIDE
    monkeypatch.setattr(study, "_BESIDE", tmp_path)
    write(Phantom(size=(16, 16), slices=1).datasets(), tmp_path / "ct_chest_lidc0003")
    assert "LIDC-IDRI" in study.find(None, tmp_path / "scratch", {}).source
    assert not (tmp_path / "scratch").exists()
