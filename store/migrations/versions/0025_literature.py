"""articles about findings, kept by the coded terms that they were looked for by."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.create_table(
        "literature",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("articles", postgresql.JSONB(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_literature")),
        schema="dicom_node",
    )
