"""`/destinations`: who gets results, what each takes and is sent; asked on demand."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from console import json_views
from console.actions import destinations as known
from console.api import examples
from console.api.access import Asking, allowed
from console.api.answers import answer
from console.api.models import Answered
from console.api.names import Name
from console.api.once import Key, done_once
from console.api.routing import subject
from console.api.sight import no_destination, sees_destination
from consumers.destinations import ProfiledDestination
from domain.json_records import JsonObject
from domain.pauses import Pause
from domain.permissions import Permission
from store.destinations import SeenDestination

router = subject("destinations")

Reader = Annotated[Asking, Depends(allowed(Permission.DESTINATIONS_READ))]
Prober = Annotated[Asking, Depends(allowed(Permission.DESTINATIONS_PROBE))]
Seconds = Annotated[float, Query(ge=1, le=30, description="s to wait for the connection, and for each answer")]


class ChoiceAnswer(Answered):
    """What becomes of a kind of result: in which form it is sent, null where it is not, and why."""

    kind: str = Field(examples=["SR"])
    sop_class: str | None
    transfer_syntax: str | None
    why: str


class _Described(Answered):
    name: str = Field(examples=["PACS"])
    address: str = Field(description="AET@HOST:PORT or URL", examples=["PACS@10.1.0.4:104"])
    profile: str = Field(examples=["default"])
    accepted: list[tuple[str, str]] | None = Field(
        description="SOP class and transfer syntax of what it takes; null where it never answered"
    )
    choices: list[ChoiceAnswer]
    implementation: str = Field(description="what it calls its software")
    error: str = Field(description="why it did not answer the last time; empty where it did")


class DestinationAnswer(_Described):
    """A destination, what it was last seen to take, and the pause where it is paused."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DESTINATION]})

    configured: bool = Field(description="false where nobody serves it any more")
    seen_at: str | None = Field(description="when it last answered")
    tried_at: str | None = Field(description="when it was last asked")
    paused: Pause | None


class DestinationsAnswer(Answered):
    """Every destination."""

    destinations: list[DestinationAnswer]


class ProbeAnswer(_Described):
    """What a destination answered just now, and whether that is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PROBE]})

    max_pdu: int = Field(description="bytes of a P-DATA-TF that it takes at most; 0 for any")
    kept: bool
    why_not_kept: str


@router.get("", response_model=DestinationsAnswer, summary="Who gets results")
def destinations(asking: Reader) -> Response:
    """Those that you may see, as `dicom-node destinations list --json` tells them."""
    return answer(asking.request, {"destinations": [_told(asking, *pair) for pair in _seen_by(asking)]})


@router.get("/{name}", response_model=DestinationAnswer, summary="One of them")
def destination(asking: Reader, name: Name) -> Response:
    """What it was last seen to take, what it is sent, and why; it is not asked."""
    return answer(asking.request, _told(asking, *_named(asking, name)))


@router.post("/{name}/probe", response_model=ProbeAnswer, summary="Ask it what it takes")
def probe(asking: Prober, name: Name, timeout: Seconds = 10.0, key: Key = None) -> Response:
    """By an association in which nothing is sent. Its answer counts for the deliveries to come, and is on the trail."""
    one, _ = _named(asking, name)

    def do() -> JsonObject:
        seen = known.probe(asking.ledger, one, asking.settings.listener.aet, timeout, known=True)
        return json_views.answer(one, seen, "")

    return done_once(asking, key, do)


def _seen_by(asking: Asking) -> list[tuple[ProfiledDestination, SeenDestination | None]]:
    answers = known.all_seen(asking.database)
    every = known.known_destinations(asking.settings, answers)
    return [(one, answers.get(one.destination.address)) for one in every if sees_destination(asking, one.name)]


def _named(asking: Asking, name: str) -> tuple[ProfiledDestination, SeenDestination | None]:
    for one, seen in _seen_by(asking):
        if one.name == name:
            return one, seen
    raise no_destination()


def _told(asking: Asking, one: ProfiledDestination, seen: SeenDestination | None) -> JsonObject:
    gone = known.gone(asking.settings, asking.database, [one.name])
    return json_views.destination(one, seen, known.paused(asking.database), configured=not gone)
