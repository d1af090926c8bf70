"""Holds what a node has announced against what docs/events publishes."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema
import psycopg

from store.unit_of_work import DEAD_LETTERS_TOPIC
from tests.support.counterparts import ROOT

FOLDER = ROOT / "docs" / "events"


def published(schema: str) -> dict[str, Any]:
    """A published schema by its file's name."""
    return dict(json.loads((FOLDER / schema).read_text("utf-8")))


@cache
def validator(schema: str) -> jsonschema.Draft202012Validator:
    """What judges by a published schema, formats included."""
    return jsonschema.Draft202012Validator(published(schema), format_checker=jsonschema.FormatChecker())


def objections(topic: str, message: Mapping[str, Any]) -> list[str]:
    """What is wrong with a message of the node; also a field that its schema does not describe."""
    if topic == DEAD_LETTERS_TOPIC:
        return _against("dead-letter.v1.schema.json", message)
    envelope = _against("envelope.v1.schema.json", message)
    return envelope or _against(message["dataschema"], message["data"])


def objections_to_outbox(url: str) -> list[str]:
    """What is wrong with whatever the node at this database (a libpq URL) has announced; one line each."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        rows = connection.execute("SELECT seq, topic, envelope FROM dicom_node.outbox ORDER BY seq").fetchall()
    return [f"outbox {seq}: {said}" for seq, topic, envelope in rows for said in objections(topic, envelope)]


def _against(schema: str, message: Mapping[str, Any]) -> list[str]:
    if not (FOLDER / schema).is_file():
        return [f"{schema} is not published"]
    judge = validator(schema)
    undescribed = sorted(message.keys() - published(schema)["properties"].keys())
    return [f"{schema}: {error.message}" for error in judge.iter_errors(message)] + [
        f"{schema}: does not describe {name!r}" for name in undescribed
    ]
