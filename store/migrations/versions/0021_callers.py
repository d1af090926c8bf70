"""who called, accepted or refused: one row for each AE title and address."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "callers",
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("last_accepted", moment, nullable=True),
        sa.Column("last_refused", moment, nullable=True),
        sa.Column("refusal", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("calling_ae", "address", name=op.f("pk_callers")),
        schema="dicom_node",
    )
