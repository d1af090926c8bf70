"""The tables of what was requested and performed: coded terms and UIDs; whom it is about stands in the files alone.

Rows may be there before anything of their study is, so that its UID is no key of another table's.
"""

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from store.columns import metadata, moment

# A modality's procedure step (PS3.4 F.7).
procedure_steps = Table(
    "procedure_steps",
    metadata,
    Column("sop_uid", Text, primary_key=True),
    Column("study_uids", ARRAY(Text), nullable=False),  # the studies that it is of
    Column("state", Text, nullable=False),  # domain.states.ProcedureStepState
    Column("performed", JSONB(none_as_null=True)),  # SOP Instance UIDs by Series Instance UID; null: not said yet
    Column("object_key", Text, nullable=False, server_default=""),  # of the N-SET that came last
    moment("begun_at"),
    moment("ended_at", nullable=True),
    Index(None, "study_uids", postgresql_using="gin"),
    Index(None, "begun_at"),
)

# What was requested of a study, by a procedure step or by an item of a worklist.
requested_procedures = Table(
    "requested_procedures",
    metadata,
    Column("sop_uid", Text, nullable=False),  # of what says so; of a worklist's items one that the node made
    Column("study_uid", Text, nullable=False),
    Column("source", Text, nullable=False),  # who says so, as a reason names it
    Column("codes", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # SCHEME:VALUE
    Column("description", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("object_key", Text, nullable=False),  # empty: a worklist was asked, and knows nothing of it
    moment("at"),
    PrimaryKeyConstraint("sop_uid", "study_uid"),
    Index(None, "study_uid"),
    Index(None, "at"),
)
