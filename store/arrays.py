"""Rows given as an array for each column: one statement, compiled and planned once, however many rows there are.

A statement with a value list is another text for each number of rows, and SQLAlchemy compiles it anew each time, which
takes longer than PostgreSQL needs for it.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import ARRAY, SQLColumnExpression, Table, bindparam, func, select
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert


def from_arrays(table: Table, *columns: str, **same: SQLColumnExpression[object]) -> Insert:
    """Adds rows of these columns, which `as_arrays` gives; `same` are those that every row has alike."""
    given = [bindparam(name, type_=ARRAY(table.c[name].type)) for name in columns]
    rows = func.unnest(*given).table_valued(*columns).render_derived()
    values = [*(rows.c[name] for name in columns), *same.values()]
    return upsert(table).from_select([*columns, *same], select(*values))


def as_arrays(rows: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """The rows, at least one, which all have the same columns, as the parameters of such a statement."""
    return {name: [row[name] for row in rows] for name in rows[0]}
