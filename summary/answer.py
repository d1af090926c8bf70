"""What a language model answers: sentences of plain words and slots, each with the facts that it rests on.

A slot is filled in by us: every number, unit, side, site and comparison comes out of a fact and never out of a model.
The schema names the facts and slots that there are, so that a server that keeps to a schema cannot answer with others.
"""

from collections.abc import Iterator, Mapping, Sequence

from domain.errors import Permanent
from domain.impressions import Fact, Facts, Sentence
from domain.json_records import Json, json_object
from domain.words import named
from summary.flaws import Flaw
from summary.grounding import Objection
from summary.reading import sides_of
from summary.vocabulary import MEANINGS, Meaning, normal

_MOST_SENTENCES, _MOST_PARTS, _LONGEST_WORDS = 12, 16, 200
_MANY_PARTS, _LONG_WORDS = 8, 80  # what is asked for; a little more is taken


class MalformedAnswer(Permanent):
    """It is not what the schema asks for; asking again may help."""


def slots(facts: Facts) -> Mapping[str, str]:
    """What each slot says, by its name."""
    return {f"{fact.id}.{name}": said for fact in facts.facts for name, said in _slots(fact)}


def _slots(fact: Fact) -> Iterator[tuple[str, str]]:
    yield "finding", fact.label[:1].lower() + fact.label[1:]
    if place := _place(fact):
        yield "place", place
    for number, one in enumerate(fact.amounts, 1):
        yield f"amount{number}", f"{named(one.measurement)} {one.said}"
    for number, change in enumerate(fact.changes, 1):
        yield f"change{number}", change_said(change.name.meaning.lower(), change.said, change.interval.value)
    if fact.score:
        yield "score", f"score {fact.score.value}"
    if fact.count > 1:
        yield "count", str(fact.count)


def change_said(name: str, said: str, interval: str) -> str:
    """`long axis +1.5 mm against the earlier study (within a month)`."""
    difference = said or "unchanged"
    return f"{name} {difference} compared with the earlier study ({interval})"


def _place(fact: Fact) -> str:
    side = " and ".join(sorted(sides_of(fact), reverse=True)) if fact.laterality else ""
    site = fact.site.meaning.lower() if fact.site else ""
    return f"{side} {site}".strip() if site else ""


def schema(facts: Facts) -> dict[str, Json]:
    """The JSON schema of an answer about these facts."""
    ids, names = [one.id for one in facts.facts], list(slots(facts))
    # Bounds keep a small model from going on for ever; what a server does not know of them, `read` knows.
    words = _object({"words": {"type": "string", "maxLength": _LONG_WORDS}})
    slot = _object({"slot": {"type": "string", "enum": names}})
    sentence = _object(
        {
            "facts": {"type": "array", "minItems": 1, "maxItems": len(ids), "items": {"type": "string", "enum": ids}},
            "parts": {"type": "array", "minItems": 1, "maxItems": _MANY_PARTS, "items": {"anyOf": [words, slot]}},
        }
    )
    most = min(_MOST_SENTENCES, len(ids) + 1)
    return _object({"sentences": {"type": "array", "minItems": 1, "maxItems": most, "items": sentence}})


def _object(properties: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def read(text: str, facts: Facts) -> tuple[tuple[Sentence, ...], tuple[Objection, ...]]:
    """The sentences of an answer with its slots filled, and what is wrong with the words between them.

    Raises MalformedAnswer where it is no answer to the schema.
    """
    known = slots(facts)
    sentences: list[Sentence] = []
    objections: list[Objection] = []
    for number, one in enumerate(_list(_answer(text).get("sentences"), "sentences", _MOST_SENTENCES)):
        if not isinstance(one, dict):
            raise MalformedAnswer(f"sentence {number + 1} is no object")
        parts = _list(one.get("parts"), "parts", _MOST_PARTS)
        pieces = [_piece(part, known, number) for part in parts]
        objections += (Objection(*flaw, number) for piece, slot in pieces if not slot for flaw in _written(piece))
        cited = tuple(dict.fromkeys(_text(fact) for fact in _list(one.get("facts"), "facts", len(facts.facts))))
        sentences.append(Sentence(_joined([piece for piece, _ in pieces]), cited))
    if not sentences:
        raise MalformedAnswer("it has no sentence")
    return tuple(sentences), tuple(objections)


def _answer(text: str) -> dict[str, Json]:
    try:
        return json_object(text)
    except (ValueError, RecursionError) as error:
        raise MalformedAnswer(f"it is no JSON object: {type(error).__name__}") from error


def _list(value: Json, name: str, most: int) -> Sequence[Json]:
    if not isinstance(value, list) or len(value) > most:
        raise MalformedAnswer(f'"{name}" is no list of at most {most}')
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise MalformedAnswer("a text is wanted")
    return value


def _piece(part: Json, known: Mapping[str, str], number: int) -> tuple[str, bool]:
    """What a part says, and whether it is a slot."""
    if isinstance(part, dict) and set(part) == {"slot"} and _text(part["slot"]) in known:
        return known[_text(part["slot"])], True
    if isinstance(part, dict) and set(part) == {"words"}:
        return _text(part["words"])[:_LONGEST_WORDS], False
    raise MalformedAnswer(f"a part of sentence {number + 1} is neither words nor a slot that there is")


# What slots are for, by what a word would claim.
_OURS = {
    Meaning.LEFT: Flaw.SIDE,
    Meaning.RIGHT: Flaw.SIDE,
    Meaning.BOTH: Flaw.SIDE,
    Meaning.UNIT: Flaw.UNIT,
    Meaning.UP: Flaw.COMPARISON,
    Meaning.DOWN: Flaw.COMPARISON,
    Meaning.SAME: Flaw.COMPARISON,
}


def _written(words: str) -> Iterator[tuple[Flaw, str]]:
    """What a model wrote that is ours to fill in."""
    if any(one.isdigit() for one in words):
        yield Flaw.NUMBER, f'"{words.strip()}" holds a figure: figures are slots'
    for word in words.replace("-", " ").split():
        plain = word.strip(".,;:()'\"")
        if flaw := _OURS.get(MEANINGS.get(normal(plain), Meaning.PLAIN)):
            yield flaw, f'"{plain}" is not for words: there are slots for it'


def _joined(pieces: Sequence[str]) -> str:
    """One sentence: a space between parts, none before a mark, a capital first and a full stop last."""
    text = " ".join(" ".join(pieces).split())
    for mark in ".,;:)":
        text = text.replace(f" {mark}", mark)
    text = text.replace("( ", "(")
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith(".") else f"{text}."
