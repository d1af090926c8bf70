"""`hosts`: whose spools hold studies back, and a host that is lost with its spool."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from console import json_views
from console.cli.counting import counted
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import moment, print_json, print_list, say
from console.cli.user import ledger, user
from consumers.steps.forget_host import forget_host
from dicom_node.spool import BacklogMeter, known_identity
from domain.errors import ConfigurationError, Permanent
from domain.records import SpoolRecord
from roles.database import reading
from store.database import Database
from store.grants import OPERATOR
from store.queries.spools import holding_spools

app = typer.Typer()
_UNREAD = (
    "{root} is that spool, and {unread} records in it are not indexed yet: start the node here, and they are; where "
    "they are to be given up, move the folder away first"
)
_UNKNOWN = (
    "what that host had taken and not indexed is known to no other: have the senders send again what they sent it "
    "since {since}, the last that is known of the oldest of these studies"
)

group = typer.Typer(help="Hosts whose spools hold studies back.", no_args_is_help=True)
app.add_typer(group, name="hosts")


@group.command("list")
def list_hosts(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """The spools that hold studies back until their objects are synced, on which hosts, and whether an index is there.

    A study is held for seconds; one that stays held belongs to a host whose index does not run, or that is lost.
    """
    with reading(settings_from(config, data=data, database__url=database)) as source:
        found = holding_spools(source)
    if as_json:
        print_json({"spools": [json_views.plain(one) for one in found]})
        return
    columns = ("spool", "host", "index", "studies", "since")
    rows = [(one.spool, ", ".join(one.hosts), _index(one), one.studies, moment(one.since)) for one in found]
    print_list(columns, rows, 0)


@group.command()
def forget(
    spool: Annotated[str, typer.Argument(metavar="SPOOL", help="The spool as `list` shows it, or the start of it.")],
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Let the studies go on that a lost host held back; first send again what they lack.

    Exit code 1 where an index reads that spool, or it lies in this data folder and holds what was not indexed.

    Example:  dicom-node hosts forget 6f0f3f6e --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, OPERATOR) as source:
        found = _one(source, spool)
        _check_unread(settings.data / "spool", found)
        released = forget_host(ledger(source), found.spool, user())
    if as_json:
        print_json({"studies": released})
    else:
        say(f"{counted(released, 'study', 'studies')} held back no longer", _UNKNOWN.format(since=moment(found.since)))


def _check_unread(root: Path, wanted: SpoolRecord) -> None:
    """A spool that lies here is not lost; raises Permanent where it holds what no index has read."""
    if known_identity(root) != wanted.spool:
        return
    with closing(BacklogMeter(root)) as meter:
        unread = meter.measure().records
    if unread:
        raise Permanent(_UNREAD.format(root=root, unread=unread))


def _one(source: Database, start: str) -> SpoolRecord:
    found = [one for one in holding_spools(source) if one.spool.startswith(start)]
    if len(found) != 1:
        raise ConfigurationError(
            f"{len(found)} spools that hold studies back begin with {start!r}: dicom-node hosts list"
        )
    return found[0]


def _index(one: SpoolRecord) -> str:
    return "runs" if one.is_read else "does not run"
