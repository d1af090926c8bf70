"""Who comes to the viewer's door in tests: a browser with a printed address, and whoever speaks byte by byte."""

import http.cookiejar
import socket
import socketserver
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PATIENCE = 60.0  # s, after which a door that says nothing fails a test


class Caller:
    """A browser that has opened `address`, a printed one, and goes by the cookie that it got there."""

    def __init__(self, address: str) -> None:
        parts = urllib.parse.urlsplit(address)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))
        with self._opener.open(address, timeout=_PATIENCE) as answer:
            self.landed = answer.url

    @property
    def cookie(self) -> str:
        """As it is sent."""
        (one,) = self._jar
        return f"{one.name}={one.value}"

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        """Status and body of an answer."""
        status, _, body = self.ask(path, method, **headers)
        return status, body

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in small letters) and body of an answer."""
        request = urllib.request.Request(self._origin + path, method=method, headers=headers)
        try:
            with self._opener.open(request, timeout=_PATIENCE) as answer:
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, {name.lower(): one for name, one in refusal.headers.items()}, refusal.read()


def connected(port: int) -> socket.socket:
    """A connection to the door."""
    return socket.create_connection(("127.0.0.1", port), _PATIENCE)


def say(port: int, sent: bytes) -> bytes:
    """All that is answered to these bytes, until the door closes the connection."""
    with connected(port) as door:
        door.sendall(sent)
        door.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: door.recv(1 << 16), b""))


@contextmanager
def archive_that(answers: Callable[[bytes, socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """An archive that deals with each request (its head) by itself; its DICOMweb root, and the heads that came."""
    asked: list[bytes] = []

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                part = self.request.recv(1 << 16)
                if not part:
                    return
                head += part
            asked.append(head)
            try:
                answers(head, self.request)
            except OSError:
                return

    class Archive(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Archive(("127.0.0.1", 0), Connection) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/dicom-web", asked
        server.shutdown()


def answering(
    body: bytes, kind: str = "application/dicom+json", status: str = "200 OK", more: str = ""
) -> Callable[[bytes, socket.socket], None]:
    """An archive that gives this answer to everything."""

    def answer(_head: bytes, door: socket.socket) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        door.sendall(head.encode("latin-1") + body)

    return answer
