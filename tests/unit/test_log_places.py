"""Where a log goes: a file of several processes that stays bounded, and the journal with its fields."""

import json
import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import logs
from config.journal import JournalHandler, is_journal
from config.log_files import SharedFileHandler
from config.settings import Logging
from domain.errors import ConfigurationError
from roles.fork import Fork
from tests.support.counterparts import ROOT
from tests.support.logged import hooks_kept

_WRITES = """
import logging, sys
from config import logs
from config.settings import Logging
logs.set_up(Logging(file=sys.argv[1], file_bytes=10_000, file_kept=500), sys.argv[2])
for number in range(300):
    logging.getLogger("roles.test").warning("%s %d", "x" * 50, number)
"""


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    with hooks_kept():
        yield


def test_several_processes_fill_and_move_on_one_file_and_no_line_is_lost_or_broken(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "node.log"
    command = [sys.executable, "-c", _WRITES, str(file)]
    writers = [subprocess.Popen([*command, role], cwd=ROOT) for role in ("index", "work", "write")]
    assert [one.wait(120) for one in writers] == [0, 0, 0]
    files = [one for one in file.parent.iterdir() if one.suffix != ".lock"]
    told = [json.loads(line) for one in files for line in one.read_text().splitlines()]
    assert len(files) > 5
    assert all(one.stat().st_size < 11_000 for one in files)
    assert sorted((one["role"], int(one["message"].split()[1])) for one in told) == [
        (role, number) for role in ("index", "work", "write") for number in range(300)
    ]


def test_a_log_keeps_as_many_files_as_it_is_to_and_its_owner_alone_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "node.log"
    logs.set_up(Logging(file=file, file_bytes=10_000, file_kept=2), "index")
    for number in range(500):
        logging.getLogger("roles.test").warning("%s %d", "x" * 100, number)
    kept = sorted(one.name for one in tmp_path.iterdir())
    assert kept == ["node.log", "node.log.1", "node.log.2", "node.log.lock"]
    assert file.with_name("node.log.1").stat().st_mode & 0o077 == 0
    assert "499" in (file.read_text() or file.with_name("node.log.1").read_text()).splitlines()[-1]


def test_what_a_full_disk_takes_from_the_file_is_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = SharedFileHandler(Path("/dev/full"), 10_000, 1)
    handler.emit(logging.makeLogRecord({"msg": "the disk is full", "levelno": logging.ERROR}))
    assert capsys.readouterr().err == "the disk is full\n"


def test_a_file_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"logging\.file: .* cannot be written"):
        logs.set_up(Logging(file=tmp_path / "file" / "node.log"), "index")


def test_the_journal_gets_priority_role_and_every_field_and_a_trace_in_one_record(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "socket"))
        handler = JournalHandler("deliver", logs._extras, tmp_path / "socket")
        logs._log_by(handler, logs._Told("deliver"))
        log = logging.getLogger("consumers.test")
        log.warning("destination %s does not answer", "PACS", extra={"reason": "refused"})
        plain = dict(line.split("=", 1) for line in journal.recv(65536).decode().splitlines())
        log.error("one\ntwo", extra={"study": "3f2a"})
        raised = journal.recv(65536)
    assert plain == {
        "MESSAGE": "deliver: destination PACS does not answer reason=refused",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "dicom-node",
        "DICOM_NODE_ROLE": "deliver",
        "DICOM_NODE_REASON": "refused",
    }
    start, text = b"MESSAGE\n", b"deliver: one study=3f2a\n    two"
    assert start + struct.pack("<Q", len(text)) + text + b"\nPRIORITY=3\n" in raised


def test_a_copy_of_a_process_that_logs_to_the_journal_does_so_too(tmp_path: Path) -> None:
    path = tmp_path / "socket"

    def log_as(role: str) -> int:
        logs._log_by(JournalHandler(role, logs._extras, path), logs._Told(role))
        logging.getLogger("roles.test").warning("begins")
        return 0

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        journal.settimeout(60)
        log_as("up")
        assert Fork("work", lambda: log_as("work")).wait() == 0
        assert [b"DICOM_NODE_ROLE=up" in journal.recv(4096), b"DICOM_NODE_ROLE=work" in journal.recv(4096)] == [
            True
        ] * 2


def test_where_no_journal_answers_standard_error_has_each_line_with_its_priority(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = JournalHandler("index", logs._extras, tmp_path / "nobody")
    logs._log_by(handler, logs._Told("index"))
    logging.getLogger("consumers.test").error("one\ntwo")
    assert capsys.readouterr().err == "<3>index: one\n<3>    two\n"


def test_a_stream_is_the_journal_where_systemd_says_that_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "stream").open("w") as stream:
        assert not is_journal(stream)
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        assert is_journal(stream)
