"""What a right in the database is, and the words by which `store.rights` gives them."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Table


class Verb(StrEnum):
    """What a right lets do, as SQL calls it."""

    SELECT = "SELECT"
    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True)
class Right:
    """The columns of a table that somebody may do something with; DELETE is of whole rows, and has all of them."""

    verb: Verb
    table: Table
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """What one process may do. `reads_as` are the readers of the outbox whose place and marks are its own to write.

    None stands for every reader. Everybody may append to the trail; `traces` says that it may ask there which
    hosts brought a study, `compares` which studies are earlier ones of the same patient (migration 0024), `divides`
    that it may have a part of the trail ended and the next begun when the month has turned (migration 0033).
    """

    rights: tuple[Right, ...]
    reads_as: tuple[str, ...] | None = ()
    traces: bool = False
    compares: bool = False
    divides: bool = False


def generated(table: Table) -> tuple[str, ...]:
    """The columns whose value the database alone gives."""
    return tuple(column.name for column in table.columns if column.identity is not None)


def every(table: Table) -> tuple[str, ...]:
    """Every column of a table."""
    return tuple(column.name for column in table.columns)


def read(table: Table, *columns: str) -> Right:
    """To read these columns, all of them by default."""
    return Right(Verb.SELECT, table, columns or every(table))


def read_all(*tables: Table) -> tuple[Right, ...]:
    """To read all of these tables."""
    return tuple(map(read, tables))


def read_but(table: Table, *hidden: str) -> Right:
    """To read all columns but these."""
    return Right(Verb.SELECT, table, tuple(name for name in every(table) if name not in hidden))


def add(table: Table, *columns: str) -> Right:
    """To add rows, by these columns, by default by all whose value the database does not give."""
    given = tuple(name for name in every(table) if name not in generated(table))
    return Right(Verb.INSERT, table, columns or given)


def change(table: Table, *columns: str) -> Right:
    """To change these columns."""
    return Right(Verb.UPDATE, table, columns)


def remove(table: Table) -> Right:
    """To remove rows."""
    return Right(Verb.DELETE, table, every(table))
