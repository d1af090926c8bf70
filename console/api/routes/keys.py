"""`/keys`: what programs come in by. A key is shown once, when it is made, and is kept nowhere."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends
from pydantic import AfterValidator, Field
from starlette.responses import Response

from console import json_views
from console.api import examples
from console.api.access import Asking, allowed
from console.api.answers import answer
from console.api.models import Answered, of_records
from console.api.once import Key, done_once
from console.api.paging import Cursor, Limit, page_of
from console.api.problems import Kind
from console.api.refusing import told
from console.api.routes.people import Bound, Name, Named
from console.api.routing import subject
from console.auth import keys as auth_keys
from domain.json_records import JsonObject
from domain.people import ApiKey
from domain.permissions import PERMITTED, Permission, UserRole

router = subject("keys")

Reader = Annotated[Asking, Depends(allowed(Permission.KEYS_READ))]
Keeper = Annotated[Asking, Depends(allowed(Permission.KEYS_CHANGE))]


def _of_programs(scopes: list[Permission]) -> list[Permission]:
    if not set(scopes) <= PERMITTED[UserRole.SERVICE]:
        raise ValueError(f"a key has scopes of these alone: {', '.join(sorted(PERMITTED[UserRole.SERVICE]))}")
    return scopes


class NewKey(Bound):
    """A program's key: what it is called, what it may do, for how long, and bound to whose results."""

    name: Name = Field(examples=["worklist"])
    scopes: Annotated[list[Permission], AfterValidator(_of_programs)] = Field(
        min_length=1, max_length=32, examples=[["studies:read"]]
    )
    days: int | None = Field(None, ge=1, le=3660, description="days that it holds; null: until it is revoked")


KeyAnswer = of_records("KeyAnswer", "A program's key, without the key itself.", ApiKey, example=examples.API_KEY)
_SECRET = Field(description="sent as `Authorization: Bearer KEY`; shown this once: null where it was shown before")
MadeAnswer = of_records(
    "MadeAnswer", "A new key, and its text.", ApiKey, example=examples.MADE_KEY, key=(str | None, _SECRET)
)


class KeyPage(Answered):
    """A page of keys, the newest first."""

    keys: list[KeyAnswer]  # type: ignore[valid-type]
    next: str | None = Field(description="the cursor of the next page; null after the last one")


@router.get("", response_model=KeyPage, summary="Keys of programs, the newest first")
def keys(asking: Reader, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """What each may do and until when, those that were revoked as well; the keys themselves are nowhere."""
    shown, further = page_of(auth_keys.listed(asking.database), cursor, limit)
    return answer(asking.request, {"keys": json_views.plain(shown), "next": further})


@router.post("", response_model=MadeAnswer, status_code=201, summary="Make a key")
def make_key(asking: Keeper, new: NewKey, key: Key = None) -> Response:
    """Its text is in the answer, and nowhere else."""

    def do() -> JsonObject:
        now = datetime.now(UTC)
        until = now + timedelta(days=new.days) if new.days else None
        with told():
            made, text = auth_keys.make(asking.ledger, new.name, new.scopes, new.bounds, _who(asking), now, until)
        return {**json_views.record(made), "key": text}

    return done_once(asking, key, do, new, 201, shown_once="key")


@router.delete("/{name}", response_model=KeyAnswer, summary="Revoke a key")
def revoke_key(asking: Keeper, name: Named, key: Key = None) -> Response:
    """It opens nothing from now on."""

    def do() -> JsonObject:
        with told(Kind.UNKNOWN, "no key of this name holds: /api/v1/keys lists them"):
            return json_views.record(auth_keys.revoke(asking.ledger, name, _who(asking), datetime.now(UTC)))

    return done_once(asking, key, do)


def _who(asking: Asking) -> str:
    return asking.principal.name
