"""Passwords and tokens of those who call by HTTP: kept as they are, or as what scrypt makes of them."""

import hashlib
import os
from hmac import compare_digest

from dicom_node.scrypt import MARK, Digest
from domain.errors import ConfigurationError

_KNOWN = 1000  # secrets that were right before, which are not computed again


class Secret:
    """What a file holds: a secret, or a digest of one. Raises ConfigurationError where it is a damaged digest."""

    def __init__(self, held: str, setting: str) -> None:
        self._plain = held.encode()
        self._digest: Digest | None = None
        self._known: set[bytes] = set()
        self._key = os.urandom(32)
        if held.startswith(MARK):
            try:
                self._digest = Digest.read(held)
            except ValueError as error:
                raise ConfigurationError(f"{setting}: what `dicom-node web-secret` made is damaged there") from error

    def is_(self, given: bytes) -> bool:
        """Whether `given` is the secret; takes as long whatever is wrong with it."""
        if self._digest is None:
            return compare_digest(given, self._plain)
        mark = hashlib.blake2b(given, key=self._key).digest()
        if mark in self._known:
            return True
        right = self._digest.is_of(given)
        if right and len(self._known) < _KNOWN:
            self._known.add(mark)
        return right
