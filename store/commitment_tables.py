"""The tables of storage commitment: what others ask of us, and what we ask of archives."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from store.columns import SCHEMA, leased, metadata, moment, turn

commitments = Table(
    "commitments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("transaction_uid", Text, nullable=False),
    Column("calling_ae", Text, nullable=False),
    Column("called_ae", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("association_id", Uuid, nullable=False),  # on which it was asked
    Column("spool", Text, nullable=False),  # whose index decides: the listener beside it may report
    Column("digest", Text, nullable=False),  # of what is asked about: the same again is the same question
    Column("sop_classes", ARRAY(Text), nullable=False),
    Column("sop_instances", ARRAY(Text), nullable=False),
    Column("reasons", ARRAY(Integer)),  # a Failure Reason each, 0 for what is committed; null until it is decided
    Column("study_id", Uuid),  # of none: what is asked about may be of many
    moment("asked_at"),
    moment("wait_until"),  # for instances that are not there
    *leased(),
    moment("first_attempt", nullable=True),
    *turn("commitments", "pending"),
    UniqueConstraint("transaction_uid", "calling_ae", "digest"),
    Index("ix_commitments_open", "spool", postgresql_where=text("state in ('waiting', 'pending', 'sending')")),
)

commitment_requests = Table(
    "commitment_requests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("delivery_id", ForeignKey(f"{SCHEMA}.deliveries.id"), nullable=False, unique=True),
    Column("study_id", ForeignKey(f"{SCHEMA}.studies.id"), nullable=False),
    Column("destination", Text, nullable=False),
    Column("transactions", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # UIDs, the newest last
    Column("rounds", Integer, nullable=False, server_default=text("0")),  # times that objects were sent once more
    Column("report", JSONB),  # what an archive said on an association of its own; null until it has
    Column("checked", Text, nullable=False, server_default=""),  # how it was found out: commitment, query
    moment("asked_at", nullable=True),  # when the archive took the question that is open
    moment("requested_at"),
    *leased(),
    moment("first_attempt", nullable=True),
    *turn("commitment_requests", "pending"),
    Index(None, "study_id"),
    Index(None, "transactions", postgresql_using="gin"),
)
