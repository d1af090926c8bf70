"""Reads settings: defaults < TOML file < `DICOM_NODE_*` variables < command line. Names what is wrong, and where."""

import os
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.environment import PREFIX, environment, unknown_variables
from config.settings import Settings
from config.toml_lines import load, locate, read
from domain.errors import ConfigurationError


def load_settings(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings, or ConfigurationError with one line for each thing that is wrong.

    `file` defaults to the variable DICOM_NODE_CONFIG; `overrides` is nested as the file is.
    """
    chosen = file or (Path(os.environ["DICOM_NODE_CONFIG"]) if os.environ.get("DICOM_NODE_CONFIG") else None)
    text, beneath = _read(chosen)
    above = dict(overrides or {})
    merged = reduce(_merge, (*environment(), above), beneath)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        lines = [_complaint(problem, text, chosen, beneath, above) for problem in error.errors()]
        raise ConfigurationError("\n".join([*lines, *unknown_variables()])) from error
    return settings


def _read(file: Path | None) -> tuple[str, dict[str, Any]]:
    if file is None:
        return "", {}
    text = read(file)
    return text, load(text, file)


def _merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _complaint(
    problem: Mapping[str, Any], text: str, file: Path | None, beneath: Mapping[str, Any], above: Mapping[str, Any]
) -> str:
    path = tuple(problem["loc"])
    name = ".".join(str(part) for part in path)
    said = "is not a setting" if problem["type"] == "extra_forbidden" else problem["msg"].removeprefix("Value error, ")
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


def _holds(tree: Any, path: tuple[str | int, ...]) -> bool:
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
