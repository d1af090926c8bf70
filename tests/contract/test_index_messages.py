"""Requests of other services, from the spool to the handler of their SOP class."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from audit.actions import Action
from audit.trail import Transaction
from consumers.steps import messages
from consumers.steps.index import Indexer
from consumers.steps.messages import Handler, Message
from dicom_node.spool import Kind
from dicom_node.spool.entries import encode_message
from domain.errors import Permanent
from tests.support.bench import Bench, open_bench
from tests.support.entries import Given, entry

CLASS = "1.2.826.0.1.3680043.8.498.1"


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int | None, bytes, str]]:
    """What a handler was given; it refuses what says so, and breaks on what is a defect."""
    found: list[tuple[int, int | None, bytes, str]] = []

    def take(transaction: Transaction, message: Message, now: datetime) -> None:
        if message.data == b"refused":
            raise Permanent("nobody wants it")
        if message.data == b"defect":
            raise KeyError("Doe^Jane")
        found.append((message.operation, message.type, message.data, message.object_key))
        transaction.record(Action.REFUSED, None, reason="taken")

    monkeypatch.setattr(messages, "HANDLERS", {CLASS: Handler(take, "kept")})
    return found


def message(number: int, data: bytes, **fields: Any) -> Any:
    payload = encode_message({"operation": 0x0130, "type": 1}, data)
    return entry(number, payload, **{"kind": Kind.MESSAGE, "sop_class": CLASS, **fields})


def run(bench: Bench, *batches: list[Any]) -> None:
    indexer = Indexer(Given(*batches), bench.as_process("index"), bench.objects, bench.clock)  # type: ignore[arg-type]
    while indexer.step(0.0):
        pass


def test_a_request_is_handled_once_however_often_its_record_comes(
    bench: Bench, taken: list[tuple[int, int | None, bytes, str]]
) -> None:
    run(bench, [message(1, b"asked")], [message(1, b"asked")])
    ((operation, kind, data, key),) = taken
    assert (operation, kind, data) == (0x0130, 1, b"asked")
    assert bench.objects.path(key).read_bytes().endswith(b"asked")
    assert bench.actions() == ["association refused"]


def test_what_no_handler_takes_is_kept_for_inspection_and_the_next_goes_on(
    bench: Bench, taken: list[tuple[int, int | None, bytes, str]]
) -> None:
    strange = [
        message(1, b"refused"),
        message(2, b"defect"),
        message(3, b"unknown", sop_class="1.2.3"),
        entry(4, b"no message", kind=Kind.MESSAGE, sop_class=CLASS),
    ]
    run(bench, [*strange, message(5, b"good")])
    assert [data for _, _, data, _ in taken][-1] == b"good"
    found = bench.ask("SELECT reason, object_key FROM dicom_node.quarantine ORDER BY id")
    reasons = " ".join(reason for reason, _ in found)
    assert len(found) == len(strange)
    assert all(one in reasons for one in ("nobody wants it", "KeyError", "1.2.3", "holds no message"))
    assert "Doe" not in reasons
    assert any(bench.objects.path(key).read_bytes().endswith(b"refused") for _, key in found if key)
