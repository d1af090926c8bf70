"""Signed notes and checkpoints as text: parsed, written, signed, verified. Pure functions; keys come as values.

Notes and verifier keys: C2SP signed-note. Checkpoints: C2SP tlog-checkpoint, with three extension lines of our own:
`chain`, the chain's hash of the last entry, `time`, and where a key takes over `next-key`, which names it.
Cosignatures of witnesses: C2SP tlog-cosignature (Ed25519). The name of a trail's keys is its origin, as that
recommends; the key id tells them apart.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from itertools import pairwise

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.errors import IntegrityError

_LARGEST = 1 << 20  # bytes of a note
_MOST_SIGNATURES = 64
_DASH = "\N{EM DASH}"
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteError(IntegrityError):
    """A text is no note, no checkpoint or no key, or a signature on it is wrong."""


class SignatureKind(IntEnum):
    """What is signed and how (C2SP signed-note, "Signature types")."""

    NOTE = 1
    COSIGNATURE = 4


@dataclass(frozen=True)
class VerifierKey:
    """A public key that signatures are held against; `raw` is its 32 bytes."""

    name: str
    raw: bytes
    kind: SignatureKind = SignatureKind.NOTE

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature says that it is of this key."""
        said = self.name.encode() + b"\n" + bytes([self.kind]) + self.raw
        return hashlib.sha256(said).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(bytes([self.kind]) + self.raw)}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Of `NAME+KEYID+BASE64`; raises NoteError."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        packed = _decoded(encoded, "a verifier key")
        if len(packed) != 33 or packed[0] not in tuple(SignatureKind) or not _NAME.fullmatch(name):
            raise NoteError("this is no verifier key: NAME+KEYID+BASE64 of an Ed25519 key is one")
        key = cls(name, packed[1:], SignatureKind(packed[0]))
        if key.key_id.hex() != key_id:
            raise NoteError("this is no verifier key: its id is not that of its name and its bytes; is it whole?")
        return key

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether `signature` is this key's over the text of a note."""
        said = text.encode()
        if self.kind is SignatureKind.COSIGNATURE:
            stamp, signature = signature[:8], signature[8:]
            said = f"cosignature/v1\ntime {int.from_bytes(stamp)}\n".encode() + said
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, said)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """A private key with the name under which it signs."""

    name: str
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        """What its signatures are held against."""
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())

    def sign(self, text: str) -> "Signature":
        """A signature over the text of a note."""
        return Signature(self.name, self.verifier.key_id, self.private.sign(text.encode()))


@dataclass(frozen=True)
class Signature:
    """One signature line: `raw` is what follows the key id, 64 bytes of a note's own, 72 of a cosignature."""

    name: str
    key_id: bytes
    raw: bytes

    def __str__(self) -> str:
        return f"{_DASH} {self.name} {_base64(self.key_id + self.raw)}"

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """Of one line without its end; raises NoteError."""
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != _DASH or not _NAME.fullmatch(parts[1]):
            raise NoteError("a line of signature is not one")
        packed = _decoded(parts[2], "a signature")
        if len(packed) < 5:
            raise NoteError("a signature is too short")
        return cls(parts[1], packed[:4], packed[4:])


