"""`database`: the schema, and what each login may do in it."""

from contextlib import closing
from dataclasses import asdict

import typer

from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import complain, print_json, say, tell
from console.cli.user import user
from domain.errors import ConfigurationError
from roles.database import any_database
from roles.schema_upgrade import grant_rights, upgrade_schema
from store.database import Database
from store.grants import role_of
from store.queries.schema import schema_is_ready
from store.rights import PARTS
from store.trail_guards import faults, who_may

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
        revision = upgrade_schema(owner_url, user())
    tell(as_json, {"revision": revision}, f"the schema is at revision {revision}")


@group.command()
def grant(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Give each role of the node its rights on the schema's tables and take what it has besides, as the schema's owner.

    `upgrade` does so too. Where the owner may make no roles it says what an administrator of the server has to run.

    Example:  dicom-node database grant --database postgresql+psycopg://owner@db/dicom_node
    """
    settings = settings_from(config, data=data, database__url=database, database__owner_url=database)
    with any_database(settings) as (_, owner_url):
        grant_rights(owner_url, user())
    roles = [role_of(one) for one in PARTS]
    tell(as_json, {"roles": roles}, f"{', '.join(roles)} have their rights, and no others")


@group.command()
def check(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Whether the node's login could alter the audit trail, and whether what guards it is as it is to be.

    Every role looks at this when it starts, and does not start with a fault. Exit code 1 where there is one.

    Example:  dicom-node database check --config node.toml
    """
    settings = settings_from(config, data=data, database__url=database)
    with any_database(settings) as (url, _), closing(Database(url, pool_size=1)) as node:
        if not schema_is_ready(node):
            raise ConfigurationError("the database's schema is not this release's: run dicom-node database upgrade")
        with node.transaction() as connection:
            found, others = faults(connection), who_may(connection)
    if as_json:
        print_json({"faults": [asdict(one) for one in found], "who_may_alter": list(others)})
    else:
        for one in found:
            complain(str(one))
        if not found:
            say("the node's login cannot alter the trail; its triggers and functions are as they are to be")
        say(f"who could alter it all the same: {', '.join(others) or 'nobody who may log in'}")
    if found:
        raise typer.Exit(1)
