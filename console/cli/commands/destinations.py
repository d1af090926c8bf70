"""`destinations`: who gets results, what each takes, and what it is sent."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from shlex import quote
from typing import Annotated

import typer

from config.settings import Settings
from console import json_views
from console.actions.destinations import all_seen, known_destinations
from console.actions.destinations import gone as no_longer
from console.actions.destinations import paused as all_held
from console.actions.destinations import peer as as_peer
from console.actions.destinations import probe as ask
from console.actions.served import certainly_served, served
from console.cli import destination_view, study_view
from console.cli.commands import pausing
from console.cli.counting import counted, counted_of
from console.cli.options import Config, Data, DatabaseUrl, Json, Timeout, settings_from
from console.cli.output import complain, print_json, say, screen
from console.cli.user import ledger
from consumers.destinations import ProfiledDestination
from consumers.steps import forget as forgetting
from dicom_node.scu.probe import ProbeResult
from domain.errors import ConfigurationError, NodeError
from domain.pauses import Pause
from domain.profiles import BUILT_IN, Profile
from roles.database import reading
from store import destinations as kept
from store.database import Database
from store.deliveries import is_known
from store.destinations import SeenDestination
from store.grants import OPERATOR, READER

app = typer.Typer()
group = typer.Typer(help="Who gets results: what each takes, and what it is sent.", no_args_is_help=True)
app.add_typer(group, name="destinations")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a destination, as `list` shows it.")]
Peer = Annotated[str, typer.Argument(metavar="NAME|AET@HOST:PORT", help="A destination by its name, or any address.")]
ProfileName = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="Another profile than that of the destination.")
]
Aet = Annotated[str | None, typer.Option("--aet", metavar="NAME", help="Our AE title. (default: the listener's)")]


@group.command("list")
def list_destinations(
    data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Every destination: its profile, when it last answered, how much it takes."""
    settings = settings_from(config, data=data, database__url=database)
    with _database(settings) as (source, without):
        seen, paused = all_seen(source), all_held(source)
        pairs = [(one, seen.get(one.destination.address)) for one in known_destinations(settings, seen)]
        gone = no_longer(settings, source, [one.name for one, _ in pairs])
    if as_json:
        each = [json_views.destination(*pair, paused, configured=pair[0].name not in gone) for pair in pairs]
        print_json({"destinations": each})
        return
    now = datetime.now(UTC)
    screen().print(destination_view.overview(pairs, now, gone) if pairs else "no destination is configured")
    _say_gone(gone)
    _say_paused(paused)
    if without:
        complain(f"what was seen is not known: {without}")


