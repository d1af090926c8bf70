"""The manifest's JSON schema (draft 2020-12), made from the dataclasses so that it cannot say anything else.

It describes the shape alone: keys, types, and the words of the vocabulary. models/checks.py refuses more.

    python -m models.schema > docs/models/manifest.schema.json
"""

import inspect
import json
import sys
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType
from typing import Union, cast, get_args, get_origin, get_type_hints

from domain.json_records import Json
from models.manifest import Manifest
from models.steps import Check, Step

_TYPES: Mapping[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema() -> dict[str, Json]:
    """The schema of manifest.toml, as JSON."""
    definitions: dict[str, Json] = {}
    whole = _table(Manifest, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:dicom-node:model-package:manifest:1",
        "title": "Manifest of a model package",
        **whole,
        "$defs": dict(sorted(definitions.items())),
    }


def described(wanted: type) -> str:
    """The docstring of a class, its lines joined to paragraphs."""
    paragraphs = (inspect.getdoc(wanted) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _table(wanted: type, definitions: dict[str, Json]) -> dict[str, Json]:
    hints = get_type_hints(wanted)
    named = {wanted.key: {"const": wanted.word}} if issubclass(wanted, Step | Check) else {}
    required = [field.name for field in fields(wanted) if field.default is field.default_factory is MISSING]
    return {
        "type": "object",
        "description": described(wanted),
        "properties": {
            **named,
            **{field.name: _field(field, hints[field.name], definitions) for field in fields(wanted)},
        },
        "required": [*named, *required],
        "additionalProperties": False,
    }


def _field(field: Field[Json], hint: object, definitions: dict[str, Json]) -> dict[str, Json]:
    made = _value(hint, definitions)
    if field.default is MISSING or field.default is None:
        return made
    return {**made, "default": field.default}


def _value(hint: object, definitions: dict[str, Json]) -> dict[str, Json]:
    if get_origin(hint) in (Union, types.UnionType):
        options = [_value(option, definitions) for option in get_args(hint) if option is not NoneType]
        return options[0] if len(options) == 1 else {"oneOf": options}
    if get_origin(hint) is tuple:
        return _array(get_args(hint), definitions)
    if get_origin(hint) is not None:
        return {"type": "object", "additionalProperties": _value(get_args(hint)[1], definitions)}
    if is_dataclass(hint):
        name = cast(type, hint).__name__
        if name not in definitions:
            definitions[name] = {}  # taken, should it contain itself
            definitions[name] = _table(cast(type, hint), definitions)
        return {"$ref": f"#/$defs/{name}"}
    return {"type": _TYPES[hint]}


def _array(hints: tuple[object, ...], definitions: dict[str, Json]) -> dict[str, Json]:
    items = _value(hints[0], definitions)
    if hints[-1] is Ellipsis:
        return {"type": "array", "items": items}
    return {"type": "array", "items": items, "minItems": len(hints), "maxItems": len(hints)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
