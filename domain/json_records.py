"""JSON as a type, and the frozen dataclasses that are kept or sent as JSON."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

R = TypeVar("R")

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = Mapping[str, Json]

_Read: TypeAlias = Callable[[object], object]


def json_object(text: str | bytes) -> dict[str, Json]:
    """The object that `text` is; raises ValueError where it is none."""
    value: Json = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def record(kind: type[R], value: object) -> R:
    """The dataclass `kind` that asdict, and then perhaps JSON, made into `value`.

    What is missing has its default, and keys that it does not know are passed over: a later release wrote them. Raises
    ValueError where a value is of another type than its field, or where one that has no default is missing.
    """
    made = _reader(kind)(value)
    assert isinstance(made, kind)
    return made


_readers: dict[object, _Read] = {}


def _reader(hint: object) -> _Read:
    """What makes a value of the type `hint` of plain JSON."""
    if hint not in _readers:
        _readers[hint] = _made_reader(hint)
    return _readers[hint]


def _made_reader(hint: object) -> _Read:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _optional(_reader(inner[0]))
    if origin is tuple:
        return _tuple(tuple(_reader(one) for one in inner if one is not Ellipsis), several=inner[-1] is Ellipsis)
    if origin is Mapping:
        return _mapping(_reader(inner[1]))
    if not isinstance(hint, type):
        raise TypeError(f"{hint} has no form in JSON")
    if is_dataclass(hint):
        return _record(hint)
    return _word(hint) if issubclass(hint, Enum | Path) else _plain(hint)


def _record(kind: type) -> _Read:
    hints = get_type_hints(kind)
    # One at a time when they are met: a record may hold records of its own kind.
    known = {field.name: hints[field.name] for field in fields(kind) if field.init}

    def read(value: object) -> object:
        table = _table(value)
        try:
            return kind(**{key: _reader(hint)(table[key]) for key, hint in known.items() if key in table})
        except TypeError as error:
            raise ValueError(f"{kind.__name__} cannot be made of it: {error}") from error

    return read


def _optional(inner: _Read) -> _Read:
    return lambda value: None if value is None else inner(value)


def _tuple(inner: Sequence[_Read], *, several: bool) -> _Read:
    def read(value: object) -> object:
        listed = value if isinstance(value, tuple) else _of(list, value)
        if several:
            return tuple(map(inner[0], listed))
        return tuple(one(part) for one, part in zip(inner, listed, strict=True))

    return read


def _mapping(inner: _Read) -> _Read:
    return lambda value: {str(key): inner(one) for key, one in _table(value).items()}


def _word(kind: type) -> _Read:
    return lambda value: kind(value if isinstance(value, kind) else _of(str, value))


def _plain(kind: type) -> _Read:
    # Python counts True as 1; JSON has one kind of number, so that 5.0 may come back as 5.
    kinds = (int, float) if kind is float else kind

    def read(value: object) -> object:
        if not isinstance(value, kinds) or isinstance(value, bool) != (kind is bool):
            raise ValueError(f"{type(value).__name__} where {kind.__name__} belongs")
        return value

    return read


def _table(value: object) -> Mapping[object, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{type(value).__name__} where an object belongs")
    return value


def _of(kind: type[R], value: object) -> R:
    if not isinstance(value, kind):
        raise ValueError(f"{type(value).__name__} where {kind.__name__} belongs")
    return value
