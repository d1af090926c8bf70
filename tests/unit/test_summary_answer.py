"""A model's answer: slots are filled from facts, and what is ours to fill in is never the model's to write."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from domain.json_records import Json
from summary.answer import MalformedAnswer, read, schema, slots
from summary.flaws import Flaw
from summary.grounding import ground
from tests.support.told_facts import chest

FACTS = chest()


def _answer(*sentences: tuple[str, list[str]]) -> str:
    """Sentences as an answer: what stands in braces is a slot."""
    made = []
    for cited, parts in sentences:
        said = [{"slot": one[1:-1]} if one.startswith("{") else {"words": one} for one in parts]
        made.append({"facts": cited.split(), "parts": said})
    return json.dumps({"sentences": made})


def test_slots_are_filled_from_the_facts_and_pass_the_checks() -> None:
    text = _answer(
        ("F1", ["There is a", "{F1.finding}", "in the", "{F1.place}", "with a", "{F1.amount1}", "."]),
        ("F2", ["A", "{F2.finding}", "in the", "{F2.place}", "(", "{F2.amount1}", ")"]),
        ("F7", ["{F7.finding}", "is reported,", "{F7.score}"]),
        ("F5 F6", ["No", "{F5.finding}", "or", "{F6.finding}", "is reported."]),
    )
    sentences, objections = read(text, FACTS)
    assert [one.text for one in sentences] == [
        "There is a nodule candidate in the right lung with a Long axis 6.4 mm.".replace("Long", "long"),
        "A nodule candidate in the left lung (long axis 3.1 mm).",
        "Cardiomegaly is reported, score 25 to 50 %.",
        "No pneumothorax or effusion is reported.",
    ]
    assert not objections
    assert not ground(sentences, FACTS)


@pytest.mark.parametrize(
    ("words", "flaw"),
    [
        ("of 6.4 mm in size", Flaw.NUMBER),
        ("in the right part", Flaw.SIDE),
        ("which is larger than before", Flaw.COMPARISON),
        ("of a few mm", Flaw.UNIT),
    ],
)
def test_what_slots_are_for_is_refused_in_words_even_where_it_is_right(words: str, flaw: Flaw) -> None:
    _, objections = read(_answer(("F1", ["A", "{F1.finding}", words])), FACTS)
    assert flaw in {one.flaw for one in objections}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sure! Here is the JSON:",
        "[]",
        "{}",
        '{"sentences": []}',
        '{"sentences": "x"}',
        '{"sentences": [1]}',
        '{"sentences": [{"facts": ["F1"], "parts": "x"}]}',
        '{"sentences": [{"facts": [1], "parts": []}]}',
        '{"sentences": [{"facts": ["F1"], "parts": [{"slot": "F99.finding"}]}]}',
        '{"sentences": [{"facts": ["F1"], "parts": [{"words": "a", "slot": "F1.finding"}]}]}',
        '{"sentences": [{"facts": ["F1"], "parts": [{"slot": []}]}]}',
        '{"sentences": [{"facts": ["F1"], "parts": [{"words": {}}]}]}',
        '{"sentences": [{"facts": [["F1"]], "parts": []}]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_answer_is_refused_as_such(text: str) -> None:
    with pytest.raises(MalformedAnswer):
        read(text, FACTS)


def _spoiled(value: Json) -> Iterator[Json]:
    """`value` with something else in the place of each of its parts."""
    yield from (None, True, 7, 1e999, "x", "\ud800", [], {}, [[]], {"slot": []}, {"words": {}})
    if isinstance(value, dict):
        yield from ({**value, key: one} for key in value for one in _spoiled(value[key]))
    if isinstance(value, list):
        yield from ([*value[:at], one, *value[at + 1 :]] for at in range(len(value)) for one in _spoiled(value[at]))


def test_whatever_stands_in_any_place_of_an_answer_it_is_read_or_refused() -> None:
    whole: Json = json.loads(_answer(("F1", ["There is a", "{F1.finding}", "in the", "{F1.place}"])))
    for one in _spoiled(whole):
        with suppress(MalformedAnswer):
            sentences, _ = read(json.dumps(one), FACTS)
            ground(sentences, FACTS)


def test_the_schema_names_the_facts_and_slots_that_there_are_and_no_others() -> None:
    text = json.dumps(schema(FACTS))
    assert all(f'"{name}"' in text for name in (*slots(FACTS), *(one.id for one in FACTS.facts)))
    properties: Json = schema(FACTS)["properties"]
    assert isinstance(properties, dict)
    assert list(properties) == ["sentences"]
