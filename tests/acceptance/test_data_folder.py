"""A data folder that cannot be used is told in a line that names the folder, by whichever role finds it so."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.counterparts import ROOT
from tests.support.node import PROGRAM


def said(role: str, data: Path, *before: str) -> tuple[int, str]:
    """Exit code and log of a role that is started on `data`."""
    command = [*before, *PROGRAM, role, "--data", str(data), *(["--port", "0"] if role == "listen" else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("taken", ["run", "spool", "objects"])
def test_a_file_in_the_place_of_a_folder_is_named(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).write_text("")
    code, words = said("listen", tmp_path)
    assert code == 2
    assert str(tmp_path / taken) in words
    assert "Traceback" not in words


def test_a_folder_of_another_owner_is_named(tmp_path: Path) -> None:
    """Without the right to write everywhere, which root would have."""
    without_rights = []
    if os.geteuid() == 0:
        if not (setpriv := shutil.which("setpriv")):
            pytest.skip("no setpriv (util-linux)")
        without_rights = [setpriv, "--bounding-set", "-dac_override,-dac_read_search"]
        folder = tmp_path / "theirs"
        folder.mkdir(mode=0o755)
        os.chown(folder, 65534, 65534)
    else:
        folder = tmp_path / "theirs"
        folder.mkdir(mode=0o555)
    for role in ("listen", "up"):
        code, words = said(role, folder, *without_rights)
        assert code == 2
        assert str(folder) in words
        assert re.search(r"Permission denied|the user \S+ may not write", words)
        assert "Traceback" not in words
