"""What stands in a file for a secret of those who call: nobody finds that out from it, short of guessing."""

import hashlib
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hmac import compare_digest
from threading import Lock
from typing import Self

MARK = "scrypt$"
# Of scrypt (RFC 7914 section 2): 16 MiB and some 50 ms a try. OWASP's least would be more of both; a caller asks often.
_COST, _BLOCK, _PARALLEL = 1 << 14, 8, 1
_MEMORY = 1 << 26
_SIZE, _LEAST = 32, 16  # bytes
_ONE_AT_A_TIME = Lock()  # so that strangers who guess cost one core at the most


@dataclass(frozen=True)
class Digest:
    """A salt, and what scrypt makes of a secret with it."""

    salt: bytes
    made: bytes

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """A new one, another each time."""
        salt = os.urandom(16)
        return cls(salt, _scrypt(secret, salt, _SIZE))

    @classmethod
    def read(cls, text: str) -> Self:
        """As `str` wrote it; raises ValueError where it is none, or damaged."""
        mark, salt, made = text.split("$")
        found = cls(b64decode(salt, validate=True), b64decode(made, validate=True))
        if f"{mark}$" != MARK or len(found.made) < _LEAST:
            raise ValueError("no digest by scrypt")
        return found

    def __str__(self) -> str:
        return f"{MARK}{b64encode(self.salt).decode()}${b64encode(self.made).decode()}"

    def is_of(self, given: bytes) -> bool:
        """Whether `given` is the secret; takes as long whatever is wrong with it."""
        with _ONE_AT_A_TIME:
            return compare_digest(_scrypt(given, self.salt, len(self.made)), self.made)


#: Of no secret: who is not known costs as long as who is.
NOBODY = Digest(bytes(16), bytes(_SIZE))


def _scrypt(secret: bytes, salt: bytes, size: int) -> bytes:
    return hashlib.scrypt(secret, salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=_MEMORY, dklen=size)
