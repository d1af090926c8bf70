"""what each process may do is granted by role (store.rights); no number that the database gives can be given to it."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# One row with the largest number would have been the last that the table takes.
_NUMBERED = {"outbox": "seq", "dead_letters": "id", "conflicts": "id", "quarantine": "id"}
# Whose rows are a reader's own: the place of one is not another's to move.
_BY_READER = ("offsets", "inbox")


def upgrade() -> None:
    """Of the release before nothing gave a number by itself; its role has all the rights of this release's."""
    for table, column in _NUMBERED.items():
        op.execute(f"ALTER TABLE dicom_node.{table} ALTER COLUMN {column} SET GENERATED ALWAYS")
    for table in _BY_READER:
        op.execute(f"ALTER TABLE dicom_node.{table} ENABLE ROW LEVEL SECURITY")
