"""Tables beside the trail: its parts, and those that were archived. Append-only as it is, with the same triggers."""

from sqlalchemy import BigInteger, Column, Table

from store.columns import metadata, moment

# A part of the trail from its first number up to the next part's (store.trail_parts). The table of a part is named
# after it, audit_entries_FIRST, and is no table of its own for whoever has a right on the trail.
audit_parts = Table(
    "audit_parts",
    metadata,
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    moment("opened_at"),  # by the database's clock
)
