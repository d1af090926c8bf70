"""A manifest is read whole, or the line that is wrong is named."""

import re
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from domain.findings import Code
from models.manifest import Manifest, read_manifest
from tests.support.model_packages import MANIFEST, write_package


def read(text: str) -> Manifest:
    digests = '"network.onnx" = "' + "0" * 64 + '"\n'
    return read_manifest(text + digests, Path("models/toy/manifest.toml"))


def test_a_manifest_is_read_into_the_field_s_own_types(tmp_path: Path) -> None:
    path = write_package(tmp_path) / "manifest.toml"
    manifest = read_manifest(path.read_text(), path)
    assert manifest.identity.demonstration is True
    assert (manifest.conditions.modality, manifest.conditions.min_slices) == (("CT",), 3)
    assert manifest.conditions.max_spacing_mm is None
    assert manifest.preprocessing.spacing_mm == (3.0, 3.0, 3.0)
    assert [segment.number for segment in manifest.segments] == [1, 2]
    assert manifest.segments[0].laterality is None
    assert manifest.segments[1].laterality == Code("7771000", "SCT", "Left")
    assert manifest.measurements[1].unit.value == "[hnsf'U]"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('version = "1.2.3"', "version = 3", "identity.version: must be a text"),
        ('version = "1.2.3"', f'version = "{"1" * 65}"', "identity.version: must have 1 to 64 characters"),
        ('title = "A toy"', 'titel = "A toy"', "identity.titel: is not a key here"),
        ('name = "toy"', 'name = "other"', "identity.name: must be the folder's name"),
        ('device_uid = "2.25.1"', 'device_uid = "2.25.01"', "identity.device_uid: is not a UID"),
        ("demonstration = true", "demonstration = 1", "identity.demonstration: must be true or false"),
        ('modality = ["CT"]', 'modality = "CT"', "conditions.modality: must be an array"),
        ('modality = ["CT"]', "modality = [1]", "conditions.modality.0: must be a text"),
        ("min_slices = 3", "min_slices = true", "conditions.min_slices: must be a whole number"),
        ("min_slices = 3", "min_slice = 3", "conditions.min_slice: is not a key here"),
        ("min_slices = 3", 'series_description = "("', "conditions.series_description: is not a regular expression"),
        ('orientation = "LPS"', 'orientation = "RAS"', "preprocessing.orientation: must be"),
        ("spacing_mm = [3.0, 3, 3.0]", "spacing_mm = [3.0]", "preprocessing.spacing_mm: must have 3 elements"),
        ("spacing_mm = [3.0, 3, 3.0]", "spacing_mm = [3.0, 0, 3.0]", "preprocessing.spacing_mm: must be above 0"),
        ("window = [-1000.0, 400.0]", "window = [400.0, -1000.0]", "preprocessing.window: must rise"),
        ('file = "network.onnx"', 'file = "other.onnx"', "network.file: is not listed"),
        ("close_mm = 0", "close_mm = -1", "postprocessing.close_mm: must be 0 or more"),
        ("multiple = 16", "multiple = 0", "network.multiple: must be 1 or more"),
        ("number = 2", "number = 3", "segments.1.number: must be 2"),
        ("colour = [4, 5, 6]", "colour = [4, 5, 256]", "segments.1.colour: must be three numbers"),
        ("colour = [4, 5, 6]", "colour = [4, 5, 6]\nmeasurements = []\nx = 1", "segments.1.x: is not a key here"),
        ('what = "mean"', 'what = "median"', 'measurements.1.what: must be "volume" or "mean"'),
        ("[digests]", '[digests]\n"../key" = "' + "0" * 64 + '"', "digests.../key: must be another file"),
        ("[digests]", '[digests]\n"x" = "abc"', "digests.x: is not a SHA-256"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_file_and_line(right: str, wrong: str, said: str) -> None:
    text = MANIFEST.replace(right, wrong)
    line = text[: text.index(wrong)].count("\n") + 1 + wrong.count("\n")
    with pytest.raises(ConfigurationError, match=re.escape(f"models/toy/manifest.toml:{line}: {said}")):
        read(text)


@pytest.mark.parametrize(
    ("missing", "table", "said"),
    [
        ('licence = "Apache-2.0"\n', "[identity]", "identity.licence: is missing"),
        ('output = "logits"\n', "[network]", "network.output: is missing"),
    ],
)
def test_a_missing_key_is_blamed_on_its_table(missing: str, table: str, said: str) -> None:
    text = MANIFEST.replace(missing, "")
    line = text[: text.index(table)].count("\n") + 1
    with pytest.raises(ConfigurationError, match=f":{line}: {re.escape(said)}"):
        read(text)


def test_a_missing_table_is_said_to_be_missing() -> None:
    with pytest.raises(ConfigurationError, match="segments: is missing"):
        read(MANIFEST.partition("[[segments]]")[0] + "[digests]\n")
