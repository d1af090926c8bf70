"""Streams that nobody waits for, or for which the time is too short, end, say so on the trail, and let others in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.types import Message

from audit.actions import Action
from audit.export.exporting import recorded
from console.actions.trail import ExportFormat, export_of
from console.api.streams import Stream
from console.api.verifying import verification
from store.trail import EntryFilter
from tests.support.api import Asked, entries, served
from tests.support.bench import Bench, open_bench
from tests.support.servers import Postgres


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def api(bench: Bench) -> Iterator[Asked]:
    with served(bench) as asked:
        yield asked


def last(api: Asked) -> tuple[str, Any]:
    (entry,) = entries(api)
    return entry.action, entry.details


def test_a_stream_whose_reader_goes_away_is_closed_and_what_was_sent_of_it_is_on_the_trail(api: Asked) -> None:
    backend = api.backend
    made = export_of(backend.settings, backend.ledger.database, ExportFormat.CSV, EntryFilter())
    sent: list[Message] = []

    async def nothing_but_going_away() -> Message:
        return {"type": "http.disconnect"}

    async def taking(message: Message) -> None:
        sent.append(message)
        await anyio.sleep_forever()

    async def asked() -> None:
        stream = Stream(recorded(backend.ledger, made, "auditor-1"), "text/csv")
        await stream({"type": "http", "asgi": {"spec_version": "2.3"}}, nothing_but_going_away, taking)

    anyio.run(asked)
    action, details = last(api)
    assert (action, details["whole"]) == (Action.TRAIL_EXPORTED, False)


def test_a_verification_whose_time_is_up_says_so_and_gives_no_verdict(
    bench: Bench, api: Asked, postgres: Postgres
) -> None:
    api("auditor", "GET", "/audit/entries")
    lines = verification(api.backend.ledger.on_behalf_of("auditor-1"), api.backend.settings, 0)
    assert json.loads(next(lines)) == {"checked": 0, "of": bench.count("audit_entries")}
    with postgres.connect(str(bench.database._engine.url.database)) as connection, connection.transaction():
        connection.execute("LOCK TABLE dicom_node.audit_entries IN ACCESS EXCLUSIVE MODE")
        assert json.loads(next(lines)) == {"ended": "after 0 s", "checked": 0}
    assert list(lines) == []
    action, details = last(api)
    assert (action, details["what"], details["user"]) == (Action.READ, "verify, not to its end", "auditor-1")
