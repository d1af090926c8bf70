"""The one order in which rows are locked, so that no two transactions ever wait for each other.

A transaction locks, of what it needs, in this order; a table's rows in the order of their ids, all at once:

1. the event that it handles (inbox), or the dead letter that it replays
2. jobs
3. deliveries, then rejection notes; what is asked about a delivery before it: while that is asked nobody sends it
4. studies
5. what hangs on a locked study: its conflicts, instances, series, the objects of its deliveries, its impressions
6. rows that belong to no study: what destinations answered, packages that are known
7. the order of the log, by which a transaction ends (store.unit_of_work)

Who claims leased rows passes over those that are locked, and so waits for none of them. A lock leaves a row's key alone
(FOR NO KEY UPDATE), for no key ever changes: a new row that refers to a locked one waits for nobody either.
"""

from typing import TypeVar

from sqlalchemy import Select, Table

Q = TypeVar("Q", bound=Select[*tuple[object, ...]])


def locked(query: Q, table: Table, *, skip: bool = False) -> Q:
    """`query` with the rows of `table` locked as it finds them; `skip` passes over what others have locked."""
    return query.with_for_update(of=table, key_share=True, skip_locked=skip)


def locked_in_order(query: Q, table: Table) -> Q:
    """`query` with the rows of `table` locked one after the other, in the order of their ids."""
    return locked(query.order_by(table.c.id), table)
