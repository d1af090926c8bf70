"""Words by where they may stand in a sentence, and how to look beside one: what all rules of usage need."""

from collections.abc import Iterator, Sequence

from summary.flaws import Flaw
from summary.lexicon import Kind

Flaws = Iterator[tuple[Flaw, str]]


def all_of(words: str) -> frozenset[str]:
    """The words of a list."""
    return frozenset(words.split())


SEEN = all_of(
    """
    seen detected reported found identified present demonstrated observed noted visible shown show report detect
    find identify demonstrate reveal revealed depict depicted visualised visualized
    """
)
LOOKED = all_of(
    """
    look looked looking search searched searching assess assessed evaluate evaluated examine examined check checked
    """
)
ASKING = all_of("is are was were has have do does did can may might")
FIGURES = (Kind.AMOUNT, Kind.NAMED_AMOUNT, Kind.CHANGE, Kind.SCORE)
ARTICLES = frozenset(("a", "an", "the"))


def word_at(words: Sequence[str], at: int) -> str:
    """The word at a place, "" before the first and after the last."""
    return words[at] if 0 <= at < len(words) else ""


def place_after(words: Sequence[str], at: int, over: frozenset[str]) -> int:
    """The first place after `at` that no word of `over` has."""
    at += 1
    while at < len(words) and words[at] in over:
        at += 1
    return at
