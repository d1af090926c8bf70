"""what tells series of a study apart, and runs that read some images of a series."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays. Of instances that are there, it is unknown."""
    for name, kind in (
        ("modality", sa.Text()),
        ("series_description", sa.Text()),
        ("series_number", sa.Integer()),
        ("instance_number", sa.Integer()),
        ("frame_of_reference", sa.Text()),
        ("kernel", sa.Text()),
        ("thickness", sa.Double()),
        ("places", sa.Integer()),
    ):
        op.add_column("instances", sa.Column(name, kind, nullable=True), schema="dicom_node")
    images = sa.Column("images", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    op.add_column("jobs", images, schema="dicom_node")
