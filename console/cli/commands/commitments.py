"""`commitments`: what peers ask us to keep, and what archives were asked to keep and have not said."""

import typer

from console import json_views
from console.cli.options import Config, Data, DatabaseUrl, Json, Last, settings_from
from console.cli.output import moment, print_json, print_list, say, state
from roles.database import reading
from store.queries.commitments import asked_of_archives, asked_of_us

app = typer.Typer()
group = typer.Typer(help="Storage commitment: what is asked, decided and reported.", no_args_is_help=True)
app.add_typer(group, name="commitments")


@group.command("list")
def list_commitments(
    last: Last = 20, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """What peers ask the node to keep, and the deliveries of which an archive has not said that it keeps them.

    Example:  dicom-node commitments list --data trial
    """
    with reading(settings_from(config, data=data, database__url=database)) as source:
        ours, archives = asked_of_us(source, last), asked_of_archives(source, last)
    if as_json:
        print_json({**json_views.listed("commitments", ours), "requests": json_views.plain(archives.rows)})
        return
    rows = [
        (moment(one.asked_at), one.calling_ae, one.instances, one.failed, state(one.state), one.reason)
        for one in ours.rows
    ]
    columns = ("asked", "by", "instances", "not kept", "state", "why")
    print_list(columns, rows, ours.more, "nobody has asked the node to keep anything")
    if archives.rows:
        say("Archives that have not said that they keep what was delivered:")
        asked = [
            (one.destination, str(one.study_id)[:8], state(one.state), moment(one.since), one.reason)
            for one in archives.rows
        ]
        print_list(("destination", "study", "state", "since", "why"), asked, archives.more)