@group.command()
def probe(
    peer: Peer,
    profile: ProfileName = None,
    aet: Aet = None,
    timeout: Timeout = 10.0,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Ask a destination what it takes, by an association in which nothing is sent, and say what it would get and why.

    Keeps the answer where the node has a database. Exit code 1 where it does not answer.

    Examples:  dicom-node destinations probe PACS --data trial
    dicom-node destinations probe ORTHANC@127.0.0.1:4242 --profile ohif
    """
    settings = settings_from(config, data=data, database__url=database, listener__aet=aet)
    with _database(settings, OPERATOR) as (source, without):
        one, known = _recipient(settings, peer, profile, all_seen(source))
        seen = ask(ledger(source) if source else None, one, settings.listener.aet, timeout, known=known)
    not_kept = without if known else f"{one.name} is not among the destinations"
    if as_json:
        print_json(json_views.answer(one, seen, not_kept))
    else:
        _print_answer(one, seen, not_kept)
    if seen.error:
        raise typer.Exit(1)


@group.command()
def show(
    name: Name,
    profile: ProfileName = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """What a destination was last seen to take, what it is sent, and why; asks nobody."""
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings) as source:
        answers, paused = all_seen(source), all_held(source)
        one, _ = _recipient(settings, name, profile, answers)
        gone = no_longer(settings, source, [one.name])
    seen = answers.get(one.destination.address)
    if as_json:
        print_json(json_views.destination(one, seen, paused, configured=not gone))
        return
    _say_paused([each for each in paused if each.name == one.name])
    out = screen()
    out.print(destination_view.overview([(one, seen)], datetime.now(UTC), gone))
    _say_gone(gone)
    out.print(destination_view.kinds(one.profile, seen.accepted if seen else None))


@group.command()
def forget(
    name: Name,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be cancelled, and do nothing.")] = False,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Cancel what was still to go to a destination that is no longer configured, so that no study waits for it.

    Exit code 1 where it is configured or a running node serves it: take it out of the settings first, and restart the
    node; and where one runs that does not say what it serves. Configured again, `retry STUDY` sends what was cancelled;
    `retry --destination NAME` sends it to another, which had none of it.

    Example:  dicom-node destinations forget OLDPACS --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    if name in certainly_served(settings):
        raise ConfigurationError(f"{name} is configured: take it out of the settings first, and restart the node")
    with reading(settings, OPERATOR) as source:
        _refuse_unknown(source, name)
        if dry_run:
            _print_intended(forgetting.intended(source, name), as_json)
            return
        done = forgetting.forget(ledger(source), name, datetime.now(UTC))
    if as_json:
        print_json(vars(done))
        return
    say(_forgotten(name, done))
    _say_where_else(settings, done)
    if done.notes:
        say(f"{counted(done.notes, 'rejection note')} cancelled: {name} keeps results that count no more")


def _forgotten(name: str, done: forgetting.Forgotten) -> str:
    stuck = f"{counted(done.studies, 'study', 'studies')} stuck no longer" if done.studies else ""
    cancelled = f"{counted(done.deliveries, 'delivery', 'deliveries')} cancelled" if done.deliveries else ""
    said = ", ".join(filter(None, (cancelled, stuck)))
    return said or f"{name} is forgotten; nothing was still to go there"


def _say_where_else(settings: Settings, done: forgetting.Forgotten) -> None:
    """What was cancelled is of a study that goes on, and nobody would look for it: a name may have been wrong."""
    names = sorted(served(settings))
    if done.deliveries and names:
        to = quote(names[0]) if len(names) == 1 else "NAME"
        say(f"what was to go there goes nowhere now; to send it to another: dicom-node retry --destination {to}")


def _print_intended(planned: forgetting.Forgotten, as_json: bool) -> None:
    if as_json:
        print_json({"intended": vars(planned)})
        return
    what = counted_of(
        planned.studies, (planned.deliveries, "delivery", "deliveries"), (planned.notes, "rejection note")
    )
    say(f"would cancel {what or 'nothing'}; nothing was done")


def _refuse_unknown(source: Database, name: str) -> None:
    with source.transaction() as connection:
        if not is_known(connection, name) and name not in {one.name for one in kept.all_seen(connection)}:
            raise ConfigurationError(f"nothing was ever to go to {name}: dicom-node destinations list, or status STUDY")


group.command("pause")(pausing.pause_destination)
group.command("resume")(pausing.resume_destination)


@group.command()
def profiles(config: Config = None, as_json: Json = False) -> None:
    """The profiles: which kinds of results each sends, and in which form it prefers them."""
    settings = settings_from(config)
    known = [settings.profile(name) for name in {**BUILT_IN, **settings.profiles}]
    if as_json:
        print_json(json_views.profiles(known))
    else:
        screen().print(destination_view.profiles(known))


@contextmanager
def _database(settings: Settings, kind: str = READER) -> Iterator[tuple[Database | None, str]]:
    """The node's database and "", or None and why there is none: a peer can be asked without."""
    with ExitStack() as stack:
        try:
            source, without = stack.enter_context(reading(settings, kind)), ""
        except NodeError as error:
            source, without = None, error.sentence
        yield source, without


def _say_gone(gone: Iterable[str]) -> None:
    for name in sorted(gone):
        say(f"{name} is no longer configured; to forget it: dicom-node destinations forget {quote(name)}")


def _say_paused(paused: Iterable[Pause]) -> None:
    for one in paused:
        say(study_view.paused(one))


def _recipient(
    settings: Settings, wanted: str, profile: str | None, seen: dict[str, SeenDestination]
) -> tuple[ProfiledDestination, bool]:
    """The destination that is named, and whether it is one of the node's; raises ConfigurationError where it is not."""
    destinations = known_destinations(settings, seen)
    found = [one for one in destinations if wanted in (one.name, one.destination.address)]
    if not found and "@" not in wanted and "://" not in wanted:
        known = ", ".join(one.name for one in destinations) or "none"
        raise ConfigurationError(f"there is no destination {wanted!r}; known are {known}; or give AET@HOST:PORT")
    one = found[0] if found else as_peer(wanted, BUILT_IN["default"])
    return ProfiledDestination(one.destination, _profile(settings, profile) if profile else one.profile), bool(found)


def _profile(settings: Settings, name: str) -> Profile:
    known = {**BUILT_IN, **settings.profiles}
    if name not in known:
        raise ConfigurationError(f"there is no profile {name!r}; known are {', '.join(known)}")
    return settings.profile(name)


def _print_answer(one: ProfiledDestination, seen: ProbeResult, not_kept: str) -> None:
    if seen.error:
        complain(f"{one.name} ({one.destination.address}) did not answer: {seen.error}")
    else:
        software = f", {seen.implementation}" if seen.implementation else ""
        say(f"{one.name} ({one.destination.address}{software}) answered")
        screen().print(destination_view.kinds(one.profile, seen.accepted))
        say(f"not kept: {not_kept}" if not_kept else "kept for the deliveries to come")
