"""Reads settings: defaults < TOML file < `DICOM_NODE_*` variables < command line. Names what is wrong, and where."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.contradictions import contradictions
from config.environment import environment, unknown_variables
from config.origins import Origins, given
from config.secret_files import SUFFIX, read_in, shown_by
from config.settings import Settings
from config.sources import Fault, Sources
from config.toml_lines import KeyPath, load, read
from config.wording import said
from domain.errors import ConfigurationError

_VARIABLES, _COMMAND = "environment", "command line"
_ROUNDS = 8  # a table that is wrong is left out as a whole once what is wrong in it was


@dataclass(frozen=True)
class Loaded:
    """The settings as far as they are right, with defaults for the others; a line for each that is wrong; `sources`."""

    settings: Settings
    sources: Sources
    wrong: tuple[KeyPath, ...] = ()
    complaints: tuple[str, ...] = ()

    def line(self, fault: Fault) -> str:
        """The complaint, with its place in front."""
        return self.sources.line(fault)

    def founded(self, faults: Iterable[Fault]) -> list[Fault]:
        """Those that do not come of a setting that is wrong and has its default here."""
        return [one for one in faults if not any(_overlap(path, wrong) for path in one.paths for wrong in self.wrong)]


def load_settings(file: Path | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings, or ConfigurationError with one line for each thing that is wrong.

    `file` defaults to the variable DICOM_NODE_CONFIG; `overrides` is nested as the file is.
    """
    loaded = load_sound(file, overrides)
    if loaded.complaints:
        raise ConfigurationError(*loaded.complaints, *unknown_variables())
    return loaded.settings


def load_sound(file: Path | None = None, overrides: Mapping[str, object] | None = None) -> Loaded:
    """As load_settings, without what is wrong; raises ConfigurationError where the file is unreadable."""
    chosen = settings_file(file)
    text, beneath = _read(chosen)
    sources = Sources(chosen, text, beneath, dict(overrides or {}))
    variables, no_json = environment()
    beside = _merged(variables)
    layers = (beneath, beside, sources.above)
    secrets, merged = _with_secrets(_merged(layers), layers)
    settings, problems = _validated(merged)
    wrong = (
        *(_blamed(one) for one in problems),
        *(path for one in secrets for path in one.paths),
        *(path for path, _ in no_json),
    )
    settings = settings.given_at(_origins(sources, beside))
    loaded = Loaded(settings, sources, wrong)
    shown = [Fault(line, (path,)) for path, line in shown_by(chosen, beneath)] if chosen else []
    faults = [*secrets, *shown, *loaded.founded(contradictions(settings))]
    complaints = [
        *(line for _, line in no_json),
        *(_complaint(one, sources) for one in problems),
        *map(sources.line, faults),
    ]
    return Loaded(settings, sources, wrong, tuple(sorted(complaints, key=sources.order)))


def _origins(sources: Sources, variables: Mapping[str, object]) -> Origins:
    """Where each setting comes from: what is nearer to whoever started the process counts."""
    places = dict.fromkeys(given(sources.beneath, Settings), str(sources.file))
    for name in given(variables, Settings):
        places[name] = sources.place(tuple(name.split("."))) or _VARIABLES
    return Origins(places | dict.fromkeys(given(sources.above, Settings), _COMMAND))


def settings_file(file: Path | None) -> Path | None:
    """`file`, else the one that the variable DICOM_NODE_CONFIG names; None where there is neither."""
    named = os.environ.get("DICOM_NODE_CONFIG")
    return file or (Path(named) if named else None)


def _read(file: Path | None) -> tuple[str, dict[str, object]]:
    if file is None:
        return "", {}
    text = read(file)
    return text, _beside(load(text, file), Settings, file.absolute().parent)


def _beside(table: Mapping[str, object], kind: type[BaseModel], folder: Path) -> dict[str, object]:
    """`table` with the paths in it that are relative taken from `folder`, in which the file lies."""
    return {key: _path_beside(value, kind, key, folder) for key, value in table.items()}


