"""`audit`: the trail proven and read. Every reading is itself an entry."""

import typer

from audit.actions import Action
from audit.chain import Verdict
from audit.chain import verify as follow
from audit.trail import Entry, newest_entries, rows
from console import json_views
from console.cli import entry_view
from console.cli.commands import trail_report
from console.cli.commands.trail_export import export, verifier
from console.cli.moments import Since, Until
from console.cli.options import Config, Data, DatabaseUrl, Json, Last, settings_from
from console.cli.output import complain, moment_of_entry, print_json, print_list, say
from console.cli.trail_options import ByActor, OfAction, OfStudy, entry_filter, in_words
from console.cli.user import ledger
from domain.records import Listed
from roles.database import reading
from store.database import Database
from store.grants import AUDITOR
from store.trail import EntryFilter

app = typer.Typer()
group = typer.Typer(help="The audit trail: prove it, read it.", no_args_is_help=True)
app.add_typer(group, name="audit")
group.command()(export)
group.command()(verifier)


@group.command()
def verify(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Follow the hash chain from the first entry to the last; exit code 1 and the first bad entry where it breaks.

    Example:  dicom-node audit verify --data trial
    """
    with reading(settings_from(config, data=data, database__url=database), AUDITOR) as source:
        verdict = follow(rows(source))
        ledger(source).record(Action.READ, what="verify", entries=verdict.checked, bad=verdict.bad)
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
    with reading(settings_from(config, data=data, database__url=database), AUDITOR) as source:
        found = _entries(source, entry_filter(source, study, action, actor, since, until), last)
    if as_json:
        print_json(json_views.listed("entries", found))
        return
    rows = [
        (
            one.number,
            moment_of_entry(one.at),
            one.by.role,
            one.action,
            (one.study or "")[:8],
            entry_view.details(one.details),
        )
        for one in found.rows
    ]
    print_list(("number", "at", "by", "what", "study", "details"), rows, found.more, none="no entries")


group.command("report")(trail_report.report)


def _entries(source: Database, wanted: EntryFilter, last: int) -> Listed[Entry]:
    found = newest_entries(source, last, wanted)
    ledger(source).record(Action.READ, wanted.study, what=in_words(wanted), entries=len(found.rows))
    return found


def _behind(verdict: Verdict) -> str:
    """What there is to say of the chain behind the first entry that is wrong."""
    behind = f"; {verdict.beyond} behind it follow from one another" if verdict.beyond else ""
    return f"{behind}, until {verdict.breaks}" if verdict.breaks else behind
