"""A listener whose door of health is attacked takes studies as before, and its figures do not grow with who calls."""

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from roles.process import allow_all_descriptors
from roles.run_files import RunFile, running
from tests.support.counterparts import ROOT
from tests.support.http import fetch
from tests.support.listening import RawPeer
from tests.support.node import PROGRAM
from tests.support.processes import Process, free_port, tail, wait_for

# Descriptors that the listener may have: a tenth of those who come.
ALLOWED = 200
SLOW = 2_000


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[RunFile]:
    """The role in a process of its own; its health door is where the file says, its DICOM port in `started`."""
    data, log, port = tmp_path / "data", tmp_path / "log", free_port()
    limited = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({ALLOWED}, {ALLOWED}));"
    start = [sys.executable, "-c", f"{limited} os.execv(sys.argv[1], sys.argv[1:])"]
    options = ["listen", "--data", str(data), "--aet", "NODE", "--port", str(port)]
    process = Process([*start, *PROGRAM, *options], log, cwd=ROOT)
    try:
        wait_for(lambda: running(data, "listen"), 60, "the listener", lambda: tail(log))
        said = running(data, "listen")
        assert said is not None
        wait_for(lambda: fetch(ready(said))[0] == 200, 60, "the listener to be ready", lambda: tail(log))
        yield said
        assert process.stop() == 0
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()


def ready(said: RunFile) -> str:
    return f"http://127.0.0.1:{said.port}/health/ready"


def dicom_port(said: RunFile) -> int:
    return int(fetch(ready(said))[1].split(b'"dicom_port": ')[1].split(b",")[0])


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_all_descriptors()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("many_descriptors")
def test_two_thousand_slow_clients_of_the_health_door_keep_no_image_and_no_probe_out(listener: RunFile) -> None:
    port = dicom_port(listener)
    with ExitStack() as stack:
        for number in range(SLOW):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", listener.port), 60))
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: loc"[: number % 30])
            if number % 200 == 0:
                store_and_echo(port, f"1.{number}")
                assert fetch(ready(listener))[0] == 200
        store_and_echo(port, "2.1")
        assert fetch(ready(listener))[0] == 200
    store_and_echo(port, "2.2")
    assert fetch(ready(listener))[0] == 200


def store_and_echo(port: int, instance: str) -> None:
    with RawPeer(port) as scanner:
        assert scanner.associate().store(instance, bytes(10_000)) == 0
        assert scanner.echo() == 0
        scanner.release()


def test_names_that_callers_choose_make_no_figures(listener: RunFile) -> None:
    port = dicom_port(listener)

    def series() -> int:
        return len(fetch(f"http://127.0.0.1:{listener.port}/metrics")[1].splitlines())

    sizes = []
    for number in range(300):
        with RawPeer(port) as caller:
            caller.associate(calling=f'A{number}"}}').store(f"1.{number}", b"data")
            assert caller.echo() == 0
            caller.release()
        if number % 100 == 0:
            sizes.append(series())
    assert {series(), *sizes} == {sizes[0]}
