"""what was asked under a key is done once; studies in the order in which they first came."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.create_table(
        "answered_once",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_answered_once")),
        schema="dicom_node",
    )
    op.create_index(op.f("ix_answered_once_at"), "answered_once", ["at"], schema="dicom_node")
    op.create_index(op.f("ix_studies_first_received_id"), "studies", ["first_received", "id"], schema="dicom_node")
