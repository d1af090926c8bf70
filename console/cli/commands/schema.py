"""`database`: the schema."""

import typer

from console.cli.options import Config, Data, DatabaseUrl, settings_from
from console.cli.output import say
from roles.database import any_database
from store.schema import upgrade as bring_up_to_date

app = typer.Typer()
group = typer.Typer(help="The database's schema.", no_args_is_help=True)
app.add_typer(group, name="database")


@group.callback()
def _group() -> None:
    """One command today; the callback keeps it a group."""


@group.command()
def upgrade(data: Data = None, config: Config = None, database: DatabaseUrl = None) -> None:
    """Bring the schema up to date. The role in the URL must own it; `up` does this by itself.

    Example:  dicom-node database upgrade --database postgresql+psycopg://owner@db/dicom_node
    """
    settings = settings_from(config, data=data, database__url=database, database__owner_url=database)
    with any_database(settings) as (_, owner_url):
        revision = bring_up_to_date(owner_url)
    say(f"the schema is at revision {revision}")
