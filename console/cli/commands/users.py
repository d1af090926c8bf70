"""`users` and `access`: who may come in at the people's door."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from config.settings import Settings
from console import json_views
from console.actions.served import people_door, served
from console.auth import users as auth_users
from console.cli.bounds import Departments, Destinations, bound_to, bounds_of
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import complain, print_json, print_list, say, tell
from console.cli.user import ledger, user
from domain.errors import ConfigurationError
from domain.people import LOCAL, Bounds, User
from domain.permissions import UserRole
from roles.database import reading
from store.grants import OPERATOR

app = typer.Typer()
users_group = typer.Typer(help="Who may come in at the people's door: users and their roles.", no_args_is_help=True)
access_group = typer.Typer(help="The people's door: its first administrator, its signing key.", no_args_is_help=True)
app.add_typer(users_group, name="users")
app.add_typer(access_group, name="access")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name: small and large letters are one.")]
Roles = Annotated[
    list[str],
    typer.Option("--role", metavar="ROLE", help="radiologist, operator, administrator or auditor; may be repeated."),
]


@users_group.command("list")
def list_users(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Everybody, with roles and bounds, those who are disabled as well.

    Example:  dicom-node users list --data trial
    """
    with reading(settings_from(config, data=data, database__url=database)) as source:
        found = auth_users.listed(source)
    if as_json:
        print_json({"users": [json_views.record(one) for one in found]})
        return
    print_list(("user", "roles", "bound to", "by", "state"), list(map(_user_row, found)), 0)


@users_group.command("add")
def add_user(
    name: Name,
    roles: Roles,
    destinations: Destinations = None,
    departments: Departments = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Add a user, and print the one-time token by which they set their password.

    Example:  dicom-node users add alice --role radiologist --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    bounds = bounds_of(destinations, departments)
    with reading(settings, OPERATOR) as source:
        made, token = auth_users.add(
            ledger(source), name, _roles(roles), bounds, user(), datetime.now(UTC), _held(settings)
        )
    _warn_of_unknown(settings, bounds)
    _hand_over(settings, made, token, as_json)


@users_group.command("roles")
def give_roles(
    name: Name,
    roles: Roles,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Give a user these roles in the place of those that they have; it counts at once.

    Example:  dicom-node users roles alice --role radiologist --role auditor --data trial
    """
    with reading(settings_from(config, data=data, database__url=database), OPERATOR) as source:
        before, after = auth_users.give_roles(ledger(source), name, _roles(roles), user())
    line = f"{after.name} is {', '.join(sorted(after.roles))}; before: {', '.join(sorted(before.roles)) or 'nothing'}"
    tell(as_json, json_views.record(after), line)


@users_group.command("bind")
def bind_user(
    name: Name,
    destinations: Destinations = None,
    departments: Departments = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Let a user see results of studies of these destinations and departments alone; without any, of all.

    Example:  dicom-node users bind alice --destination PACS --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    bounds = bounds_of(destinations, departments)
    with reading(settings, OPERATOR) as source:
        _, after = auth_users.bind(ledger(source), name, bounds, user())
    _warn_of_unknown(settings, bounds)
    seen = f"is bound to {bound_to(after.bounds)}" if bound_to(after.bounds) else "is bound to nothing, and sees all"
    tell(as_json, json_views.record(after), f"{after.name} {seen}")


@users_group.command("disable")
def disable_user(
    name: Name, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Let a user in no more, and end their sessions. Their name stays on the trail.

    Example:  dicom-node users disable alice --data trial
    """
    with reading(settings_from(config, data=data, database__url=database), OPERATOR) as source:
        after = auth_users.disable(ledger(source), name, user(), datetime.now(UTC))
    tell(as_json, json_views.record(after), f"{after.name} is let in no more")


@users_group.command("enable")
def enable_user(
    name: Name, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Let a user in again who was disabled.

    Example:  dicom-node users enable alice --data trial
    """
    with reading(settings_from(config, data=data, database__url=database), OPERATOR) as source:
        after = auth_users.enable(ledger(source), name, user())
    tell(as_json, json_views.record(after), f"{after.name} is let in again")


@users_group.command("reset")
def reset_user(
    name: Name, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Print another one-time token by which a user sets a password; what they have holds until then.

    Example:  dicom-node users reset alice --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, OPERATOR) as source:
        found, token = auth_users.invite(ledger(source), name, user(), datetime.now(UTC), _held(settings))
    _hand_over(settings, found, token, as_json)


@access_group.command("first-administrator")
def first_administrator(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The administrator's name.")] = "admin",
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Print the one-time token by which the first administrator sets a password. Refused where there is one.

    Example:  dicom-node access first-administrator alice --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, OPERATOR) as source:
        made, token = auth_users.first_administrator(ledger(source), name, user(), datetime.now(UTC), _held(settings))
    _hand_over(settings, made, token, as_json)


@access_group.command("signing-key")
def signing_key(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Make another key that access tokens are signed with; what the one before it signed holds until it expires.

    Example:  dicom-node access signing-key --data trial
    """
    from console.auth.signing import made_key  # noqa: PLC0415 - what makes keys is no part of other commands

    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, OPERATOR) as source:
        made = made_key(ledger(source), settings.data, another=True)
    tell(as_json, {"key": made}, f"tokens are signed by the key {made} from now on")


def _user_row(one: User) -> Sequence[object]:
    by = "password" if one.source == LOCAL else one.source
    state = (
        "disabled" if one.disabled_at else "-" if one.password_set_at or one.source != LOCAL else "has no password yet"
    )
    return one.name, ", ".join(sorted(one.roles)), bound_to(one.bounds) or "-", by, state


def _warn_of_unknown(settings: Settings, bounds: Bounds) -> None:
    """A name that is written wrong lets see nothing, and nobody else would say so."""
    unknown = sorted(
        {*(bounds.destinations - served(settings)), *(bounds.departments - set(settings.console.departments))}
    )
    if unknown:
        complain(f"no setting knows {', '.join(unknown)}: whoever is bound to that alone sees no study")


def _roles(words: Sequence[str]) -> set[UserRole]:
    known = sorted(set(UserRole) - {UserRole.SERVICE})
    if wrong := [one for one in words if one not in known]:
        raise ConfigurationError(f"there is no role {wrong[0]!r}: {', '.join(known)}")
    return {UserRole(one) for one in words}


def _held(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.access.invitation)


def _hand_over(settings: Settings, whose: User, token: str, as_json: bool) -> None:
    """The token goes to the terminal alone, and to whom it is for by a way that others do not read."""
    hours = settings.access.invitation / 3600
    if as_json:
        print_json(json_views.invited(whose, token, settings.access.invitation))
        return
    say(
        f"{whose.name} sets a password here; it holds {hours:g} h, counts once, and is shown this once:",
        f"{people_door(settings)}/auth/password?token={token}",
    )
