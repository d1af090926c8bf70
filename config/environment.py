"""The settings' own variables: `DICOM_NODE_LISTENER__PORT` is `listener.port`; a list or a table is written as JSON."""

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import TypeGuard, get_args, get_origin

from pydantic import BaseModel

from config.settings import Settings
from config.sources import PREFIX
from config.toml_lines import KeyPath
from config.wording import setting_names
from domain.nearest import did_you_mean

# Variables of this prefix that are not settings: where the file is, and where the tests' data lie.
_NOT_SETTINGS = {"DICOM_NODE_CONFIG", "DICOM_NODE_TEST_DATA"}


_SWITCH = {
    **dict.fromkeys(("true", "yes", "on", "1", "t", "y"), True),
    **dict.fromkeys(("false", "no", "off", "0", "f", "n"), False),
}
_READ: Mapping[type, Callable[[str], object]] = {bool: lambda text: _SWITCH[text.lower()], int: int, float: float}
_EXAMPLE = """a list is written as '["PACS@10.1.0.10:104"]', a table as '{"port": 104}'"""


def environment() -> tuple[list[Mapping[str, object]], list[tuple[KeyPath, str]]]:
    """What each variable sets, nested as the file is, the wider ones first; and which should be JSON and are none."""
    set_: list[Mapping[str, object]] = []
    wrong: list[tuple[KeyPath, str]] = []
    for name in sorted(_own(), key=lambda name: name.count("__")):
        path = name.removeprefix(PREFIX).lower().split("__")
        try:
            set_.append(_nested(path, _value(path, os.environ[name])))
        except ValueError:
            wrong.append((tuple(path), f"environment: {name}: is not JSON: {_EXAMPLE}"))
    return set_, wrong


def unknown_variables() -> list[str]:
    """One line for each `DICOM_NODE_*` variable that sets nothing: most likely a typing error."""
    known = [PREFIX + one.replace(".", "__").upper() for one in setting_names()]
    return [
        f"environment: {name} is not a setting{did_you_mean(name, known)}"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in _NOT_SETTINGS and not _is_known(name)
    ]


def forget_secrets(secrets: Collection[tuple[str, str]]) -> None:
    """Take the variables out of the environment that hold one of `secrets`, which were read: children inherit it."""
    for name in list(_own()):
        section, *rest = name.removeprefix(PREFIX).lower().split("__")
        if any(section == one and rest in ([], [secret]) for one, secret in secrets):
            del os.environ[name]


def _own() -> Iterator[str]:
    return (name for name in os.environ if name.startswith(PREFIX) and _is_known(name))


def _is_known(name: str) -> bool:
    return name.removeprefix(PREFIX).split("__")[0].lower() in Settings.model_fields


def _nested(path: list[str], value: object) -> Mapping[str, object]:
    first, *rest = path
    return {first: _nested(rest, value) if rest else value}


def _value(path: list[str], text: str) -> object:
    """Raises ValueError where a list or a table is wanted and `text` is no JSON."""
    kind: object = Settings
    for key in path:
        kind = _within(kind, key)
    return json.loads(text) if _is_model(kind) or get_origin(kind) in {tuple, dict} else _plain(kind, text)


def _plain(kind: object, text: str) -> object:
    """A variable is a text; where a number or a switch is wanted it is one, or is left to be refused as it stands."""
    kinds = {*_leaves(kind)}
    for one, read in _READ.items():
        if one in kinds and str not in kinds:
            with suppress(ValueError, LookupError):
                return read(text.strip())
    return text


def _leaves(kind: object) -> Iterator[object]:
    yield kind
    for inner in get_args(kind):
        yield from _leaves(inner)


def _within(kind: object, key: str) -> object:
    """The type of what `key` names in a table of `kind`; None where nothing is known of it."""
    if _is_model(kind):
        return kind.model_fields[key].annotation if key in kind.model_fields else None
    return get_args(kind)[1] if get_origin(kind) is dict else None


def _is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
