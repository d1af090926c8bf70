"""`privacy`: what people wrote of studies is taken out of the database."""

import typer

from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import tell
from console.cli.user import ledger, user
from consumers.steps.clear_descriptions import clear_descriptions
from domain.errors import ConfigurationError
from roles.database import reading
from store.grants import OPERATOR

app = typer.Typer()
group = typer.Typer(help="What the database keeps that people wrote: take it out.", no_args_is_help=True)
app.add_typer(group, name="privacy")


@group.callback()
def _group() -> None:
    """One command today; the callback keeps it a group."""


@group.command("clear-descriptions")
def clear(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Take the descriptions of studies and series that the database has out of it, where none are kept any more.

    With privacy.descriptions = false alone, or the index would bring them again. docs/privacy.md says what stays.

    Example:  dicom-node privacy clear-descriptions --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, OPERATOR) as source:
        if settings.privacy.descriptions:
            said = "the index keeps descriptions: set privacy.descriptions = false, for all roles, first"
            raise ConfigurationError(said)
        done = clear_descriptions(ledger(source), user())
    tell(
        as_json,
        vars(done),
        f"descriptions of {done.studies} studies cleared: {done.series} series, {done.instances} instances",
    )
