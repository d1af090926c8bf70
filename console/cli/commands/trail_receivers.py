"""`audit receivers`: who is sent what stands on the trail, how far each is, and whether it takes any."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer

from audit.actions import Action
from audit.chain import Row
from audit.export.mapping import audit_message
from config.audit_receivers import AuditReceiver
from config.settings import Settings
from console import json_views
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import complain, moment, print_json, print_list, say
from console.cli.user import ledger, user
from domain.errors import ConfigurationError, NodeError
from roles.database import reading
from roles.receivers import outlet
from store import receivers, trail
from store.database import Database
from store.grants import AUDITOR
from store.receivers import ReceiverRow

group = typer.Typer(help="Who is sent what stands on the trail: how far each is, and a try.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The receiver's name in the settings.")]


@dataclass(frozen=True)
class _Told:
    """A receiver as it is shown. `behind` are entries of the trail that it has not for good."""

    name: str
    kind: str
    address: str
    entry: int
    behind: int
    at: datetime | None
    away_since: datetime | None
    reason: str
    refused: int
    last_refused: int | None


@group.command("list")
def list_receivers(
    data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """How far each receiver is, how many entries it lacks, and why where it takes none.

    Example:  dicom-node audit receivers list --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, AUDITOR) as source:
        found = _told(settings, source)
    if as_json:
        print_json({"receivers": [json_views.plain(one) for one in found]})
        return
    columns = ("name", "to", "has up to", "lacks", "since", "refused", "")
    rows = [(one.name, one.address, one.entry, one.behind, moment(one.at), one.refused, _state(one)) for one in found]
    print_list(columns, rows, 0, none="no receivers: [[audit.receivers]] names them")


@group.command()
def test(
    name: Name, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Record that a receiver is tried, and send it that very entry; exit code 1 where it does not take it.

    The role `forward` sends the entry once more, as any other.

    Example:  dicom-node audit receivers test archive --config node.toml
    """
    settings = settings_from(config, data=data, database__url=database)
    receiver = _named(settings, name)
    with reading(settings, AUDITOR) as source:
        row = _recorded(source, receiver)
    fault = _fault(receiver, row)
    if as_json:
        print_json({"receiver": receiver.name, "entry": row.number, "taken": not fault, "reason": fault})
    elif not fault:
        proof = "sent; by UDP nothing says that it arrived" if receiver.transport == "udp" else "taken"
        say(f"entry {row.number} is {proof}: {receiver.address}")
    if fault:
        complain(f"entry {row.number} is not taken: {fault}")
        raise typer.Exit(1)


def _told(settings: Settings, source: Database) -> list[_Told]:
    with source.transaction() as connection:
        rows, newest = receivers.known(connection), receivers.newest(connection)
    return [_one(receiver, rows.get(receiver.name), newest) for receiver in settings.audit.receivers]


def _one(receiver: AuditReceiver, row: ReceiverRow | None, newest: int) -> _Told:
    known = (receiver.name, receiver.kind, receiver.address)
    if row is None:
        return _Told(*known, 0, newest, None, None, "", 0, None)
    lacks = newest - row.number
    return _Told(*known, row.number, lacks, row.at, row.away_since, row.reason, row.refused, row.last_refused)


def _state(one: _Told) -> str:
    if one.away_since:
        return f"away since {moment(one.away_since)}: {one.reason}"
    return "" if one.at else "nothing was sent to it yet: the role forward does"


def _named(settings: Settings, name: str) -> AuditReceiver:
    for one in settings.audit.receivers:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in settings.audit.receivers) or "none; [[audit.receivers]] names them"
    raise ConfigurationError(f"no receiver is called {name!r}; there are: {known}")


def _recorded(source: Database, receiver: AuditReceiver) -> Row:
    """The entry, as it stands on the trail behind what there was."""
    with source.transaction() as connection:
        before = receivers.newest(connection)
    said = {"user": user(), "receiver": receiver.name}
    ledger(source).record(Action.RECEIVER_TESTED, **said)
    with source.transaction() as connection:
        rows = [Row(one.number, one.entry, one.hash) for one in trail.after(connection, before, 1000)]
    return next(row for row in reversed(rows) if f'"action":"{Action.RECEIVER_TESTED.value}"' in row.entry)


def _fault(receiver: AuditReceiver, row: Row) -> str:
    way = outlet(receiver)
    try:
        way.send(audit_message(row, {}))
        way.confirm()
    except NodeError as error:
        return error.sentence
    finally:
        way.close()
    return ""
