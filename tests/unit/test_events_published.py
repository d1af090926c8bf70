"""What docs/events publishes is what the node says and still understands."""

import dataclasses
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from consumers.bus.protocol import Message
from domain.errors import Permanent
from domain.events import PAYLOADS, Event, EventType, OfJob, StudyCompleted, StudyStuck, schema_of
from domain.ids import StudyId
from tests.support.events import FOLDER, objections, published, validator

SAMPLES = sorted(path for path in FOLDER.glob("samples/*.json") if not path.name.startswith("dead-letter"))


def _check(value: object, schema: str) -> None:
    validator(schema).validate(value)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_ever_published_is_read_by_todays_code(path: Path) -> None:
    envelope = json.loads(path.read_text())
    event = Event.from_envelope(envelope)
    assert (event.type, str(event.id), str(event.study_id)) == (envelope["type"], envelope["id"], envelope["subject"])
    assert event.data.encode() == envelope["data"]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_keeps_the_schemas_of_its_version(path: Path) -> None:
    envelope = json.loads(path.read_text())
    assert envelope["dataschema"] == f"{path.stem}.schema.json"
    _check(envelope, "envelope.v1.schema.json")
    _check(envelope["data"], envelope["dataschema"])


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.schema.json")), ids=lambda path: path.name)
def test_every_schema_is_one_and_bears_its_files_name(path: Path) -> None:
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == path.name
    assert schema["additionalProperties"] is True


@pytest.mark.parametrize("kind", EventType)
def test_todays_version_of_every_type_has_a_schema_and_a_sample(kind: EventType) -> None:
    assert (FOLDER / f"{kind}.v{PAYLOADS[kind].VERSION}.schema.json").is_file()
    assert (FOLDER / "samples" / f"{kind}.v{PAYLOADS[kind].VERSION}.json").is_file()


@pytest.mark.parametrize("kind", EventType)
def test_every_type_is_one_that_the_envelopes_schema_knows(kind: EventType) -> None:
    assert kind in json.loads((FOLDER / "envelope.v1.schema.json").read_text())["properties"]["type"]["enum"]


@pytest.mark.parametrize("kind", EventType)
def test_what_the_node_says_today_keeps_the_envelopes_schema(kind: EventType) -> None:
    sample = json.loads((FOLDER / "samples" / f"{kind}.v{PAYLOADS[kind].VERSION}.json").read_text())
    event = Event(PAYLOADS[kind].decode(sample["data"]), StudyId(uuid.uuid4()), datetime(2026, 1, 1, tzinfo=UTC))
    _check(event.envelope(), "envelope.v1.schema.json")
    _check(event.data.encode(), schema_of(PAYLOADS[kind]))
    assert Event.from_envelope(event.envelope()) == event


@pytest.mark.parametrize("kind", EventType)
def test_a_payload_holds_what_its_schema_lists_and_asks_for_what_that_requires(kind: EventType) -> None:
    schema = published(schema_of(PAYLOADS[kind]))
    held = dataclasses.fields(PAYLOADS[kind])
    assert {one.name for one in held} == set(schema["properties"])
    assert {one.name for one in held if one.default is dataclasses.MISSING} == set(schema["required"])


@pytest.mark.parametrize("data", [{}, {"revision": "1"}, {"revision": True, "series": 1, "instances": 1}, [], None])
def test_data_that_is_not_the_types_own_is_no_event(data: object) -> None:
    sample = json.loads((FOLDER / "samples" / "study.completed.v1.json").read_text())
    with pytest.raises(Permanent, match="not an event of the node"):
        Event.from_envelope({**sample, "data": data})


def test_a_handler_that_is_given_another_kind_of_event_says_so() -> None:
    event = Event(StudyStuck("inference"), StudyId(uuid.uuid4()), datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(Permanent, match=r"study\.stuck is no OfJob"):
        event.of(OfJob)


def test_a_schema_refuses_data_without_a_field_that_it_requires() -> None:
    with pytest.raises(jsonschema.ValidationError, match="'instances' is a required property"):
        _check({"revision": 1, "series": 1}, "study.completed.v1.schema.json")


def _said(**data: object) -> dict[str, Any]:
    event = Event(StudyCompleted(1, 1, 1), StudyId(uuid.uuid4()), datetime(2026, 1, 1, tzinfo=UTC))
    return {**event.envelope(), "data": data}


def test_what_a_node_says_is_held_against_its_schemas_to_the_last_field() -> None:
    good = {"revision": 1, "series": 1, "instances": 1}
    assert objections("events", _said(**good)) == []
    assert objections("events", _said(revision=1, series=1)) == [
        "study.completed.v1.schema.json: 'instances' is a required property"
    ]
    assert objections("events", _said(**good, patient="X")) == [
        "study.completed.v1.schema.json: does not describe 'patient'"
    ]
    assert "envelope.v1.schema.json: 'x' is not a 'uuid'" in objections("events", {**_said(**good), "id": "x"})
    assert objections("events", {**_said(**good), "dataschema": "study.completed.v9.schema.json"}) == [
        "study.completed.v9.schema.json is not published"
    ]
    assert objections("dead-letters", {"letter": 1}) != []


def test_a_field_of_tomorrow_passes_todays_schema() -> None:
    _check({"revision": 1, "series": 1, "instances": 1, "tomorrow": True}, "study.completed.v1.schema.json")


def test_the_dead_letters_sample_keeps_its_schema() -> None:
    _check(json.loads((FOLDER / "samples" / "dead-letter.v1.json").read_text()), "dead-letter.v1.schema.json")


def test_asyncapi_lists_every_type_with_its_schema() -> None:
    document = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text())
    messages = document["components"]["messages"]
    assert set(messages) == {*EventType, "dead-letter"}
    assert set(document["channels"]["events"]["messages"]) == set(EventType)
    for kind in EventType:
        _envelope, special = messages[kind]["payload"]["allOf"]
        assert special["properties"]["type"]["const"] == kind
        assert special["properties"]["data"]["$ref"] == f"./{kind}.v{PAYLOADS[kind].VERSION}.schema.json"


def test_every_file_that_asyncapi_refers_to_is_there() -> None:
    for name in _references(yaml.safe_load((FOLDER / "asyncapi.yaml").read_text())):
        assert name.startswith("#/") or (FOLDER / name).is_file(), name


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        return [node["$ref"]] if "$ref" in node else [one for value in node.values() for one in _references(value)]
    return [one for value in node for one in _references(value)] if isinstance(node, list) else []


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_a_message_that_is_no_event_points_to_none(body: bytes) -> None:
    assert Message(body, "key", 0, 0).event_id is None


def test_json_that_is_nested_too_deep_points_to_no_event() -> None:
    assert Message(b"[" * 100_000, "key", 0, 0).event_id is None
