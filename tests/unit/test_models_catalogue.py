"""The catalogue states where each model is and how to tell that it is the one; what is wrong in it is named."""

import re
import tomllib
from pathlib import Path

import pytest

from config.tables import Document
from domain.errors import ConfigurationError
from models.bundle_manifest import Codes
from models.catalogue import CATALOGUE, CODES, catalogue, entry, is_digest
from models.checks import read_manifest
from models.manifest import MANIFEST

ENTRIES = catalogue()

ONE = """\
[[models]]
name = "toy"
title = "A toy"
kind = "bundle"
version = "1"
address = "https://example.org/toy.zip"
licence = "CC0-1.0"
"""


def test_every_shipped_entry_has_a_digest_and_who_stated_it_or_neither() -> None:
    assert len(ENTRIES) == len(tomllib.loads(CATALOGUE.read_text("utf-8"))["models"])
    for one in ENTRIES.values():
        assert bool(one.digest) == bool(one.stated), one.name
        assert one.address.startswith("https://"), one.name
        assert one.licence, one.name


def test_every_bundle_has_codes_that_name_a_series_and_at_least_one_label() -> None:
    bundles = [one for one in ENTRIES.values() if one.kind == "bundle"]
    assert {one.codes for one in ENTRIES.values()} == {file.name for file in CODES.glob("*.toml")}
    for one in bundles:
        file = CODES / one.codes
        codes = Document(file.read_text("utf-8"), file).build(Codes)
        assert codes.segments, one.name
        assert all(conditions.modality for conditions in codes.inputs.values()), one.name


def test_every_checkpoint_has_the_manifest_that_fits_its_network(tmp_path: Path) -> None:
    for one in [one for one in ENTRIES.values() if one.kind != "bundle"]:
        digests = f'[digests]\n"network.onnx" = "{"0" * 64}"\n'
        manifest = read_manifest((CODES / one.codes).read_text("utf-8") + digests, tmp_path / one.name / MANIFEST)
        named = f"{len(manifest.segments)} segments" if manifest.segments else f" {len(manifest.findings)} findings"
        assert named in one.title
        assert manifest.identity.version == one.version


def test_the_whole_body_bundle_has_a_code_for_each_of_its_104_labels() -> None:
    file = CODES / ENTRIES["monai_whole_body_ct"].codes
    codes = Document(file.read_text("utf-8"), file).build(Codes)
    assert len(codes.segments) == 104
    sides = {"left": "7771000", "right": "24028007"}
    for label, coding in codes.segments.items():
        side = next((side for side in sides if side in label.split("_")), "")
        # The middle lobe and the chambers of the heart have their side in the code itself.
        if side and coding.laterality:
            assert coding.laterality.value == sides[side], label
        elif side:
            assert side in coding.type.meaning.lower(), label


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('kind = "bundle"', 'kind = "pickle"', ":4: models.0.kind: must be"),
        ('name = "toy"', 'name = "A toy"', ":2: models.0.name: must be lower-case"),
        ("https://example.org/toy.zip", "ftp://example.org/toy.zip", ":6: models.0.address: must be the address"),
        ("https://example.org/toy.zip", "https://example.org/..", ":6: models.0.address: must be the address"),
        ('version = "1"', 'version = "1"\ndigest = "md5:00"', ":6: models.0.digest: must be sha256: or sha1:"),
        ('version = "1"', "version = 1", ":5: models.0.version: must be a text"),
        (ONE, ONE + ONE, ":9: models.1.name: must be lower-case letters, digits and underscores, and unique"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    file = tmp_path / "catalogue.toml"
    file.write_text(ONE.replace(right, wrong))
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        catalogue(file)


def test_a_model_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="no 'spleen'; known: brain_tissue, monai_spleen_ct, "):
        entry("spleen", ENTRIES)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("sha256:" + "a" * 64, True),
        ("sha1:" + "0" * 40, True),
        ("sha1:" + "0" * 64, False),
        ("sha256:" + "A" * 64, False),
        ("md5:" + "0" * 32, False),
        ("0" * 64, False),
        ("", False),
    ],
)
def test_a_digest_names_its_algorithm(text: str, right: bool) -> None:
    assert is_digest(text) is right
