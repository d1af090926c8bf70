"""The hash chain and its verifier: pure functions of rows, no database.

hash(n) = SHA-256(hash(n-1) || canonical bytes of entry n); hash(0) is 32 zero bytes. A chain inside one database shows
any change that does not recompute all that follows; checkpoints kept elsewhere are what binds an administrator.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from audit.canonical import canonical

GENESIS = bytes(32)


@dataclass(frozen=True)
class Row:
    """One row as it stands in the table."""

    number: int
    entry: str
    hash: bytes


@dataclass(frozen=True)
class Verdict:
    """What verification found. `bad` is the number of the first entry that is wrong, None when all are right.

    `checked` entries lie before it. Where its text alone is wrong the chain goes on: `beyond` entries follow from it,
    up to the end, or to where the chain `breaks`. `head` is the hash of the last that follows.
    """

    checked: int
    bad: int | None = None
    reason: str = ""
    head: bytes = GENESIS
    beyond: int = 0
    breaks: str = ""


def link(previous: bytes, entry: str) -> bytes:
    """The hash of an entry that follows `previous`."""
    return hashlib.sha256(previous + entry.encode()).digest()


def verify(rows: Iterable[Row], begun: int = 0, head: bytes = GENESIS) -> Verdict:
    """Follow the chain through `rows`, which come in the order of their numbers, from the one behind `begun`.

    `head` is the hash of entry `begun`; by default there is none before.

    Wrong are: a number that is missing or out of place, a hash that does not follow from the one before, text that is
    not the canonical form of what it says, and an entry whose own number differs from its row's. The first two break
    the chain. The others whoever may append can write, and that is to hide nothing of what follows.
    """
    expected, first = begun + 1, None
    for row in rows:
        broken = _break(row, expected, head)
        if first is None and (reason := broken or _objection(row)):
            first = Verdict(expected - 1 - begun, min(row.number, expected), reason, head)
        if broken:
            return _found(first, expected - begun, head, broken)
        head, expected = row.hash, expected + 1
    return _found(first, expected - begun, head, "")


def _found(first: Verdict | None, expected: int, head: bytes, breaks: str) -> Verdict:
    if first is None:
        return Verdict(expected - 1, head=head)
    if first.checked == expected - 1:
        return first
    return replace(first, head=head, beyond=expected - 2 - first.checked, breaks=breaks)


def _break(row: Row, expected: int, previous: bytes) -> str:
    if row.number != expected:
        return f"entry {expected} is missing; {row.number} stands in its place"
    if link(previous, row.entry) != row.hash:
        return "its hash does not follow from the entry before it and its own text"
    return ""


def _objection(row: Row) -> str:
    try:
        body = json.loads(row.entry)
        if canonical(body) != row.entry:
            return "its text is not in canonical form"
    except RecursionError:
        return "its text is not an entry: it is nested too deep"
    except (ValueError, TypeError) as error:
        return f"its text is not an entry: {error}"
    same = isinstance(body, dict) and body.get("number") == row.number
    return "" if same else "its text carries another number"
