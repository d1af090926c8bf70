"""which spools hold a study whose rows name what is not synced yet: assembly waits for it and the index need not."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one wrote was synced before its rows."""
    unsynced: sa.Column[list[str]] = sa.Column(
        "unsynced", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
    )
    op.add_column("studies", unsynced, schema="dicom_node")
