"""`/dead-letters`: events that no attempt could handle, and another chance for one of them."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import Field
from starlette.responses import Response

from console import json_views
from console.api import examples
from console.api.access import Asking, allowed
from console.api.answers import answer, refuse_changed
from console.api.models import Answered, of_records
from console.api.once import Key, done_once
from console.api.paging import Cursor, Limit, decoded, encoded, no_cursor
from console.api.problems import Kind, ProblemError
from console.api.routes.studies import IfMatch
from console.api.routing import subject
from console.api.sight import bound
from consumers.bus import dead_letters
from domain.json_records import JsonObject
from domain.permissions import Permission
from domain.records import DeadLetter
from store.queries.dead_letters import known_letter, page_of_letters

router = subject("dead-letters")

Reader = Annotated[Asking, Depends(allowed(Permission.DEAD_LETTERS_READ))]
Operator = Annotated[Asking, Depends(allowed(Permission.DEAD_LETTERS_CHANGE))]
LARGEST = 2**63 - 1
Number = Annotated[int, Path(ge=1, le=LARGEST, description="its number, as the list has it")]

LetterEntry = of_records(
    "LetterEntry", "A dead letter of the list.", DeadLetter, without=("message",), example=examples.LETTER_ENTRY
)
LetterAnswer = of_records(
    "LetterAnswer", "A dead letter, with the event as JSON text.", DeadLetter, example=examples.LETTER
)


class LetterPage(Answered):
    """A page of dead letters, the newest first."""

    dead_letters: list[LetterEntry]  # type: ignore[valid-type]
    next: str | None = Field(description="the cursor of the next page; null after the last one")


class ReplayedAnswer(Answered):
    """Which group handles the event again."""

    id: int
    reader: str = Field(examples=["routing"])


@router.get("", response_model=LetterPage, summary="Dead letters, the newest first")
def letters(
    asking: Reader,
    replayed: Annotated[bool | None, Query(description="those that were given another chance, or the others")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Each with what went wrong, and of which study it is."""
    found = page_of_letters(asking.database, limit + 1, replayed, _number(cursor), bound(asking))
    shown = found[:limit]
    said = [json_views.record(one) for one in shown]
    content = [{name: value for name, value in one.items() if name != "message"} for one in said]
    further = encoded(shown[-1].id) if len(found) > limit else None
    return answer(asking.request, {"dead_letters": content, "next": further})


@router.get("/{number}", response_model=LetterAnswer, summary="One dead letter")
def letter(asking: Reader, number: Number) -> Response:
    """With the event that could not be handled."""
    return answer(asking.request, _told(asking, number))


@router.post("/{number}/replay", response_model=ReplayedAnswer, summary="Give it another chance")
def replay(asking: Operator, number: Number, key: Key = None, if_match: IfMatch = None) -> Response:
    """After its cause was mended: the group that failed handles the event again, and its study is no longer stuck."""
    _told(asking, number)

    def do() -> JsonObject:
        if "if-match" in asking.request.headers:
            refuse_changed(asking.request, _told(asking, number))
        done = dead_letters.replay(asking.ledger, number, datetime.now(UTC))
        return {"id": number, "reader": done.reader}

    return done_once(asking, key, do)


def _told(asking: Asking, number: int) -> JsonObject:
    found = known_letter(asking.database, number, bound(asking))
    if found is None:
        raise ProblemError(Kind.UNKNOWN, "there is no such dead letter, or none that you may see")
    return json_views.record(found)


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        (number,) = map(int, decoded(cursor))
    except ValueError as error:
        raise no_cursor() from error
    if not 0 < number <= LARGEST:
        raise no_cursor()
    return number