def _path_beside(value: object, kind: type[BaseModel], key: str, folder: Path) -> object:
    annotation = kind.model_fields[key].annotation if key in kind.model_fields else None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and isinstance(value, Mapping):
        return _beside(value, annotation, folder)
    if isinstance(value, list) and (section := _section_in(annotation)) is not None:
        return [_beside(one, section, folder) if isinstance(one, Mapping) else one for one in value]
    if Path not in _parts(annotation):
        return value
    if isinstance(value, list):
        return [_joined(one, folder) for one in value]
    return _joined(value, folder)


def _section_in(annotation: object) -> type[BaseModel] | None:
    """Of what a list of tables is made, as `destinations` is; None where the setting is no such list."""
    sections = (one for one in _parts(annotation) if isinstance(one, type) and issubclass(one, BaseModel))
    return next(sections, None)


def _joined(value: object, folder: Path) -> object:
    return str(folder / value) if isinstance(value, str) and value and not value.startswith("~") else value


def _parts(annotation: object) -> Iterator[object]:
    yield annotation
    for inner in get_args(annotation):
        yield from _parts(inner)


def _merged(layers: Iterable[Mapping[str, object]]) -> dict[str, object]:
    nothing: dict[str, object] = {}
    return reduce(_merge, layers, nothing)


def _merge(lower: Mapping[str, object], upper: Mapping[str, object]) -> dict[str, object]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _with_secrets(
    merged: dict[str, object], layers: tuple[Mapping[str, object], ...]
) -> tuple[list[Fault], dict[str, object]]:
    """What is wrong with the files of secrets, and the settings with what these hold."""
    try:
        return [], read_in(merged, layers)
    except ConfigurationError as error:
        return [_of_secret(line) for line in error.lines], merged


def _of_secret(line: str) -> Fault:
    """Of a complaint that begins with the setting's name."""
    section, _, name = re.split(r"[: ]", line, maxsplit=1)[0].partition(".")
    return Fault(line, ((section, name), (section, name.removesuffix(SUFFIX))))


def _validated(tree: Mapping[str, object]) -> tuple[Settings, list[ErrorDetails]]:
    """The settings without what is wrong, and all that is."""
    problems: list[ErrorDetails] = []
    for _ in range(_ROUNDS):
        try:
            return Settings.model_validate(tree), problems
        except ValidationError as error:
            found, known = _without_echoes(error.errors()), [_blamed(one) for one in problems]
            # What is left of a table that lacks what was wrong in it may be wrong for that alone.
            problems += [one for one in found if not any(_overlap(tuple(one["loc"]), path) for path in known)]
        for one in sorted({_blamed(one) for one in found}, key=str, reverse=True):
            tree = _without(tree, one)
    raise ConfigurationError("the settings are wrong in more ways than can be told at once: begin with a smaller file")


def _without_echoes(found: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists that are too short for an element alone that is wrong and told by itself."""
    return [
        one
        for one in found
        if one["type"] != "too_short"
        or not any(len(other["loc"]) > len(one["loc"]) and _overlap(other["loc"], one["loc"]) for other in found)
    ]


def _blamed(problem: ErrorDetails) -> KeyPath:
    """The setting that is wrong: of one that is missing the table that lacks it."""
    path: KeyPath = tuple(problem["loc"])
    return path[:-1] if problem["type"] == "missing" else path


def _without(tree: object, path: KeyPath) -> dict[str, object]:
    """`tree` without what is at `path`; a list is left out whole, for its other elements have their numbers."""
    first, rest = str(path[0]), path[1:]
    assert isinstance(tree, Mapping)
    left = {key: value for key, value in tree.items() if key != first}
    held = tree.get(first)
    return {**left, first: _without(held, rest)} if rest and isinstance(held, Mapping) else left


def _overlap(one: KeyPath, other: KeyPath) -> bool:
    """Whether one of them lies in the other, or both in one list."""
    depth = min(len(one), len(other))
    numbered = next((at for at in range(depth) if isinstance(one[at], int)), depth)
    return one[:numbered] == other[:numbered]


def _complaint(problem: ErrorDetails, sources: Sources) -> str:
    path: KeyPath = tuple(problem["loc"])
    place = sources.place(_blamed(problem)) or sources.file or "settings"
    words = said(problem)
    return f"{place}: {sources.named(path)}: {words}"
