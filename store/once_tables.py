"""The table of what was asked once and must not be done twice."""

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from store.columns import metadata, moment

#: `key` and `request` are SHA-256 digests, of who asks with which key and of what is asked; no answer while it is done.
answered_once = Table(
    "answered_once",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("request", LargeBinary, nullable=False),
    Column("status", Integer),
    Column("answer", Text),
    moment("at"),
    Index(None, "at"),
)
