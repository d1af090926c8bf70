"""What a batch of the index asks of the database, and what becomes of its objects where that refuses it."""

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from dicom_node.spool import Entry
from store import index
from tests.support.bench import Bench, open_bench
from tests.support.entries import entry
from tests.support.ingest import encoded
from tests.support.phantoms import Phantom
from tests.support.spooled import good, run


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


def studies(first: int, number: int) -> list[Entry]:
    """Three instances of each of so many studies, each study by an association of its own."""
    return [
        entry(k, encoded(one), sop_instance=one.SOPInstanceUID, association=uuid.UUID(int=study))
        for study in range(first, first + number)
        for k, one in enumerate(Phantom(size=(16, 16), slices=3, study=f"study {study}").datasets())
    ]


def test_a_batch_asks_no_more_questions_for_many_instances_studies_and_associations_than_for_one(bench: Bench) -> None:
    asked: list[list[str]] = []

    def noted(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked[-1].append(statement)

    event.listen(Engine, "before_cursor_execute", noted)
    try:
        for batch in (studies(1, 1)[:1], studies(2, 20)):
            asked.append([])
            run(bench, batch)
    finally:
        event.remove(Engine, "before_cursor_execute", noted)
    one, many = asked
    assert many == one, "the very text of each, or PostgreSQL and SQLAlchemy would prepare it anew"
    assert bench.count("instances") == 61


def test_what_a_divided_batch_stored_is_stored_once_more_for_it_may_have_been_removed_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = good(1)
    original = index.file_instances

    def file_instances(connection: Any, rows: Sequence[Any]) -> None:
        if any(row["sop_uid"] == entries[1].sop_instance for row in rows):
            if len(rows) == len(entries):
                for row in rows:  # as `retain` does once nobody holds it up
                    bench.objects.delete(row["object_key"])
            raise ZeroDivisionError
        original(connection, rows)

    monkeypatch.setattr(index, "file_instances", file_instances)
    run(bench, entries)
    keys = bench.ask(
        "SELECT object_key FROM dicom_node.instances UNION ALL SELECT object_key FROM dicom_node.quarantine"
    )
    assert len(keys) == len(entries)
    assert all(bench.objects.exists(key) for (key,) in keys)
