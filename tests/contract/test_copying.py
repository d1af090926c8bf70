"""Rows by COPY: what a data set may say arrives as it was given, and what breaks a row is for the data."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Column, MetaData, Table, Text, insert, select

from store.copying import copy
from store.database import Database, is_for_data
from store.grants import WHOEVER
from store.tables import conflicts, studies

ODD = ('a"b', "c\\d", "e\tf", "g\nh", "{i,j}", "NULL", "\\N", "\\.", "", " k ", "Größe 大")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
STUDY = UUID(int=7)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, role=WHOEVER)
    yield made
    made.close()


def row(text: str, identity: list[str] | None = None) -> dict[str, Any]:
    keys = {"study_id": STUDY, "association_id": UUID(int=9), "received_at": NOW, "identity": identity}
    return {"sop_uid": text, "digest": text, "kept_digest": "", "object_key": text, **keys}


def test_what_is_copied_is_read_as_it_was_given_whatever_its_texts_hold(database: Database) -> None:
    rows = [row(text, identity=[text, *ODD]) for text in ODD] + [row("none"), row("empty", identity=[])]
    with database.transaction() as connection:
        moments = dict.fromkeys(("since", "first_received", "last_received"), NOW)
        connection.execute(insert(studies).values(id=STUDY, study_uid="1.2", state="receiving", reason="", **moments))
        copy(connection, conflicts, rows)
        found = connection.execute(select(conflicts).order_by(conflicts.c.id)).mappings().all()
    assert [{name: one[name] for name in row("")} for one in found] == rows


def test_a_row_that_breaks_a_rule_of_its_table_is_for_the_data_and_a_missing_table_is_not(database: Database) -> None:
    with pytest.raises(psycopg.Error) as broken, database.transaction() as connection:
        copy(connection, conflicts, [row("of no study")])
    assert is_for_data(broken.value)
    missing = Table("missing", MetaData(schema="dicom_node"), Column("one", Text))
    with pytest.raises(psycopg.Error) as refused, database.transaction() as connection:
        copy(connection, missing, [{"one": "row"}])
    assert not is_for_data(refused.value)
