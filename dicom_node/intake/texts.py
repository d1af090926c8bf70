"""Texts of a header in its Specific Character Set (PS3.3 C.12.1.1.2), whatever their bytes are."""

import hashlib
import re
import warnings
from contextlib import suppress

from pydicom.charset import convert_encodings, decode_bytes, python_encoding

from dicom_node import outside
from dicom_node.intake import identity

# Behind these the initial character set is in force again (PS3.5 6.1.2.5.3).
_OF_TEXTS = {0x0D, 0x0A, 0x09, 0x0C}
_OF_NAMES = {*_OF_TEXTS, 0x5E, 0x3D}
# ASCII, and the letters of the upper half of ISO 8859-1: bytes of other character sets have its signs among them.
_LATIN_1 = re.compile("[\0 -~\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]*")
# Two bytes a letter, in three groups of 64, and as much again for what changes the character set (PS3.5 6.2.1): four
# times that. To put the accents of a letter in order takes the square of their number.
_LONGEST_PERSON = 4096


def text(value: bytes, character_set: str) -> str:
    """A line of text; `character_set` is the value of Specific Character Set."""
    value = value.strip(b"\0 ")
    if value.isascii() and b"\x1b" not in value:
        return outside.ascii_words(value)
    return outside.words(_decoded(value, character_set.split("\\")))


def person(value: bytes, character_set: str) -> str:
    """A name or an id: unlike other texts whole, for two may differ at their end.

    What its character set does not explain is read as what it is likely to be, as results are written by it too
    (`sr_writer/identity.py`): UTF-8, or Latin-1 where that gives nothing but letters. Else it is kept letter for byte
    behind identity.UNEXPLAINED: two that are written alike are one, whatever they mean. So is what is too long for any.
    """
    if len(value) > _LONGEST_PERSON:
        return identity.UNEXPLAINED + hashlib.sha256(value).hexdigest()
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    stated = _decoded(value, character_set.split("\\"), _OF_NAMES) if character_set else identity.UNEXPLAINED
    if identity.UNEXPLAINED not in stated:
        return stated
    with suppress(UnicodeDecodeError):
        return value.decode("utf-8")
    letters = value.decode("latin-1")
    return letters if _LATIN_1.fullmatch(letters) else identity.UNEXPLAINED + letters


def _decoded(value: bytes, character_sets: list[str], delimiters: set[int] = _OF_TEXTS) -> str:
    """Of an unknown Specific Character Set the default repertoire is read (PS3.3 C.12.1.1.2)."""
    if not all(term.strip() in python_encoding for term in character_sets):
        return value.decode("ascii", "replace")
    try:
        with warnings.catch_warnings(action="ignore"):
            return decode_bytes(value, convert_encodings(character_sets), delimiters)
    except (LookupError, UnicodeError, ValueError):
        return value.decode("ascii", "replace")
