"""Canonical bytes of an entry (RFC 8785, JSON Canonicalization Scheme), so that one fact has one hash.

Entries hold text, whole numbers, booleans, null, lists and objects. Fractions are refused: their one correct form is
the hardest part of the RFC, and a trail has no need of them.
"""

import json
from collections.abc import Mapping


def canonical(entry: Mapping[str, object]) -> str:
    """The canonical text of `entry`; raises TypeError where it holds something that has none here."""
    _check(entry)
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _check(value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            # RFC 8785 3.2.3 sorts by UTF-16 code units; for ASCII that is what `sort_keys` does.
            if not (isinstance(key, str) and key.isascii()):
                raise TypeError(f"a key of an entry is ASCII text, not {key!r}")
            _check(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check(inner)
    elif not (value is None or isinstance(value, str | bool | int)):
        raise TypeError(f"an entry cannot hold a {type(value).__name__}")
    elif isinstance(value, int) and abs(value) > 2**53 - 1:
        raise TypeError("an entry's whole numbers stay below 2**53, as JSON's do")
