"""The API's document is kept, and tells what the code does."""

import json
from typing import Any

import jsonschema
import pytest

from console.api.app import ROOT, routes_of
from console.api.document import document
from tests.support.counterparts import ROOT as PROJECT

KEPT: dict[str, Any] = json.loads((PROJECT / "docs/api/openapi.json").read_text("utf-8"))


def test_the_kept_document_is_what_the_code_makes() -> None:
    made = document()
    assert (PROJECT / "docs/api/openapi.json").read_text("utf-8") == made, (
        "renew it: .venv/bin/python -m console.api.document > docs/api/openapi.json"
    )


@pytest.mark.parametrize("path", [f"{ROOT}{one.path}" for one in routes_of()])
def test_every_route_is_told_with_what_it_refuses(path: str) -> None:
    for said in KEPT["paths"][path].values():
        assert said["summary"]
        assert {"401", "403", "422", "429", "503"} <= set(said["responses"])


EXAMPLES = [
    (name, example) for name, said in KEPT["components"]["schemas"].items() for example in said.get("examples", ())
]


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_example_is_what_its_schema_says(name: str, example: object) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": KEPT["components"]}
    jsonschema.Draft202012Validator(schema).validate(example)
