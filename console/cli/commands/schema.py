"""`database`: the schema, and what each login may do in it."""

import typer

from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import tell
from roles.database import any_database
from store import schema
from store.grants import role_of
from store.rights import PARTS

app = typer.Typer()
group = typer.Typer(help="The database's schema and rights.", no_args_is_help=True)
app.add_typer(group, name="database")


@group.command()
def upgrade(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Bring the schema up to date, and each role's rights. The login must own it; `up` does this by itself.

    Example:  dicom-node database upgrade --database postgresql+psycopg://owner@db/dicom_node
    """
    settings = settings_from(config, data=data, database__url=database, database__owner_url=database)
    with any_database(settings) as (_, owner_url):
        revision = schema.upgrade(owner_url)
    tell(as_json, {"revision": revision}, f"the schema is at revision {revision}")


@group.command()
def grant(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Give each role of the node its rights on the schema's tables and take what it has besides, as the schema's owner.

    `upgrade` does so too. Where the owner may make no roles it says what an administrator of the server has to run.

    Example:  dicom-node database grant --database postgresql+psycopg://owner@db/dicom_node
    """
    settings = settings_from(config, data=data, database__url=database, database__owner_url=database)
    with any_database(settings) as (_, owner_url):
        schema.grant(owner_url)
    roles = [role_of(one) for one in PARTS]
    tell(as_json, {"roles": roles}, f"{', '.join(roles)} have their rights, and no others")
