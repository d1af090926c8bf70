"""leases that are fenced by an epoch, and the packages that are known by name, version and digest."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    for table in ("jobs", "deliveries"):
        epoch = sa.Column("lease_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False)
        op.add_column(table, epoch, schema="dicom_node")
    op.create_table(
        "model_packages",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_model_packages")),
        schema="dicom_node",
    )
    op.execute("GRANT SELECT, INSERT ON dicom_node.model_packages TO dicom_node_app")
    # What ran last under a name and version is what its results are known by.
    op.execute(
        "INSERT INTO dicom_node.model_packages (name, version, digest, first_seen)"
        " SELECT DISTINCT ON (model, version) model, version, model_digest, requested_at FROM dicom_node.jobs"
        " ORDER BY model, version, requested_at DESC"
    )
