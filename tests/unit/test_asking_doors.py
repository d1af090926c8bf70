"""What one of the node's own doors answers, and what is no answer of one."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.settings import Http
from roles.health import Health, HealthServer
from roles.http_ask import ask_door


@contextmanager
def answering(said: bytes) -> Iterator[int]:
    """The port of whoever answers anything with `said`, once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_a_door_is_asked_and_its_status_and_body_come_whole(tmp_path: Path) -> None:
    health = Health()
    health.beat()
    with HealthServer(health, Http(), tmp_path, "listen") as door:
        assert ask_door("127.0.0.1", door.port, "/health/ready", 5) == (200, b'{"ready": true, "waiting_for": []}')
        status, body = ask_door("127.0.0.1", door.port, "/metrics", 5)
        assert (status, body.endswith(b"\n")) == (200, True)
        health.waiting("PostgreSQL")
        assert ask_door("127.0.0.1", door.port, "/health/ready", 5)[0] == 503


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    ],
    ids=["nothing", "cut short", "cut in its head", "no length", "another program", "a thousand fields", "a long one"],
)
def test_what_is_no_whole_answer_is_told_apart_from_one(said: bytes) -> None:
    with answering(said) as port, pytest.raises((ValueError, ConnectionError)):
        ask_door("127.0.0.1", port, "/health/ready", 5)
