"""`audit`: the trail proven and read. Every reading is itself an entry."""

import typer

from console import json_views
from console.actions.trail import looked_at
from console.cli import entry_view
from console.cli.commands import (
    trail_archive,
    trail_receivers,
    trail_report,
    trail_signed,
    trail_verify,
    trail_witnesses,
)
from console.cli.commands.trail_export import export, verifier
from console.cli.moments import Since, Until
from console.cli.options import Config, Data, DatabaseUrl, Json, Last, settings_from
from console.cli.output import moment_of_entry, print_json, print_list
from console.cli.trail_options import ByActor, OfAction, OfStudy, entry_filter
from console.cli.user import ledger
from roles.database import reading
from store.grants import AUDITOR

app = typer.Typer()
group = typer.Typer(help="The audit trail: prove it, read it.", no_args_is_help=True)
app.add_typer(group, name="audit")
group.add_typer(trail_receivers.group, name="receivers")
group.command()(export)
group.command()(verifier)
for one in (
    trail_verify.verify,
    trail_signed.checkpoint,
    trail_signed.prove,
    trail_witnesses.witnesses,
    trail_archive.archive,
    trail_archive.restore,
):
    group.command()(one)
group.add_typer(trail_signed.keys_group, name="keys")


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
        found = looked_at(ledger(source), entry_filter(source, study, action, actor, since, until), last)
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
