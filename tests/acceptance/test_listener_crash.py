"""The listener as a process of its own: killed at any point it has what it acknowledged, and its memory is bounded."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicom_node.spool import Entry, Kind, SpoolReader
from tests.support.listening import RawPeer
from tests.support.processes import Process, answers, free_port, tail, wait_for
from tests.support.spool import entries, instances

SERVE = """
import sys, threading
from pathlib import Path
from config.settings import Listener, Spool
from dicom_node.listener import serve
spool = Spool(segment=16 << 20, capacity=1 << 30, disk_floor=0)
serve(Listener(aet="NODE", port=int(sys.argv[2])), spool, Path(sys.argv[1]), 0, stop=threading.Event())
"""


@contextmanager
def served(root: Path) -> Iterator[tuple[Process, int]]:
    """A listener process and its port."""
    port, log = free_port(), root.parent / "listener.log"
    process = Process([sys.executable, "-c", SERVE, root, str(port)], log, cwd=Path(__file__).parents[2])
    try:
        wait_for(lambda: answers(port), 60, "the listener", lambda: tail(log))
        yield process, port
    finally:
        process.kill()


class Scanner(threading.Thread):
    """Sends random instances until the connection breaks, and remembers which were acknowledged."""

    def __init__(self, port: int, prefix: str) -> None:
        super().__init__(daemon=True)
        self._port, self._prefix = port, prefix
        self.acknowledged: dict[str, bytes] = {}

    def run(self) -> None:
        try:
            with RawPeer(self._port) as peer:
                peer.associate(calling=self._prefix)
                for number in range(100_000):
                    uid, data = f"1.{self._prefix}.{number}", os.urandom(150_000)
                    if peer.store(uid, data) != 0:
                        return
                    self.acknowledged[uid] = data
        except OSError:
            return


def test_what_was_acknowledged_survives_kill_9_in_mid_association(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    acknowledged: dict[str, bytes] = {}
    for turn in range(3):
        with served(root) as (process, port):
            scanners = [Scanner(port, str(10 * turn + number)) for number in range(3)]
            for scanner in scanners:
                scanner.start()
            wait_for(lambda: all(len(one.acknowledged) > 5 for one in scanners), 120, "instances")  # noqa: B023
            time.sleep(0.05 * turn)
            process.kill()
            for scanner in scanners:
                scanner.join(120)
                acknowledged |= scanner.acknowledged
    with SpoolReader(root) as reader:
        found = list(entries(reader))
        held = instances(found)
        assert held.items() >= acknowledged.items()
        # At most the one instance of each association whose response was under way is there beyond those.
        assert len(held) <= len(acknowledged) + 9
        closes = [entry for entry in found if entry.kind is Kind.ASSOCIATION_CLOSED]
        assert [entry.details["how"] for entry in closes] == ["lost"] * 9
        assert len({entry.association for entry in closes}) == 9
        reader.checkpoint(found)
    with SpoolReader(root) as reader:
        assert list(entries(reader)) == []


def test_a_listener_starts_again_after_kill_9_and_recycles(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    for turn in range(3):
        with served(root) as (_, port), RawPeer(port) as peer:
            peer.associate()
            assert peer.store(f"1.{turn}", bytes(1000)) == 0
        with SpoolReader(root) as reader:
            found: list[Entry] = list(entries(reader))
            assert list(instances(found)) == [f"1.{turn}"]
            reader.checkpoint(found)
    assert len(list((root / "0").glob("*.seg"))) <= 6


@pytest.mark.slow
def test_memory_is_bounded_whatever_the_study(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    data = os.urandom(526_000)
    with served(root) as (process, port), SpoolReader(root) as reader, RawPeer(port) as peer:
        peer.associate()
        for number in range(600):  # half as much again as it may have in memory
            assert peer.store(f"1.{number}", data, 128_000) == 0
            if number % 20 == 0:
                reader.checkpoint(reader.poll(0.0))
        assert peer.store("2.1", data * 400, 128_000) == 0
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0])
        assert peak < 200 << 10
        found = list(entries(reader, timeout=1.0))
        assert sum(entry.size for entry in found if entry.sop_instance == "2.1") == len(data) * 400
