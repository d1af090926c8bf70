"""The server of the API as the role runs it: by TLS with its certificate as it is now; where its port is taken."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import copy
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from console.api.connections import BoundedConnection
from console.serve import serve
from roles.health import Health
from roles.process import Context
from tests.support.api import settings_of
from tests.support.bench import Bench
from tests.support.certificates import certified
from tests.support.processes import free_port, wait_for


@contextmanager
def role(bench: Bench, **console: Any) -> Iterator[Context]:
    """The role in a thread of this process, until the end of the block; it has ended then."""
    settings = settings_of(bench, console={"port": free_port(), **console})
    context = Context(settings, bench.objects, threading.Event(), Health(), trail=bench.as_process("serve"))
    failed: list[BaseException] = []

    def run() -> None:
        try:
            serve(context)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        # It has tried to open its port then, and waits for it or serves.
        wait_for(lambda: "its main loop" not in context.health.report().waiting_for, 60, "a sign of life", str)
        yield context
    finally:
        context.stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert failed == []


def health(context: Context, tls: ssl.SSLContext | None = None) -> Any:
    with urlopen(f"{context.settings.console.url}/api/v1/health", timeout=30, context=tls) as answer:
        return json.loads(answer.read())


def test_it_answers_while_it_is_wanted_and_leaves_its_port(bench: Bench) -> None:
    with role(bench) as context:
        assert health(context)["status"] == "up"
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{context.settings.console.url}/api/v1/studies", timeout=30)
        with refused.value as answer:
            assert answer.code == 401
    with socket.create_server(("127.0.0.1", context.settings.console.port)):
        pass


@pytest.mark.parametrize(("enabled", "ready"), [(None, True), (True, False)])
def test_where_its_port_is_taken_a_node_goes_on_without_it_unless_it_is_asked_for(
    bench: Bench, enabled: bool | None, ready: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with role(bench, port=taken, enabled=enabled) as context:
            report = context.health.report()
            assert report.ready is ready
            assert ready or any(str(taken) in one for one in report.waiting_for)


def test_a_certificate_that_is_renewed_in_its_files_is_shown_from_the_next_connection_on(
    bench: Bench, tmp_path: Path
) -> None:
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        made.append(certified(tmp_path / name, "-addext", "subjectAltName=IP:127.0.0.1"))
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"

    def renew(files: tuple[Path, Path]) -> None:
        for old, new in zip(files, (key, certificate), strict=True):
            fresh = new.with_suffix(".new")
            copy(old, fresh)
            fresh.chmod(0o600)
            fresh.replace(new)

    renew(made[0])
    with role(bench, tls={"certificate": str(certificate), "key": str(key)}) as context:
        for files in made:
            renew(files)
            # It trusts this certificate and no other.
            trusting = ssl.create_default_context(cafile=str(files[1]))
            assert health(context, trusting)["status"] == "up"


def _begun(context: Context) -> socket.socket:
    """A connection with half of a request's head."""
    made = socket.create_connection(("127.0.0.1", context.settings.console.port), 30)
    made.sendall(b"POST /auth/login HTTP/1.1\r\nHost: ")
    return made


def test_connections_that_send_half_a_request_take_nobodys_place(bench: Bench) -> None:
    with role(bench, max_connections=4) as context, ExitStack() as held:
        begun = [held.enter_context(_begun(context)) for _ in range(8)]
        for _ in range(3):
            assert health(context)["status"] == "up"
        begun[0].settimeout(30)
        with suppress(ConnectionError):
            assert begun[0].recv(1) == b"", "the one that waited longest has gone"


@pytest.mark.parametrize("rest", [b"", b"x\r\nContent-Length: 9\r\n\r\n{"], ids=["head", "body"])
def test_a_request_that_is_not_whole_in_time_is_cut_and_what_goes_on_in_between_is_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, rest: bytes
) -> None:
    monkeypatch.setattr(BoundedConnection, "whole", 0.5)
    with role(bench) as context, _begun(context) as connection:
        connection.sendall(rest)
        connection.settimeout(30)
        with suppress(ConnectionError):
            while connection.recv(4096):
                pass
        assert health(context)["status"] == "up"
