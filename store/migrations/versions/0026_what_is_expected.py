"""what was said is to come of a study, how its senders send, and how it was known to be complete."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; the previous one leaves all of it as it is."""
    op.create_table(
        "expectations",
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("series_uid", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=True),
        sa.Column("series", sa.Integer(), nullable=True),
        sa.Column("sop_uids", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("varies", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("study_uid", "series_uid", "source", "part", name=op.f("pk_expectations")),
        schema="dicom_node",
    )
    op.create_index(op.f("ix_expectations_at"), "expectations", ["at"], schema="dicom_node")
    for table, column in (
        ("studies", sa.Column("completeness", sa.Text(), server_default="", nullable=False)),
        ("studies", sa.Column("lacks", sa.Text(), server_default="", nullable=False)),
        ("callers", sa.Column("studies", sa.BigInteger(), server_default=sa.text("0"), nullable=False)),
        ("callers", sa.Column("pause", sa.Double(), server_default=sa.text("0"), nullable=False)),
    ):
        op.add_column(table, column, schema="dicom_node")
