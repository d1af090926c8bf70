"""Passwords and tokens of those who call: kept as they are, or as what scrypt makes of them (RFC 7914)."""

import hashlib
import os
from base64 import b64decode, b64encode
from hmac import compare_digest
from threading import Lock

from domain.errors import ConfigurationError

# 16 MB and some 40 ms for each look (OWASP's least for scrypt would be more of both; a caller asks once a request).
_COST, _BLOCK, _PARALLEL = 1 << 14, 8, 1
_MARK = "scrypt"
_KNOWN = 1000  # secrets that were right before, which are not computed again
_ONE_AT_A_TIME = Lock()  # so that strangers who guess cost one core at the most


def digest(secret: str) -> str:
    """What may stand in a file in the place of `secret`: nobody finds it out from this, short of guessing."""
    salt = os.urandom(16)
    return "$".join((_MARK, b64encode(salt).decode(), b64encode(_scrypt(secret.encode(), salt)).decode()))


class Secret:
    """What a file holds: a secret, or a digest of one. Raises ConfigurationError where it is a damaged digest."""

    def __init__(self, held: str, setting: str) -> None:
        self._plain = held.encode()
        self._salt, self._digest = b"", b""
        self._known: set[bytes] = set()
        self._key = os.urandom(32)
        if held.startswith(f"{_MARK}$"):
            try:
                _, salt, digest = held.split("$")
                self._salt, self._digest = b64decode(salt, validate=True), b64decode(digest, validate=True)
            except ValueError as error:
                raise ConfigurationError(f"{setting}: what `dicom-node web-secret` made is damaged there") from error

    def is_(self, given: bytes) -> bool:
        """Whether `given` is the secret; takes as long whatever is wrong with it."""
        if not self._digest:
            return compare_digest(given, self._plain)
        mark = hashlib.blake2b(given, key=self._key).digest()
        if mark in self._known:
            return True
        with _ONE_AT_A_TIME:
            right = compare_digest(_scrypt(given, self._salt), self._digest)
        if right and len(self._known) < _KNOWN:
            self._known.add(mark)
        return right


def _scrypt(secret: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(secret, salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=32)
