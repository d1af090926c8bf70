"""The keys that access tokens are signed with: Ed25519, in files of the data folder, never in the database.

The newest signs; the one before it proves what it signed until that has expired.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.actions import Action
from audit.trail import Ledger
from domain.errors import ConfigurationError

#: The folder of the data folder that has them.
FOLDER = "access"
_KEPT = 2


@dataclass(frozen=True)
class SigningKeys:
    """`key` signs, and is called `number` in tokens' heads; `known` are the public ones of all by their names."""

    name: str
    key: Ed25519PrivateKey
    known: Mapping[str, Ed25519PublicKey]

    def mark(self, what: bytes) -> bytes:
        """A keyed digest of 32 bytes, for what shall not be read out of a table."""
        secret = hmac.digest(self.key.private_bytes_raw(), b"dicom-node marks", hashlib.sha256)
        return hmac.digest(secret, what, hashlib.sha256)


def load(data: Path) -> SigningKeys | None:
    """The keys of a data folder; None where it has none. Raises ConfigurationError where one cannot be used."""
    files = _files(data / FOLDER)
    if not files:
        return None
    keys = [_read(file) for file in files[-_KEPT:]]
    return SigningKeys(_name(keys[-1]), keys[-1], {_name(one): one.public_key() for one in keys})


def make(data: Path) -> SigningKeys:
    """Make a key that signs from now on, and remove those that nothing is proven by any more."""
    folder = data / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = _files(folder)
        number = int(files[-1].stem) + 1 if files else 1
        _write(folder / f"{number:06d}.pem", Ed25519PrivateKey.generate())
        for old in _files(folder)[:-_KEPT]:
            old.unlink()
    except OSError as error:
        raise ConfigurationError(f"{folder}: no key can be made there: {error.strerror}") from error
    made = load(data)
    assert made is not None
    return made


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.glob("*.pem") if one.stem.isdecimal())


def _write(file: Path, key: Ed25519PrivateKey) -> None:
    """Whole or not at all, for its owner alone; of two that make it at once, one's stays."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    fresh = file.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written:
        written.write(pem)
        written.flush()
        os.fsync(written.fileno())
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _read(file: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{file} is no private key: remove it, and everybody logs in anew") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{file} is no key of Ed25519: remove it, and everybody logs in anew")
    return key


def _name(key: Ed25519PrivateKey) -> str:
    raw = hashlib.sha256(key.public_key().public_bytes_raw()).digest()
    return base64.urlsafe_b64encode(raw[:12]).decode()


class Keyring:
    """The keys of a data folder as they are now: a key that a command made signs without a restart."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._seen = 0
        self._keys: SigningKeys | None = None

    @property
    def keys(self) -> SigningKeys:
        """The keys; raises ConfigurationError where there are none."""
        changed = self._changed_at()
        if self._keys is None or changed != self._seen:
            self._keys, self._seen = load(self._data), changed
        if self._keys is None:
            raise ConfigurationError(f"{self._data / FOLDER} has no key: dicom-node access signing-key")
        return self._keys

    def _changed_at(self) -> int:
        try:
            return (self._data / FOLDER).stat().st_mtime_ns
        except OSError:
            return 0


def made_key(ledger: Ledger, data: Path, *, another: bool = False) -> str:
    """The name of the key that signs; makes one where there is none, or `another` is wanted."""
    keys = load(data)
    if keys is None or another:
        keys = make(data)
        ledger.record(Action.SIGNING_KEY_MADE, key=keys.name)
    return keys.name
