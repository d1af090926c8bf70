"""`status`, `explain` and `quarantine`: where studies are, and why."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from console.cli import study_view
from console.cli.options import Config, Data, DatabaseUrl, Json, Study, settings_from
from console.cli.output import moment, print_json, screen, table
from domain.progress import progress
from roles.database import reading
from store import queries

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
            _print_list(queries.latest_studies(source, last), queries.quarantine_size(source), as_json)
        else:
            _print_path(queries.study_path(source, queries.find_study(source, study)), as_json)


@app.command()
def explain(
    study: Study, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """For every model: why did it run on this study, or why not?

    Example:  dicom-node explain 3f2a --data trial
    """
    with reading(settings_from(config, data=data, database__url=database)) as source:
        path = queries.study_path(source, queries.find_study(source, study))
        decisions = queries.latest_decisions(source, uuid.UUID(path["study"]["id"]))
    if as_json:
        print_json({"study": path["study"], "series": path["series"], "models": decisions})
        return
    out = screen()
    for renderable in study_view.explanation(path["study"], path["series"], decisions):
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
        found = queries.quarantined(source, last)
    if as_json:
        print_json({"quarantine": found})
        return
    rows = [(one["id"], moment(one["received_at"]), one["reason"], one["sop_uid"], one["object_key"]) for one in found]
    screen().print(
        table("", ("id", "received", "reason", "SOP instance UID", "object"), rows) if rows else "nothing there"
    )


def _print_list(found: Sequence[Mapping[str, Any]], unreadable: int, as_json: bool) -> None:
    places = [progress(one, one["jobs"], one["results"], one["deliveries"]) for one in found]
    if as_json:
        listed = [{**one, **vars(place)} for one, place in zip(found, places, strict=True)]
        print_json({"studies": listed, "quarantined": unreadable})
        return
    out = screen()
    out.print(study_view.overview(found, places, datetime.now(UTC)) if found else "no study has arrived yet")
    if unreadable:
        out.print(f"{unreadable} instance(s) could not be read: dicom-node quarantine list")


def _print_path(path: Mapping[str, Any], as_json: bool) -> None:
    place = progress(path["study"], path["jobs"], path["results"], path["deliveries"])
    if as_json:
        print_json({**vars(place), **path})
        return
    out = screen()
    for renderable in study_view.whole_path(path, place, datetime.now(UTC)):
        out.print(renderable)
