"""What a start waits for, and what it does not wait for."""

import socket
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from config.settings import Settings
from console.cli.commands import up
from roles import consume, supervisor
from roles.children import Child
from roles.consume import watch
from roles.health import Health
from roles.process import Context
from roles.reports import Report
from roles.supervisor import Supervisor
from roles.tasks import BackgroundTask
from store.objects import DirectoryStore


def _until(stop: threading.Event) -> None:
    stop.wait()


class Reported(Supervisor):
    """A supervisor of children that say of themselves what the test says, and note that they were asked."""

    def __init__(self, ready: dict[str, bool]) -> None:
        self.said: list[list[str]] = []
        super().__init__(
            Settings(), threading.Event(), lambda reports: self.said.append(list(reports)), print, lambda: None
        )
        self._roles = [Child(name, cast(Any, None)) for name in ready]


def reports(ready: dict[str, bool], asked: list[str], monkeypatch: pytest.MonkeyPatch) -> Reported:
    def report(_settings: Settings, child: Child) -> Report:
        asked.append(child.name)
        return Report(ready=ready[child.name])

    monkeypatch.setattr(supervisor, "_report", report)
    return Reported(ready)


def test_a_process_that_is_not_ready_is_asked_alone_until_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    ready = {"index": True, "work": False, "write": False}
    one = reports(ready, asked, monkeypatch)
    awaited = one._still_awaited(one._processes())
    assert [child.name for child in awaited] == ["work", "write"]
    asked.clear()
    assert one._still_awaited(awaited) == awaited
    assert asked == ["work"]
    assert one.said == []
    ready |= {"work": True, "write": True}
    assert one._still_awaited(awaited) == []
    assert one.said == [["index", "work", "write"]]


def test_all_is_ready_only_when_none_has_fallen_back_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = reports({"index": False, "work": True}, [], monkeypatch)
    awaited = one._still_awaited(one._processes()[1:])
    assert [child.name for child in awaited] == ["index"]
    assert one.said == []


def test_a_role_that_has_nothing_to_do_yet_says_at_once_that_it_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consume, "_POLL", 3600.0)
    stop, begun = threading.Event(), threading.Event()
    context = Context(Settings(), DirectoryStore(tmp_path), stop, Health())
    beside = BackgroundTask(context, "nothing", lambda: _until(stop), lambda: "")
    monkeypatch.setattr(context.health, "beat", begun.set)
    role = threading.Thread(target=watch, args=(context, beside))
    role.start()
    try:
        assert begun.wait(60)
    finally:
        stop.set()
        role.join()


def test_the_service_manager_is_told_what_a_role_waits_for_after_the_start_once_and_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A full disk fills up long after the start: `systemctl status` is where an administrator looks first."""
    reports = [
        Report(ready=True),
        *[Report(ready=False, waiting_for=("listen: room in the spool",))] * 2,
        Report(ready=True),
    ]
    monkeypatch.setattr(up, "ask", lambda *_: reports.pop(0))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        look = up.standing(Settings(data=tmp_path))
        while reports:
            look()
        assert manager.recv(1000) == b"STATUS=waits: listen: room in the spool"
        assert manager.recv(1000) == b"STATUS=all roles are ready"
        with pytest.raises(BlockingIOError):
            manager.recv(1000)


def test_once_all_were_ready_it_is_looked_again_and_again_whether_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_BETWEEN_LOOKS", 0.0)
    asked: list[str] = []
    found = reports({"index": True}, asked, monkeypatch)
    looks: list[None] = []

    def look() -> None:
        looks.append(None)
        if len(looks) == 2:
            found.stop.set()

    monkeypatch.setattr(found, "_tick", lambda: None)
    found.look = look
    found._look_after()
    assert len(looks) == 2
