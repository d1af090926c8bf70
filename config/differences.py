"""What differs between two settings as they may be shown: names in dots, and both values as text. Pure."""

import json
from collections.abc import Iterator, Mapping

#: By which of its settings a table of a list is known.
_NAMED_BY = ("name", "aet", "model")
_ABSENT = object()


def differences(before: object, after: object) -> list[list[str | None]]:
    """[name, before, after] of each setting that two documents of JSON have otherwise, in the order of names.

    None stands where it is not there.
    """
    return sorted(_differences(before, after, ""), key=lambda one: str(one[0]))


def _differences(before: object, after: object, name: str) -> Iterator[list[str | None]]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {*before, *after}:
            inner = f"{name}.{key}" if name else str(key)
            yield from _differences(before.get(key, _ABSENT), after.get(key, _ABSENT), inner)
    elif (old := _by_name(before)) is not None and (new := _by_name(after)) is not None:
        yield from _differences(old, new, name)
    else:
        yield [name, _text(before), _text(after)]


def _by_name(value: object) -> Mapping[str, object] | None:
    """A list of tables by their names, so that one that was put before the others has not changed them all."""
    if not isinstance(value, list):
        return None
    found = {_name(one): one for one in value}
    return found if len(found) == len(value) and "" not in found else None


def _name(table: object) -> str:
    known = (table.get(key) for key in _NAMED_BY) if isinstance(table, Mapping) else ()
    return next((one for one in known if isinstance(one, str)), "")


def _text(value: object) -> str | None:
    """As JSON writes it; a word as it stands."""
    if value is _ABSENT:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
