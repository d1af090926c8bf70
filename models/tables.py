"""TOML tables to frozen dataclasses: the class's fields are the only keys, its types the only types."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from config.toml_lines import KeyPath, load, locate
from domain.errors import ConfigurationError

T = TypeVar("T")

_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


class Document:
    """One TOML file. Whatever is wrong in it raises ConfigurationError as `file:line: key: what is wrong`."""

    def __init__(self, text: str, file: Path) -> None:
        self.text, self.file = text, file
        self.values = load(text, file)

    def wrong(self, path: KeyPath, said: str) -> NoReturn:
        """Raise for the key at `path`."""
        raise ConfigurationError(f"{self.file}:{locate(self.text, path)}: {'.'.join(map(str, path))}: {said}")

    def build(self, wanted: type[T]) -> T:
        """The whole document as a `wanted`, which is a dataclass."""
        return cast(T, self._table(wanted, self.values, ()))

    def _table(self, wanted: type, value: Any, path: KeyPath) -> Any:
        if not isinstance(value, Mapping):
            self.wrong(path, "must be a table")
        known = {field.name: field for field in fields(wanted)}
        hints = get_type_hints(wanted)
        for key in value:
            if key not in known:
                self.wrong((*path, key), f"is not a key here; known are {', '.join(known)}")
        for key, field in known.items():
            if key not in value and _required(field):
                self.wrong((*path, key), "is missing")
        return wanted(**{key: self._value(hints[key], one, (*path, key)) for key, one in value.items()})

    def _value(self, hint: Any, value: Any, path: KeyPath) -> Any:
        if get_origin(hint) in (Union, types.UnionType):
            return self._value(get_args(hint)[0], value, path)
        if get_origin(hint) is tuple:
            return self._tuple(get_args(hint), value, path)
        if get_origin(hint) is not None:
            return {key: self._value(get_args(hint)[1], one, (*path, key)) for key, one in value.items()}
        if is_dataclass(hint):
            return self._table(cast(type, hint), value, path)
        # TOML has one true and Python counts it as 1; a whole number is a number.
        fits = isinstance(value, (int, float) if hint is float else hint) and isinstance(value, bool) == (hint is bool)
        return hint(value) if fits else self.wrong(path, f"must be {_WORDS[hint]}")

    def _tuple(self, hints: tuple[Any, ...], value: Any, path: KeyPath) -> tuple[Any, ...]:
        if not isinstance(value, list):
            self.wrong(path, "must be an array")
        if hints[-1] is Ellipsis:
            hints = hints[:1] * len(value)
        if len(hints) != len(value):
            self.wrong(path, f"must have {len(hints)} elements")
        pairs = zip(hints, value, strict=True)
        return tuple(self._value(hint, one, (*path, at)) for at, (hint, one) in enumerate(pairs))


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
