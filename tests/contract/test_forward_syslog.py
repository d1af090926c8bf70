"""The role `forward` and a real receiver of syslog: all entries arrive, as messages of the standard's schema."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit.actions import Action
from audit.trail import Ledger
from config.audit_receivers import AuditReceiver
from config.settings import Settings
from console.cli.app import app
from console.cli.database_looks import kept
from console.cli.looks import Mark
from roles.forward import forward
from roles.health import Health
from roles.process import Context
from store.database import Database
from store.grants import role_of
from store.objects import DirectoryStore
from tests.support.audit_messages import faults
from tests.support.processes import wait_for
from tests.support.rsyslog import Rsyslog
from tests.support.servers import Postgres


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.url(dbname=postgres.fresh_schema())


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    database = Database(url, role=role_of("forward"))
    yield Ledger(database, "forward")
    database.close()


@contextmanager
def _forwarding(ledger: Ledger, folder: Path, *receivers: AuditReceiver) -> Iterator[threading.Event]:
    settings = Settings.model_validate({"data": folder, "audit": {"receivers": receivers}})
    context = Context(settings, DirectoryStore(folder), threading.Event(), Health(), trail=ledger)
    role = threading.Thread(target=forward, args=(context,))
    role.start()
    try:
        yield context.stop
    finally:
        context.stop.set()
        role.join(60)


def _record(ledger: Ledger, count: int) -> None:
    with ledger.transaction() as transaction:
        for number in range(count):
            instances = [[f"2.25.{number}{one}", "ab" * 32] for one in range(number % 40)]
            transaction.record(Action.RECEIVED, None, caller="CT1", address="10.1.2.3", instances=instances)


def _has(receiver: Rsyslog, count: int) -> None:
    wanted = set(range(1, count + 1))
    wait_for(lambda: wanted <= set(receiver.numbers()), 120, f"{count} entries", lambda: str(len(receiver.numbers())))


def test_a_receiver_by_tls_gets_all_of_a_thousand_entries_though_it_is_stopped_and_killed(
    ledger: Ledger, tmp_path: Path
) -> None:
    with Rsyslog(tmp_path / "rsyslog") as receiver, _forwarding(ledger, tmp_path / "data", receiver.receiver()):
        _record(ledger, 300)
        wait_for(receiver.numbers, 60, "the first entries")
        receiver.stop()
        _record(ledger, 300)
        receiver.start()
        _has(receiver, 600)
        receiver.stop(signal.SIGKILL)
        _record(ledger, 400)
        receiver.start()
        _has(receiver, 1000)
        first: dict[int, str] = {}
        for number, line in zip(receiver.numbers(), receiver.lines(), strict=True):
            assert first.setdefault(number, line) == line
        # In order, but for what came again.
        assert list(first) == list(range(1, len(first) + 1))
        for line in receiver.lines()[:: len(receiver.lines()) // 20]:
            assert faults(line.partition("\ufeff")[2]) == []


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_receiver_without_tls_gets_what_stands_on_the_trail(ledger: Ledger, tmp_path: Path, transport: str) -> None:
    with Rsyslog(tmp_path / "rsyslog", transport) as receiver:
        _record(ledger, 20)
        with _forwarding(ledger, tmp_path / "data", receiver.receiver()):
            _has(receiver, 20)


def test_a_receiver_that_is_away_holds_up_no_other_and_is_told_of(ledger: Ledger, url: str, tmp_path: Path) -> None:
    with Rsyslog(tmp_path / "rsyslog", "tcp") as receiver:
        away = AuditReceiver(kind="syslog", name="second", host="127.0.0.1", port=9, transport="tcp")
        _record(ledger, 20)
        with _forwarding(ledger, tmp_path / "data", away, receiver.receiver(again=0.001)):
            _has(receiver, 20)
            told = wait_for(lambda: _told(url, away, receiver.receiver()), 30, "a place")
            looked = {one.what: one for one in kept(_settings(url, away, receiver.receiver()))}
    assert "127.0.0.1:9 takes nothing since" in looked["trail to second"].said
    assert looked["trail to archive"].mark is Mark.OK
    second, archive = told["second"], told["archive"]
    assert archive["entry"] >= 20
    assert archive["away_since"] is None
    assert (second["entry"], second["kind"], second["address"]) == (0, "syslog", "tcp://127.0.0.1:9")
    assert "127.0.0.1:9 takes no audit messages" in second["reason"]


def _settings(url: str, *receivers: AuditReceiver) -> Settings:
    return Settings.model_validate({"database": {"url": url}, "audit": {"receivers": receivers}})


def _told(url: str, *receivers: AuditReceiver) -> dict[str, dict[str, Any]]:
    """What `audit receivers list` says, once all of what was forwarded is settled and the other is known to be away."""
    result = _asked(url, ["list"], *receivers)
    told = {one["name"]: one for one in json.loads(result.stdout)["receivers"]}
    return told if told["archive"]["entry"] >= 20 and told["second"]["away_since"] else {}


def _asked(url: str, words: list[str], *receivers: AuditReceiver) -> Result:
    given = [one.model_dump(mode="json", exclude_defaults=True) for one in receivers]
    variables = {"DICOM_NODE_AUDIT__RECEIVERS": json.dumps(given)}
    return CliRunner().invoke(app, ["audit", "receivers", *words, "--database", url, "--json"], env=variables)


def test_a_try_is_an_entry_that_a_receiver_is_sent_and_one_that_is_away_is_told_with_the_reason(
    url: str, tmp_path: Path
) -> None:
    with Rsyslog(tmp_path / "rsyslog") as receiver:
        taken = _asked(url, ["test", "archive"], receiver.receiver())
        assert json.loads(taken.stdout) == {"receiver": "archive", "entry": 1, "taken": True, "reason": ""}
        wait_for(lambda: receiver.numbers() == [1], 30, "the entry")
        assert "audit receiver tested" in receiver.lines()[0]
    away = _asked(url, ["test", "archive"], receiver.receiver())
    assert away.exit_code == 1
    assert json.loads(away.stdout)["taken"] is False
    assert "takes no audit messages: Connection refused" in away.stderr
    unknown = _asked(url, ["test", "other"], receiver.receiver())
    assert "no receiver is called 'other'; there are: archive" in unknown.stderr
