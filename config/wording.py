"""What is wrong with a value, in words of the settings: pydantic's kinds of errors, and what would fit instead."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import get_args

from pydantic import BaseModel, Secret, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from config.masking import shown
from config.peers import Destination
from config.settings import Settings
from config.toml_lines import KeyPath
from domain.nearest import did_you_mean

_SHOWN = 100  # letters of a value that a complaint shows
# What looks like a number, or is a word that stands for one: any other may be a secret in the wrong place.
_NUMBER = re.compile(
    r"[+-]?(\d|\.\d|inf|nan)"
    r"|(zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|none|never|auto|all|unlimited|yes|no|on|off)\Z",
    re.IGNORECASE,
)
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
    "too_short": lambda said: f"must have {said.get('min_length', 1)} at least",
    "string_too_long": lambda said: f"must have {said['max_length']} letters at most",
    "greater_than_equal": lambda said: f"must be {_plain(said['ge'])} or more",
    "greater_than": lambda said: f"must be more than {_plain(said['gt'])}",
    "less_than": lambda said: f"must be less than {_plain(said['lt'])}",
    "less_than_equal": lambda said: f"must be {_plain(said['le'])} or less",
}
# The errors of a text in the place of a number or a switch.
_UNQUOTED = {"int_type", "float_type", "bool_type"}
_DIGITS = re.compile(r"[+-]?\d[\d_]*(\.\d+)?")
_MEASURE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")
_UNITS = {"s": "seconds", "bytes": "bytes", "days": "days", "GB": "GB"}
_SECONDS = {"s": 1, "sec": 1, "seconds": 1, "m": 60, "min": 60, "minutes": 60, "h": 3600, "hours": 3600, "d": 86_400}
_TIMES = {**_SECONDS, "day": 86_400, "days": 86_400, "w": 604_800, "week": 604_800, "weeks": 604_800}
_BYTES = {
    "b": 1, "bytes": 1, "kb": 1000, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip
# What a text may have meant, by the first letter of the setting's unit.
_FACTORS: Mapping[str, Mapping[str, float]] = {
    "s": _TIMES,
    "b": _BYTES,
    "d": {name: seconds / 86_400 for name, seconds in _TIMES.items() if seconds >= 86_400},
    "G": {name: size / 10**9 for name, size in _BYTES.items()},
}
# Without TLS, or another proof, a caller needs its address.
_MOSTLY_NEEDED = {"address"}
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
    if words == _TABLE and isinstance(value, str):
        words += _as_table(path)
    if kind in _UNQUOTED and isinstance(value, str):
        words += _unquoted(value, path)
    return f"{words}, not {_as_written(value)}" if may else words


def _as_table(path: KeyPath) -> str:
    """How the table is written that a text was given in the place of."""
    fields = [pair for kind in _sections(_kinds(path)) for pair in kind.model_fields.items()]
    needed = [name for name, one in fields if is_needed(one) or name in _MOSTLY_NEEDED]
    return f", as {{ {', '.join(f'{name} = ...' for name in needed)} }}" if needed else ""


def is_needed(one: FieldInfo) -> bool:
    """Whether a table lacks something without this setting, be it that of a certain kind alone (`config.peers`)."""
    return one.is_required() or (one.validate_default is True and one.default is None)


def _plain(limit: object) -> object:
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def _as_written(value: object) -> str:
    """As a settings file has it: TOML's switches are no words of Python."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _unquoted(value: str, path: KeyPath) -> str:
    """How a number or a switch that was given as a text is written: without quotes, and in its unit."""
    text, unit = value.strip(), _unit(path)
    if unit is not None and (found := _MEASURE.fullmatch(text)):
        factor = _FACTORS[unit[0]].get(found[2].lower())
        if factor:
            return f", in {unit}: {float(found[1]) * factor:.15g}"
    kinds = _kinds(path)
    written = text.lower() in {"true", "false"} if bool in kinds else bool(_DIGITS.fullmatch(text))
    return ", without quotes" if written else f", in {unit}" if unit else ""


def _unit(path: KeyPath) -> str | None:
    """The unit of the setting, which its description begins with."""
    fields = [
        kind.model_fields[str(path[-1])] for kind in _sections(_kinds(path[:-1])) if path[-1] in kind.model_fields
    ]
    if not fields and len(path) > 1:  # in a table of the site's own keys
        return _unit(path[:-1])
    first = (fields[0].description or "").partition(" ")[0] if fields else ""
    return _UNITS.get(first)


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
