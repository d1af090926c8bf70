"""A log, an object store and a database with nobody at work on them: a test moves each step, on its own clock."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from sqlalchemy import create_engine, text

from audit.chain import verify
from audit.trail import Ledger, rows
from config.settings import Spool
from consumers.steps.assemble import Assembler
from consumers.steps.index import Indexer
from dicom_node.intake.identity import PatientMarks
from dicom_node.spool import SpoolReader, SpoolWriter
from domain.clock import ManualClock
from domain.completeness import SettlePolicy
from store.database import Database
from store.grants import OPERATOR, WHOEVER, role_of
from store.holders import Life
from store.objects import DirectoryStore
from tests.support.ingest import send

KEY = "a key of the tests, as long as one of a node"
MARKS = PatientMarks(KEY.encode())
# What the database's clock writes.
_LEASED = ("since", "not_before", "lease_until")
_MOMENTS: Mapping[str, tuple[str, ...]] = {
    "jobs": (*_LEASED, "requested_at"),
    "summaries": (*_LEASED, "requested_at"),
    "deliveries": (*_LEASED, "first_attempt"),
    "rejections": (*_LEASED, "requested_at", "first_attempt"),
    "commitments": (*_LEASED, "asked_at", "wait_until", "first_attempt"),
    "commitment_requests": (*_LEASED, "requested_at", "first_attempt", "asked_at"),
}


@dataclass
class Bench:
    """A log, a store and a database. `ledger` is where commands commit that a person gives.

    `database` is the test's own eye and hand, which may do everything.
    """

    root: Path
    writer: SpoolWriter
    database: Database
    ledger: Ledger
    objects: DirectoryStore
    clock: ManualClock
    lives: list[Life] = field(default_factory=list)
    processes: dict[str, Database] = field(default_factory=dict)

    def as_process(self, name: str) -> Ledger:
        """Where the process `name` commits, by the rights of its own role."""
        if name not in self.processes:
            url = self.database._engine.url.render_as_string(hide_password=False)
            self.processes[name] = Database(url, role=role_of(name))
        return Ledger(self.processes[name], "test", self.clock)

    def index(self) -> None:
        """Index all there is, and end as on a clean stop."""
        with SpoolReader(self.root / "spool") as reader:
            indexer = Indexer(reader, self.as_process("index"), self.objects, self.clock, marks=MARKS)
            while indexer.step(0.05):
                pass
            indexer.close()

    def life(self) -> Life:
        """A process that holds leases, until the bench is closed."""
        self.lives.append(Life(self.database, []))
        return self.lives[-1]

    def pass_time(self, seconds: float) -> None:
        """Let time pass for everything: our clock goes on, and what the database's clock wrote lies further back."""
        self.clock.sleep(seconds)
        for table, moments in _MOMENTS.items():
            earlier = ", ".join(f"{one} = {one} - make_interval(secs => {float(seconds)})" for one in moments)
            self.as_owner(f"UPDATE dicom_node.{table} SET {earlier}")

    def ask(self, sql: str) -> list[Any]:
        with self.database.transaction() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]

    def as_owner(self, *statements: str) -> None:
        """Change rows as no role of the node may."""
        owner = create_engine(self.database._engine.url)
        with owner.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        owner.dispose()

    def state(self) -> list[list[Any]]:
        """Everything that a second time could change."""
        tables = ("audit_entries", "studies", "series", "instances", "associations", "study_associations", "outbox")
        return [self.ask(f"SELECT t::text FROM dicom_node.{name} t ORDER BY 1") for name in tables]

    def count(self, table: str) -> int:
        return int(self.ask(f"SELECT count(*) FROM dicom_node.{table}")[0][0])

    def actions(self) -> list[str]:
        found = self.ask("SELECT entry::jsonb ->> 'action' FROM dicom_node.audit_entries ORDER BY number")
        return [row[0] for row in found if row[0] != "started"]

    def receive(self, datasets: Iterable[Dataset]) -> None:
        """A study comes, is indexed and completes."""
        send(self.writer, datasets)
        self.index()
        self.settle()

    def settle(self) -> None:
        """What has come is complete, or stuck."""
        assembler = Assembler(self.as_process("assemble"), SettlePolicy(5, {}), self.clock)
        assembler.step()
        self.clock.sleep(5)
        assembler.step()

    def chain_holds(self) -> bool:
        """Whether the trail verifies, and has something to verify."""
        verdict = verify(rows(self.database))
        return verdict.bad is None and verdict.checked > 0


@contextmanager
def open_bench(root: Path, database_url: str) -> Iterator[Bench]:
    """A bench under `root` on a database with the schema and nothing in it."""
    database, operator = Database(database_url, role=WHOEVER), Database(database_url, role=role_of(OPERATOR))
    clock = ManualClock()
    writer = SpoolWriter(root / "spool", 0, Spool(segment=8 << 20, capacity=64 << 20, disk_floor=0))
    (root / "objects").mkdir()
    bench = Bench(root, writer, database, Ledger(operator, "test", clock), DirectoryStore(root / "objects"), clock)
    yield bench
    for life in bench.lives:
        life.close()
    writer.close()
    for one in (database, operator, *bench.processes.values()):
        one.close()
