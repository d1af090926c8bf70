"""A file server and a proxy on loopback, for downloads: ranges, cut connections, changed files; and what to fetch."""

import contextlib
import http.client
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit


@dataclass
class Shelf:
    """What a file server serves and how it misbehaves. `requests` are the headers of each request, in order.

    The first `cuts` answers end after that many bytes of their body each.
    """

    content: bytes
    etag: str = '"one"'
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    status: int = 200
    requests: list[dict[str, str]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(shelf: Shelf) -> Iterator[Shelf]:
    """`shelf` at its `address`, until the end."""

    class Handler(_Files):
        served = shelf

    with _running(Handler) as port:
        shelf.address = f"http://127.0.0.1:{port}/file.bin"
        yield shelf


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """The address of a proxy for plain HTTP, and the addresses that it was asked for."""
    asked: list[str] = []

    class Handler(_Proxy):
        seen = asked

    with _running(Handler) as port:
        yield f"http://127.0.0.1:{port}", asked


@contextmanager
def _running(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing is written to the test's output."""


class _Files(_Quiet):
    served: ClassVar[Shelf]

    def do_GET(self) -> None:
        shelf = self.served
        shelf.requests.append(dict(self.headers))
        if shelf.status != 200:
            self.send_error(shelf.status)
            return
        first = self._first(shelf)
        if first >= len(shelf.content):
            self.send_error(416)
            return
        body = shelf.content[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        if shelf.etag:
            self.send_header("ETag", shelf.etag)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(shelf.content) - 1}/{len(shelf.content)}")
        self.end_headers()
        self.wfile.write(body[: shelf.cuts.pop(0)] if shelf.cuts else body)
        self.close_connection = True

    def _first(self, shelf: Shelf) -> int:
        asked = self.headers.get("Range")
        if not asked or not shelf.ranges or self.headers.get("If-Range") != shelf.etag:
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))


class _Proxy(_Quiet):
    seen: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        target = urlsplit(self.path)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "proxy-connection"}
        with contextlib.closing(http.client.HTTPConnection(target.netloc, timeout=60)) as connection:
            connection.request("GET", target.path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        self.send_response(answer.status)
        for name in ("ETag", "Content-Range"):
            if answer.headers[name]:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def write_bundle(folder: Path) -> Path:
    """The ZIP archive of a MONAI bundle without weights that can be run: enough to be imported."""
    metadata = {
        "version": "0.1.0",
        "name": "Toy",
        "task": "Toy segmentation",
        "network_data_format": {
            "inputs": {
                "image": {
                    "modality": "CT",
                    "num_channels": 1,
                    "spatial_shape": [8, 8, 8],
                    "channel_def": {"0": "image"},
                }
            },
            "outputs": {"pred": {"format": "segmentation", "channel_def": {"0": "background", "1": "spleen"}}},
        },
    }
    with zipfile.ZipFile(folder / "toy_v0.1.0.zip", "w") as archive:
        archive.writestr("toy/configs/metadata.json", json.dumps(metadata))
        archive.writestr("toy/configs/inference.json", json.dumps({"bundle_root": "."}))
        archive.writestr("toy/models/model.pt", _weights())
    return folder / "toy_v0.1.0.zip"


def _weights() -> bytes:
    """An empty checkpoint: the pickle of {} in the archive that torch.save makes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()
