"""what was announced is looked up by its id: a message of the bus counts only where it is there."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.create_index(op.f("ix_outbox_event_id"), "outbox", ["event_id"], schema="dicom_node")
