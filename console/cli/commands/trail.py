"""`audit`: the trail proven and read. Every reading is itself an entry."""

import json
from datetime import datetime
from typing import Annotated

import typer

from audit.chain import verify as follow
from audit.trail import Action, Entry, Ledger, newest_entries, rows
from console import json_views
from console.cli.options import Config, Data, DatabaseUrl, Json, Last, settings_from
from console.cli.output import complain, moment, print_json, print_list, say
from console.cli.user import user
from domain.records import Listed
from roles.database import reading
from store.database import Database
from store.grants import AUDITOR
from store.queries.studies import find_study

app = typer.Typer()
_LISTED = 3  # members of a list that the table shows

group = typer.Typer(help="The audit trail: prove it, read it.", no_args_is_help=True)
app.add_typer(group, name="audit")

OfStudy = Annotated[
    str | None,
    typer.Option("--study", metavar="STUDY", help="Entries of one study: id or UID, or the start of one."),
]


@group.command()
def verify(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Follow the hash chain from the first entry to the last; exit code 1 and the first bad entry where it breaks.

    Example:  dicom-node audit verify --data trial
    """
    with reading(settings_from(config, data=data, database__url=database), AUDITOR) as source:
        verdict = follow(rows(source))
        _record(source, what="verify", entries=verdict.checked, bad=verdict.bad)
    if as_json:
        print_json(
            {
                "intact": verdict.bad is None,
                "checked": verdict.checked,
                "bad": verdict.bad,
                "reason": verdict.reason,
                "head": verdict.head.hex(),
            }
        )
    elif verdict.bad is None:
        say(f"intact: {verdict.checked} entries follow from one another; the last one's hash is {verdict.head.hex()}")
    if verdict.bad is not None:
        complain(f"entry {verdict.bad} is wrong: {verdict.reason}; the {verdict.checked} entries before it are intact")
        raise typer.Exit(1)


@group.command()
def show(
    study: OfStudy = None,
    last: Last = 200,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Who did what, when, with what outcome: for one study, or lately.

    Example:  dicom-node audit show --study 3f2a --data trial
    """
    with reading(settings_from(config, data=data, database__url=database), AUDITOR) as source:
        found = _entries(source, study, last)
    if as_json:
        print_json(json_views.listed("entries", found))
        return
    rows = [(one.number, _at(one), one.by.role, one.action, (one.study or "")[:8], _details(one)) for one in found.rows]
    print_list(("number", "at", "by", "what", "study", "details"), rows, found.more, none="no entries")


def _entries(source: Database, study: str | None, last: int) -> Listed[Entry]:
    known = find_study(source, study) if study else None
    found = newest_entries(source, last, known)
    _record(source, what=f"entries of study {known}" if known else "newest entries", entries=len(found.rows))
    return found


def _record(source: Database, **details: object) -> None:
    Ledger(source, "console").record(Action.READ, user=user(), **details)


def _at(entry: Entry) -> str:
    return moment(datetime.fromisoformat(entry.at))


def _details(entry: Entry) -> str:
    return ", ".join(f"{key}={_short(value)}" for key, value in entry.details.items())


def _short(value: object) -> str:
    """Lists of instances would fill the screen; --json has them."""
    if isinstance(value, list) and len(value) > _LISTED:
        return f"({len(value)} of them)"
    return str(value) if isinstance(value, str | int) else json.dumps(value)
