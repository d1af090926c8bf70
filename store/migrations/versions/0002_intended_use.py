"""what an intended use may ask of an image, and jobs that read several series."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    for column in (
        sa.Column("view", sa.Text(), server_default="", nullable=False),
        sa.Column("image_type", sa.Text(), server_default="", nullable=False),
        sa.Column("photometric", sa.Text(), server_default="", nullable=False),
        sa.Column("contrast", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("burned_in", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("age", sa.Double(), nullable=True),
    ):
        op.add_column("instances", column, schema="dicom_node")
    for table in ("decisions", "jobs"):
        inputs = sa.Column("inputs", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
        op.add_column(table, inputs, schema="dicom_node")
