"""`web-secret` writes what proves a secret and does not show it."""

import subprocess
from pathlib import Path

from config.secret_files import secret_in
from dicom_node.web.secrets import Secret
from tests.support.node import PROGRAM


def written(file: Path, said: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, "web-secret", "--to", str(file)], input=said, capture_output=True, check=False)


def test_the_file_holds_what_proves_the_secret_and_is_nobody_elses(tmp_path: Path) -> None:
    file = tmp_path / "gate.secret"
    assert written(file, b"a word\n").returncode == 0
    held = secret_in(file, "token_file")
    assert "word" not in held
    assert Secret(held, "token_file").is_(b"a word")
    again = written(file, b"another\n")
    assert (again.returncode, secret_in(file, "token_file")) == (1, held)
    assert written(tmp_path / "none", b"").returncode == 1
