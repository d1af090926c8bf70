"""The hash chain and its verifier: pure functions of rows, no database.

hash(n) = SHA-256(hash(n-1) || canonical bytes of entry n); hash(0) is 32 zero bytes. A chain inside one database shows
any change that does not recompute all that follows; checkpoints kept elsewhere are what binds an administrator.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

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
    """What verification found. `bad` is the number of the first entry that is wrong, None when all are right."""

    checked: int
    bad: int | None = None
    reason: str = ""
    head: bytes = GENESIS


def link(previous: bytes, entry: str) -> bytes:
    """The hash of an entry that follows `previous`."""
    return hashlib.sha256(previous + entry.encode()).digest()


def verify(rows: Iterable[Row]) -> Verdict:
    """Follow the chain through `rows`, which come in the order of their numbers, from 1.

    Wrong are: a number that is missing or out of place, text that is not the canonical form of what it says, an entry
    whose own number differs from its row's, and a hash that does not follow from the one before.
    """
    head, expected = GENESIS, 1
    for row in rows:
        if reason := _fault(row, expected, head):
            return Verdict(expected - 1, min(row.number, expected), reason, head)
        head, expected = row.hash, expected + 1
    return Verdict(expected - 1, head=head)


def _fault(row: Row, expected: int, previous: bytes) -> str:
    if row.number != expected:
        return f"entry {expected} is missing; {row.number} stands in its place"
    if link(previous, row.entry) != row.hash:
        return "its hash does not follow from the entry before it and its own text"
    try:
        body = json.loads(row.entry)
        if canonical(body) != row.entry:
            return "its text is not in canonical form"
    except (ValueError, TypeError) as error:
        return f"its text is not an entry: {error}"
    return "" if body.get("number") == expected else "its text carries another number"
