"""The digests of a package are written into its manifest, and nothing else of it is touched."""

import hashlib
import tomllib
from pathlib import Path

from models.digests import write_digests
from models.registry import load_package, verify
from tests.support.model_packages import write_package


def test_digests_that_are_right_already_change_no_byte(tmp_path: Path) -> None:
    manifest = write_package(tmp_path) / "manifest.toml"
    write_digests(manifest.parent)
    before = manifest.read_bytes()
    write_digests(manifest.parent)
    assert manifest.read_bytes() == before


def test_every_file_is_covered_wherever_it_lies(tmp_path: Path) -> None:
    package = write_package(tmp_path)
    (package / "deep").mkdir()
    (package / "deep" / "labels.csv").write_bytes(b"1,lung\n")
    write_digests(package)
    verify(load_package(package))
    digests = tomllib.loads((package / "manifest.toml").read_text())["digests"]
    assert digests["deep/labels.csv"] == hashlib.sha256(b"1,lung\n").hexdigest()
    assert "manifest.toml" not in digests


def test_a_table_that_stands_after_the_digests_is_kept(tmp_path: Path) -> None:
    package = write_package(tmp_path)
    manifest = package / "manifest.toml"
    (package / "in.npz").write_bytes(b"in")
    (package / "out.npz").write_bytes(b"out")
    manifest.write_text(manifest.read_text() + '\n[golden]\ninput = "in.npz"\nexpected = "out.npz"\n')
    write_digests(package)
    golden = load_package(package).manifest.golden
    assert golden
    assert golden.input == "in.npz"
    assert manifest.read_text().count("[digests]") == 1


def test_a_manifest_without_digests_gets_them(tmp_path: Path) -> None:
    package = write_package(tmp_path)
    manifest = package / "manifest.toml"
    manifest.write_text(manifest.read_text().partition("[digests]")[0])
    write_digests(package)
    verify(load_package(package))


def test_nothing_but_the_manifest_is_left_behind(tmp_path: Path) -> None:
    package = write_package(tmp_path)
    before = sorted(path.name for path in package.iterdir())
    write_digests(package)
    assert sorted(path.name for path in package.iterdir()) == before
