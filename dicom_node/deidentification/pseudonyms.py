"""What stands in the place of an id, a UID and a date: always the same under one key, and nothing without it."""

import hmac
import uuid
from datetime import date, timedelta

from pydicom._uid_dict import UID_dictionary

from domain.profiles import LABEL_MAP_SEGMENTATION

# PS3.5 B.2: a UID of a UUID, as a number below 2.25.
_ROOT = "2.25."
# The standard's own (PS3.6 annex A): kinds of objects, transfer syntaxes. They name nobody.
_STANDARD = frozenset(UID_dictionary) | {LABEL_MAP_SEGMENTATION}
# Dates go back by one to so many days, a number for each patient.
_MOST_DAYS = 3650
_DIGITS = 12  # of a pseudonym: 48 bits, so that two of a million patients have the same with a chance below 1 in 500


class Pseudonyms:
    """Pseudonyms made with `key` (HMAC-SHA-256): who has the key can make them again, and nobody can undo them.

    Two exports with one key can be put together: the same patient, study and image are the same in both.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def uid(self, said: str) -> str:
        """Another UID for this one; the standard's own stay."""
        bare = said.strip("\0 ")
        if not bare or bare in _STANDARD:
            return bare
        return f"{_ROOT}{uuid.UUID(bytes=self._digest('uid', bare)[:16], version=5).int}"

    def patient(self, issuer: str, ident: str) -> str:
        """The id, and the name, of the patient with this id: `P-` and twelve hexadecimal digits."""
        return f"P-{self._digest('patient', issuer, ident).hex()[:_DIGITS].upper()}"

    def distance(self, issuer: str, ident: str) -> timedelta:
        """How far the dates of this patient are moved: into the past, by whole days."""
        days = int.from_bytes(self._digest("days", issuer, ident)[:8]) % _MOST_DAYS
        return -timedelta(days=days + 1)

    def _digest(self, what: str, *said: str) -> bytes:
        return hmac.digest(self._key, "\0".join((what, *said)).encode("utf-8", "surrogatepass"), "sha256")


def moved(day: str, distance: timedelta) -> str:
    """A date (DA) moved by `distance`, "" of what is none or would be before the first year."""
    try:
        return (date(int(day[:4]), int(day[4:6]), int(day[6:8])) + distance).strftime("%Y%m%d").zfill(8)
    except (ValueError, OverflowError):
        return ""
