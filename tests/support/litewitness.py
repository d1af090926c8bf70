"""litewitness, a witness of C2SP tlog-witness that others run, with its own key and the logs that it is told of."""

import base64
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Self

from audit.notes import SignatureKind, VerifierKey
from tests.support.counterparts import litewitness_program, require
from tests.support.processes import Process, answers, free_port, tail, wait_for

NAME = "witness.example/w1"


class Litewitness:
    """Runs on loopback; its key lies with an agent of SSH's, as it wants it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._log = folder / "litewitness.log"
        self._processes: list[Process] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """With an agent, which has a new key, and behind it the witness."""
        socket, key = self.folder / "agent", self.folder / "id"
        subprocess.run([require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        self._run([require("ssh-agent"), "-D", "-a", str(socket)])
        wait_for(socket.exists, 30, "an agent")
        environment = {"SSH_AUTH_SOCK": str(socket)}
        subprocess.run([require("ssh-add"), "-q", str(key)], check=True, env=environment, capture_output=True)
        said = subprocess.run(
            [require("ssh-keygen"), "-l", "-f", str(key)], check=True, capture_output=True, text=True
        ).stdout
        self._run(
            [
                *(str(litewitness_program()), "-db", str(self.folder / "db"), "-key", said.split()[1]),
                *("-name", NAME, "-ssh-agent", str(socket), "-listen", f"127.0.0.1:{self.port}"),
            ]
        )
        wait_for(lambda: answers(self.port), 60, "litewitness to answer", lambda: tail(self._log))
        return self

    def verifier(self) -> VerifierKey:
        """What its cosignatures are held against: the last 32 bytes of its key as SSH writes it."""
        raw = base64.b64decode((self.folder / "id.pub").read_text().split()[1])[-32:]
        return VerifierKey(NAME, raw, SignatureKind.COSIGNATURE)

    def trust(self, key: VerifierKey) -> None:
        """As its operator's own program would: a log by its origin, which its keys sign."""
        with closing(sqlite3.connect(self.folder / "db")) as database, database:
            empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
            database.execute("INSERT OR IGNORE INTO log VALUES (?, 0, ?)", (key.name, empty))
            database.execute("INSERT INTO key VALUES (?, ?)", (key.name, str(key)))

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()

    def _run(self, command: list[str]) -> None:
        self._processes.append(Process(command, self._log))
