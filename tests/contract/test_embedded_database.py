"""The data folder's own PostgreSQL starts whatever a loss of power or another life has left of its file."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from store.embedded import EmbeddedPostgres, postmaster
from tests.support.node import own_folder
from tests.support.processes import alive, kill_pid, postmasters, wait_for


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A database that has a row, and that nobody runs."""
    with own_folder() as place:
        with EmbeddedPostgres(place / "database") as server:
            query(server, "CREATE TABLE kept AS SELECT 7 AS number")
        yield place / "database"
        for pid in postmasters(place):
            kill_pid(pid, signal.SIGQUIT)
        wait_for(lambda: not postmasters(place), 60, "the servers to end")


def query(server: EmbeddedPostgres, words: str) -> list[tuple[int]]:
    with psycopg.connect(server.owner_url.replace("+psycopg", ""), autocommit=True) as connection:
        answer = connection.execute(words.encode())
        return answer.fetchall() if answer.description else []


def whole(pid: int, folder: Path) -> bytes:
    """A file as PostgreSQL writes it."""
    return f"{pid}\n{folder}\n1700000000\n5432\n{folder}\n\n  8826964     65536\nready   \n".encode()


def a_dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    return ended.pid


@pytest.mark.parametrize("left", ["empty", "one line", "cut short", "garbage", "ours", "dead"])
def test_a_stale_or_short_file_does_not_stop_a_start_and_the_data_are_there(folder: Path, left: str) -> None:
    contents = {
        "empty": b"",
        "one line": b"4711\n",
        "cut short": whole(os.getpid(), folder)[:-20],
        "garbage": b"\xff\0 no number \n" * 8,
        "ours": whole(os.getpid(), folder),
        "dead": whole(a_dead_process(), folder),
    }
    (folder / "postmaster.pid").write_bytes(contents[left])
    assert postmaster(folder) is None
    with EmbeddedPostgres(folder) as server:
        assert query(server, "SELECT number FROM kept") == [(7,)]
        assert postmaster(folder) is not None
    assert postmaster(folder) is None
    assert alive(os.getpid())


def test_a_server_is_known_by_the_folder_on_its_command_line_however_the_folder_is_called(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(folder)
    with EmbeddedPostgres(tmp_path / "link") as server:
        assert postmaster(tmp_path / "link") == postmaster(folder) is not None
        with EmbeddedPostgres(folder) as second:
            assert second.url == server.url
        assert query(server, "SELECT number FROM kept") == [(7,)], "what somebody else started goes on"
