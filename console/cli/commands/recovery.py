"""`retry`: another chance for a study, when its cause was mended. `accept`: it goes on without."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from audit.trail import Ledger
from config.settings import Settings
from console.cli.known_packages import of_node
from console.cli.options import Config, Data, DatabaseUrl, Json, ModelFolder, Study, settings_from
from console.cli.output import complain, print_json, say
from console.cli.served import served
from console.cli.user import user, why
from consumers.steps import accept as accepting
from consumers.steps import retry as retrying
from models.installed import folder, installed
from roles.database import reading
from store.grants import OPERATOR
from store.queries.studies import find_study

app = typer.Typer()


@app.command()
def retry(
    study: Study,
    data: Data = None,
    models: ModelFolder = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Try a study again: its events that were set aside, its models, and what was refused or waits to be sent.

    What it will do is said before it does it. Exit code 1 where a model failed whose package is not known here, in the
    running node's folder of packages or the one that is given: the study stays stuck.

    Example:  dicom-node retry 3f2a --data trial
    """
    settings = of_node(settings_from(config, data=data, models__folder=models, database__url=database))
    packages = installed(settings)
    with reading(settings, OPERATOR) as source:
        found = find_study(source, study)
        if not as_json:
            for sentence in retrying.intended(source, found, packages):
                say(f"will {sentence}" if ": " not in sentence else sentence)
        done = retrying.retry(Ledger(source, "console"), found, packages, datetime.now(UTC), served(settings))
    if as_json:
        print_json(vars(done))
    else:
        counts = f"{done.events} event(s), {done.jobs} inference(s), {done.deliveries} delivery(ies)"
        say(f"set going again: {counts}")
    if done.held:
        complain(f"the study stays as it is: {_unknown(done.held, settings)}")
        raise typer.Exit(1)


@app.command()
def accept(
    study: Study,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept, and names no patient.")],
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
        done = accepting.accept(Ledger(source, "console"), found, said, user(), datetime.now(UTC))
    if as_json:
        print_json(vars(done))
    else:
        say(f"nobody waits for {', '.join(done.models)} any more")
    if not done.goes_on:
        complain("the study stays stuck for another reason: dicom-node status STUDY, then dicom-node retry STUDY")
        raise typer.Exit(1)


def _unknown(models: Sequence[str], settings: Settings) -> str:
    return (
        f"{', '.join(models)} failed, and no such package is in {folder(settings)}; give the node's packages: "
        "--models DIR, or --config FILE with its models.folder"
    )
