"""Tables of who sends and of what is to come. Their rows hang on no study: they may be there before it."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from store.columns import metadata, moment

# Who called, by AE title and address, however often.
callers = Table(
    "callers",
    metadata,
    Column("calling_ae", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("accepted", BigInteger, nullable=False),  # associations
    Column("refused", BigInteger, nullable=False),
    moment("last_accepted", nullable=True),
    moment("last_refused", nullable=True),
    Column("refusal", Text, nullable=False),  # the last one's, "1-1-3" (PS3.8 table 9-21)
    Column("reason", Text, nullable=False),  # the last one's, in words
    # How it sends: studies that were seen of it, and the longest pause (s) that it lately made between associations
    # of one study (domain.habits).
    Column("studies", BigInteger, nullable=False, server_default=text("0")),
    Column("pause", Double, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("calling_ae", "address"),
)

# What somebody said is to come, be it before the first image: so the study's UID is no key of another table's.
expectations = Table(
    "expectations",
    metadata,
    Column("study_uid", Text, nullable=False),
    Column("series_uid", Text, nullable=False),  # empty: of the study
    Column("source", Text, nullable=False),  # who says so, as a reason names it
    Column("part", Text, nullable=False),  # tells apart what one source says of one series: a procedure step's UID
    Column("instances", Integer),
    Column("series", Integer),
    Column("sop_uids", ARRAY(Text)),  # where they are named one by one
    Column("varies", Boolean, nullable=False, server_default=text("false")),  # it said another number before
    moment("at"),
    PrimaryKeyConstraint("study_uid", "series_uid", "source", "part"),
    Index(None, "at"),
)
