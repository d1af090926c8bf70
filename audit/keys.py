"""The keys that checkpoints are signed with: files of one folder, and never anything in the database.

Key 1, 2, ... is `1.key`, a secret line as golang.org/x/mod/sumdb/note writes private keys, and `1.vkey`: the verifier
key, which is for everybody, and below it when and by whom it was made. The last one signs.
"""

import base64
import binascii
import os
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.notes import NoteError, SignatureKind, Signer, VerifierKey
from config.secret_files import secret_in
from domain.errors import ConfigurationError

_PRIVATE = "PRIVATE+KEY"
_SIGNED = "signed.note"  # the checkpoint that was signed last
_NAMES = re.compile(r"([1-9][0-9]{0,5})\.vkey")


@dataclass(frozen=True)
class KnownKey:
    """A key of the folder as everybody may know it. `lost`: it stands for one that was lost, and nothing vouches."""

    number: int
    verifier: VerifierKey
    made: datetime
    by: str
    lost: bool


@dataclass(frozen=True)
class KeyFolder:
    """The folder of the keys; it is made with the first."""

    folder: Path

    def known(self) -> list[KnownKey]:
        """Every key, the oldest first; raises ConfigurationError where a file is none."""
        try:
            names = [found for one in self.folder.iterdir() if (found := _NAMES.fullmatch(one.name))]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigurationError(f"{self.folder} cannot be read: {error.strerror}") from error
        return sorted((self._known(int(found[1])) for found in names), key=lambda one: one.number)

    def public_files(self) -> list[Path]:
        """The files with the verifier keys: nobody can sign with them."""
        return [self.folder / f"{one.number}.vkey" for one in self.known()]

    @property
    def signed_file(self) -> Path:
        """Where the checkpoint lies that these keys signed last: no database can have changed it."""
        return self.folder / _SIGNED

    def last_signed(self) -> str:
        """That checkpoint's note, "" where none is known; raises ConfigurationError where it cannot be read."""
        try:
            return self.signed_file.read_text()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{self.signed_file} cannot be read: {error}") from error

    def keep_signed(self, note: str) -> None:
        """Keep the note in the place of the one before; raises OSError, as in a folder that is not to be written."""
        fresh = self.folder / f".{_SIGNED}.{os.getpid()}"
        _written(fresh, note, 0o600, self.folder)
        fresh.replace(self.signed_file)
        _sync(self.folder)

    def signer(self, number: int) -> Signer:
        """The private key of this number; raises ConfigurationError where it is missing, no key, or open to others."""
        file = self.folder / f"{number}.key"
        known = self._known(number).verifier
        fields = secret_in(file, "the trail's key").removeprefix(f"{_PRIVATE}+").split("+", 2)
        try:
            packed = base64.b64decode(fields[-1], validate=True)
        except (binascii.Error, ValueError):
            packed = b""
        if len(fields) != 3 or len(packed) != 33 or packed[0] != SignatureKind.NOTE:
            raise ConfigurationError(f"{file} is no private key: put back the one that was there")
        signer = Signer(fields[0], Ed25519PrivateKey.from_private_bytes(packed[1:]))
        if signer.verifier != known:
            raise ConfigurationError(f"{file} is not the key of {number}.vkey: put back the one that was there")
        return signer

    def make(self, at: datetime, by: str, origin: str = "", lost: bool = False) -> KnownKey:
        """A further key, of the origin that is given, else of that of the keys that there are, else of a new one."""
        known = self.known()
        number = known[-1].number + 1 if known else 1
        name = origin or (known[-1].verifier.name if known else new_origin())
        signer = Signer(name, Ed25519PrivateKey.generate())
        verifier = signer.verifier
        secret = base64.b64encode(bytes([SignatureKind.NOTE]) + signer.private.private_bytes_raw()).decode()
        said = [f"made {at.astimezone(UTC).isoformat(timespec='seconds')}", f"by {by}", *(["lost"] if lost else [])]
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The public half last: a key is there when it is.
            _write(self.folder / f"{number}.key", f"{_PRIVATE}+{name}+{verifier.key_id.hex()}+{secret}\n", 0o600)
            _write(self.folder / f"{number}.vkey", "\n".join([str(verifier), *said, ""]), 0o600)
        except FileExistsError as error:
            raise ConfigurationError(f"{self.folder} is being given a key by another process: look again") from error
        except OSError as error:
            raise ConfigurationError(f"{self.folder} cannot be written: {error.strerror}") from error
        return self._known(number)

    def _known(self, number: int) -> KnownKey:
        file = self.folder / f"{number}.vkey"
        try:
            first, *more = file.read_text().splitlines()
            said = {word: rest for word, _, rest in (line.partition(" ") for line in more)}
            verifier, made = VerifierKey.parse(first), datetime.fromisoformat(said["made"])
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
        except (NoteError, ValueError, KeyError) as error:
            raise ConfigurationError(f"{file} is no verifier key: put back the one that was there") from error
        return KnownKey(number, verifier, made, said.get("by", ""), "lost" in said)


def new_origin() -> str:
    """A name for a log, as no other has it."""
    return f"dicom-node/{uuid.uuid4()}"


def _write(file: Path, text: str, mode: int) -> None:
    """Whole or not at all, and never over another."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        _written(fresh, text, mode, file.parent)
        os.link(fresh, file)
    finally:
        fresh.unlink(missing_ok=True)
    _sync(file.parent)


def _written(fresh: Path, text: str, mode: int, folder: Path) -> None:
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    owner = folder.stat()
    with os.fdopen(descriptor, "w") as written:
        os.fchmod(written.fileno(), mode)
        if not os.geteuid():  # root makes it for whom the node runs as
            os.fchown(written.fileno(), owner.st_uid, owner.st_gid)
        written.write(text)
        written.flush()
        os.fsync(written.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
