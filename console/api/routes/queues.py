"""`/queues`: what waits for each model and destination, and what a person holds back."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Path
from pydantic import Field
from starlette.responses import Response

from console import json_views
from console.actions import pausing
from console.actions.queues import all_queues, one_queue
from console.api import examples
from console.api.access import Asking, allowed
from console.api.answers import answer, refuse_changed
from console.api.models import Answered, of_records
from console.api.names import Name
from console.api.once import Key, done_once
from console.api.paging import Cursor, Limit, Place
from console.api.problems import Kind, ProblemError
from console.api.routes.studies import IfMatch
from console.api.routes.study_changes import Why
from console.api.routing import subject
from console.api.sight import bound, no_destination, sees_destination
from domain.errors import ConfigurationError
from domain.json_records import JsonObject
from domain.pauses import Held
from domain.permissions import Permission
from store.queries.queues import QueueRecord, WaitingRecord, waiting_in

router = subject("queues")

Reader = Annotated[Asking, Depends(allowed(Permission.QUEUES_READ))]
Operator = Annotated[Asking, Depends(allowed(Permission.QUEUES_CHANGE))]
Of = Annotated[Held, Path(description="what the work waits for")]

QueueAnswer = of_records("QueueAnswer", "What waits for a model or a destination.", QueueRecord, example=examples.QUEUE)
WaitingAnswer = of_records(
    "WaitingAnswer", "A piece of work that is not done.", WaitingRecord, example=examples.WAITING
)


class QueuesAnswer(Answered):
    """Every queue, models before destinations."""

    queues: list[QueueAnswer]  # type: ignore[valid-type]


class WaitingPage(Answered):
    """A page of work that is not done, the oldest first."""

    waiting: list[WaitingAnswer]  # type: ignore[valid-type]
    next: str | None = Field(description="the cursor of the next page; null after the last one")


@router.get("", response_model=QueuesAnswer, summary="What waits for whom")
def queues(asking: Reader) -> Response:
    """How much waits for each model and each destination, for how long, and what is paused by whom and why."""
    found = all_queues(asking.database, asking.settings, bound(asking))
    seen = [one for one in found if _sees(asking, one.kind, one.name)]
    return answer(asking.request, {"queues": json_views.plain(seen)})


@router.get("/{kind}/{name}", response_model=QueueAnswer, summary="What waits for one of them")
def queue(asking: Reader, kind: Of, name: Name) -> Response:
    """As the list has it. The pieces of it are at `waiting` below."""
    return answer(asking.request, _told(asking, kind, name))


@router.get("/{kind}/{name}/waiting", response_model=WaitingPage, summary="Each piece that waits")
def waiting(asking: Reader, kind: Of, name: Name, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """What is not done, the oldest first: of which study it is, what it waits for, and when it is tried again."""
    _known(asking, kind, name)
    after = Place.of(cursor)
    place = (after.at, after.uuid) if after else None
    found = waiting_in(asking.database, kind, name, limit + 1, place, bound(asking))
    shown = found[:limit]
    further = Place(shown[-1].asked_at, str(shown[-1].id)).cursor if len(found) > limit else None
    return answer(asking.request, {"waiting": json_views.plain(shown), "next": further})


@router.put("/{kind}/{name}/pause", response_model=QueueAnswer, summary="Hold it back")
def pause(asking: Operator, kind: Of, name: Name, why: Why, key: Key = None, if_match: IfMatch = None) -> Response:
    """Nothing more is sent there, or read by it, until it is resumed; what is under way ends. Nothing is given up."""

    def do() -> None:
        try:
            pausing.pause(asking.ledger, asking.settings, kind, name, why.reason, asking.principal.name)
        except ConfigurationError as error:
            raise _none(kind) from error

    return _changed(asking, kind, name, key, do, why)


@router.delete("/{kind}/{name}/pause", response_model=QueueAnswer, summary="Let it go on")
def resume(asking: Operator, kind: Of, name: Name, key: Key = None, if_match: IfMatch = None) -> Response:
    """What waited is taken up at once; the time of the pause counts for nothing."""

    def do() -> None:
        pausing.resume(asking.ledger, kind, name, asking.principal.name)

    return _changed(asking, kind, name, key, do)


def _changed(
    asking: Asking, kind: Held, name: str, key: str | None, do: Callable[[], None], body: Why | None = None
) -> Response:
    """Does it, unless the queue has changed since the caller saw it (If-Match); the queue as it stands then."""
    _known(asking, kind, name)
    if kind is Held.MODEL and bound(asking) is not None:
        raise ProblemError(Kind.NOT_PERMITTED, "a model reads everybody's studies, and you may see some of them alone")

    def once() -> JsonObject:
        if "if-match" in asking.request.headers:
            refuse_changed(asking.request, _told(asking, kind, name))
        do()
        return _told(asking, kind, name)

    return done_once(asking, key, once, body)


def _told(asking: Asking, kind: Held, name: str) -> JsonObject:
    return json_views.record(_known(asking, kind, name))


def _known(asking: Asking, kind: Held, name: str) -> QueueRecord:
    if _sees(asking, kind, name):
        found = one_queue(asking.database, asking.settings, kind, name, bound(asking))
        if found is not None:
            return found
    raise _none(kind)


def _sees(asking: Asking, kind: Held, name: str) -> bool:
    return kind is Held.MODEL or sees_destination(asking, name)


def _none(kind: Held) -> ProblemError:
    if kind is Held.DESTINATION:
        return no_destination()
    return ProblemError(Kind.UNKNOWN, "there is no such model: /api/v1/models lists them")
