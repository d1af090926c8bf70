"""The trail by the API: searched, proven, verified and written out; every reading is an entry with who read."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit import trail_verifier
from audit.actions import Action
from audit.checkpoints import Sealer
from audit.notes import Checkpoint, Note
from domain.clock import SystemClock
from roles.seal_keys import key_folder, trusted_keys
from tests.support.api import Asked, entries, served
from tests.support.bench import Bench, open_bench
from tests.support.forging import without_triggers
from tests.support.servers import Postgres

AUDITOR = "auditor"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Bench]:
    with open_bench(tmp_path_factory.mktemp("trail"), postgres.url(dbname=postgres.fresh_schema())) as made:
        yield made


@pytest.fixture(scope="module")
def api(bench: Bench) -> Iterator[Asked]:
    with served(bench) as asked:
        yield asked


def seal(bench: Bench, api: Asked) -> None:
    """Everything so far is signed."""
    sealer = Sealer(bench.as_process("seal"), key_folder(api.backend.settings), SystemClock(), "test")
    while sealer.seal():
        pass


def told(said: Any) -> list[Any]:
    """The lines of a stream."""
    assert said.status_code == 200, said.text
    return [json.loads(line) for line in said.text.splitlines()]


@pytest.mark.parametrize("limit", [1, 3, 200])
def test_a_walk_through_the_pages_gives_each_entry_once_although_every_page_adds_one(
    bench: Bench, api: Asked, limit: int
) -> None:
    there = list(range(bench.count("audit_entries"), 0, -1))
    walked: list[int] = []
    cursor: str | None = None
    while not walked or cursor is not None:
        asked = {"limit": limit, **({"cursor": cursor} if cursor else {})}
        page = api.get(AUDITOR, "/audit/entries", params=asked)
        walked += [one["number"] for one in page["entries"]]
        cursor = page["next"]
        (entry,) = entries(api)
        assert (entry.action, entry.details["user"]) == (Action.READ, "auditor-1")
    assert walked == there


def test_entries_are_found_by_what_they_say_and_what_no_entry_can_say_is_refused(api: Asked) -> None:
    api("operator", "GET", "/audit/entries")
    for asked, found in (
        ({"action": "request refused", "by": "operator-1"}, True),
        ({"action": "request", "since": "2000-01-01T00:00:00Z"}, True),
        ({"action": "request refused", "until": "2000-01-01T00:00:00Z"}, False),
        ({"by": "nobody-of-this-name"}, False),
    ):
        said = api.get(AUDITOR, "/audit/entries", params=asked)["entries"]
        assert bool(said) is found, asked
        assert all(one["action"] == Action.REQUEST_REFUSED for one in said)
    for asked, status in (
        ({"action": "nothing of the kind"}, 422),
        ({"since": "9999-12-31T23:59:59-14:00"}, 422),
        ({"study": "1.2.3"}, 404),
        ({"cursor": "x"}, 422),
        ({"cursor": "Wy0xXQ"}, 422),
    ):
        assert api(AUDITOR, "GET", "/audit/entries", params=asked).status_code == status, asked


def test_an_entry_is_told_and_proven_as_soon_as_it_is_signed_and_one_that_is_not_there_is_unknown(
    bench: Bench, api: Asked
) -> None:
    api.get(AUDITOR, "/audit/entries")
    last = bench.count("audit_entries")
    assert api(AUDITOR, "GET", f"/audit/entries/{last}/proof").status_code == 409
    seal(bench, api)
    proof = api.get(AUDITOR, f"/audit/entries/{last}/proof")
    entry = api.get(AUDITOR, f"/audit/entries/{last}")
    assert json.loads(proof["entry"])["details"] == entry["details"]
    checkpoint = Checkpoint.parse(Note.parse(proof["checkpoint"]).text)
    path = [base64.b64decode(one) for one in proof["proof"]]
    leaf = hashlib.sha256(b"\0" + proof["entry"].encode()).digest()
    assert trail_verifier.included(leaf, last - 1, checkpoint.size, path, checkpoint.root)
    for path_of in (f"/audit/entries/{10**9}", f"/audit/entries/{10**9}/proof"):
        assert api(AUDITOR, "GET", path_of).status_code == 404
    assert api(AUDITOR, "GET", "/audit/entries/0").status_code == 422


@pytest.mark.parametrize("asked", [{}, {"action": "audit log used"}], ids=str)
def test_what_is_written_out_proves_itself_and_is_an_entry_with_who_asked(
    bench: Bench, api: Asked, tmp_path: Path, asked: dict[str, str]
) -> None:
    api.get(AUDITOR, "/audit/entries")
    seal(bench, api)
    said = api(AUDITOR, "GET", "/audit/export", params=asked)
    assert said.status_code == 200
    file = tmp_path / "trail.jsonl"
    file.write_bytes(said.content)
    assert trail_verifier.main([str(file), "--key", str(trusted_keys(api.backend.settings)[0])]) == 0
    (entry,) = entries(api)
    assert (entry.action, entry.details["user"], entry.details["whole"]) == (Action.TRAIL_EXPORTED, "auditor-1", True)
    assert entry.details["request"] == said.headers["x-request-id"]


def test_the_trail_is_written_out_for_a_spreadsheet(api: Asked) -> None:
    said = api(AUDITOR, "GET", "/audit/export", params={"format": "csv"})
    assert said.headers["content-type"].startswith("text/csv")
    assert "audit log used" in said.text


def test_the_verdict_is_the_last_line_and_is_an_entry(bench: Bench, api: Asked) -> None:
    seal(bench, api)
    first, *_, last = told(api(AUDITOR, "GET", "/audit/verification"))
    assert first["of"] > 0
    assert last["verdict"]["intact"] is True
    assert last["verdict"]["checked"] >= first["of"]
    (entry,) = entries(api)
    assert (entry.action, entry.details["what"], entry.details["user"]) == (Action.READ, "verify", "auditor-1")


def test_readings_of_the_whole_trail_are_bounded_and_one_that_has_ended_lets_the_next_one_in(api: Asked) -> None:
    turns = api.client.app.state.turns  # type: ignore[attr-defined]
    while turns.acquire(blocking=False):
        pass
    for path in ("/audit/export", "/audit/verification"):
        said = api(AUDITOR, "GET", path)
        assert said.status_code == 429
        assert int(said.headers["retry-after"]) > 0
    turns.release()
    for path in ("/audit/export", "/audit/verification", "/audit/export"):
        assert api(AUDITOR, "GET", path).status_code == 200
    turns.release()


def test_what_was_altered_is_told_by_the_verdict(bench: Bench, api: Asked, postgres: Postgres) -> None:
    seal(bench, api)
    name = str(bench.database._engine.url.database)
    with postgres.connect(name) as connection, without_triggers(connection):
        connection.execute("UPDATE dicom_node.audit_entries SET hash = '\\x00' WHERE number = 1")
    *_, last = told(api(AUDITOR, "GET", "/audit/verification"))
    assert (last["verdict"]["intact"], last["verdict"]["bad"]) == (False, 1)
