"""`status`, `explain` and `quarantine`: where studies are, and why."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from console import json_views
from console.cli import study_view
from console.cli.options import Config, Data, DatabaseUrl, Json, Study, settings_from
from console.cli.output import moment, print_json, screen, table
from domain.progress import progress
from domain.records import StudyPath, StudySummary
from roles.database import reading
from store.queries.path import latest_decisions, study_path
from store.queries.quarantine import quarantine_size, quarantined
from store.queries.studies import find_study, latest_studies

app = typer.Typer()
quarantine = typer.Typer(help="Instances that arrived whole but could not be read.", no_args_is_help=True)

app.add_typer(quarantine, name="quarantine")

Limit = Annotated[int, typer.Option("--last", metavar="N", min=1, help="How many at most.")]
MaybeStudy = Annotated[
    str | None, typer.Argument(metavar="[STUDY]", help="Internal id or StudyInstanceUID, or the start of either.")
]


@app.command()
def status(
    study: MaybeStudy = None,
    last: Limit = 20,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Where is a study, since when, and why? Without STUDY: the latest ones.

    Examples:  dicom-node status --data trial     dicom-node status 3f2a --data trial
    """
    with reading(settings_from(config, data=data, database__url=database)) as source:
        if study is None:
            _print_list(latest_studies(source, last), quarantine_size(source), as_json)
        else:
            _print_path(study_path(source, find_study(source, study)), as_json)


@app.command()
def explain(
    study: Study, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """For every model: why did it run on this study, or why not?

    Example:  dicom-node explain 3f2a --data trial
    """
    with reading(settings_from(config, data=data, database__url=database)) as source:
        path = study_path(source, find_study(source, study))
        decisions = latest_decisions(source, path.study.id)
    if as_json:
        print_json(json_views.explanation(path, decisions))
        return
    out = screen()
    for renderable in study_view.explanation(path.study, path.series, decisions):
        out.print(renderable)


@quarantine.command("list")
def list_quarantine(
    last: Limit = 50,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """The instances, newest first, each with the reason."""
    with reading(settings_from(config, data=data, database__url=database)) as source:
        found = quarantined(source, last)
    if as_json:
        print_json(json_views.quarantine(found))
        return
    rows = [(one.id, moment(one.received_at), one.reason, one.sop_uid, one.object_key) for one in found]
    screen().print(
        table("", ("id", "received", "reason", "SOP instance UID", "object"), rows) if rows else "nothing there"
    )


def _print_list(found: Sequence[StudySummary], unreadable: int, as_json: bool) -> None:
    places = [progress(one.study, one.jobs, one.results, one.deliveries) for one in found]
    if as_json:
        print_json(json_views.studies(found, places, unreadable))
        return
    out = screen()
    out.print(study_view.overview(found, places, datetime.now(UTC)) if found else "no study has arrived yet")
    if unreadable:
        out.print(f"{unreadable} instance(s) could not be read: dicom-node quarantine list")


def _print_path(path: StudyPath, as_json: bool) -> None:
    place = progress(path.study, path.jobs, path.results, path.deliveries)
    if as_json:
        print_json(json_views.path(path, place))
        return
    out = screen()
    for renderable in study_view.whole_path(path, place, datetime.now(UTC)):
        out.print(renderable)
