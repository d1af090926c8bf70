"""Who vouches for a package: Ed25519 signatures (RFC 8032) over its manifest, which lists every other file.

The signature is the file `manifest.toml.sig` in the package: 64 bytes, as `openssl pkeyutl -sign -rawin` writes them.
Keys are PEM files. A package is trusted by the key that signed it, never by a name that it states of itself.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.errors import ConfigurationError, IntegrityError
from models.manifest import MANIFEST, SIGNATURE
from models.registry import Package

PUBLIC = ".pub.pem"


class Standing(StrEnum):
    """What a package's signature proves."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    UNKNOWN = "signed by no trusted key"


@dataclass(frozen=True)
class TrustedKey:
    """A public key that a site trusts. `name` is its file's, `fingerprint` the SHA-256 (hex) of its 32 bytes."""

    name: str
    fingerprint: str
    raw: bytes


@dataclass(frozen=True)
class Signature:
    """What is known of a package's signature; `by` is the trusted key that made it, None where none did."""

    standing: Standing
    by: TrustedKey | None = None

    def __str__(self) -> str:
        return f"signed by {self.by.name} ({self.by.fingerprint[:16]})" if self.by else str(self.standing)


def judge(manifest: bytes, signature: bytes | None, keys: Iterable[TrustedKey]) -> Signature:
    """Which of `keys` made `signature` over `manifest`; one that none of them made proves nothing."""
    if signature is None:
        return Signature(Standing.UNSIGNED)
    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, manifest)
        except InvalidSignature:
            continue
        return Signature(Standing.SIGNED, key)
    return Signature(Standing.UNKNOWN)


def signature_of(package: Package, keys: Iterable[TrustedKey]) -> Signature:
    """What is known of the signature in the package's folder. Raises IntegrityError where the manifest was changed."""
    file = package.folder / SIGNATURE
    return judge(package.read(MANIFEST), file.read_bytes() if file.is_file() else None, keys)


def require(package: Package, keys: Sequence[TrustedKey]) -> TrustedKey:
    """The trusted key that signed `package`; raises IntegrityError where none did."""
    signature = signature_of(package, keys)
    if signature.by is None:
        trusted = ", ".join(key.name for key in keys) or "none"
        raise IntegrityError(f"{package.folder}: the package is {signature.standing}; trusted keys: {trusted}")
    return signature.by


def trusted_keys(places: Iterable[Path]) -> tuple[TrustedKey, ...]:
    """The public keys of these PEM files, and of every `*.pem` in these folders; raises ConfigurationError."""
    files: list[Path] = []
    for place in places:
        files += sorted(place.glob("*.pem")) if place.is_dir() else [place]
    return tuple(_trusted(file) for file in files)


def generate_key(file: Path, passphrase: bytes | None = None) -> TrustedKey:
    """Write a new private key to `file`, readable by its owner alone, and its public key beside it as `NAME.pub.pem`.

    Raises ConfigurationError where one of the files is there already: a key is never overwritten.
    """
    key = Ed25519PrivateKey.generate()
    lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _create(file, private, 0o600)
    _create(file.with_name(file.stem + PUBLIC), public, 0o644)
    return _described(file.stem, key.public_key())


def sign(package: Package, key: Path, passphrase: bytes | None = None) -> TrustedKey:
    """Sign `package` with the private key in `key`, and say by which key that was.

    Raises ConfigurationError where the file holds no such key, or its passphrase is wrong or missing, and
    IntegrityError where the manifest was changed since it was read.
    """
    private = _private(key, passphrase)
    draft = package.folder / f".{SIGNATURE}.new"
    draft.write_bytes(private.sign(package.read(MANIFEST)))
    draft.replace(package.folder / SIGNATURE)
    return _described(key.stem, private.public_key())


def is_locked(key: Path) -> bool:
    """Whether the private key in this PEM file wants a passphrase."""
    return b"ENCRYPTED PRIVATE KEY" in _read(key)


def _private(file: Path, passphrase: bytes | None) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(_read(file), passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{file}: holds no private key that this passphrase opens") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{file}: is not an Ed25519 key")
    return key


def _trusted(file: Path) -> TrustedKey:
    try:
        key = serialization.load_pem_public_key(_read(file))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{file}: holds no public key (PEM, Ed25519)") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{file}: is not an Ed25519 key")
    return _described(file.name.removesuffix(".pem").removesuffix(".pub"), key)


def _described(name: str, key: Ed25519PublicKey) -> TrustedKey:
    raw = key.public_bytes_raw()
    return TrustedKey(name, hashlib.sha256(raw).hexdigest(), raw)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error


def _create(file: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be made: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as written:
        written.write(data)
