"""This node among the receivers: the roles `listen` and `index` as processes, and a PostgreSQL that syncs."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from benchmarks.ingest.receivers import AET, ROOT, Receiver, peak
from benchmarks.machine import first_line
from store.schema import upgrade
from tests.support.processes import Process, tail, wait_for
from tests.support.servers import Postgres

_APPLICATION = "dicom_node_app"


class DurablePostgres(Postgres):
    """PostgreSQL with its own defaults, so that a commit is on disk when it returns."""

    def command(self) -> list[str]:
        return [*super().command(), "-c", "fsync=on"]


class Node(Receiver):
    """Listener and indexer on a fresh database. `log` is kept from run to run, as on a node that was not born now."""

    name = "this node"
    promise = "synced, PostgreSQL index"
    program = "dicom-node"
    roles: ClassVar[tuple[str, ...]] = ("listen", "index")

    def __init__(self, folder: Path, env: Mapping[str, str], postgres: Postgres, log: Path) -> None:
        super().__init__(folder, env)
        self._data = folder / "data"
        self._data.mkdir()
        log.mkdir(exist_ok=True)
        (self._data / "spool").symlink_to(log)
        self._postgres = postgres
        self._roles: dict[str, Process] = {}

    @classmethod
    def version(cls) -> str:
        commit = first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
        return f"dicom-node {version('dicom-node')} ({commit})"

    def held(self) -> int:
        row = self._connection.execute("SELECT count(*) FROM dicom_node.instances").fetchone()
        return int(row[0]) if row else 0

    def memory(self) -> dict[str, int]:
        return {role: peak(process.pid) for role, process in self._roles.items()}

    def settle(self) -> None:
        # The log prepares its segments ahead, which a node that has run for a second has behind it.
        seen: list[list[str]] = []

        def unchanged() -> bool:
            seen.append(sorted(path.name for path in (self._data / "spool").glob("*/*")))
            return len(seen) > 10 and seen[-10:] == [seen[-1]] * 10

        wait_for(unchanged, 60, "the log to be prepared")

    def ready(self) -> bool:
        return all(self._is_ready(role) for role in self.roles)

    def stop(self) -> None:
        for process in self._roles.values():
            process.stop()
        self._connection.close()

    def kill(self) -> None:
        for process in self._roles.values():
            process.kill()

    def _launch(self) -> None:
        self._database = self._postgres.fresh_database()
        upgrade(self._postgres.url(dbname=self._database))
        # One for all questions: a new backend for each would take the processor from what is measured.
        self._connection = self._postgres.connect(self._database)
        door = ["--aet", AET, "--port", str(self.port)]
        for role in self.roles:
            options = door if role == "listen" else []
            command = [sys.executable, "-m", "console.cli.main", role, "--data", str(self._data), *options]
            self._roles[role] = Process(command, self.log, env=self._environment(), cwd=ROOT)

    def _environment(self) -> dict[str, str]:
        url = self._postgres.url(_APPLICATION, self._database)
        return {**self.env, "DICOM_NODE_DATABASE__URL": url, "DICOM_NODE_SPOOL__DISK_FLOOR": "0"}

    def _answers_or_died(self) -> bool:
        for role, process in self._roles.items():
            if not process.running:
                raise AssertionError(f"{role} ended by itself\n{tail(self.log)}")
        return self.ready()

    def _is_ready(self, role: str) -> bool:
        try:
            door = json.loads((self._data / "run" / f"{role}.json").read_text())
            with urllib.request.urlopen(f"http://127.0.0.1:{door['port']}/health/ready", timeout=10):
                return True
        except (FileNotFoundError, urllib.error.URLError):
            return False
