"""Words and numbers that come from outside, made safe: the one place where a peer's bytes become text and figures.

A text ends at its first NUL (senders pass fixed buffers whole), shows each control and format character by its number
(domain.visible) and has a longest length; a number is within what it can mean. What cannot be believed is absent, never
an error.
"""

import re
from collections.abc import Mapping
from math import isfinite

from domain.json_records import Json, JsonObject
from domain.visible import on_a_line

# Twice the longest value of a VR that is a line of text (LO, PS3.5 6.2); longer ones are cut.
LONGEST_TEXT = 128
LONGEST_UID = 64  # PS3.5 section 9.1
LONGEST_REASON = 500
_LONGEST_LIST = 256
_DEEPEST = 8
# What an entry of the trail holds (RFC 8785); nothing that is counted here comes near.
_LARGEST = 2**53 - 1
# Digits and dots; a leading zero in a component is against PS3.5 section 9.1 but devices in use write it.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
# What decimal strings are written in (DS, PS3.5 6.2), and several of them: of what is left, float() knows which are.
_DECIMALS = re.compile(r"[0-9+\-.eE\\ ]+")


def is_uid(text: str) -> bool:
    """Whether `text` can name an instance."""
    return len(text) <= LONGEST_UID and _UID.fullmatch(text) is not None


def words(text: str, longest: int = LONGEST_TEXT) -> str:
    """`text` up to its first NUL, on one line in which every letter can be seen, cut at `longest` characters."""
    if text.isascii() and text.isprintable() and len(text) <= longest:
        return text.strip(" ")
    return on_a_line(text.partition("\0")[0][:longest])[:longest].strip(" ")


def ascii_words(value: bytes, longest: int = LONGEST_TEXT) -> str:
    """A value of the default repertoire as `words`; what is not ASCII becomes U+FFFD."""
    text = value[: longest + 1].decode("ascii", "replace").strip("\0 ")
    return text if len(text) <= longest and text.isprintable() else words(text, longest)


def decimals(text: str, count: int) -> tuple[float, ...] | None:
    """Exactly `count` finite decimals parted by backslashes, else None."""
    if text.count("\\") != count - 1 or not _DECIMALS.fullmatch(text):
        return None
    try:
        numbers = tuple(map(float, text.split("\\")))
    except ValueError:
        return None
    return numbers if all(map(isfinite, numbers)) else None


def whole(text: str, least: int, most: int) -> int | None:
    """A whole number from `least` to `most`; None where it is none or lies beyond."""
    number = decimals(text, 1)
    if number is None or not least <= number[0] <= most:
        return None
    return int(number[0])


def details(value: JsonObject) -> JsonObject:
    """JSON that may hold a peer's words, with every text in it made safe and every number one that a trail can hold."""
    return _table(value, 0)


def _table(value: Mapping[str, object], depth: int) -> dict[str, Json]:
    kept = list(value.items())[:_LONGEST_LIST]
    return {_key(key): _detail(inner, depth + 1) for key, inner in kept}


def _detail(value: object, depth: int) -> Json:
    if depth > _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return _table(value, depth)
    if isinstance(value, list | tuple):
        return [_detail(inner, depth + 1) for inner in value[:_LONGEST_LIST]]
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _LARGEST):
        return value
    return words(str(value) if isinstance(value, str | float) else type(value).__name__, LONGEST_REASON)


def _key(key: object) -> str:
    """RFC 8785 3.2.3 as the trail writes it: keys are ASCII."""
    return words(str(key)).encode("ascii", "replace").decode()
