"""`retry`: another chance for a study, or for many. `accept`: it goes on without. `cancel`, `reprocess`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from config.settings import Settings
from console.actions import recovery as deciding
from console.actions.known_packages import of_node
from console.actions.served import served
from console.cli.counting import counted, counted_of, listed
from console.cli.options import Config, Data, DatabaseUrl, Json, ModelFolder, Reason, Study, settings_from
from console.cli.output import complain, print_json, say
from console.cli.telling import telling
from console.cli.user import ledger, user, why
from consumers.steps import accept as accepting
from consumers.steps import retry as retrying
from consumers.steps.retry_destination import retry_destination, studies_that_wait
from consumers.steps.retry_many import intended_of_many, retry_many
from domain.errors import ConfigurationError
from domain.ids import StudyId
from domain.pauses import Held
from domain.states import DeliveryState
from models.installed import folder, installed
from roles.database import reading
from store.database import Database
from store.deliveries import is_known, of_study
from store.grants import OPERATOR
from store.holders import is_served
from store.pauses import all_paused
from store.queries.studies import find_study, studies_in_trouble

app = typer.Typer()

MaybeStudy = Annotated[
    str | None, typer.Argument(metavar="[STUDY]", help="Internal id or StudyInstanceUID, or the start of either.")
]
Stuck = Annotated[bool, typer.Option("--stuck", help="Every study that cannot go on by itself.")]
Everything = Annotated[
    bool, typer.Option("--all", help="Those, and every other of which anything failed, was refused or set aside.")
]
Destination = Annotated[
    str | None,
    typer.Option("--destination", metavar="NAME", help="All that this destination did not get, nothing else."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@app.command()
def retry(
    study: MaybeStudy = None,
    stuck: Stuck = False,
    everything: Everything = False,
    destination: Destination = None,
    dry_run: DryRun = False,
    data: Data = None,
    models: ModelFolder = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Try a study again: its events that were set aside, its models, and what was refused or waits to be sent.

    What it will do is said before it does it; --dry-run says it alone. Of many, what stands in the way of one stops no
    other. Exit code 1 where a model failed whose package is not known here, in the running node's folder of packages or
    the one that is given: the study stays stuck.

    Examples:  dicom-node retry 3f2a --data trial     dicom-node retry --stuck --dry-run --data trial
    dicom-node retry --destination PACS --data trial
    """
    if sum((study is not None, stuck, everything, destination is not None)) != 1:
        raise ConfigurationError("say what to try again: STUDY, --stuck, --all, or --destination NAME")
    settings = of_node(settings_from(config, data=data, models__folder=models, database__url=database))
    with reading(settings, OPERATOR) as source:
        if study is not None:
            _retry_one(source, settings, study, dry_run, as_json)
        elif destination is not None:
            _retry_destination(source, settings, destination, dry_run, as_json)
        else:
            _retry_many(source, settings, stuck, dry_run, as_json)


def _retry_one(source: Database, settings: Settings, study: str, dry_run: bool, as_json: bool) -> None:
    found = find_study(source, study)
    if dry_run or not as_json:
        sentences = retrying.intended(source, found, installed(settings), served(settings))
        if as_json:
            print_json({"intended": {str(found): sentences}})
        for sentence in () if as_json else sentences:
            say(f"will {sentence}" if ": " not in sentence else sentence)
    if dry_run:
        return
    done = deciding.retry(ledger(source), settings, found)
    if as_json:
        print_json(vars(done))
    else:
        say(f"set going again: {_what(done.events, done.jobs, done.deliveries) or 'nothing; nothing failed or waits'}")
        _say_paused(source, found)
    if done.held:
        complain(f"the study stays as it is: {_unknown(done.held, settings)}")
        raise typer.Exit(1)


def _say_paused(source: Database, study: StudyId) -> None:
    """What was set going again waits all the same where a person holds its destination back."""
    with source.transaction() as connection:
        waiting = {one.destination for one in of_study(connection, study) if one.state is DeliveryState.PENDING}
        paused = [one for one in all_paused(connection) if one.kind == Held.DESTINATION and one.name in waiting]
    for one in paused:
        complain(f"it waits all the same: {one.said}")


def _retry_many(source: Database, settings: Settings, stuck_alone: bool, dry_run: bool, as_json: bool) -> None:
    packages, wanted = installed(settings), studies_in_trouble(source, stuck_alone=stuck_alone)
    own = ledger(source)
    if dry_run:
        intended = intended_of_many(own, wanted, packages, served(settings))
        if as_json:
            print_json({"intended": intended})
            return
        for one, sentences in intended.items():
            say(f"{one[:8]}: {'; '.join(sentences)}")
        say(f"{counted(len(wanted), 'study', 'studies')}; nothing was done")
        return
    tell = telling("studies tried again")
    done = retry_many(own, wanted, packages, lambda: datetime.now(UTC), served(settings), tell)
    if as_json:
        print_json(vars(done))
    else:
        for one, reason in done.not_retried.items():
            complain(f"{one[:8]} stays as it is: {reason}")
        what = _what(done.events, done.jobs, done.deliveries) or "nothing"
        say(f"set going again of {counted(done.studies, 'study', 'studies')}: {what}")
    if done.not_retried:
        raise typer.Exit(1)


