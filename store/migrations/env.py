"""Alembic's entry: migrations run on the connection that `store.schema` hands over, in one transaction."""

from alembic import context

from store.columns import SCHEMA
from store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=lambda name, kind, _parents: name == SCHEMA if kind == "schema" else True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
