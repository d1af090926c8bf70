"""A trail with whoever writes it, signs it and owns its server: for tests of checkpoints and of who is given them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from audit.actions import Action
from audit.chain import GENESIS, link
from audit.checkpoints import Sealer
from audit.keys import KeyFolder
from audit.notes import VerifierKey
from audit.proving import verify_database
from audit.trail import Ledger
from audit.verification import Claim, TrailVerdict
from domain.clock import SystemClock
from store import checkpoints
from store.database import Database
from store.grants import AUDITOR, role_of
from tests.support.forging import without_triggers
from tests.support.servers import Postgres


class SignedTrail:
    """A database of its own."""

    def __init__(self, postgres: Postgres, folder: Path) -> None:
        self.name = postgres.fresh_schema()
        self.postgres = postgres
        url = postgres.url(dbname=self.name)
        self.writer = Ledger(Database(url), "test")
        self.signing = Ledger(Database(url, role=role_of("seal")), "seal")
        self.auditor = Database(url, role=role_of(AUDITOR))
        self.keys = KeyFolder(folder)
        self.sealer = self.another_sealer()

    def another_sealer(self) -> Sealer:
        """As a process that begins has it."""
        return Sealer(self.signing, self.keys, SystemClock(), "test")

    def grow(self, count: int) -> None:
        """Further entries; the first says CT0."""
        with self.writer.transaction() as transaction:
            for number in range(count):
                transaction.record(Action.RECEIVED, None, caller=f"CT{number}")

    def sealed(self, *counts: int) -> None:
        """Signed after each of these many further entries."""
        for count in counts:
            self.grow(count)
            while self.sealer.seal():
                pass

    def trusted(self) -> list[VerifierKey]:
        """The verifier keys of the folder."""
        return [one.verifier for one in self.keys.known()]

    def newest(self) -> checkpoints.CheckpointRow:
        """The last checkpoint, which there must be."""
        with self.auditor.transaction() as connection:
            found = checkpoints.newest(connection)
        assert found is not None
        return found

    def verified(self, *others: list[Claim]) -> TrailVerdict:
        """What `audit verify` finds."""
        return verify_database(self.auditor, self.trusted(), others)

    @contextmanager
    def superuser(self) -> Iterator[psycopg.Connection[Any]]:
        """Whoever owns the server: no trigger stops them."""
        with self.postgres.connect(self.name) as connection, without_triggers(connection):
            yield connection

    def rewrite(self, number: int, old: str, new: str) -> None:
        """One entry says another thing, and the whole chain behind it is made anew."""
        with self.superuser() as connection:
            found = connection.execute("SELECT number, entry FROM dicom_node.audit_entries ORDER BY number").fetchall()
            head = GENESIS
            for at, entry in found:
                said = entry.replace(old, new) if at == number else entry
                head = link(head, said)
                connection.execute(
                    "UPDATE dicom_node.audit_entries SET entry = %s, hash = %s WHERE number = %s", (said, head, at)
                )

    def forget_signatures(self) -> None:
        """No checkpoint and no tile was ever there."""
        with self.superuser() as connection:
            for table in ("audit_cosignatures", "audit_checkpoints", "audit_tiles"):
                connection.execute(f"DELETE FROM dicom_node.{table}".encode())

    def close(self) -> None:
        """Let go of every connection."""
        for database in (self.writer.database, self.signing.database, self.auditor):
            database.close()
