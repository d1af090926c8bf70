"""Pages by a cursor: each row that was there at the first page comes once, whatever arrives or changes meanwhile.

Rows are ordered by what of them never changes, and a cursor says after which of them the next page begins. What arrives
while somebody turns pages stands before the first one and is for the next time that they look.
"""

import base64
import binascii
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol, Self, TypeVar

from fastapi import Query

from console.api.problems import Kind, ProblemError

MOST = 200

Limit = Annotated[int, Query(ge=1, le=MOST, description="rows of a page at most")]
Cursor = Annotated[
    str | None,
    Query(max_length=256, description="`next` of the page before; without it the first page", examples=[None]),
]


@dataclass(frozen=True)
class Place:
    """Where a page ends: the moment and the id of its last row."""

    at: datetime
    id: str

    @property
    def cursor(self) -> str:
        """The place as a word that callers hand back."""
        return encoded(self.at.isoformat(), self.id)

    @classmethod
    def of(cls, cursor: str | None) -> Self | None:
        """The place that a cursor tells; raises ProblemError where it is none."""
        if cursor is None:
            return None
        try:
            at, id_ = decoded(cursor)
            id_.encode()  # a half of a character is none
            if "\0" in id_:
                raise ValueError("an id that no row has")
            moment = datetime.fromisoformat(at)
            if moment.tzinfo is None:
                raise ValueError("a moment without a zone")
            return cls(moment, id_)
        except (ValueError, TypeError, OverflowError) as error:
            raise no_cursor() from error

    @property
    def uuid(self) -> uuid.UUID:
        """The id, where rows have UUIDs; raises ProblemError where it is none."""
        try:
            return uuid.UUID(self.id)
        except ValueError as error:
            raise no_cursor() from error


class Made(Protocol):
    """What was made at a moment, and has an id."""

    @property
    def made_at(self) -> datetime: ...

    @property
    def id(self) -> uuid.UUID: ...


M = TypeVar("M", bound=Made)


def page_of(every: Iterable[M], cursor: str | None, limit: int) -> tuple[list[M], str | None]:
    """A page of what is few enough to be read whole, the newest first, and the cursor of the next one."""
    after = Place.of(cursor)
    behind = (after.at, after.uuid) if after else None
    newest = sorted(every, key=lambda one: (one.made_at, one.id), reverse=True)
    left = [one for one in newest if behind is None or (one.made_at, one.id) < behind]
    shown = left[:limit]
    return shown, Place(shown[-1].made_at, str(shown[-1].id)).cursor if len(left) > limit else None


def encoded(*parts: str | int) -> str:
    """Parts as one word that stands in an address as it is."""
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def decoded(cursor: str) -> list[str]:
    """The parts as text; raises ValueError where it is no such word."""
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, UnicodeError, RecursionError) as error:
        raise ValueError("is no cursor") from error
    if not isinstance(found, list):
        raise ValueError("is no cursor")
    return [str(one) for one in found]


def no_cursor() -> ProblemError:
    """What is answered to a cursor that is none."""
    return ProblemError(Kind.INVALID, "cursor: is not one that a page gave as its `next`")
