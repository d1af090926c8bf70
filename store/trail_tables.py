"""Tables beside the trail: its parts, and those that were archived. Append-only as it is, with the same triggers."""

from sqlalchemy import BigInteger, Column, Identity, LargeBinary, Table, Text

from store.columns import metadata, moment

# A part of the trail from its first number up to the next part's (store.trail_parts). The table of a part is named
# after it, audit_entries_FIRST, and is no table of its own for whoever has a right on the trail.
audit_parts = Table(
    "audit_parts",
    metadata,
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    moment("opened_at"),  # by the database's clock
)

# A part that was written into a file, and removed: what the entries behind it follow from.
audit_archives = Table(
    "audit_archives",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),  # hash of the last entry
    Column("key", Text, nullable=False),  # verifier key that the trail named first
    Column("file", Text, nullable=False),  # its name, without a folder
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the file
    moment("at"),
)
