"""Passwords: argon2id (RFC 9106), and what may be one (NIST SP 800-63B 5.1.1.2: length, no rules beside)."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from console.auth.refusals import Unacceptable

LONGEST = 1024  # characters: hashing costs by the byte, and whoever is unknown may ask for it
_FEWEST_DIFFERENT = 5
# Each takes 64 MiB for its moment; more at once would let strangers fill the memory.
_AT_ONCE = threading.BoundedSemaphore(2)
_HASHER = PasswordHasher()  # the second recommended option of RFC 9106 section 4: 3 passes, 64 MiB, 4 lanes
#: What the password of nobody is compared with, so that an unknown name takes as long as a known one.
_NOBODY = _HASHER.hash("nobody's")


def keep(password: str) -> str:
    """What is kept of it."""
    with _AT_ONCE:
        return _HASHER.hash(_one_form(password))


def is_(password: str, kept: str) -> bool:
    """Whether it is the one; as slow where `kept` is "", which nobody's password is."""
    if len(password) > LONGEST:
        password = ""
    try:
        with _AT_ONCE:
            return _HASHER.verify(kept or _NOBODY, _one_form(password)) and bool(kept)
    except (Argon2Error, InvalidHashError):
        return False


def is_outdated(kept: str) -> bool:
    """Whether it was made with other parameters than are used now."""
    return _HASHER.check_needs_rehash(kept)


def check(password: str, name: str, shortest: int) -> None:
    """Raise Unacceptable, saying what would do, where it may be nobody's password."""
    plain = _one_form(password)
    if not shortest <= len(plain) <= LONGEST:
        raise Unacceptable(f"a password has {shortest} to {LONGEST} characters; several words do well")
    if len(set(plain)) < _FEWEST_DIFFERENT:
        raise Unacceptable(f"a password has {_FEWEST_DIFFERENT} different characters at least")
    if name.casefold() in plain.casefold() or "dicom-node" in plain.casefold():
        raise Unacceptable("a password holds neither the user's name nor the node's")


def _one_form(password: str) -> str:
    """One for all keyboards (NIST SP 800-63B 5.1.1.2); JSON can hold halves of characters, which are none."""
    return unicodedata.normalize("NFKC", password.encode("utf-8", "replace").decode())