@dataclass(frozen=True)
class Note:
    """A text, which ends with its line, and who signed it."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(f"{one}\n" for one in self.signatures)

    @classmethod
    def parse(cls, said: str) -> "Note":
        """Of a note's whole text; raises NoteError."""
        if len(said) > _LARGEST:
            raise NoteError("a note is longer than any is")
        if any(ord(one) < 0x20 and one != "\n" for one in said):
            raise NoteError("a note has a control character")
        text, gap, lines = said.rpartition("\n\n")
        if not (text and gap and lines.endswith("\n")):
            raise NoteError("a note has no signature, or is cut short")
        found = tuple(Signature.parse(line) for line in lines[:-1].split("\n"))
        if len(found) > _MOST_SIGNATURES:
            raise NoteError(f"a note has more than {_MOST_SIGNATURES} signatures")
        return cls(text + "\n", found)

    def signed_by(self, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
        """Which of `keys` signed it. Signatures of other keys count for nothing.

        Raises NoteError where one that says that it is of a known key is not.
        """
        known = {(key.name, key.key_id): key for key in keys}
        found = []
        for signature in self.signatures:
            key = known.get((signature.name, signature.key_id))
            if key is None:
                continue
            if not key.signed(self.text, signature.raw):
                raise NoteError(f"the signature of key {key.key_id.hex()} does not fit what it signs")
            found.append(key)
        return tuple(dict.fromkeys(found))

    def with_signatures(self, more: Iterable[Signature]) -> "Note":
        """The same text, signed by these too."""
        return replace(self, signatures=tuple(dict.fromkeys((*self.signatures, *more))))


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says: the trail `origin` had `size` entries, with this root of its tree, at `at`.

    `chain` is the chain's hash of entry `size` (32 zero bytes of an empty trail). Notes of others may lack it and `at`.
    `successor` is a key that is to sign from here on: it stands in what is signed, for anybody may add a signature.
    """

    origin: str
    size: int
    root: bytes
    chain: bytes | None = None
    at: datetime | None = None
    successor: VerifierKey | None = None

    def text(self) -> str:
        """The text that is signed."""
        lines = [self.origin, str(self.size), _base64(self.root)]
        if self.chain is not None:
            lines.append(f"chain {_base64(self.chain)}")
        if self.at is not None:
            lines.append(f"time {self.at.astimezone(UTC).isoformat(timespec='microseconds')[:-6]}Z")
        if self.successor is not None:
            lines.append(f"next-key {self.successor}")
        return "".join(f"{line}\n" for line in lines)

    def signed(self, *signers: Signer) -> Note:
        """The note of it."""
        text = self.text()
        return Note(text, tuple(signer.sign(text) for signer in signers))

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Of the text of a note; raises NoteError. Extension lines that are not ours are passed over."""
        lines = text.split("\n")
        if len(lines) < 4 or not all(lines[:-1]) or lines[-1]:
            raise NoteError("a checkpoint has three lines at least, and none that is empty")
        origin, size, root, *more = lines[:-1]
        if not _SIZE.fullmatch(size):
            raise NoteError("the second line of a checkpoint is a size, and this one's is none")
        said = {word: value for word, _, value in (line.partition(" ") for line in more)}
        if len(said) != len(more):
            raise NoteError("a checkpoint says one thing twice")
        chain = _hash(said["chain"]) if "chain" in said else None
        successor = VerifierKey.parse(said["next-key"]) if "next-key" in said else None
        return cls(origin, int(size), _hash(root), chain, _time(said), successor)


def cosignature_time(signature: Signature) -> int:
    """When a witness cosigned: seconds since 1970."""
    return int.from_bytes(signature.raw[:8])


def out_of_order(checkpoints: Iterable[tuple[int, datetime]]) -> list[int]:
    """The sizes of those whose time lies before that of the one before: a clock was set back."""
    return [later[0] for earlier, later in pairwise(checkpoints) if later[1] < earlier[1]]


def _time(said: dict[str, str]) -> datetime | None:
    if "time" not in said:
        return None
    try:
        at = datetime.fromisoformat(said["time"])
    except ValueError:
        raise NoteError("the time of a checkpoint is none") from None
    if at.tzinfo is None:
        raise NoteError("the time of a checkpoint has no zone")
    return at


def _hash(text: str) -> bytes:
    found = _decoded(text, "a hash")
    if len(found) != 32:
        raise NoteError("a hash of a checkpoint is not of 32 bytes")
    return found


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(text: str, what: str) -> bytes:
    """Of base 64 in its one correct form, so that no two texts are one note (RFC 4648 3.5)."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError(f"{what} is not in base 64") from None
    if _base64(found) != text:
        raise NoteError(f"{what} is not in base 64 as it is written")
    return found
