"""`conflicts`: instances that came with other bytes under a known UID."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from audit.trail import Ledger
from console import json_views
from console.cli.options import Config, Data, DatabaseUrl, Json, Last, settings_from
from console.cli.output import moment, print_json, print_list
from consumers.steps import adopt as adopting
from roles.database import reading
from store import conflicts
from store.objects import DirectoryStore

app = typer.Typer()
group = typer.Typer(help="Instances that came with other bytes under a known UID.", no_args_is_help=True)
app.add_typer(group, name="conflicts")


@group.command("list")
def list_conflicts(
    last: Last = 50,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """The conflicts, newest first: the bytes that wait, and where they lie."""
    with reading(settings_from(config, data=data, database__url=database)) as source:
        found = conflicts.latest(source, last)
    if as_json:
        print_json(json_views.listed("conflicts", found))
        return
    columns = ("id", "received", "study", "SOP instance UID", "object")
    rows = [(one.id, moment(one.received_at), str(one.study_id)[:8], one.sop_uid, one.object_key) for one in found.rows]
    print_list(columns, rows, found.more)


@group.command()
def adopt(
    number: Annotated[int, typer.Argument(metavar="ID", help="Number of the conflict, as `list` shows it.")],
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
) -> None:
    """Let the bytes that wait be the instance's, as after a patient merge; models are asked anew.

    What was kept so far waits in their place: adopting the same conflict again goes back.

    Example:  dicom-node conflicts adopt 7 --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings) as source:
        objects = DirectoryStore(settings.data / "objects")
        adopted = adopting.adopt(Ledger(source, "console"), objects, number, datetime.now(UTC))
    typer.echo(f"{adopted.sop_uid} is what came at {moment(adopted.received_at)}; its study will be complete anew")
