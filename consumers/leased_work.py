"""What the loop over leased rows (`consumers.leased`) asks of a handler, and what it hands to one."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from audit.trail import Transaction
from domain.errors import NodeError, Retryable
from domain.ids import StudyId
from domain.retry import RetryPolicy
from store.database import Connection
from store.leases import Condition, Lease, LeaseTable


class LeaseLost(NodeError):
    """Somebody else has this row by now; nothing more is to be done or written for it."""


class Item(Protocol):
    """What the loop must know of a row that is worked on."""

    @property
    def id(self) -> uuid.UUID: ...

    @property
    def study_id(self) -> uuid.UUID: ...

    @property
    def attempts(self) -> int: ...

    @property
    def age(self) -> timedelta:
        """How long ago the first attempt was, where that may end it."""
        ...


T = TypeVar("T", bound=Item)
R = TypeVar("R")


@dataclass(frozen=True)
class Claimed(Generic[T]):
    """A row that is ours, as it was when it was claimed."""

    lease: Lease
    item: T


def why_ended(item: Item, error: NodeError) -> str:
    """Why a row ends, and of what might have passed for how long it was tried."""
    return f"{error}; given up after {item.age.days} days" if isinstance(error, Retryable) else str(error)


class LeasedWork(Protocol[T, R]):
    """One kind of leased work. Methods that get a transaction change rows in it and do nothing else."""

    @property
    def rows(self) -> LeaseTable[Any, Any]:
        """The table."""
        ...

    @property
    def policy(self) -> RetryPolicy:
        """How often and how soon what may pass is tried again."""
        ...

    @property
    def scope(self) -> Sequence[Condition]:
        """What is true of the rows that are this handler's."""
        ...

    @property
    def due(self) -> Sequence[Condition]:
        """What must be true of a row of the scope besides, that it may be claimed."""
        ...

    def load(self, connection: Connection, row: uuid.UUID) -> T:
        """The row as it stands."""
        ...

    def together(self, first: T) -> tuple[int, Condition]:
        """How many rows are worked on at once where `first` is one of them, and what is true of the others."""
        ...

    def longest(self, rows: int) -> float:
        """Seconds that work on so many rows may take from one sign of life to the next; what takes longer hangs."""
        ...

    def overtaken(self, connection: Connection, item: T) -> str:
        """Why nobody wants its outcome any more; "" where somebody does."""
        ...

    def began(self, transaction: Transaction, item: T) -> None:
        """It was claimed."""
        ...

    def run(self, claimed: Sequence[Claimed[T]], sign: Callable[[], None]) -> Sequence[R | NodeError]:
        """The work itself, as long as it takes, outside of any transaction: a result or an error for each.

        `sign` says that it goes on.
        """
        ...

    def succeeded(self, transaction: Transaction, item: T, result: R) -> str:
        """Move the row on with its result; the state that it then has."""
        ...

    def failure(self, error: NodeError) -> StrEnum:
        """The event of the state table that this error is."""
        ...

    def retried(self, transaction: Transaction, item: T, reason: str, said: str) -> None:
        """It was moved back to be tried again; `said` is the reason with attempt and pause."""
        ...

    def taken_back(self, transaction: Transaction, item: T, reason: str) -> None:
        """It was moved back because its holder was lost."""
        ...

    def cancelled(self, transaction: Transaction, item: T, reason: str) -> None:
        """It was cancelled."""
        ...

    def ended(self, transaction: Transaction, item: T, error: NodeError) -> str:
        """End the row for good; the state that it then has."""
        ...

    def abandoned(self, transaction: Transaction, row: uuid.UUID, study: StudyId, error: NodeError) -> None:
        """It has ended though it could not be loaded, or its end not be written by `ended`."""
        ...

    def settled(self, item: T, state: str, seconds: float, error: NodeError | None = None) -> None:
        """It has this state after so many seconds, of this error where there was one: for metrics and logs."""
        ...
