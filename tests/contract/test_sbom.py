"""`make sbom` lists what each image holds, and that is what the lock file gives its extras."""

import json
import re
import subprocess
from pathlib import Path

from tests.support.counterparts import ROOT

_IMAGE = re.compile(r"image: dicom-node:(\w+)\n\s*build: .*EXTRAS: \"?([^}\"]*)\"? }")


def test_each_image_has_a_list_of_all_that_it_holds() -> None:
    done = subprocess.run([ROOT / "scripts" / "sbom"], capture_output=True, text=True, check=True)
    images = dict(_IMAGE.findall((ROOT / "docker-compose.yml").read_text()))
    files = [ROOT / line for line in done.stdout.split()]
    assert {file.name for file in files} == {f"{name}.cdx.json" for name in images}
    held = {file.name.partition(".")[0]: _names(file) for file in files}
    assert all({"pydicom", "psycopg", "sqlalchemy"} <= names for names in held.values())
    assert "openvino" in held["worker"] - held["results"]
    assert "highdicom" in held["results"] - held["worker"]
    assert not held["node"] & {"openvino", "highdicom", "numpy", "torch", "pytest", "mypy"}


def _names(file: Path) -> set[str]:
    listed = json.loads(file.read_text())
    assert listed["bomFormat"] == "CycloneDX"
    return {one["name"] for one in listed["components"]}
