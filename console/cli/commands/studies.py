"""`status`, `explain` and `quarantine`: where studies are, and why."""

import sys
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from config.settings import Settings
from console import json_views
from console.actions import index_state
from console.actions import studies as asked
from console.actions.served import served
from console.cli import study_view
from console.cli.counting import counted
from console.cli.looked import Looked
from console.cli.moments import Since, Until
from console.cli.options import All, Config, Data, DatabaseUrl, Json, Last, Study, settings_from
from console.cli.output import and_more, complain, moment, print_json, print_list, say, screen
from domain.errors import ConfigurationError, Permanent, Retryable
from domain.nearest import did_you_mean
from domain.progress import bytes_that_wait
from domain.records import StudySummary
from domain.states import StudyState
from domain.stopping import loop_until
from roles.database import reading
from store.conflicts import corrections_that_wait
from store.database import Database
from store.destinations import all_seen
from store.holders import is_served
from store.pauses import all_paused
from store.queries.callers import known_callers
from store.queries.quarantine import quarantine_size, quarantined
from store.queries.studies import StudyFilter, find_study, how_many_studies, lack_mark, latest_studies

app = typer.Typer()
quarantine = typer.Typer(help="Instances that came and cannot be read.", no_args_is_help=True)

app.add_typer(quarantine, name="quarantine")

SHOWN = 20  # rows of each of a study's tables, unless --all
MaybeStudy = Annotated[
    str | None, typer.Argument(metavar="[STUDY]", help="Internal id or StudyInstanceUID, or the start of either.")
]
Stuck = Annotated[bool, typer.Option("--stuck", help="Those alone that cannot go on by themselves.")]
State = Annotated[list[StudyState] | None, typer.Option("--state", help="Those in this state; may be repeated.")]
Accession = Annotated[
    str | None,
    typer.Option("--accession", metavar="NUMBER", help="Those with this Accession Number; - reads it."),
]
PatientId = Annotated[
    str | None, typer.Option("--patient-id", metavar="ID", help="Those with this Patient ID; - reads it.")
]
Modality = Annotated[str | None, typer.Option("--modality", metavar="CODE", help="Those with a series of it: CT, MR.")]
Sender = Annotated[str | None, typer.Option("--sender", metavar="AET", help="Those that this AE title sent.")]
Destination = Annotated[
    str | None, typer.Option("--destination", metavar="NAME", help="Those with results for this destination.")
]
Watch = Annotated[bool, typer.Option("--watch", help="Go on showing it until Ctrl-C.")]
_EVERY = 2.0  # s between two looks of --watch