def _retry_destination(source: Database, settings: Settings, name: str, dry_run: bool, as_json: bool) -> None:
    with source.transaction() as connection:
        is_destination = name in served(settings) or is_served(connection, name)
        if not is_destination and not is_known(connection, name):
            raise ConfigurationError(f"nothing was ever to go to {name}: dicom-node destinations list")
        paused = [one for one in all_paused(connection) if (one.kind, one.name) == (Held.DESTINATION, name)]
    if dry_run:
        found = [str(one) for one in studies_that_wait(source, name, is_destination)]
        if as_json:
            print_json({"intended": found})
        else:
            many = counted(len(found), "study", "studies")
            say(f"will send at once what {name} did not get of {many}; nothing was done")
        return
    tell = telling("studies tried again")
    done = retry_destination(ledger(source), name, is_destination, datetime.now(UTC), tell)
    if as_json:
        print_json(vars(done))
        return
    if not done.studies:
        say(f"{name} got all that was to go there, or it was cancelled")
        return
    each = ((done.deliveries, "delivery", "deliveries"), (done.notes, "rejection note"))
    say(f"to {name} at once: {counted_of(done.studies, *each) or 'nothing'}")
    for one in paused:
        complain(f"they wait all the same: {one.said}")


@app.command()
def accept(
    study: Study,
    reason: Reason,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Let a study go on without the result of a model that failed on it.

    For what will never work, as where the model's package is gone. Who says so and why is on the trail and in `status`.
    Further instances ask the model anew, and so does `retry` where its package is there. Exit code 1 where the study
    stays stuck for something else.

    Example:  dicom-node accept 3f2a --reason "the model was withdrawn" --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    said = why(reason, "why the study goes on without the result")
    with reading(settings, OPERATOR) as source:
        found = find_study(source, study)
        done = accepting.accept(ledger(source), found, said, user(), datetime.now(UTC))
    if as_json:
        print_json(vars(done))
    else:
        say(f"nobody waits for {', '.join(done.models)} any more")
    if not done.goes_on:
        complain("the study stays stuck for another reason: dicom-node status STUDY, then dicom-node retry STUDY")
        raise typer.Exit(1)


@app.command()
def cancel(
    study: Study,
    reason: Reason,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """End what is not yet done of a study: no model runs on it any more, and nothing further of it goes out.

    What has arrived at a destination stays there. `retry STUDY` sets going again what was ended.

    Example:  dicom-node cancel 3f2a --reason "a test of the scanner" --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    said = why(reason, "why the study is cancelled")
    with reading(settings, OPERATOR) as source:
        found = find_study(source, study)
        done = deciding.cancel(ledger(source), settings, found, said, user())
    if as_json:
        print_json(vars(done))
    else:
        say(f"ended: {_what(0, done.jobs, done.deliveries, done.impressions)}")
    if not done.goes_on:
        complain("the study stays stuck for another reason: dicom-node status STUDY")
        raise typer.Exit(1)


@app.command()
def reprocess(
    study: Study,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="The model that is to run again.")],
    reason: Reason,
    data: Data = None,
    models: ModelFolder = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Run a model once more on the images that it has had: its new result supersedes the earlier one.

    The study is complete anew after its settle time. A destination whose profile wants that is told by a rejection note
    of what it has. What other models found on the same images stays; those that failed are asked again as well.

    Example:  dicom-node reprocess 3f2a --model ct_lung --reason "the GPU was faulty" --data trial
    """
    settings = of_node(settings_from(config, data=data, models__folder=models, database__url=database))
    said = why(reason, "why the model is to run again")
    deciding.known_model(settings, model)
    with reading(settings, OPERATOR) as source:
        found = find_study(source, study)
        runs = deciding.reprocess(ledger(source), settings, found, model, said, user())
        with source.transaction() as connection:
            paused = [one for one in all_paused(connection) if (one.kind, one.name) == (Held.MODEL, model)]
    if as_json:
        print_json({"model": model, "runs": runs})
        return
    count = f"{counted(runs, 'earlier run')} {'counts' if runs == 1 else 'count'} no more then"
    say(f"{model} runs again when the study is complete anew{f'; {count}' if runs else ''}")
    for one in paused:
        complain(f"it waits until then: {one.said}")


def _what(events: int, jobs: int, deliveries: int, impressions: int = 0) -> str:
    counts = (events, "event"), (jobs, "inference"), (impressions, "impression"), (deliveries, "delivery", "deliveries")
    return listed(*counts)


def _unknown(models: Sequence[str], settings: Settings) -> str:
    return (
        f"{', '.join(models)} failed, and no such package is in {folder(settings)}; give the node's packages: "
        "--models DIR, or --config FILE with its models.folder"
    )
