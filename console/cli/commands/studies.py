"""`status`, `explain` and `quarantine`: where studies are, and why."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from console import json_views
from console.cli import index_state, study_view
from console.cli.options import All, Config, Data, DatabaseUrl, Json, Last, Study, settings_from
from console.cli.output import and_more, moment, print_json, print_list, screen
from domain.progress import Progress, bytes_that_wait, progress
from domain.records import CurrentWork, StudyPath, StudySummary, bounded
from domain.states import StudyState
from roles.database import reading
from store.conflicts import corrections_that_wait
from store.queries.current import current_work
from store.queries.path import images_of, latest_decisions, some_series, study_path, study_record
from store.queries.quarantine import quarantine_size, quarantined, unreadable_of
from store.queries.studies import find_study, how_many_studies, latest_studies

app = typer.Typer()
quarantine = typer.Typer(help="Instances that came and cannot be read.", no_args_is_help=True)

app.add_typer(quarantine, name="quarantine")

SHOWN = 20  # rows of each of a study's tables, unless --all
MaybeStudy = Annotated[
    str | None, typer.Argument(metavar="[STUDY]", help="Internal id or StudyInstanceUID, or the start of either.")
]
Stuck = Annotated[bool, typer.Option("--stuck", help="Those alone that cannot go on by themselves.")]


@app.command()
def status(
    study: MaybeStudy = None,
    stuck: Stuck = False,
    last: Last = 20,
    everything: All = False,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Where is a study, since when, and why? Without STUDY: the latest ones.

    Of what a study has much of, the newest are shown; --all shows the rest.

    Examples:  dicom-node status --data trial     dicom-node status 3f2a --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    trouble = index_state.trouble(settings)
    with reading(settings) as source:
        if study is None:
            states = (StudyState.STUCK,) if stuck else ()
            found = latest_studies(source, last, *states)
            more = how_many_studies(source, *states) - len(found)
            aside = quarantine_size(source), corrections_that_wait(source)
            if as_json:
                print_json(json_views.studies(found, _places(found), more, aside, trouble))
            else:
                _print_list(found, more, aside, "no study is stuck" if stuck else "no study has arrived yet")
        else:
            known = find_study(source, study)
            most = None if everything else SHOWN
            _print_path(study_path(source, known, most), current_work(source, known), most, as_json, trouble)
    if trouble and not as_json:
        screen().print(trouble)


@app.command()
def explain(
    study: Study,
    everything: All = False,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """For every model: why did it run on this study, or why not?

    Example:  dicom-node explain 3f2a --data trial
    """
    with reading(settings_from(config, data=data, database__url=database)) as source:
        known = find_study(source, study)
        decided = latest_decisions(source, known)
        of_images = images_of(source, known, decided)
        decisions = [bounded(one, None if everything else SHOWN, of_images.get(one.model, ())) for one in decided]
        series = some_series(source, known, {one for decision in decisions for one in decision.series})
        found = study_record(source, known)
        waiting = current_work(source, known).other_bytes if found.state is StudyState.STUCK else ()
        unreadable = unreadable_of(source, known)
    if as_json:
        print_json(json_views.explanation(found, series, decisions))
        return
    out = screen()
    for renderable in study_view.explanation(found, series, decisions):
        out.print(renderable)
    if unreadable:
        said = (
            f"{unreadable} of its instances cannot be read, and no model sees them: dicom-node status {str(known)[:8]}"
        )
        out.print(said, style="red", markup=False)
    for sentence in bytes_that_wait(waiting):
        out.print(sentence, style="red", markup=False)


@quarantine.command("list")
def list_quarantine(
    last: Last = 50,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """The instances, newest first, each with the reason."""
    with reading(settings_from(config, data=data, database__url=database)) as source:
        found = quarantined(source, last)
    if as_json:
        print_json(json_views.listed("quarantine", found))
        return
    rows = [(one.id, moment(one.received_at), one.reason, one.sop_uid, one.object_key) for one in found.rows]
    print_list(("id", "received", "reason", "SOP instance UID", "object"), rows, found.more)


def _places(found: Sequence[StudySummary]) -> list[Progress]:
    return [
        progress(one.study, one.jobs, one.results, one.deliveries, one.rejections, one.other_bytes) for one in found
    ]


def _print_list(found: Sequence[StudySummary], more: int, aside: tuple[int, int], none: str) -> None:
    """`aside` is how many instances are in quarantine, and how many corrections wait."""
    quarantined, corrections = aside
    out = screen()
    out.print(study_view.overview(found, _places(found), datetime.now(UTC)) if found else none)
    if more:
        out.print(and_more(more, "--last N"))
    if quarantined:
        out.print(f"{quarantined} instance(s) are in quarantine: dicom-node quarantine list")
    if corrections:
        out.print(f"{corrections} correction(s) wait for a person: dicom-node conflicts list")


def _print_path(path: StudyPath, work: CurrentWork, most: int | None, as_json: bool, trouble: str) -> None:
    place = progress(path.study, work.jobs, work.results, work.deliveries, work.rejections, work.other_bytes)
    if as_json:
        print_json(json_views.path(path, place, trouble))
        return
    out = screen()
    for renderable in study_view.whole_path(path, place, datetime.now(UTC), most):
        out.print(renderable)
