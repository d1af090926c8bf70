"""leased rows say whose they are and when it is their turn, and studies that wait for others to be complete."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# The state in which a row of each table waits.
_LEASED = {"jobs": "requested", "deliveries": "pending", "rejections": "pending"}


def upgrade() -> None:
    """Add what this release needs. What waits now has turn 0, and the previous release goes on making such rows."""
    op.add_column("studies", sa.Column("turn", sa.BigInteger(), nullable=True), schema="dicom_node")
    for table, waits in _LEASED.items():
        for column in (
            sa.Column("sender", sa.Text(), server_default="", nullable=False),
            sa.Column("turn", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
            sa.Column("served", sa.BigInteger(), nullable=True),
        ):
            op.add_column(table, column, schema="dicom_node")
        waiting = sa.text(f"state = '{waits}'")
        for name, columns, where in (
            ("turn", ["turn", "not_before", "id"], waiting),
            ("sender_turn", ["sender", "turn"], waiting),
            ("sender_served", ["sender", "served"], None),
            ("served", ["served"], None),
        ):
            op.create_index(f"ix_{table}_{name}", table, columns, schema="dicom_node", postgresql_where=where)
