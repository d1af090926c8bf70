"""Small objects for an Orthanc, and a peer that answers its REST API as a test tells it."""

import hashlib
import json
import socket
import ssl
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import parse_qsl

from dicom_node.part10 import head
from dicom_node.scu.store import Outgoing

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


class Changing:
    """What an Orthanc answers of its changes and files, for `answering`. A file may be a status instead.

    `asked` are the paths that were asked for.
    """

    def __init__(self) -> None:
        self.changes: list[tuple[int, str, str]] = []
        self.files: dict[str, bytes | int] = {}
        self.asked: list[str] = []
        self.counter = 0

    def happen(self, kind: str, resource: str) -> None:
        """One change more."""
        self.counter += 1
        self.changes.append((self.counter, kind, resource))

    def add(self, *files: bytes | int) -> list[str]:
        """New instances; what it calls them."""
        names = [an_id((number, file)) for number, file in enumerate(files, len(self.files))]
        for name, file in zip(names, files, strict=True):
            self.files[name] = file
            self.happen("NewInstance", name)
            self.happen("NewSeries", an_id(name))
        return names

    def __call__(self, method: str, path: str) -> object:
        self.asked.append(path)
        where, _, query = path.partition("?")
        if where == "/changes":
            return self._page(dict(parse_qsl(query, keep_blank_values=True)))
        if where.endswith("/file"):
            return self.files[where.split("/")[2]]
        return 404

    def _page(self, query: dict[str, str]) -> object:
        since, limit = int(query.get("since", 0)), int(query.get("limit", 100))
        first = bisect_right(self.changes, since, key=lambda one: one[0])
        found = self.changes[-1:] if "last" in query else self.changes[first : first + limit + 1]
        told = [dict(zip(("Seq", "ChangeType", "ID"), one, strict=True)) for one in found[:limit]]
        last = found[:limit][-1][0] if found else self.counter
        return {"Changes": told, "Done": len(found) <= limit, "Last": last}


def an_id(content: object) -> str:
    """As Orthanc calls a resource: by what it is."""
    told = hashlib.sha1(repr(content).encode(), usedforsecurity=False).hexdigest()
    return "-".join(told[start : start + 8] for start in range(0, 40, 8))


@contextmanager
def tls_before(port: int, key: Path, certificate: Path) -> Iterator[str]:
    """An HTTPS root before a server on loopback, as a site's proxy stands before its archive."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as outside,
                socket.create_connection(("127.0.0.1", port)) as inside,
            ):
                back = Thread(target=_carry, args=(inside, outside), daemon=True)
                back.start()
                _carry(outside, inside)
                back.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def an_object(number: int, sop_class: str = CT, size: int = 0, uid: str = "", series: str = "1.2.826.0.3") -> Outgoing:
    """A small object of a study that all share, explicit little endian, with `size` bytes of pixel data."""
    uid = uid or f"1.2.826.0.1.{number}"
    values = {
        0x00080016: (b"UI", sop_class),
        0x00080018: (b"UI", uid),
        0x00080060: (b"CS", "CT"),
        0x00100010: (b"PN", "Nobody"),
        0x00100020: (b"LO", "1"),
        0x0020000D: (b"UI", "1.2.826.0.2"),
        0x0020000E: (b"UI", series),
    }
    data = b"".join(_element(tag, vr, value.encode()) for tag, (vr, value) in values.items())
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size) + bytes(size) if size else b""
    return Outgoing(head(sop_class, uid, EXPLICIT) + data + pixels, sop_class, uid, EXPLICIT)


def a_file(number: int, size: int = 0, uid: str = "", series: str = "1.2.826.0.3") -> bytes:
    """The Part 10 file of such an object."""
    file = an_object(number, size=size, uid=uid, series=series).file
    assert isinstance(file, bytes)
    return file


@contextmanager
def answering(answer: Callable[[str, str], object]) -> Iterator[str]:
    """The root of a REST API that answers a method and a path: with bytes, a status, both, or what becomes JSON."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def respond(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told = answer(self.command, self.path)
            status, body = told if isinstance(told, tuple) else (told, b"") if isinstance(told, int) else (200, told)
            held = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(held)))
            self.end_headers()
            self.wfile.write(held)

        do_GET = do_POST = do_PUT = respond  # noqa: N815 - the names by which it is called

        def log_message(self, *_: object) -> None:
            """Nothing: the test says what it saw."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _element(tag: int, vr: bytes, value: bytes) -> bytes:
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value
