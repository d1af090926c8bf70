"""Reads settings: defaults < TOML file < `DICOM_NODE_*` variables < command line. Names what is wrong, and where."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, Secret, ValidationError
from pydantic_core import ErrorDetails

from config.environment import PREFIX, environment, unknown_variables
from config.masking import shown
from config.secret_files import read_in
from config.settings import Settings
from config.toml_lines import load, locate, read
from domain.errors import ConfigurationError

# Errors that say all there is to say.
_WHOLE = {"contradiction", "unknown_profile", "missing", "extra_forbidden"}
_SHOWN = 100  # letters of a value that a complaint shows
_NUMBER = re.compile(r"[+-]?(\d|\.\d|inf|nan)", re.IGNORECASE)


def load_settings(file: Path | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings, or ConfigurationError with one line for each thing that is wrong.

    `file` defaults to the variable DICOM_NODE_CONFIG; `overrides` is nested as the file is.
    """
    chosen = file or (Path(os.environ["DICOM_NODE_CONFIG"]) if os.environ.get("DICOM_NODE_CONFIG") else None)
    text, beneath = _read(chosen)
    above = dict(overrides or {})
    layers = (beneath, _merged(environment()), above)
    merged = read_in(_merged(layers), layers)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        lines = [_complaint(problem, text, chosen, beneath, above) for problem in error.errors()]
        raise ConfigurationError(*lines, *unknown_variables()) from error
    return settings


def _read(file: Path | None) -> tuple[str, dict[str, object]]:
    if file is None:
        return "", {}
    text = read(file)
    return text, load(text, file)


def _merged(layers: Iterable[Mapping[str, object]]) -> dict[str, object]:
    nothing: dict[str, object] = {}
    return reduce(_merge, layers, nothing)


def _merge(lower: Mapping[str, object], upper: Mapping[str, object]) -> dict[str, object]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _complaint(
    problem: ErrorDetails, text: str, file: Path | None, beneath: Mapping[str, object], above: Mapping[str, object]
) -> str:
    path = tuple(problem["loc"])
    name = ".".join(str(part) for part in path)
    said = "is not a setting" if problem["type"] == "extra_forbidden" else _said(problem, path)
    # A field that is missing is blamed on the table that lacks it.
    where = path[:-1] if problem["type"] == "missing" else path
    if _holds(above, where):
        return f"command line: {name}: {said}"
    if variable := next(_variables(where), None):
        return f"environment: {variable}: {said}"
    if file and _holds(beneath, where):
        return f"{file}:{locate(text, where)}: {name}: {said}"
    # What is wrong between several settings stands at none of them, and names them itself.
    return f"{file or 'settings'}: {name}: {said}" if name else f"{file or 'settings'}: {said}"


def _said(problem: ErrorDetails, path: tuple[str | int, ...]) -> str:
    """What is wrong, with the value where that may be shown: before our own words, behind those of pydantic."""
    words, value = str(problem["msg"]).removeprefix("Value error, "), problem["input"]
    if problem["type"] in _WHOLE or not _may_be_shown(value, path):
        return words
    if problem["type"] != "value_error":
        return f"{words}, not {value!r}"
    return words if repr(value) in words else f"{value!r} {words}"


def _may_be_shown(value: object, path: tuple[str | int, ...]) -> bool:
    """Whether a value is a number, or words in the place of words, and neither secret nor a URL with a user."""
    kinds = _kinds(path)
    if any(isinstance(kind, type) and issubclass(kind, BaseModel | Secret) for kind in kinds):
        return False
    if isinstance(value, str):
        plain = len(value) <= _SHOWN and "@" not in value and shown(value) == value
        return plain and (not kinds & {int, float} or bool(_NUMBER.match(value)))
    return isinstance(value, int | float) and len(repr(value)) <= _SHOWN


def _kinds(path: tuple[str | int, ...]) -> set[object]:
    """What the setting at `path` may hold; sections where it is none, for a section may hold what is secret."""
    kinds: set[object] = {Settings}
    for part in path:
        sections = {kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)}
        fields = [kind.model_fields[str(part)] for kind in sections if part in kind.model_fields]
        # An index or a name of a table leads to what the list or table holds.
        kinds = {inner for field in fields for inner in _within(field.annotation)} if fields else kinds
    return kinds


def _within(annotation: object) -> Iterator[object]:
    yield annotation
    for inner in get_args(annotation):
        yield from _within(inner)


def _holds(tree: object, path: tuple[str | int, ...]) -> bool:
    for part in path:
        # Of a list, the index is the key.
        held = dict(enumerate(tree)) if isinstance(tree, list | tuple) else tree
        if not isinstance(held, Mapping) or part not in held:
            return False
        tree = held[part]
    return bool(path)


def _variables(path: tuple[str | int, ...]) -> Iterator[str]:
    for depth in range(len(path), 0, -1):
        name = PREFIX + "__".join(str(part) for part in path[:depth]).upper()
        if name in os.environ:
            yield name
