"""The schema of audit messages, and entries of every action to hold messages against it."""

import json
from functools import cache
from pathlib import Path

from hypothesis import strategies as st
from lxml import etree

from audit.actions import Action
from audit.canonical import canonical
from audit.chain import GENESIS, Row, link

_SCHEMA = Path(__file__).with_name("audit_message.rng")


@cache
def _schema() -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(_SCHEMA))


def faults(xml: str) -> list[str]:
    """What PS3.15 A.5.1 has against the message; empty where it conforms."""
    schema = _schema()
    schema.validate(etree.fromstring(xml.encode()))
    return [f"{one.line}: {one.message}" for one in schema.error_log]


def entry(number: int, action: str, study: str | None = None, **details: object) -> Row:
    """An entry as the node writes it; its hash follows from nothing."""
    said = {
        "action": action,
        "study": study,
        "details": details,
        "number": number,
        "at": "2026-11-30T09:05:01.000005+00:00",
        "by": {"role": "index", "host": "node.example"},
    }
    text = canonical(said)
    return Row(number, text, link(GENESIS, text))


_UIDS = st.from_regex(r"2\.25\.[1-9][0-9]{0,37}", fullmatch=True)
_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_DETAILS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("user", "caller", "called", "address", "destination", "source", "provider", "reason"), _WORDS),
        "study_uid": _UIDS | _WORDS,
        "instances": st.lists(st.lists(_UIDS | _WORDS, max_size=3) | _WORDS, max_size=5),
        "objects": st.lists(st.lists(_WORDS, max_size=3), max_size=5),
        "items": st.integers(0, 10),
        "by": _WORDS,
    },
)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """An entry of any action, with any of the details that a message looks at, and of any study."""
    action = draw(st.sampled_from(Action))
    study = draw(st.none() | st.uuids().map(str) | _WORDS)
    return entry(draw(st.integers(1, 2**40)), action.value, study, **draw(_DETAILS))


@st.composite
def strange_rows(draw: st.DrawFn) -> Row:
    """What somebody may have appended past the node: any JSON, and any text."""
    inner = st.none() | st.booleans() | st.integers() | _WORDS
    nested = st.recursive(inner, lambda one: st.lists(one, max_size=3) | st.dictionaries(_WORDS, one, max_size=3))
    fields = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("at", "by", "study", "action", "number", "details"), nested)
    )
    text = draw(_WORDS | fields.map(json.dumps))
    return Row(draw(st.integers(1, 2**40)), text, draw(st.binary(min_size=32, max_size=32)))
