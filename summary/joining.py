"""Words that mean something together, put together."""

from collections.abc import Sequence
from dataclasses import replace

from summary.lexicon import Kind, Token
from summary.vocabulary import Meaning


def joined(tokens: Sequence[Token]) -> list[Token]:
    """Words that mean something together: "no change", "up to", "the larger", "the one" for what was named last."""
    found: list[Token] = []
    at = 0
    while at < len(tokens):
        one, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else None
        pair = f"{one.text} {following.text if following else ''}".lower()
        named = next((other for other in reversed(found) if other.kind is Kind.FINDING), None)
        if pair in _TOGETHER and following and following.kind in (Kind.WORD, Kind.UNKNOWN):
            found.append(Token(Kind.WORD, pair, means=_TOGETHER[pair]))
            at += 1
        elif pair == "the one" and named is not None:
            found.append(replace(named, text=pair, plural=False))
            at += 1
        elif named is not None and _counts_what_was_named(tokens, at):
            found += (_in_place(tokens, at), replace(named, text=one.text, plural=one.text.lower() not in _ONE))
        else:
            found.append(_in_place(tokens, at))
        at += 1
    return found


def _counts_what_was_named(tokens: Sequence[Token], at: int) -> bool:
    """ "There is one in the right lung and there are three in the left lung": of what was named before."""
    words = [one.text.lower() for one in tokens[max(0, at - 2) : at + 2]]
    there = words[:2] in (["there", "is"], ["there", "are"]) and words[3:] in (["in"], ["on"])
    return there and tokens[at].means is Meaning.NUMBER


def _in_place(tokens: Sequence[Token], at: int) -> Token:
    """ "Each lung" is both, "3 lesions" are three, and "the liver measures 1480 ml" is of the liver, and no site."""
    one = tokens[at]
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    if one.text.lower() == "each" and following and following.kind in (Kind.SITE, Kind.FINDING):
        return replace(one, means=Meaning.BOTH)
    if one.kind is Kind.DIGITS and one.text.isdecimal() and following:
        named = any(other.kind is Kind.FINDING and other.plural for other in tokens[:at])
        if _is_several(tokens[at + 1 : at + 3]) or (named and following.text.lower() in ("in", "on")):
            return Token(Kind.WORD, one.text, means=Meaning.NUMBER)
    if one.kind is Kind.FINDING and one.sites:
        after = next((other for other in tokens[at + 1 :] if other.text.lower() not in _HAS), None)
        if after is not None and after.kind in (Kind.AMOUNT, Kind.NAMED_AMOUNT) and after.facts <= one.facts:
            return replace(one, sites=frozenset())
    return one


def _is_several(tokens: Sequence[Token]) -> bool:
    """Whether they begin with a finding's plural, or with its site and that."""
    named = next((one for one in tokens if one.kind is not Kind.SITE), None)
    return named is not None and named.kind is Kind.FINDING and named.plural


_ONE = frozenset(("one", "1", "single"))
_HAS = frozenset(("has", "a", "of", "measures", "is", ":"))
GONE = "no longer"
_TOGETHER = {
    GONE: Meaning.NEGATION,
    **dict.fromkeys(("no change", "no changes", "not changed", "without change"), Meaning.SAME),
    **dict.fromkeys(("up to", "at most"), Meaning.MOST),
    "up by": Meaning.UP,
    "down by": Meaning.DOWN,
    **dict.fromkeys(("the larger", "the largest", "the biggest"), Meaning.LARGEST),
}
