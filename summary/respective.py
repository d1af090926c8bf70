""" "Liver and spleen volumes are 1480 ml and 210 ml": as many figures as things that are named, in one order."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from summary.lexicon import Kind, Token

_LINKS = frozenset((",", "and"))
_ARTICLES = frozenset(("the", "a", "an"))
_BEFORE = frozenset(("the", "of", "mean"))
_VERBS = frozenset(("are", "measure", "were", "have"))
_BETWEEN = _VERBS | frozenset(("a", "of", "mean"))
_AFTER = frozenset((",", "respectively", "."))


def apart(tokens: Sequence[Token]) -> Sequence[Token]:
    """Each thing with its own figure, a clause for each; the tokens themselves where they are no such list."""
    mentions = [at for at, one in enumerate(tokens) if one.kind is Kind.FINDING]
    figures = [at for at, one in enumerate(tokens) if one.kind is Kind.AMOUNT]
    if len(mentions) < 2 or len(mentions) != len(figures) or mentions[-1] > figures[0]:
        return tokens
    before, between = tokens[: mentions[0]], tokens[mentions[-1] + 1 : figures[0]]
    linked = _linked(tokens, mentions, _LINKS | _ARTICLES) and _linked(tokens, figures, _LINKS)
    said = _only(before, _BEFORE) and _only(between, _BETWEEN) and _only(tokens[figures[-1] + 1 :], _AFTER)
    if not (linked and said and any(one.text.lower() in _VERBS for one in between)):
        return tokens
    end = Token(Kind.MARK, ";")
    return [
        part
        for mention, figure in zip(mentions, figures, strict=True)
        for part in (*map(_of_one, (*before, tokens[mention], *between)), tokens[figure], end)
    ]


def _linked(tokens: Sequence[Token], places: Sequence[int], links: frozenset[str]) -> bool:
    """Whether nothing but links stands between, and something does."""
    between = [[one.text.lower() for one in tokens[first + 1 : second]] for first, second in pairwise(places)]
    return all(_LINKS & set(words) and links.issuperset(words) for words in between)


def _only(tokens: Sequence[Token], words: frozenset[str]) -> bool:
    return all(one.kind is Kind.MEASURE or one.text.lower() in words for one in tokens)


def _of_one(token: Token) -> Token:
    if token.kind is Kind.MEASURE:
        return replace(token, plural=False)
    return replace(token, text="is") if token.text.lower() in _VERBS else token
