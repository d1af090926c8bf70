"""`audit`: the trail proven and read. Every reading is itself an entry."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import typer

from audit.actions import Action
from audit.chain import Verdict
from audit.chain import verify as follow
from audit.trail import Entry, Ledger, newest_entries, rows
from console import json_views
from console.cli.moments import Since, Until
from console.cli.options import Config, Data, DatabaseUrl, Json, Last, settings_from
from console.cli.output import complain, moment, print_json, print_list, say
from console.cli.user import user
from domain.errors import ConfigurationError
from domain.records import Listed
from roles.database import reading
from store.database import Database
from store.grants import AUDITOR
from store.queries.studies import find_study
from store.trail import EntryFilter

app = typer.Typer()
_PLAIN: Mapping[object, str] = {None: "-", True: "yes", False: "no"}
_LISTED = 3  # members of a list that the table shows

group = typer.Typer(help="The audit trail: prove it, read it.", no_args_is_help=True)
app.add_typer(group, name="audit")

OfAction = Annotated[
    str, typer.Option("--action", metavar="WORDS", help="Entries that say this, or begin so: 'results withdrawn'.")
]
ByActor = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Entries by this role or host, or with this in the user's name.")
]
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
                "beyond": verdict.beyond,
                "breaks": verdict.breaks,
            }
        )
    elif verdict.bad is None:
        say(f"intact: {verdict.checked} entries follow from one another; the last one's hash is {verdict.head.hex()}")
    if verdict.bad is not None:
        complain(
            f"entry {verdict.bad} is wrong: {verdict.reason}; the {verdict.checked} entries before it are intact"
            f"{_behind(verdict)}"
        )
        raise typer.Exit(1)


@group.command()
def show(
    study: OfStudy = None,
    action: OfAction = "",
    actor: ByActor = "",
    since: Since = None,
    until: Until = None,
    last: Last = 200,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Who did what, when, with what outcome: for one study, or lately.

    What is given together is asked together. Of a trail of years, give a time or a study: the rest is read through.

    Examples:  dicom-node audit show --study 3f2a --data trial
    dicom-node audit show --action "results withdrawn" --by alice --since 30d --data trial
    """
    if action and not any(one.value.startswith(action) for one in Action):
        raise ConfigurationError(f"no entry says {action!r}; there are: {', '.join(sorted(Action))}")
    with reading(settings_from(config, data=data, database__url=database), AUDITOR) as source:
        known = find_study(source, study) if study else None
        found = _entries(source, EntryFilter(known, action, actor.strip(), since, until), last)
    if as_json:
        print_json(json_views.listed("entries", found))
        return
    rows = [(one.number, _at(one), one.by.role, one.action, (one.study or "")[:8], _details(one)) for one in found.rows]
    print_list(("number", "at", "by", "what", "study", "details"), rows, found.more, none="no entries")


def _entries(source: Database, wanted: EntryFilter, last: int) -> Listed[Entry]:
    found = newest_entries(source, last, wanted)
    _record(source, what=_asked(wanted), entries=len(found.rows))
    return found


def _asked(wanted: EntryFilter) -> str:
    """What was read, in words."""
    given = (
        (f"of study {wanted.study}", wanted.study),
        (f"that say {wanted.action!r}", wanted.action),
        (f"by {wanted.actor}", wanted.actor),
        (f"since {wanted.since}", wanted.since),
        (f"before {wanted.until}", wanted.until),
    )
    asked = [words for words, value in given if value]
    return " ".join(["entries", *asked]) if asked else "newest entries"


def _record(source: Database, **details: object) -> None:
    Ledger(source, "console").record(Action.READ, user=user(), **details)


def _behind(verdict: Verdict) -> str:
    """What there is to say of the chain behind the first entry that is wrong."""
    behind = f"; {verdict.beyond} behind it follow from one another" if verdict.beyond else ""
    return f"{behind}, until {verdict.breaks}" if verdict.breaks else behind


def _at(entry: Entry) -> str:
    return moment(datetime.fromisoformat(entry.at)) if entry.at else ""


def _details(entry: Entry) -> str:
    return ", ".join(f"{key}={_short(value)}" for key, value in entry.details.items())


def _short(value: object) -> str:
    """Lists of instances would fill the screen; --json has them."""
    if isinstance(value, list) and len(value) > _LISTED:
        return f"({len(value)} of them)"
    if isinstance(value, list):
        return " and ".join(map(_short, value)) or "none"
    if isinstance(value, dict):
        return f"({', '.join(f'{key} {_short(one)}' for key, one in value.items())})"
    return _PLAIN.get(value, str(value)) if value is None or isinstance(value, bool) else str(value)
