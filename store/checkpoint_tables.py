"""The tables of the trail's tree: its tiles, the checkpoints over it, and what outside places know of them."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from store.columns import SCHEMA, metadata, moment

# Full tiles of the Merkle tree over the trail (audit.tiles). Nothing is proven by them: they spare computing.
audit_tiles = Table(
    "audit_tiles",
    metadata,
    Column("level", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hashes", LargeBinary, nullable=False),  # 256 SHA-256 digests
    PrimaryKeyConstraint("level", "number"),
)

# Signed notes (C2SP tlog-checkpoint). Numbers may be missing between two: a transaction that failed took them.
audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("size", BigInteger, nullable=False),  # how many entries the trail had
    Column("root", LargeBinary, nullable=False),  # of the tree over them
    Column("note", Text, nullable=False),
    moment("at"),
    Index(None, "size"),
)

# What witnesses signed: each a line of a note.
audit_cosignatures = Table(
    "audit_cosignatures",
    metadata,
    Column("checkpoint", ForeignKey(f"{SCHEMA}.audit_checkpoints.number"), nullable=False),
    Column("witness", Text, nullable=False),  # the name of the setting
    Column("line", Text, nullable=False),
    moment("at"),
    PrimaryKeyConstraint("checkpoint", "witness"),
)

# How far each outside place has been told.
audit_publications = Table(
    "audit_publications",
    metadata,
    Column("witness", Text, primary_key=True),  # the name of the setting
    Column("checkpoint", BigInteger, nullable=False, server_default=text("0")),  # the newest that it has
    Column("size", BigInteger, nullable=False, server_default=text("0")),  # of that
    moment("at", nullable=True),  # when it took that
    moment("away_since", nullable=True),  # since when it takes none; null: it does
    Column("reason", Text, nullable=False, server_default=""),  # why
)
