"""`make sbom` lists what each image holds: that is what the lock file gives its extras, with digests and licences."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from models.registry import load_package
from tests.support.counterparts import ROOT

_IMAGE = re.compile(r"image: dicom-node:([\w-]+)\n\s*build: .*EXTRAS: \"?([^}\"]*)\"? }")
_FILES = [ROOT / "docker-compose.yml", *(ROOT / "deploy" / "compose").glob("*.yml")]
IMAGES = dict(_IMAGE.findall("\n".join(file.read_text() for file in _FILES)))


@pytest.fixture(scope="module")
def files() -> dict[str, Path]:
    done = subprocess.run([ROOT / "scripts" / "sbom"], capture_output=True, text=True, check=True)
    return {Path(line).name.partition(".")[0]: ROOT / line for line in done.stdout.split()}


def components(file: Path) -> Iterator[dict[str, Any]]:
    listed = json.loads(file.read_text())
    assert listed["bomFormat"] == "CycloneDX"
    yield from listed["components"]


def test_each_image_has_a_list_of_all_that_it_holds(files: dict[str, Path]) -> None:
    assert set(files) == set(IMAGES)
    held = {name: {one["name"] for one in components(file)} for name, file in files.items()}
    assert all({"pydicom", "psycopg", "sqlalchemy", "python", "ct_lung"} <= names for names in held.values())
    assert "openvino" in held["worker"] - held["results"]
    assert "highdicom" in held["results"] - held["worker"]
    assert "torch" in held["worker-gpu"] - held["worker"]
    assert not held["node"] & {"openvino", "highdicom", "numpy", "torch", "pytest", "mypy"}


@pytest.mark.parametrize("image", IMAGES)
def test_a_list_keeps_cyclonedxs_schema(image: str, files: dict[str, Path]) -> None:
    fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(files[image].read_text())
    assert fault is None, str(fault)


@pytest.mark.parametrize("image", IMAGES)
def test_each_part_has_a_version_a_licence_and_the_digests_of_its_files(image: str, files: dict[str, Path]) -> None:
    for one in components(files[image]):
        assert one["version"]
        assert one["licenses"][0]["expression"], one["name"]
        outside = one.get("externalReferences", [])
        digests = [*one.get("hashes", []), *(digest for place in outside for digest in place["hashes"])]
        assert digests, one["name"]
        assert all(digest["alg"] == "SHA-256" and len(digest["content"]) == 64 for digest in digests)


def test_what_an_image_is_built_on_is_the_one_of_the_dockerfile(files: dict[str, Path]) -> None:
    (base,) = (one for one in components(files["node"]) if one["name"] == "python")
    assert f"python:{base['version']}@{base['purl'].partition('@')[2]}" in (ROOT / "deploy/Dockerfile").read_text()


def test_a_shipped_model_is_listed_with_the_digest_of_its_weights(files: dict[str, Path]) -> None:
    for one in components(files["node"]):
        if one["type"] == "machine-learning-model":
            package = load_package(ROOT / "models" / one["name"])
            assert package.manifest.digests[one["properties"][0]["value"]] == one["hashes"][0]["content"]
            assert "trained on " in one["description"]
