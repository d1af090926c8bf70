"""What is wrong with a value, in words of the settings: pydantic's kinds of errors, and what would fit instead."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import get_args

from pydantic import BaseModel, Secret, ValidationError
from pydantic_core import ErrorDetails

from config.masking import shown
from config.settings import Destination, Settings
from config.toml_lines import KeyPath
from domain.nearest import did_you_mean

_SHOWN = 100  # letters of a value that a complaint shows
_NUMBER = re.compile(r"[+-]?(\d|\.\d|inf|nan)", re.IGNORECASE)
_CHOICE = re.compile(r"'([^']*)'")

_TEXT, _WHOLE, _NUMBERS = "must be a text, in quotes", "must be a whole number", "must be a number"
_FLAG, _TABLE, _LIST = "must be true or false", "must be a table", "must be a list, in [ ]"
# By the kind of the error; what a kind says of its limits is under its own names.
_WORDS: Mapping[str, Callable[[Mapping[str, object]], str]] = {
    "missing": lambda _: "is missing",
    **dict.fromkeys(("string_type", "string_unicode"), lambda _: _TEXT),
    **dict.fromkeys(("path_type", "path_exists"), lambda _: "must be the path of a file or folder, in quotes"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), lambda _: _WHOLE),
    **dict.fromkeys(("float_type", "float_parsing"), lambda _: _NUMBERS),
    "finite_number": lambda _: "must be a number with an end",
    **dict.fromkeys(("bool_type", "bool_parsing"), lambda _: _FLAG),
    **dict.fromkeys(("tuple_type", "list_type", "iterable_type"), lambda _: _LIST),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), lambda _: _TABLE),
    **dict.fromkeys(("too_short", "too_long"), lambda said: f"must have {said.get('min_length', 1)} at least"),
    "greater_than_equal": lambda said: f"must be {said['ge']} or more",
    "less_than_equal": lambda said: f"must be {said['le']} or less",
}
# The errors that say all there is to say.
_WITHOUT_VALUE = {"missing", "extra_forbidden"}


def said(problem: ErrorDetails) -> str:
    """What is wrong, with the value where that may be shown."""
    path, kind, value = tuple(problem["loc"]), problem["type"], problem["input"]
    facts: Mapping[str, object] = problem.get("ctx", {})
    may = kind not in _WITHOUT_VALUE and _may_be_shown(value, path)
    if kind == "extra_forbidden":
        return f"is not a setting{_instead(path)}"
    if kind in {"literal_error", "enum"}:
        return _of_several(_CHOICE.findall(str(facts.get("expected", ""))), value if may else None)
    if kind == "value_error":
        words = str(problem["msg"]).removeprefix("Value error, ")
        return f"{value!r} {words}" if may and repr(value) not in words else words
    words = _WORDS[kind](facts) if kind in _WORDS else "cannot be this"
    return f"{words}, not {value!r}" if may else words


def destination(text: str) -> Destination:
    """What AET@HOST:PORT names; raises ValueError that says what is wrong with it."""
    try:
        return Destination.model_validate(text)
    except ValidationError as error:
        found: list[ErrorDetails] = [{**one, "loc": ("destinations", 0, *one["loc"])} for one in error.errors()]
        raise ValueError("; ".join(map(said, found))) from error


def _of_several(known: list[str], value: object) -> str:
    if not isinstance(value, str):
        return f"must be one of {', '.join(known)}"
    return f"{value!r} is none of {', '.join(known)}{did_you_mean(value, known)}"


def _instead(path: KeyPath) -> str:
    """What may have been meant by a key that is none: one of its table, the same of another, or all that there are."""
    key = str(path[-1])
    known = [name for kind in _sections(_kinds(path[:-1])) for name in kind.model_fields]
    last = {name: name.rpartition(".")[2] for name in setting_names()}
    like = difflib.get_close_matches(key, set(last.values()), n=1, cutoff=0.75)
    elsewhere = [name for name, one in last.items() if one in like]
    if near := did_you_mean(key, known):
        return near
    if elsewhere:
        return f" here; did you mean {' or '.join(elsewhere)}?"
    return f"; known here are {', '.join(known)}" if known else ""


def setting_names() -> Iterator[str]:
    """The dotted names of all settings in tables."""
    for name, one in Settings.model_fields.items():
        yield name
        if isinstance(one.annotation, type) and issubclass(one.annotation, BaseModel):
            yield from (f"{name}.{inner}" for inner in one.annotation.model_fields)


def _may_be_shown(value: object, path: KeyPath) -> bool:
    """Whether a value is a number, or words in the place of words, and neither secret nor a URL with a user."""
    kinds = _kinds(path)
    if any(isinstance(kind, type) and issubclass(kind, BaseModel | Secret) for kind in kinds):
        return False
    if isinstance(value, str):
        plain = len(value) <= _SHOWN and "@" not in value and shown(value) == value
        return plain and (not kinds & {int, float} or bool(_NUMBER.match(value)))
    return isinstance(value, int | float) and len(repr(value)) <= _SHOWN


def _sections(kinds: Iterable[object]) -> Iterator[type[BaseModel]]:
    return (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))


def _kinds(path: KeyPath) -> set[object]:
    """What the setting at `path` may hold; sections where it is none, for a section may hold what is secret."""
    kinds: set[object] = {Settings}
    for part in path:
        fields = [kind.model_fields[str(part)] for kind in _sections(kinds) if part in kind.model_fields]
        # An index or a name of a table leads to what the list or table holds.
        kinds = {inner for one in fields for inner in _within(one.annotation)} if fields else kinds
    return kinds


def _within(annotation: object) -> Iterator[object]:
    yield annotation
    for inner in get_args(annotation):
        yield from _within(inner)
