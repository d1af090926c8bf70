"""TOML tables to frozen dataclasses: the class's fields are the only keys, its types the only types."""

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    ClassVar,
    NoReturn,
    Protocol,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from config.toml_lines import KeyPath, dotted, load, locate
from domain.errors import ConfigurationError
from domain.nearest import did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

# What others call the slices of a series.
_SLICES = ("images", "instances", "frames")
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


class _Worded(Protocol):
    """A table of which one key says which of several it is."""

    key: ClassVar[str]
    word: ClassVar[str]


class Document:
    """One TOML file. What is wrong in it raises ConfigurationError with a `file:line: key: what is wrong` for each."""

    def __init__(self, text: str, file: Path, *, named: bool = False) -> None:
        """Elements of lists are called by their number from 0, or, where they are `named`, by their names."""
        self.text, self.file, self._named = text, file, named
        self.values = load(text, file)

    def wrong(self, path: KeyPath, said: str) -> NoReturn:
        """Raise for the key at `path`."""
        name = dotted(self.values, path) if self._named else ".".join(map(str, path))
        raise ConfigurationError(f"{self.file}:{locate(self.text, path)}: {name}: {said}")

    def refuse(self, faults: Iterable[tuple[KeyPath, str]]) -> None:
        """Raise for all of `faults`, keys and what is wrong with each, if there are any."""
        _gathered([partial(self.wrong, path, said) for path, said in faults])

    def build(self, wanted: type[T]) -> T:
        """The whole document as a `wanted`, which is a dataclass."""
        return cast(T, self._table(wanted, self.values, ()))

    def sound_elements(self, key: str, wanted: type[T]) -> dict[int, T]:
        """The elements of the array of tables `key` that are right, by their number."""
        given, sound = self.values.get(key), dict[int, T]()
        for at, one in enumerate(given if isinstance(given, list) else []):
            with suppress(ConfigurationError):
                sound[at] = cast(T, self._table(wanted, one, (key, at)))
        return sound

    def sound_table(self, wanted: type[T], given: Mapping[str, object], path: KeyPath) -> T:
        """The table at `path` with those keys alone that are right; `wanted` needs none."""
        sound = dict[str, object]()
        for key, one in given.items():
            with suppress(ConfigurationError):
                sound[key] = self._entry(get_type_hints(wanted), one, (*path, key))
        return wanted(**sound)

    def sound_parts(self, wanted: type[T]) -> tuple[T | None, frozenset[str]]:
        """The document without the top-level keys that are wrong, and those keys; None where it needs one of them."""
        hints = get_type_hints(wanted)
        known = {field.name: field for field in fields(cast("type[DataclassInstance]", wanted))}
        built, wrong = {}, {key for key, field in known.items() if key not in self.values and _required(field)}
        for key, value in self.values.items():
            try:
                built[key] = self._entry(hints, value, (key,))
            except ConfigurationError:
                wrong.add(key)
        whole = not any(key in known and _required(known[key]) for key in wrong)
        return (wanted(**built) if whole else None), frozenset(wrong)

    def _table(self, wanted: type, value: object, path: KeyPath) -> object:
        if not isinstance(value, Mapping):
            self.wrong(path, "must be a table")
        known = {field.name: field for field in fields(wanted)}
        hints = {key: hint for key, hint in get_type_hints(wanted).items() if key in known}
        missing = [key for key, field in known.items() if key not in value and _required(field)]
        built = _gathered(
            [
                *(partial(self._entry, hints, one, (*path, key)) for key, one in value.items()),
                *(partial(self.wrong, (*path, key), "is missing") for key in missing),
            ]
        )
        return wanted(**dict(zip(value, built, strict=True)))

    def _entry(self, hints: Mapping[str, object], value: object, path: KeyPath) -> object:
        if path[-1] not in hints:
            self.wrong(path, f"is not a key here; known are {', '.join(hints)}{_meant(str(path[-1]), hints)}")
        return self._value(hints[str(path[-1])], value, path)

    def _value(self, hint: object, value: object, path: KeyPath) -> object:
        if get_origin(hint) in (Union, types.UnionType):
            options = get_args(hint)
            if is_dataclass(options[-1]):
                return self._one_of(options, value, path)
            # One that may be left out, or one number for all or a list of them.
            listed = isinstance(value, list) and get_origin(options[-1]) is tuple
            return self._value(options[-1 if listed else 0], value, path)
        if get_origin(hint) is tuple:
            return self._tuple(get_args(hint), value, path)
        if get_origin(hint) is not None:
            if not isinstance(value, Mapping):
                self.wrong(path, "must be a table")
            return {key: self._value(get_args(hint)[1], one, (*path, key)) for key, one in value.items()}
        if is_dataclass(hint):
            return self._table(cast(type, hint), value, path)
        assert isinstance(hint, type)
        # TOML has one true and Python counts it as 1; a whole number is a number.
        fits = isinstance(value, (int, float) if hint is float else hint) and isinstance(value, bool) == (hint is bool)
        if not fits or (isinstance(value, float) and not isfinite(value)):
            self.wrong(path, f"must be {_WORDS[hint]}")
        return hint(value)

    def _one_of(self, options: Sequence[type[_Worded]], value: object, path: KeyPath) -> object:
        """A table that names which of `options` (models.steps) it is by their common `key`."""
        key, words = options[0].key, {option.word: option for option in options}
        if not isinstance(value, Mapping):
            self.wrong(path, "must be a table")
        word = value.get(key)
        if word is None:
            self.wrong((*path, key), f"is missing; known are {', '.join(words)}")
        if not isinstance(word, str) or word not in words:
            self.wrong((*path, key), f"is not known here; known are {', '.join(words)}")
        return self._table(words[word], {name: one for name, one in value.items() if name != key}, path)

    def _tuple(self, hints: tuple[object, ...], value: object, path: KeyPath) -> tuple[object, ...]:
        if not isinstance(value, list):
            self.wrong(path, "must be an array")
        if hints[-1] is Ellipsis:
            hints = hints[:1] * len(value)
        if len(hints) != len(value):
            self.wrong(path, f"must have {len(hints)} elements")
        pairs = enumerate(zip(hints, value, strict=True))
        return tuple(_gathered([partial(self._value, hint, one, (*path, at)) for at, (hint, one) in pairs]))


def _gathered(parts: Sequence[Callable[[], object]]) -> list[object]:
    """What each of `parts` gives; raises ConfigurationError with the lines of all that raised it."""
    values: list[object] = []
    mistakes: list[str] = []
    for part in parts:
        try:
            values.append(part())
        except ConfigurationError as error:
            mistakes += error.lines
    if mistakes:
        raise ConfigurationError(*mistakes)
    return values


def _meant(key: str, known: Iterable[str]) -> str:
    """What was meant by a key that is none; also by one in other words than these."""
    own = [*known]
    other = "slices".join(key.lower().rsplit(next((one for one in _SLICES if one in key.lower()), "slices"), 1))
    return f"; did you mean {other}?" if other in own else did_you_mean(key, own)


def _required(field: Field[object]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
