"""what destinations take, and which form of each result goes to which."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.create_table(
        "destinations_seen",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("accepted", postgresql.JSONB(), nullable=True),
        sa.Column("implementation", sa.Text(), server_default="", nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_destinations_seen")),
        schema="dicom_node",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON dicom_node.destinations_seen TO dicom_node_app")
    columns: tuple[tuple[str, sa.Column[Any]], ...] = (
        ("results", sa.Column("refers", sa.Text(), server_default="", nullable=False)),
        ("deliveries", sa.Column("choices", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)),
        ("deliveries", sa.Column("planned_at", sa.DateTime(timezone=True), nullable=True)),
        ("delivery_objects", sa.Column("dropped", sa.Boolean(), server_default=sa.text("false"), nullable=False)),
    )
    for table, column in columns:
        op.add_column(table, column, schema="dicom_node")
