"""`dead-letters`: events that no attempt could handle."""

from datetime import UTC, datetime

import typer

from console import json_views
from console.cli.options import Config, Data, DatabaseUrl, Json, Last, Letter, settings_from
from console.cli.output import moment, print_json, print_list, tell
from console.cli.user import ledger
from consumers.bus import dead_letters
from roles.database import reading
from store.grants import OPERATOR

app = typer.Typer()
group = typer.Typer(help="Events that no attempt could handle.", no_args_is_help=True)
app.add_typer(group, name="dead-letters")


@group.command("list")
def list_letters(
    last: Last = 50,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """The newest dead letters, oldest first, each with what went wrong."""
    with reading(settings_from(config, data=data, database__url=database)) as source:
        found = dead_letters.newest_dead_letters(source, last)
    if as_json:
        print_json(json_views.listed("dead_letters", found))
        return
    rows = [
        (
            one.id,
            moment(one.at),
            one.reader,
            str(one.study_id or "")[:8],
            one.attempts,
            one.error,
            moment(one.replayed_at) or "no",
        )
        for one in found.rows
    ]
    columns = ("id", "at", "reader", "study", "attempts", "error", "replayed")
    print_list(columns, rows, found.more)


@group.command()
def replay(
    number: Letter,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Give one dead letter another chance, after its cause was mended.

    Example:  dicom-node dead-letters replay 7 --data trial
    """
    with reading(settings_from(config, data=data, database__url=database), OPERATOR) as source:
        letter = dead_letters.replay(ledger(source), number, datetime.now(UTC))
    tell(as_json, {"id": number, "reader": letter.reader}, f"dead letter {number} goes to {letter.reader} again")
