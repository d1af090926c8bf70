"""Texts without what is not known to be harmless: a list of words that may stay (PS3.15 E.3.5, Clean Descriptors).

Names cannot be told from other words by any list of names, so it is the other way round: a word stays where it is one
of anatomy, imaging or reports, or is short and made as such terms are (T12, 5mm). What goes leaves an asterisk, so that
nobody takes the rest for the whole. A word that the study's own patient or physicians are called is struck out too.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cache
from importlib.resources import files

STRUCK = "*"
_WORD = re.compile(r"[^\W_]+(?:[.'][^\W_]+)*")
# Signs that may stand between words; every other one is a space.
_SIGNS = frozenset(" ,;:()/+-_%=<>&.")
# Vertebrae and segments, weightings, dimensions, b-values, kernels, sizes with their unit, orders.
# None of them a sex with an age (M57Y), and none a year: b-values go by tens, and from a thousand on by hundreds.
_TERM = re.compile(
    r"[tlcs]\d{1,2}|t[12](w|wi|c|ce|gd|km|se|tse|fse|ffe|gre|fl|fs|flair|dark|space|vibe|mpr|map|star|rho)?|[234]d|"
    r"b(\d{1,2}|\d{2}0|\d{1,2}00)|([a-eg-ln-vx-z]|[a-z]{2})\d{2}[a-z]{0,2}|[a-z]|\d{1,3}(st|nd|rd|th)|"
    r"\d{1,4}(\.\d{1,4})?(mm|mm2|mm3|cm|cm2|cm3|ml|kv|kvp|mas|ma|ms|s|sec|t|hu|x|deg|min)"
)
_NUMBER = re.compile(r"\d{1,2}|\d{1,3}\.\d{1,3}")
# Numbers of templates, and directions in the patient (PS3.3 C.7.6.1.1.1).
_TEMPLATE = re.compile(r"\d{1,4}|[APRLHF]{1,3}")
_MOST_NUMBERS = 1  # by themselves in a text: three are a date
_ANY_DIGITS = re.compile(r"[\d.]+")
_SHORTEST_NAME = 2
_LONGEST_TEXT = 1 << 16


class Cleaner:
    """Cleans texts and terms. `known` are texts that may stay whole: what model packages call their findings.

    `names` are words that the study's persons are called: they stay nowhere.
    """

    def __init__(self, known: Collection[str] = (), names: Collection[str] = ()) -> None:
        self._known = frozenset(known)
        self._names = frozenset(_folded(one) for name in names for one in _WORD.findall(name) if len(one) > 1)

    def text(self, said: str) -> str:
        """What may stay of a text: itself, its harmless words with asterisks for the others, or ""."""
        said = said.strip("\0 ")
        if said in self._known and said.isascii() and self._names.isdisjoint(map(_folded, _WORD.findall(said))):
            return said
        pieces = list(self._pieces(said[:_LONGEST_TEXT]))
        return _joined(pieces) if any(one not in _SIGNS and one != STRUCK for one in pieces) else ""

    def term(self, said: str) -> str:
        """A defined term (CS), a template's number or a direction, "" of what is none."""
        bare = said.strip("\0 ")
        return (
            bare
            if (bare in _terms() or _TEMPLATE.fullmatch(bare))
            and self._names.isdisjoint(map(_folded, _WORD.findall(bare)))
            else ""
        )

    def _pieces(self, said: str) -> Iterator[str]:
        words = list(_WORD.finditer(said))
        stays = self._staying([one[0] for one in words])
        end = 0
        for found, stay in zip(words, stays, strict=True):
            yield from (one if one in _SIGNS else " " for one in said[end : found.start()])
            end = found.end()
            yield found[0] if stay else STRUCK
        yield from (one if one in _SIGNS else " " for one in said[end:])

    def _staying(self, words: list[str]) -> list[bool]:
        """Which words stay.

        A whole number does where it stands between words: beside another one it is of a date, and beside what goes it
        is an age, a day, or the number of a house.
        """
        stays, numbers = [], 0
        for word in words:
            number = bool(_NUMBER.fullmatch(word))
            numbers += number
            stays.append(numbers <= _MOST_NUMBERS if number else self._may_stay(word))
        for k, word in enumerate(words):
            beside = [one for one in (k - 1, k + 1) if 0 <= one < len(words)]
            if word.isdigit() and any(not stays[one] or _ANY_DIGITS.fullmatch(words[one]) for one in beside):
                stays[k] = False
        return stays

    def _may_stay(self, word: str) -> bool:
        folded = _folded(word)
        if folded in self._names:
            return False
        return word.isascii() and (folded in _words() or bool(_TERM.fullmatch(folded)))


def _joined(pieces: list[str]) -> str:
    text = re.sub(r"\s+", " ", "".join(pieces)).strip()
    return re.sub(r"\*([ ,;:()/+\-_%=<>&.]*\*)+", STRUCK, text)


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()


@cache
def _words() -> frozenset[str]:
    return frozenset(_listed("words.txt"))


@cache
def _terms() -> frozenset[str]:
    return frozenset(_listed("terms.txt"))


def _listed(name: str) -> Iterator[str]:
    """The lines of a list that lies beside this module."""
    text = files(__package__).joinpath(name).read_text("utf-8")
    return (line for line in text.splitlines() if line and not line.startswith("#"))
