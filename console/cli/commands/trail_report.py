"""`audit report`: what a compliance officer asks of a study or of a day, on one screen."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from operator import attrgetter
from typing import Annotated

import typer

from audit.actions import Action
from audit.report import Report
from audit.report import report as answers
from audit.trail import Entry, entries
from console import json_views
from console.cli import entry_view
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import print_json, say
from console.cli.user import ledger
from domain.errors import ConfigurationError
from domain.ids import StudyId
from roles.database import reading
from store.database import Database
from store.grants import AUDITOR
from store.queries.studies import find_study
from store.trail import EntryFilter

_COMPARED = (Action.STARTED, Action.CLOCK)  # what says how far off a host's clock is


def _day_of(typed: str) -> datetime:
    """The beginning of the day that was typed, in the reader's own time; raises BadParameter where none is."""
    try:
        return datetime.strptime(typed.strip(), "%Y-%m-%d").astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter("give a day: 2026-11-29") from None


OfStudy = Annotated[
    str | None, typer.Option("--study", metavar="STUDY", help="Of one study: id or UID, or the start of one.")
]
OfDay = Annotated[
    datetime | None, typer.Option("--day", metavar="DAY", parser=_day_of, help="Of one day, as 2026-11-29.")
]


def report(
    study: OfStudy = None,
    day: OfDay = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Who, when, what, with which outcome: a study's or a day's entries in answers. The reading is an entry itself.

    Who sent what and by which certificate; which model, by which weights and thresholds, read which input and wrote
    which objects; who decided, and what it was before; what was refused, failed, changed in the configuration, went
    out; who looked. --json has every digest whole, and every line.

    Examples:  dicom-node audit report --study 3f2a --data trial
    dicom-node audit report --day 2026-11-29 --data trial
    """
    if (study is None) == (day is None):
        raise ConfigurationError("say of what: --study STUDY, or --day DAY")
    with reading(settings_from(config, data=data, database__url=database), AUDITOR) as source:
        known = find_study(source, study) if study else None
        made = _of_study(source, known) if known else _of_day(source, day or datetime.now(UTC))
        about = f"report of study {known}" if known else f"report of {day:%Y-%m-%d}"
        ledger(source).record(Action.READ, known, what=about, entries=made.entries)
    if as_json:
        print_json(json_views.plain(made))
        return
    say(*entry_view.report(made))


def _of_study(source: Database, known: StudyId) -> Report:
    own = list(entries(source, EntryFilter(known)))
    return answers(own, _proofs(source, own), _clocks(source, own))


def _clocks(source: Database, own: list[Entry]) -> Iterator[Entry]:
    """How far off the clocks were: starts and each day's comparison say so, and are no study's."""
    if own:
        # By a day and an hour: what is compared once a day comes a little later each time.
        since = datetime.fromisoformat(own[0].at).astimezone(UTC) - timedelta(hours=25)
        until = datetime.fromisoformat(own[-1].at).astimezone(UTC)
        told = (entries(source, EntryFilter(None, one, since=since, until=until)) for one in _COMPARED)
        yield from merge(*told, key=attrgetter("number"))


def _proofs(source: Database, own: list[Entry]) -> Iterable[Entry]:
    """Who came by TLS while it came: the first association of a caller on a day says so, and is no study's."""
    moments = [datetime.fromisoformat(one.at).astimezone(UTC) for one in own if one.action == Action.RECEIVED]
    if not moments:
        return ()
    since = min(moments).replace(hour=0, minute=0, second=0, microsecond=0)
    return entries(source, EntryFilter(None, Action.SECURED, since=since, until=max(moments) + timedelta(minutes=1)))


def _of_day(source: Database, day: datetime) -> Report:
    # By the calendar: a day on which the clocks change has another length.
    after = (day.replace(tzinfo=None) + timedelta(days=1)).astimezone()
    own = list(entries(source, EntryFilter(since=day.astimezone(UTC), until=after.astimezone(UTC))))
    return answers(own, (one for one in own if one.action == Action.SECURED))
