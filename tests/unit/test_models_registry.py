"""A package is known by every byte of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigurationError, IntegrityError
from models.registry import Registry, load_package, verify
from tests.support.model_packages import FILES, MANIFEST, write_package

SHIPPED = Path(__file__).parents[2] / "models"


def test_a_registry_holds_every_package_of_its_folder(tmp_path: Path) -> None:
    write_package(tmp_path)
    (tmp_path / "no_package").mkdir()
    registry = Registry.load(tmp_path)
    assert list(registry.packages) == ["toy"]
    assert registry.get("toy").identity.version == "1.2.3"
    with pytest.raises(ConfigurationError, match=r"'other'; known: toy"):
        registry.get("other")


def test_a_folder_that_is_not_there_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a folder"):
        Registry.load(tmp_path / "absent")


def test_a_package_without_a_readable_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"manifest\.toml: cannot be read"):
        load_package(tmp_path)


def test_an_untouched_package_passes(tmp_path: Path) -> None:
    package = load_package(write_package(tmp_path))
    verify(package)
    assert package.read("network.onnx") == FILES["network.onnx"]


@given(name=st.sampled_from(sorted(FILES)), at=st.integers(0), bit=st.integers(0, 7))
def test_one_changed_bit_is_found_and_its_file_named(
    tmp_path_factory: pytest.TempPathFactory, name: str, at: int, bit: int
) -> None:
    package = load_package(write_package(tmp_path_factory.mktemp("models")))
    data = bytearray(FILES[name])
    data[at % len(data)] ^= 1 << bit
    (package.folder / name).write_bytes(data)
    with pytest.raises(IntegrityError, match=f"{name}: is not the file"):
        verify(package)


def test_a_manifest_changed_after_it_was_read_is_found(tmp_path: Path) -> None:
    package = load_package(write_package(tmp_path))
    manifest = package.folder / "manifest.toml"
    manifest.write_text(manifest.read_text() + "# a word more\n")
    with pytest.raises(IntegrityError, match="manifest"):
        verify(package)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    package = load_package(write_package(tmp_path))
    (package.folder / "card.md").unlink()
    with pytest.raises(IntegrityError, match=r"card\.md: cannot be read"):
        verify(package)


@pytest.mark.parametrize("name", ["weights.pt", "deep/inside.txt"])
def test_a_file_that_the_manifest_does_not_list_is_named(tmp_path: Path, name: str) -> None:
    package = load_package(write_package(tmp_path))
    (package.folder / name).parent.mkdir(exist_ok=True)
    (package.folder / name).write_bytes(b"")
    with pytest.raises(IntegrityError, match=f"{name}: is not"):
        verify(package)
    with pytest.raises(IntegrityError, match=f"{name}: is not listed"):
        package.read(name)


def test_a_link_is_not_a_file_of_a_package(tmp_path: Path) -> None:
    package = load_package(write_package(tmp_path))
    card = package.folder / "card.md"
    card.rename(tmp_path / "elsewhere.md")
    card.symlink_to(tmp_path / "elsewhere.md")
    with pytest.raises(IntegrityError, match=r"card\.md: is a link"):
        verify(package)


def test_the_package_digest_changes_with_any_file_and_with_the_manifest(tmp_path: Path) -> None:
    first = load_package(write_package(tmp_path / "1"))
    again = load_package(write_package(tmp_path / "2"))
    other = load_package(write_package(tmp_path / "3", MANIFEST.replace("1.2.3", "1.2.4")))
    assert first.digest == again.digest != other.digest
    assert first.identity.digest == first.digest


def test_the_shipped_packages_are_whole_and_small_enough_to_commit() -> None:
    registry = Registry.load(SHIPPED)
    assert "ct_lung" in registry.packages
    for package in registry.packages.values():
        verify(package)
        assert (package.folder / package.manifest.network.file).stat().st_size <= 10_000_000
        assert (package.folder / "card.md").is_file()
