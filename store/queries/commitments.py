"""What is asked by storage commitment, of us and of archives."""

from sqlalchemy import func, select

from domain.commitment import RequestState
from domain.commitment_records import CommitmentRecord, CommitmentRequestRecord
from domain.records import Listed
from store.commitment_tables import commitment_requests, commitments
from store.database import Database
from store.queries.records import first_of, rows_of


def asked_of_us(database: Database, most: int) -> Listed[CommitmentRecord]:
    """The newest questions of peers, the last one first."""
    failed = func.coalesce(func.cardinality(func.array_remove(commitments.c.reasons, 0)), 0)
    columns = (
        *(commitments.c[name] for name in ("id", "transaction_uid", "calling_ae", "address", "asked_at")),
        func.cardinality(commitments.c.sop_instances).label("instances"),
        failed.label("failed"),
        *(commitments.c[name] for name in ("state", "reason", "since")),
    )
    order = (commitments.c.asked_at, commitments.c.id)
    with database.transaction() as connection:
        return first_of(connection, select(*columns), CommitmentRecord, order, most)


def asked_of_archives(database: Database, most: int) -> Listed[CommitmentRequestRecord]:
    """The newest questions to archives that did not end with a commitment, the last one first."""
    over = (RequestState.COMMITTED, RequestState.CANCELLED)
    open_ones = rows_of(CommitmentRequestRecord, commitment_requests).where(commitment_requests.c.state.not_in(over))
    order = (commitment_requests.c.since, commitment_requests.c.id)
    with database.transaction() as connection:
        return first_of(connection, open_ones, CommitmentRequestRecord, order, most)
