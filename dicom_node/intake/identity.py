"""Whom an image names, as keyed digests: the one place where a patient's name, id and birth date are looked at.

The Accession Number is digested beside them: studies are found by it, and it says nothing of who the patient is. Of
the Study Date a number of days is kept, from a day that the key gives each Patient ID: two studies of one patient can
be put in order, and nobody without the key learns a date.

Values become what they mean before they are digested, so that two ways to write one name are one name: PS3.5 6.2.1
says that trailing separators, empty components and spaces around one say nothing, and PS3.4 C.2.2.2.1 lets names be
matched whatever their case, accents and the position of their words. A name has up to three component groups; each is
known by the script that it is written in, for senders put them in each other's place, and a name in another script is
no other person. A value whose letters nobody can tell is compared, byte for byte, with others of which that holds.
"""

import hmac
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from functools import lru_cache

from domain import identity

NAME, PATIENT_ID, ISSUER, BIRTH_DATE = 0x0010_0010, 0x0010_0020, 0x0010_0021, 0x0010_0030
ACCESSION, STUDY_DATE = 0x0008_0050, 0x0008_0020
TAGS = (NAME, PATIENT_ID, ISSUER, BIRTH_DATE, ACCESSION, STUDY_DATE)

Marks = tuple[str, ...]
# Name, Patient ID, its issuer, Birth Date, Accession Number and Study Date as the data set has them.
_Values = tuple[bytes, bytes, bytes, bytes, bytes, bytes]
Decode = Callable[[bytes, str], str]

# Of a digest that is compared within a study: 64 bits tell any patients apart, and say less of each.
_DIGITS = 16
# Days that the first day of a patient's count may lie apart from another's: a century, so that no count tells a date.
_CENTURY = 36525
# Instances of one patient come one after the other, over as many associations as a listener holds.
_REMEMBERED = 256
_MOST_GROUPS = 3
_DAY = re.compile(r"(\d{4})\.?(0[1-9]|1[0-2])\.?(0[1-9]|[12]\d|3[01])")  # DA, and with dots as before 1993
# Stands before the bytes, letter for byte, of what no character set explains.
UNEXPLAINED = "\N{REPLACEMENT CHARACTER}"
_BETWEEN_WORDS = re.compile(r"[\s^,]+")
_ACCENT = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic letters; other scripts' marks make other letters
_NOTHING = '""'
_LATIN, _IDEOGRAPHS, _UNEXPLAINED_SCRIPT = "LATIN", "IDEOGRAPHS", "letters that nobody can tell"
# By the first word of a letter's Unicode name. A Japanese name mixes ideographs, their repetition mark and kana.
_ONE_SCRIPT = {
    "CJK": _IDEOGRAPHS,
    "IDEOGRAPHIC": _IDEOGRAPHS,
    **dict.fromkeys(("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"), "KANA"),
}
_KANA = {katakana: katakana - 0x60 for katakana in range(0x30A1, 0x30F7)}  # to the same syllable's hiragana


class PatientMarks:
    """Makes an image's marks with a secret key: nobody who has the database alone can try names on it."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        # What was read of the last patients stays in this process's memory, and nowhere else.
        self._made = lru_cache(_REMEMBERED)(self._make)

    @property
    def check_value(self) -> str:
        """Tells this key from every other one, and says nothing of it."""
        return self._digest("this key", "")

    def of(self, found: Mapping[int, bytes], character_set: str, decode: Decode) -> Marks:
        """The marks of the elements `found`, sorted; `decode` makes a text of bytes and Specific Character Set."""
        name, ident, issuer, born, accession, studied = (found.get(tag, b"") for tag in TAGS)
        return self._made((name, ident, issuer, born, accession, studied), character_set, decode)

    def of_patient_id(self, typed: str) -> str:
        """The mark of a Patient ID that a person typed."""
        return identity.mark(identity.PATIENT_ID, self._digest(identity.PATIENT_ID, _word(typed)))

    def of_accession(self, typed: str) -> str:
        """The mark of an Accession Number that a person typed."""
        return identity.mark(identity.ACCESSION, self._digest(identity.ACCESSION, _folded(_word(typed))))

    def _make(self, values: _Values, character_set: str, decode: Decode) -> Marks:
        name, ident, issuer, born, accession, studied = (decode(value, character_set) for value in values)
        meant = {
            identity.PATIENT_ID: _word(ident),
            identity.ISSUER: _folded(_word(issuer)),
            identity.ACCESSION: _folded(_word(accession)),
            identity.BIRTH_DATE: "".join(_day(born)),
            **{f"{identity.NAME}{identity.SCRIPT}{script}": text for script, text in _names(name).items()},
        }
        made = [identity.mark(what, self._digest(what, value)) for what, value in meant.items() if value]
        return tuple(sorted((*made, *self._counted(studied, _word(ident)))))

    def _counted(self, studied: str, ident: str) -> Iterator[str]:
        """The study's day in the count of the patient with this id; none where one of the two is not stated."""
        if ident and (day := _day(studied)):
            with suppress(ValueError):  # 31 February
                first = int(self._digest(identity.STUDY_DATE, ident), 16) % _CENTURY
                yield identity.mark(identity.STUDY_DATE, str(date(*map(int, day)).toordinal() + first))

    def _digest(self, what: str, value: str) -> str:
        return hmac.digest(self._key, f"{what}\0{value}".encode(), "sha256").hex()[:_DIGITS]


def _day(text: str) -> tuple[str, ...]:
    """Year, month and day of a date (DA), nothing of what is none."""
    found = _DAY.fullmatch(text.strip("\0 "))
    return found.groups() if found else ()


def _names(text: str) -> Mapping[str, str]:
    """The name by the script of each of its component groups, as it is compared."""
    if text.startswith(UNEXPLAINED):
        return {_UNEXPLAINED_SCRIPT: _word(text)}
    groups = [_name(group) for group in text.split("=", _MOST_GROUPS)[:_MOST_GROUPS]]
    return {_script(group): group for group in reversed(groups) if group}


def _name(group: str) -> str:
    """The words of a component group; empty where devices have put quotes or a question mark for what they lacked."""
    if "?" in group or group.strip(" ^") == _NOTHING:
        return ""
    return " ".join(_BETWEEN_WORDS.split(_folded(_word(group)))).strip()


def _word(text: str) -> str:
    return text.replace("\0", " ").strip()


def _folded(text: str) -> str:
    """Without case, accents and differences of width or kana."""
    if text.isascii():
        return text.casefold()
    bare = _ACCENT.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFKC", bare).translate(_KANA)


def _script(text: str) -> str:
    """What its letters are written in: ideographs, whatever stands among them, else what most of them are of."""
    if text.isascii():
        return _LATIN
    first_words = (unicodedata.name(letter, "?").partition(" ")[0] for letter in text if letter.isalpha())
    scripts = Counter(_ONE_SCRIPT.get(word, word) for word in first_words)
    if scripts[_IDEOGRAPHS]:
        return _IDEOGRAPHS
    return max(scripts, key=lambda script: (scripts[script], script), default=_LATIN)
