"""Where a word may stand in a sentence: a true word in a false place misleads as a false word does.

Each rule names the places that are right, and refuses the others.
"""

from collections.abc import Sequence

from summary.flaws import Flaw
from summary.lexicon import Kind, Token
from summary.standing import ARTICLES, ASKING, FIGURES, LOOKED, SEEN, Flaws, all_of, place_after, word_at
from summary.vocabulary import Meaning

_ORDERS = all_of(
    """
    report mark note see show find look search assess check evaluate examine display describe detect identify
    demonstrate observe outline segment measure locate include view depict visualise reveal
    """
)
_DIRECTION = (Meaning.UP, Meaning.DOWN)
_COMPARING = (*_DIRECTION, Meaning.SAME, Meaning.COMPARED)
_TURNS = frozenset(("increase", "decrease", "growth", "reduction", "shrinkage", "enlargement"))
_BEFORE = frozenset(("before", "previously"))
_EARLIER = frozenset(("earlier", "previous", "prior", "last", "baseline"))
_STUDY = all_of(
    """
    study studies examination exam scan scans ct mr mri radiograph film imaging image images
    """
)
_NOT_OF_A_FIGURE = all_of("to from within per as on at under than")
_NOTHING_FOLLOWS = all_of(
    """
    slice slices image images series view views scan scans ct mr per part parts region regions segment segments
    tissue score scores finding findings structure organ study from to
    """
)
_OF_IMAGES = all_of("slice slices image images series view views film films picture pictures scan scans study studies")
_ACRONYMS = all_of("ct mr mri xr dx cr pet ai")
_MODALITY = {
    "ct": ("CT",),
    "tomography": ("CT",),
    "mr": ("MR",),
    "mri": ("MR",),
    "resonance": ("MR",),
    "pet": ("PT",),
    **dict.fromkeys(("xr", "dx", "cr", "ray", "film", "films", "radiograph", "radiographs"), ("DX", "CR")),
}


def in_sentence(tokens: Sequence[Token], modality: str) -> Flaws:
    """What is wrong with where words and marks stand in the sentence."""
    words = [one.text.lower() for one in tokens]
    for rule in _RULES:
        for at in range(len(tokens)):
            yield from rule(tokens, words, at)
    for word in words:
        if word in _MODALITY and modality not in _MODALITY[word]:
            yield Flaw.WORD, f'"{word}" is not how these images were made'
    depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        if depth not in (0, 1):
            break
    if depth:
        yield Flaw.WORD, "a bracket is not closed, or was not opened"


def _kind(tokens: Sequence[Token], at: int) -> Kind | None:
    return tokens[at].kind if 0 <= at < len(tokens) else None


def _back(words: Sequence[str], at: int, over: frozenset[str]) -> int:
    """The place before `at` that no word of `over` has."""
    at -= 1
    while at >= 0 and words[at] in over:
        at -= 1
    return at


