"""what was requested of a study, and what a modality performed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_NOTHING = sa.text("'{}'")


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.create_table(
        "procedure_steps",
        sa.Column("sop_uid", sa.Text(), nullable=False),
        sa.Column("study_uids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("performed", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("object_key", sa.Text(), server_default="", nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("sop_uid", name=op.f("pk_procedure_steps")),
        schema="dicom_node",
    )
    op.create_table(
        "requested_procedures",
        sa.Column("sop_uid", sa.Text(), nullable=False),
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("codes", postgresql.ARRAY(sa.Text()), server_default=_NOTHING, nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sop_uid", "study_uid", name=op.f("pk_requested_procedures")),
        schema="dicom_node",
    )
    for table, column, using in (
        ("procedure_steps", "study_uids", "gin"),
        ("procedure_steps", "begun_at", "btree"),
        ("requested_procedures", "study_uid", "btree"),
        ("requested_procedures", "at", "btree"),
    ):
        name = op.f(f"ix_{table}_{column}")
        op.create_index(name, table, [column], schema="dicom_node", postgresql_using=using)
