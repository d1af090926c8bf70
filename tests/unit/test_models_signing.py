"""A signature says which trusted key vouches for every byte of a package, or that none does."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigurationError, IntegrityError
from models.digests import write_digests
from models.registry import Package, load_package, verify
from models.signing import Standing, generate_key, is_locked, judge, require, sign, signature_of, trusted_keys
from tests.support.model_packages import write_package

SIGNATURE = "manifest.toml.sig"


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return load_package(write_package(tmp_path / "models"))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder of public keys, and beside it the private one of "us"."""
    generate_key(tmp_path / "us.pem")
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    (tmp_path / "us.pub.pem").rename(trusted / "us.pub.pem")
    return trusted


def test_a_signed_package_names_the_key_that_signed_it(package: Package, keys: Path, tmp_path: Path) -> None:
    before = package.digest
    made = sign(package, tmp_path / "us.pem")
    trusted = trusted_keys([keys])
    assert require(package, trusted).fingerprint == made.fingerprint
    assert str(signature_of(package, trusted)) == f"signed by us ({made.fingerprint[:16]})"
    verify(package)
    assert load_package(package.folder).digest == before
    assert (package.folder / SIGNATURE).stat().st_size == 64


def test_an_unsigned_package_is_refused_where_signatures_are_required(package: Package, keys: Path) -> None:
    assert signature_of(package, trusted_keys([keys])).standing is Standing.UNSIGNED
    with pytest.raises(IntegrityError, match="the package is unsigned; trusted keys: us"):
        require(package, trusted_keys([keys]))


def test_a_stranger_s_signature_is_refused(package: Package, keys: Path, tmp_path: Path) -> None:
    generate_key(tmp_path / "stranger.pem")
    sign(package, tmp_path / "stranger.pem")
    with pytest.raises(IntegrityError, match="signed by no trusted key; trusted keys: us"):
        require(package, trusted_keys([keys]))
    with pytest.raises(IntegrityError, match="trusted keys: none"):
        require(package, ())


def test_a_signature_does_not_pass_to_another_manifest(package: Package, keys: Path, tmp_path: Path) -> None:
    sign(package, tmp_path / "us.pem")
    manifest = package.folder / "manifest.toml"
    manifest.write_text(manifest.read_text().replace("1.2.3", "1.2.4"))
    with pytest.raises(IntegrityError, match="no trusted key"):
        require(load_package(package.folder), trusted_keys([keys]))
    with pytest.raises(IntegrityError, match="SHA-256 differs"):
        require(package, trusted_keys([keys]))


@given(signature=st.binary(max_size=80))
def test_bytes_that_nobody_signed_prove_nothing(signature: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("keys")
    generate_key(folder / "us.pem")
    assert judge(b"a manifest", signature, trusted_keys([folder / "us.pub.pem"])).standing is Standing.UNKNOWN


def test_new_digests_take_the_old_signature_away(package: Package, tmp_path: Path, keys: Path) -> None:
    sign(package, tmp_path / "us.pem")
    write_digests(package.folder)
    (package.folder / "card.md").write_text("other words")
    write_digests(package.folder)
    assert not (package.folder / SIGNATURE).exists()
    verify(load_package(package.folder))


def test_a_signature_is_a_file_of_the_package_and_a_link_is_not(package: Package, tmp_path: Path, keys: Path) -> None:
    sign(package, tmp_path / "us.pem")
    (package.folder / SIGNATURE).rename(tmp_path / "elsewhere")
    (package.folder / SIGNATURE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="is a link"):
        verify(package)


def test_a_private_key_is_its_owner_s_alone_and_never_overwritten(tmp_path: Path) -> None:
    generate_key(tmp_path / "key.pem")
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    with pytest.raises(ConfigurationError, match="File exists"):
        generate_key(tmp_path / "key.pem")


def test_a_locked_key_wants_its_passphrase(package: Package, tmp_path: Path) -> None:
    made = generate_key(tmp_path / "key.pem", b"secret")
    assert is_locked(tmp_path / "key.pem")
    for wrong in (None, b"guess"):
        with pytest.raises(ConfigurationError, match="holds no private key that this passphrase opens"):
            sign(package, tmp_path / "key.pem", wrong)
    assert sign(package, tmp_path / "key.pem", b"secret") == made


@pytest.mark.parametrize("content", ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.pem").write_text(content)
    with pytest.raises(ConfigurationError, match=r"x\.pem: holds no public key"):
        trusted_keys([tmp_path])
    with pytest.raises(ConfigurationError, match=r"absent\.pem: cannot be read"):
        trusted_keys([tmp_path / "absent.pem"])


def test_a_key_of_another_kind_is_refused(package: Package, tmp_path: Path) -> None:
    openssl = _openssl()
    subprocess.run([openssl, "genpkey", "-algorithm", "X25519", "-out", tmp_path / "x.pem"], check=True)
    subprocess.run([openssl, "pkey", "-in", tmp_path / "x.pem", "-pubout", "-out", tmp_path / "y.pem"], check=True)
    with pytest.raises(ConfigurationError, match="is not an Ed25519 key"):
        sign(package, tmp_path / "x.pem")
    with pytest.raises(ConfigurationError, match="is not an Ed25519 key"):
        trusted_keys([tmp_path / "y.pem"])


def test_openssl_agrees(package: Package, keys: Path, tmp_path: Path) -> None:
    sign(package, tmp_path / "us.pem")
    manifest, signature = package.folder / "manifest.toml", package.folder / SIGNATURE
    check: list[str | Path] = [
        _openssl(),
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        keys / "us.pub.pem",
        "-rawin",
        "-in",
        manifest,
    ]
    result = subprocess.run([*check, "-sigfile", signature], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    manifest.write_text(manifest.read_text() + "#\n")
    assert subprocess.run([*check, "-sigfile", signature], capture_output=True, check=False).returncode == 1


def _openssl() -> str:
    found = shutil.which("openssl")
    if found is None:
        pytest.skip("openssl is not installed")
    return found