def _marks(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    if tokens[at].kind is not Kind.MARK:
        return
    if words[at] in ("/", "%", "+", "'") or (words[at] == ")" and word_at(words, at + 1) == "("):
        yield Flaw.WORD, f'"{words[at]}" stands by itself'
    before = words[at] in ("-", ")") and _kind(tokens, at + 1) in FIGURES
    if before or (words[at] == "-" and _kind(tokens, at - 1) in FIGURES):
        yield Flaw.NUMBER, f'"{words[at]}" stands beside a figure'


def _capitals(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    """A capital within a sentence is a name's; "MR" is a modality and "Mr" is not."""
    one = tokens[at]
    if one.kind not in (Kind.WORD, Kind.UNKNOWN):
        return
    if words[at] in _ACRONYMS:
        if one.text != one.text.upper():
            yield Flaw.WORD, f'"{one.text}" is a name or a title'
    elif one.text[:1].isupper() and at and words[at - 1] not in (".", ";", ":", "("):
        yield Flaw.WORD, f'"{one.text}" has the capital of a name'


def _order(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    """Orders and questions begin with a verb; "can" is for what can be seen."""
    begins = at == 0 or words[at - 1] in (".", ";", ":")
    if tokens[at].kind is not Kind.WORD:
        return
    if words[at] in _ORDERS and (begins or words[at - 1] in (",", "(", "and", "but", "or")):
        yield Flaw.ADVICE, f'"{words[at]}" is an order'
    if begins and words[at] in ASKING:
        yield Flaw.WORD, f'"{words[at]}" asks'
    if words[at] == "can" and (word_at(words, at + 1) != "be" or word_at(words, at + 2) not in SEEN):
        yield Flaw.ADVICE, '"can" is not of what can be seen'


def _verb(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    """A verb has its end: "and is" says again what was hedged, "to measure" and "the patient notes" are of people."""
    after = word_at(words, at + 1)
    ends = after in ("", ".", ";", ",", ")")
    if words[at] in ("is", "are", "was", "were") and ends:
        yield Flaw.CERTAINTY, f'"{words[at]}" by itself'
    if words[at] == "also" and (ends or word_at(words, at - 1) not in ASKING):
        yield Flaw.WORD, '"also" is of what is said in full'
    if words[at] in ("it", "them") and word_at(words, at - 1) in ("in", "of", "on", "within", "with"):
        yield Flaw.SITE, f'"{words[at - 1]} {words[at]}" may be of something else'
    hedged = at > 0 and tokens[at - 1].means in (Meaning.WEAK, Meaning.MEDIUM)
    if hedged and tokens[at - 1].kind is Kind.WORD and words[at] in ("no", "without", "neither", "not"):
        yield Flaw.CERTAINTY, f'"{words[at - 1]} {words[at]}" hedges what is not reported'
    if words[at] == "patient" and not ends and after not in ("has", "with"):
        yield Flaw.WORD, f'"patient {after}" is of a person'
    if words[at] == "to" and not (after in ARTICLES or _compares(tokens, at + 1) or _kind(tokens, at + 1) in FIGURES):
        yield Flaw.ADVICE, f'"to {after}" is something to do'


def _place(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    """A finding is in its site, and on its side."""
    one = tokens[at]
    sided = one.kind is Kind.WORD and one.means in (Meaning.LEFT, Meaning.RIGHT)
    if not sided and one.kind is not Kind.SITE:
        return
    before = at - 1
    while before >= 0 and (words[before] in ARTICLES or tokens[before].means in (Meaning.LEFT, Meaning.RIGHT)):
        before -= 1
    link = word_at(words, before)
    if link in ("by", "from", "to") or (link in ("on", "at") and one.kind is Kind.SITE):
        yield Flaw.SITE, f'"{link} {one.text}" is another place'


def _compares(tokens: Sequence[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].means in _COMPARING


def _figure(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    """What is measured is that much, now: no range, no limit, of nothing else."""
    if tokens[at].kind not in (Kind.AMOUNT, Kind.NAMED_AMOUNT):
        return
    before = word_at(words, at - 1)
    grown = any(one.means in _DIRECTION or one.kind is Kind.CHANGE for one in tokens[:at])
    to = before == "to" and grown and _kind(tokens, at - 2) not in (Kind.AMOUNT, Kind.NAMED_AMOUNT)
    same = before == "at" and any(one.means is Meaning.SAME for one in tokens[:at])
    if not (to or same or word_at(words, at - 2) == "measured") and before in _NOT_OF_A_FIGURE:
        yield Flaw.NUMBER, f'"{before} {tokens[at].text}" is another thing than {tokens[at].text}'
    if before in ("was", "were", "measured") and any(one.means in _COMPARING for one in tokens):
        yield Flaw.COMPARISON, f'"{before} {tokens[at].text}" tells of an earlier study'
    changing = _back(words, at, frozenset(("of", "is", ":", ",", "a", "an")))
    following = at + 1 < len(tokens) and tokens[at + 1].means in _DIRECTION
    if following or (changing >= 0 and _compares(tokens, changing)):
        yield Flaw.NUMBER, f'"{tokens[at].text}" is a size and no difference'
    if before == "by" and _kind(tokens, at - 2) is not Kind.AMOUNT:
        yield Flaw.NUMBER, f'"by {tokens[at].text}" is not what was measured'
    if words[_back(words, at, frozenset(("of", "a", "is", ":")))] in ("score", "scores", "scored", "band"):
        yield Flaw.NUMBER, f'"{tokens[at].text}" is no score'
    if word_at(words, at + 1) in _NOTHING_FOLLOWS:
        yield Flaw.NUMBER, f'"{tokens[at].text} {words[at + 1]}" is not what was measured'


def _change(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    """A difference is told as one: with its sign, or with its direction."""
    one = tokens[at]
    if one.kind is Kind.INTERVAL:
        compares = any(other.kind is Kind.CHANGE or other.means in _COMPARING for other in tokens)
        if not compares:
            yield Flaw.COMPARISON, f'"{one.text}" compares nothing'
        if word_at(words, at - 1) in _STUDY | LOOKED | {"measured"} and word_at(words, at - 2) not in _EARLIER:
            yield Flaw.ADVICE, f'"{words[at - 1]} {one.text}" is something to do'
    if one.kind is not Kind.CHANGE:
        return
    turned = any(other.means in _DIRECTION for other in tokens[:at])
    noun = any(word in _TURNS for word in words[:at])
    following = at + 1 < len(tokens) and tokens[at + 1].means in _DIRECTION
    before = word_at(words, at - 1)
    if one.text[0] in "+-":
        compares = before == "(" or any(other.means in _COMPARING for other in tokens)
        if before in ("of", "is", "measures", "measuring", "measured", "was", "at", "to") or not compares:
            yield Flaw.COMPARISON, f'"{one.text}" is a difference, and not told as one'
    elif not (following or (turned and before in ("by", "up by", "down by")) or (noun and before == "of")):
        yield Flaw.COMPARISON, f'"{one.text}" is a difference, and not told as one'


_LISTING = frozenset(("and", ","))


def _score(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    if tokens[at].kind is not Kind.SCORE:
        return
    before = _back(words, at, frozenset(("of", "a", "is", "at", ":", "was", "with")))
    listed = word_at(words, before) in ("and", ",") and _kind(tokens, _back(words, at, _LISTING)) is Kind.SCORE
    if not listed and word_at(words, before) not in ("score", "scores", "scored", "scoring", "band"):
        yield Flaw.CERTAINTY, f'"{tokens[at].text}" is not told as a score'
    if word_at(words, at + 1) in ("of", "in", "extent", "size") or word_at(words, before - 1) in ("extent", "size"):
        yield Flaw.CERTAINTY, f'"{tokens[at].text} {words[at + 1]}" is no score'


def _earlier(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    """An earlier study is what is compared with: nothing is said of how it was then."""
    if words[at] in ("more", "less") and _kind(tokens, at - 1) is not Kind.CHANGE:
        yield Flaw.COMPARISON, f'"{words[at]}" is not of a difference'
    if tokens[at].means is not Meaning.COMPARED:
        return
    directed = any(one.kind is Kind.CHANGE or one.means in (*_DIRECTION, Meaning.SAME) for one in tokens)
    if not directed or (words[at] == "interval" and not _compares(tokens, at + 1)):
        yield Flaw.COMPARISON, f'"{words[at]}" compares, and how is not said'
    if words[at] in _BEFORE and word_at(words, at - 1) not in ("than", "with", "to"):
        yield Flaw.COMPARISON, f'"{words[at]}" tells of an earlier study'
    if words[at] not in _EARLIER:
        return
    before = _back(words, at, ARTICLES)
    link = word_at(words, before)
    in_it = link in ("in", "on", "at") and word_at(words, before - 1) == "than"
    with_it = link in ("with", "to", "from") and any(one.means in _COMPARING for one in tokens[:before])
    if word_at(words, at + 1) not in _STUDY or not (in_it or with_it or link in ("than", "since")):
        yield Flaw.COMPARISON, f'"{words[at]}" tells of an earlier study'


def _than(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    if words[at] != "than":
        return
    after = place_after(words, at, frozenset(("in", "on", "at", "the", "an", "a")))
    if word_at(words, after) not in _BEFORE | _EARLIER:
        yield Flaw.COMPARISON, '"than" is for an earlier study'


def _now(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    """What is "now" so was otherwise; what "remains" is unchanged."""
    directed = any(one.means in (*_DIRECTION, Meaning.SAME) for one in tokens)
    if words[at] in ("now", "currently") and not directed:
        yield Flaw.COMPARISON, f'"{words[at]}" compares nothing'
    if words[at] in ("remains", "remain") and (at + 1 == len(tokens) or tokens[at + 1].means is not Meaning.SAME):
        yield Flaw.COMPARISON, f'"{words[at]}" is for what is unchanged'
    if words[at] == "same" and word_at(words, at + 1) not in ("side", "lung"):
        yield Flaw.COMPARISON, '"same" is for a side'


def _each(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    """In how many images something is seen, no fact tells."""
    if words[at] == "each" and word_at(words, at + 1) in _OF_IMAGES:
        yield Flaw.WORD, f'"each {words[at + 1]}" is of images that no fact tells of'


def _joint(tokens: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    if words[at] in ("and", "with", "or") and word_at(words, at + 1) == ",":
        yield Flaw.WORD, f'"{words[at]}," breaks off'


_RULES = (_marks, _capitals, _order, _verb, _place, _figure, _change, _score, _earlier, _than, _now, _each, _joint)
