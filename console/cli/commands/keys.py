"""`keys`: what programs come in by at the people's door."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from console import json_views
from console.auth import keys as auth_keys
from console.cli.bounds import Departments, Destinations, bound_to, bounds_of
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import moment, print_json, print_list, say, tell
from console.cli.user import ledger, user
from domain.errors import ConfigurationError
from domain.permissions import PERMITTED, Permission, UserRole
from roles.database import reading
from store.grants import OPERATOR

app = typer.Typer()
group = typer.Typer(help="Keys of programs that use the API.", no_args_is_help=True)
app.add_typer(group, name="keys")

KeyName = Annotated[str, typer.Argument(metavar="NAME", help="What the key is called: after the program that has it.")]
Scopes = Annotated[
    list[str],
    typer.Option("--scope", metavar="SCOPE", help="What the key may do, such as studies:read; may be repeated."),
]
DaysHeld = Annotated[
    int | None,
    typer.Option("--days", metavar="N", min=1, max=3660, help="Days that it holds. (default: until it is revoked)"),
]


@group.command("list")
def list_keys(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """All keys of programs, what each may do and until when; the keys themselves are nowhere.

    Example:  dicom-node keys list --data trial
    """
    with reading(settings_from(config, data=data, database__url=database)) as source:
        found = auth_keys.listed(source)
    if as_json:
        print_json({"keys": [json_views.record(one) for one in found]})
        return
    shown = [
        (
            one.name,
            ", ".join(sorted(one.scopes)),
            bound_to(one.bounds) or "-",
            one.made_by,
            f"revoked {moment(one.revoked_at)}" if one.revoked_at else moment(one.until) if one.until else "-",
        )
        for one in found
    ]
    print_list(("key", "scopes", "bound to", "made by", "until"), shown, 0)


@group.command("make")
def make_key(
    name: KeyName,
    scopes: Scopes,
    days: DaysHeld = None,
    destinations: Destinations = None,
    departments: Departments = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Make a key for a program, and print it: once, for it is kept nowhere.

    Example:  dicom-node keys make worklist --scope studies:read --days 365 --data trial
    """
    now = datetime.now(UTC)
    bounds = bounds_of(destinations, departments)
    with reading(settings_from(config, data=data, database__url=database), OPERATOR) as source:
        key, text = auth_keys.make(
            ledger(source),
            name,
            _scopes(scopes),
            bounds,
            user(),
            now,
            now + timedelta(days=days) if days else None,
        )
    if as_json:
        print_json({**json_views.record(key), "key": text})
        return
    say(f"the key {key.name}; it is shown this once, and sent as Authorization: Bearer KEY:", text)


@group.command("revoke")
def revoke_key(
    name: KeyName, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """End a key: it opens nothing from now on.

    Example:  dicom-node keys revoke worklist --data trial
    """
    with reading(settings_from(config, data=data, database__url=database), OPERATOR) as source:
        key = auth_keys.revoke(ledger(source), name, user(), datetime.now(UTC))
    tell(as_json, json_views.record(key), f"the key {key.name} opens nothing any more")


def _scopes(words: Sequence[str]) -> set[Permission]:
    known = sorted(PERMITTED[UserRole.SERVICE])
    if wrong := [one for one in words if one not in known]:
        raise ConfigurationError(f"there is no scope {wrong[0]!r} for keys: {', '.join(known)}")
    return {Permission(one) for one in words}
