"""`kafka`: what the node's roles must be allowed on a broker."""

from collections.abc import Iterable
from typing import Annotated

import typer

from config.settings import Bus
from config.values import broker_user
from console import json_views
from console.cli.options import Config, Data, Json, settings_from
from console.cli.output import tell
from consumers.bus.rights import Right, commands, users
from roles.rights import SPEAKING, rights, user_of

app = typer.Typer()
group = typer.Typer(help="A Kafka broker with access control lists.", no_args_is_help=True)
app.add_typer(group, name="kafka")

Users = Annotated[
    list[str] | None,
    typer.Option(
        "--user",
        metavar="[ROLE=]NAME",
        help="As whom a role logs in, or all of them; dicom-node-ROLE where nothing is said.",
    ),
]


@group.command()
def acls(user: Users = None, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Print what each role must be allowed, as commands for the broker's administrator; nothing is done.

    Example:  dicom-node kafka acls --user relay=pacs-ai-relay
    """
    bus = settings_from(config, data=data).bus
    wanted = _rights(bus, user)
    tell(as_json, {"rights": json_views.plain(wanted)}, *commands(wanted, bus.kafka or "BROKER:9093"))


@group.command()
def grant(user: Users = None, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Give the rights that `acls` prints, logged in as the broker's administrator; what is given already stays.

    Example:  DICOM_NODE_BUS__USER=admin dicom-node kafka grant
    """
    # The one command that needs Kafka's client.
    from consumers.bus.kafka_admin import allow  # noqa: PLC0415

    bus = settings_from(config, data=data).bus
    given = _rights(bus, user)
    allow(bus, given)
    line = f"{len(given)} rights given to {', '.join(users(given))}"
    tell(as_json, {"rights": json_views.plain(given)}, line)


def _user(name: str) -> str:
    try:
        return broker_user(name)
    except ValueError as error:
        raise typer.BadParameter(f"{name!r} {error}") from error


def _rights(bus: Bus, named: Iterable[str] | None) -> list[Right]:
    names: dict[str, str] = {}
    for one in named or ():
        role, equals, name = one.rpartition("=")
        if role not in ({*SPEAKING} if equals else {""}) or not name:
            raise typer.BadParameter(f"{one!r} is not of the form [ROLE=]NAME; roles are {', '.join(SPEAKING)}")
        if role in names:
            raise typer.BadParameter(f"--user names {f'the role {role}' if role else 'all roles'} twice: {one!r}")
        names[role] = _user(name)
    return list(rights(bus, lambda role: names.get(role) or names.get("") or user_of(role)))
