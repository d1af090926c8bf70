"""The published schema is the manifest's, and never stricter than what reads it."""

import copy
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from config.tables import Document
from domain.errors import ConfigurationError
from models.manifest import Manifest
from models.schema import schema
from tests.support.counterparts import ROOT
from tests.support.model_packages import MANIFEST

PUBLISHED = ROOT / "docs" / "models" / "manifest.schema.json"
SHIPPED = sorted((ROOT / "models").glob("*/manifest.toml"))
VALIDATOR = Draft202012Validator(schema())

WHOLE = tomllib.loads(
    MANIFEST
    + """
"network.onnx" = "00"

[golden]
input = "golden.npz"
expected = "expected.npz"

[[maps]]
method = "occlusion"

[[findings]]
channel = 0
label = "Effusion"
code = { value = "60046008", scheme = "SCT", meaning = "Pleural effusion" }
threshold = 0.5
"""
)
WRONG: list[Any] = [None, True, "text", 7, 2.5, [], ["text"], [1, 2], {}, {"a": 1}]


def test_the_published_schema_is_the_current_one() -> None:
    assert json.loads(PUBLISHED.read_text("utf-8")) == json.loads(json.dumps(schema())), (
        "run: python -m models.schema > docs/models/manifest.schema.json"
    )


def test_the_schema_is_one_and_every_part_of_it_says_what_it_is() -> None:
    Draft202012Validator.check_schema(schema())
    definitions: Any = schema()["$defs"]
    for name, part in definitions.items():
        assert part["description"].endswith("."), name


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: path.parent.name)
def test_the_shipped_manifests_follow_it(file: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(tomllib.loads(file.read_text("utf-8")))] == []


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value below `value`."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from places(inner, (*path, key))


def built(values: dict[str, Any]) -> bool:
    """Whether what reads manifests takes these values."""
    document = Document("", Path("toy/manifest.toml"))
    document.values = values
    try:
        document.build(Manifest)
    except ConfigurationError:
        return False
    return True


def test_the_sample_is_taken_by_both() -> None:
    assert VALIDATOR.is_valid(WHOLE)
    assert built(WHOLE)


@given(place=st.sampled_from(list(places(WHOLE))), what=st.sampled_from(["drop", "add", *range(len(WRONG))]))
def test_what_the_schema_refuses_is_refused_where_it_is_read(place: tuple[str | int, ...], what: str | int) -> None:
    values = copy.deepcopy(WHOLE)
    holder: Any = values
    for key in place[:-1]:
        holder = holder[key]
    if what == "drop":
        del holder[place[-1]]
    elif what == "add":
        if not isinstance(holder, dict):
            return
        holder["surplus"] = 1
    elif isinstance(what, int):
        holder[place[-1]] = WRONG[what]
    if not VALIDATOR.is_valid(values):
        assert not built(values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": "orientation"},
        {"step": "orientation", "axes": 3},
        {"step": "spacing", "mm": [1, 1]},
        {"step": "argmax"},
        {"axes": "SPL"},
        {"step": "stack", "axis": 0},
    ],
)
def test_a_step_of_the_wrong_form_is_refused_by_both(wrong: dict[str, Any]) -> None:
    values = {**WHOLE, "preprocessing": [wrong]}
    assert not VALIDATOR.is_valid(values)
    assert not built(values)
