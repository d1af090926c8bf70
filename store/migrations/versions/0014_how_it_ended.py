"""conflicts that wait for nobody any more, and rejection notes that were cancelled with their destination."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    ended = sa.Column("ended", sa.Text(), server_default=sa.text("''"), nullable=False)
    op.add_column("conflicts", ended, schema="dicom_node")
    forgotten: sa.Column[bool] = sa.Column("forgotten", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("rejections", forgotten, schema="dicom_node")
    # A release of a while wrote how it ended in the places of what it was and why.
    op.execute(
        "UPDATE dicom_node.conflicts SET ended = kind, kind = 'other bytes' WHERE kind IN ('filed', 'set aside')"
    )
    op.execute(
        "UPDATE dicom_node.rejections SET forgotten = true"
        " WHERE state = 'cancelled' AND reason LIKE '% is no destination any more'"
    )
