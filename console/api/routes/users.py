"""`/users`: who may come in, as what, and bound to whose results. Passwords are known to their users alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from console import json_views
from console.api import examples
from console.api.access import Asking, allowed
from console.api.answers import answer, refuse_changed
from console.api.models import Answered, of_records
from console.api.once import Key, done_once
from console.api.paging import Cursor, Limit, page_of
from console.api.problems import Kind, ProblemError
from console.api.refusing import told
from console.api.routes.people import Bound, Name, Named
from console.api.routes.studies import IfMatch
from console.api.routing import subject
from console.auth import users as auth_users
from domain.json_records import JsonObject
from domain.people import User
from domain.permissions import Permission, UserRole

router = subject("users")

Reader = Annotated[Asking, Depends(allowed(Permission.USERS_READ))]
Keeper = Annotated[Asking, Depends(allowed(Permission.USERS_CHANGE))]
PersonsRole = Literal[UserRole.RADIOLOGIST, UserRole.OPERATOR, UserRole.ADMINISTRATOR, UserRole.AUDITOR]


class Roles(BaseModel):
    """What somebody is at the node."""

    model_config = ConfigDict(extra="forbid")
    roles: list[PersonsRole] = Field(min_length=1, max_length=8, examples=[["radiologist"]])


class NewUser(Roles, Bound):
    """A local user: by which name, as what, and bound to whose results."""

    name: Name = Field(examples=["alice"])


UserAnswer = of_records("UserAnswer", "A user, as the node knows them.", User, example=examples.USER)
_TOKEN = Field(description="by it they set a password, once; it is shown this once: null where it was shown before")
InvitedAnswer = of_records(
    "InvitedAnswer",
    "A user, and what they set a password by.",
    User,
    example=examples.INVITED,
    token=(str | None, _TOKEN),
    holds_seconds=(float, Field(description="s that the token holds")),
)


class UserPage(Answered):
    """A page of users, the newest first."""

    users: list[UserAnswer]  # type: ignore[valid-type]
    next: str | None = Field(description="the cursor of the next page; null after the last one")


@router.get("", response_model=UserPage, summary="Users, the newest first")
def users(asking: Reader, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Everybody, those who are disabled as well."""
    shown, further = page_of(auth_users.listed(asking.database), cursor, limit)
    return answer(asking.request, {"users": json_views.plain(shown), "next": further})


@router.get("/{name}", response_model=UserAnswer, summary="One user")
def user(asking: Reader, name: Named) -> Response:
    """The enabled one of this name, else the one of them who was disabled last."""
    return answer(asking.request, json_views.record(_known(asking, name)))


@router.post("", response_model=InvitedAnswer, status_code=201, summary="Add a user")
def add_user(asking: Keeper, new: NewUser, key: Key = None) -> Response:
    """A local one. The token of the answer is theirs, and goes to them by a way that others do not read."""

    def do() -> JsonObject:
        with told():
            return _invited(
                asking, *auth_users.add(asking.ledger, new.name, new.roles, new.bounds, *_by(asking), _holds(asking))
            )

    return done_once(asking, key, do, new, 201, shown_once="token")


@router.post("/{name}/invitation", response_model=InvitedAnswer, summary="Another one-time token")
def invite_user(asking: Keeper, name: Named, key: Key = None) -> Response:
    """By which they set a password anew; the one that they have holds until then."""
    _known(asking, name)

    def do() -> JsonObject:
        with told():
            return _invited(asking, *auth_users.invite(asking.ledger, name, *_by(asking), _holds(asking)))

    return done_once(asking, key, do, shown_once="token")


@router.put("/{name}/roles", response_model=UserAnswer, summary="What a user is at the node")
def give_roles(asking: Keeper, name: Named, roles: Roles, key: Key = None, if_match: IfMatch = None) -> Response:
    """These in the place of those that they have; what they may do changes at once. Your own another one changes."""
    _refuse_own(asking, name)

    def do() -> User:
        return auth_users.give_roles(asking.ledger, name, roles.roles, asking.principal.name)[1]

    return _changed(asking, name, key, do, roles)


@router.put("/{name}/bounds", response_model=UserAnswer, summary="To whose results a user is bound")
def bind_user(asking: Keeper, name: Named, bounds: Bound, key: Key = None, if_match: IfMatch = None) -> Response:
    """To those of studies of these destinations and departments alone; without any they see those of all."""

    def do() -> User:
        return auth_users.bind(asking.ledger, name, bounds.bounds, asking.principal.name)[1]

    return _changed(asking, name, key, do, bounds)


@router.post("/{name}/disable", response_model=UserAnswer, summary="Let a user in no more")
def disable_user(asking: Keeper, name: Named, key: Key = None, if_match: IfMatch = None) -> Response:
    """Their sessions end; their name stays on the trail. Nobody disables themselves: so one administrator is left."""
    _refuse_own(asking, name)

    def do() -> User:
        return auth_users.disable(asking.ledger, name, *_by(asking))

    return _changed(asking, name, key, do)


@router.post("/{name}/enable", response_model=UserAnswer, summary="Let a user in again")
def enable_user(asking: Keeper, name: Named, key: Key = None, if_match: IfMatch = None) -> Response:
    """With the password that they had."""

    def do() -> User:
        return auth_users.enable(asking.ledger, name, asking.principal.name)

    return _changed(asking, name, key, do)


def _changed(
    asking: Asking, name: str, key: str | None, do: Callable[[], User], body: BaseModel | None = None
) -> Response:
    """Does it for the user of this name, unless they are another since the caller saw them (If-Match)."""
    before = _known(asking, name)

    def once() -> JsonObject:
        refuse_changed(asking.request, json_views.record(before))
        with told():
            return json_views.record(do())

    return done_once(asking, key, once, body)


def _known(asking: Asking, name: str) -> User:
    if (found := auth_users.named(asking.database, name)) is None:
        raise ProblemError(Kind.UNKNOWN, "there is no user of this name: /api/v1/users lists them")
    return found


def _refuse_own(asking: Asking, name: str) -> None:
    if name.casefold() == asking.principal.name:
        raise ProblemError(Kind.NOT_NOW, "this is you: another administrator changes your roles, or disables you")


def _by(asking: Asking) -> tuple[str, datetime]:
    return asking.principal.name, datetime.now(UTC)


def _holds(asking: Asking) -> timedelta:
    return timedelta(seconds=asking.settings.access.invitation)


def _invited(asking: Asking, whose: User, token: str) -> JsonObject:
    return json_views.invited(whose, token, asking.settings.access.invitation)
