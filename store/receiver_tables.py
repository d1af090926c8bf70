"""How far each receiver of the trail's entries is: beside the trail itself all that there is to keep."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Table, Text, text

from store.columns import metadata, moment

trail_receivers = Table(
    "trail_receivers",
    metadata,
    Column("name", Text, primary_key=True),
    # The last entry that it has for good: of those up to here none is sent again.
    Column("number", BigInteger, nullable=False),
    moment("at"),
    # Entries that it refused, each by itself, and the last of them.
    Column("refused", BigInteger, nullable=False, server_default=text("0")),
    Column("last_refused", BigInteger),
    # Since when nothing could be sent, and why; both empty while it takes what it is sent.
    moment("away_since", nullable=True),
    Column("reason", Text, nullable=False, server_default=""),
    CheckConstraint("number >= 0", name="number"),
)
