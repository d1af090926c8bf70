"""inferences that failed and whose results a person lets the study go on without."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    accepted: sa.Column[bool] = sa.Column("accepted", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("jobs", accepted, schema="dicom_node")
