"""each study's own silence: which association brought something of it last."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.add_column("study_associations", sa.Column("last_sequence", sa.BigInteger(), nullable=True), schema="dicom_node")


def downgrade() -> None:
    """Back to the schema of the previous release."""
    op.drop_column("study_associations", "last_sequence", schema="dicom_node")