@app.command()
def status(
    study: MaybeStudy = None,
    stuck: Stuck = False,
    state: State = None,
    accession: Accession = None,
    patient_id: PatientId = None,
    modality: Modality = None,
    sender: Sender = None,
    destination: Destination = None,
    since: Since = None,
    until: Until = None,
    last: Last = 20,
    everything: All = False,
    watch: Watch = False,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Where is a study, since when, and why? Without STUDY: the latest ones.

    Accession Number and Patient ID are found by digests with the node's key; the database holds neither. A command line
    is shown to every user of the machine, and kept by the shell: `-` reads the number from standard input instead.
    Of what a study has much of, the newest are shown; --all shows the rest.

    Examples:  dicom-node status --data trial     dicom-node status 3f2a --data trial
    dicom-node status --accession 4711 --data trial     dicom-node status --since 12h --destination PACS --watch
    """
    settings = settings_from(config, data=data, database__url=database)
    states = (*(state or ()), *([StudyState.STUCK] if stuck else []))
    kind = modality.strip().upper() if modality else None
    wanted = StudyFilter(states, (), kind, sender, destination, since, until)
    typed = (_read(accession), _read(patient_id))
    if study is not None and (wanted != StudyFilter() or any(typed)):
        raise ConfigurationError("STUDY names one study: leave it out to look for several")
    if watch and as_json:
        raise ConfigurationError("--watch is for people: ask again and again for --json")

    looked = Looked()

    def show() -> None:
        with reading(settings) as source:
            if study is not None:
                _show_one(source, settings, study, everything, looked, as_json)
            else:
                if any(typed):
                    looked.for_patient(source, *typed)
                marked = replace(wanted, marks=asked.marks(source, settings, *typed))
                _show_list(source, settings, marked, last, as_json)

    if watch:
        _watch(show)
    else:
        show()


def _read(typed: str | None) -> str:
    """What was typed; `-` stands for a line of standard input, for a command line is shown to everybody."""
    return sys.stdin.readline() if typed == "-" else typed or ""


def _show_one(
    source: Database, settings: Settings, study: str, everything: bool, looked: Looked, as_json: bool
) -> None:
    known, trouble = find_study(source, study), index_state.trouble(settings)
    most = None if everything else SHOWN
    path, place = asked.whole_path(source, known, most)
    if any(one.findings for one in path.jobs):
        looked.at_results(source, known, "findings")
    if as_json:
        print_json(json_views.path(path, place, trouble))
        return
    out = screen()
    for renderable in study_view.whole_path(path, place, datetime.now(UTC), most, summarised=settings.summary.enabled):
        out.print(renderable)
    _print_trouble(settings, trouble, as_json)


def _show_list(source: Database, settings: Settings, wanted: StudyFilter, last: int, as_json: bool) -> None:
    found, trouble = latest_studies(source, last, wanted), index_state.trouble(settings)
    if not found:
        _refuse_unknown(source, settings, wanted)
    more = how_many_studies(source, wanted) - len(found)
    aside = quarantine_size(source), corrections_that_wait(source)
    with source.transaction() as connection:
        paused = all_paused(connection)
    if as_json:
        print_json(json_views.studies(found, asked.places(found), more, aside, trouble, paused))
        return
    _print_list(found, more, aside, _none(source, wanted))
    for one in paused:
        say(study_view.paused(one))
    _print_trouble(settings, trouble, as_json)


def _refuse_unknown(source: Database, settings: Settings, wanted: StudyFilter) -> None:
    """A name that nothing has is a slip; raises Permanent with those that there are."""
    if wanted.destination and not latest_studies(source, 1, StudyFilter(destination=wanted.destination)):
        with source.transaction() as connection:
            seen = {one.name for one in all_seen(connection)}
            living = is_served(connection, wanted.destination)
        known = served(settings) | seen
        if wanted.destination not in known and not living:
            raise Permanent(f"there is no destination {wanted.destination!r}; {_known(wanted.destination, known)}")
    if wanted.sender and not latest_studies(source, 1, StudyFilter(sender=wanted.sender)):
        callers = {one.calling_ae for one in known_callers(source) if one.calling_ae}
        callers |= {one.aet for one in settings.listener.callers}
        if wanted.sender not in callers:
            raise Permanent(f"no {wanted.sender!r} has called; {_known(wanted.sender, callers)}")


def _known(word: str, names: Collection[str]) -> str:
    return f"known are {', '.join(sorted(names)) or 'none'}{did_you_mean(word, names)}"


def _none(source: Database, wanted: StudyFilter) -> str:
    if wanted == StudyFilter():
        return "no study has arrived yet"
    if wanted == StudyFilter((StudyState.STUCK,)):
        return "no study is stuck"
    if wanted.marks and _some_are_not_findable(source, wanted.marks):
        return "no such study; what an earlier release indexed is found after: dicom-node patients catch-up"
    return "no such study"


def _some_are_not_findable(source: Database, marks: Collection[str]) -> bool:
    """Whether the database holds studies without a digest of what is asked for, as an earlier release left them."""
    with source.transaction() as connection:
        return any(lack_mark(connection, one.partition(":")[0]) for one in marks)


def _print_trouble(settings: Settings, trouble: str, as_json: bool) -> None:
    said = "" if as_json else trouble or index_state.stopped(settings)
    if said:
        screen().print(said)


def _watch(show: Callable[[], None]) -> None:
    """Show it anew every two seconds, on a terminal in the place of what it was."""
    with suppress(KeyboardInterrupt):
        for _ in loop_until(threading.Event(), _EVERY):
            out = screen()
            out.clear()
            try:
                show()
            except Retryable as error:  # a node that starts again
                complain(error.sentence)
            out.print(f"at {moment(datetime.now(UTC))}; Ctrl-C ends it")


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
        told = asked.explained(source, known, None if everything else SHOWN)
    if as_json:
        print_json(json_views.explanation(told.study, told.series, told.decisions))
        return
    out = screen()
    for renderable in study_view.explanation(told.study, told.series, told.decisions):
        out.print(renderable)
    if told.unreadable:
        sees = f"and no model sees them: dicom-node status {str(known)[:8]}"
        said = f"{told.unreadable} of its instances cannot be read, {sees}"
        out.print(said, style="red", markup=False)
    for sentence in bytes_that_wait(told.waiting):
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


def _print_list(found: Sequence[StudySummary], more: int, aside: tuple[int, int], none: str) -> None:
    """`aside` is how many instances are in quarantine, and how many corrections wait."""
    quarantined, corrections = aside
    out = screen()
    out.print(study_view.overview(found, asked.places(found), datetime.now(UTC), out.width) if found else none)
    if more:
        out.print(and_more(more, "--last N"))
    if quarantined:
        be = "is" if quarantined == 1 else "are"
        out.print(f"{counted(quarantined, 'instance')} {be} in quarantine: dicom-node quarantine list")
    if corrections:
        wait = "waits" if corrections == 1 else "wait"
        out.print(f"{counted(corrections, 'correction')} {wait} for a person: dicom-node conflicts list")
