"""`retry`: another chance for a study, when its cause was mended."""

from datetime import UTC, datetime

import typer

from audit.trail import Ledger
from console.cli.options import Config, Data, DatabaseUrl, Json, Study, settings_from
from console.cli.output import print_json
from consumers.steps import retry as retrying
from models.installed import installed
from roles.database import reading
from store.queries.studies import find_study

app = typer.Typer()


@app.command()
def retry(
    study: Study, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Try a study again: its events that were set aside, its models, and what was refused or waits to be sent.

    What it will do is said before it does it.

    Example:  dicom-node retry 3f2a --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    packages = [package.digest for package in installed(settings)]
    with reading(settings) as source:
        found = find_study(source, study)
        if not as_json:
            for sentence in retrying.intended(source, found, packages):
                typer.echo(f"will {sentence}" if ": " not in sentence else sentence)
        done = retrying.retry(Ledger(source, "console"), found, packages, datetime.now(UTC))
    if as_json:
        print_json(vars(done))
        return
    typer.echo(f"set going again: {done.events} event(s), {done.jobs} inference(s), {done.deliveries} delivery(ies)")
