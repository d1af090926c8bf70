"""What was most likely meant by a word that is none of those known."""

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` where one of `known` is near enough to `word`, else ""."""
    import difflib  # noqa: PLC0415 - most commands find nothing wrong

    by_folded = {one.lower(): one for one in known}
    near = difflib.get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[near[0]]}?" if near else ""
