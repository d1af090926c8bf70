"""The viewer's door: OHIF's built pages and the reading half of an archive's DICOMweb, on one loopback address.

One origin for both, so that the browser needs no leave of the archive to read from it, and a policy by which the pages
talk to nothing else. Only GET is answered.
"""

import http.client
import json
import mimetypes
import shutil
import threading
import urllib.parse
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from console.viewer.archive import Archive, reads
from domain.errors import ConfigurationError

HOST = "127.0.0.1"
_DICOMWEB = "/dicom-web"
# The pages compile code as they run (WebAssembly) and start workers from memory; all else comes from here alone.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self' data: blob:; style-src 'self' 'unsafe-inline';"
    " script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; frame-ancestors 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_TYPES = {".js": "text/javascript", ".wasm": "application/wasm"}
_SOURCE: Mapping[str, object] = {
    "friendlyName": "The archive's DICOMweb",
    "name": "archive",
    "qidoRoot": _DICOMWEB,
    "wadoRoot": _DICOMWEB,
    "wadoUriRoot": _DICOMWEB,
    "qidoSupportsIncludeField": True,
    "supportsFuzzyMatching": False,
    "supportsWildcard": True,
    "imageRendering": "wadors",
    "thumbnailRendering": "wadors",
    "enableStudyLazyLoad": True,
    "omitQuotationForMultipartRequest": True,
    "bulkDataURI": {"enabled": True, "relativeResolution": "studies"},
}
_CONFIGURATION: Mapping[str, object] = {
    "name": "dicom-node",
    "routerBasename": "/",
    "extensions": [],
    "modes": [],
    # No tour of the viewer before the first image, and no player over a result that is a single page.
    "customizationService": {"ohif.tours": {"$set": []}, "autoCineModalities": {"$set": []}},
    # A result that a person opens is shown without a question whether it is to be shown.
    "disableConfirmationPrompts": True,
    "showStudyList": True,
    "showWarningMessageForCrossOrigin": False,
    "showCPUFallbackMessage": False,
    "strictZSpacingForVolumeViewport": True,
    "maxNumberOfWebWorkers": 3,
    "defaultDataSourceName": "archive",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "archive",
            "configuration": _SOURCE,
        }
    ],
}


class Viewer:
    """Serves the pages in the folder `pages` over the archive whose DICOMweb root is `archive`, in its `with` block.

    Port 0 takes a free one. Raises ConfigurationError for a folder without pages, a root that is no address, and a port
    that cannot be had.
    """

    def __init__(self, pages: Path, archive: str, port: int = 0) -> None:
        self._pages, self._port = _found(pages), port
        self.archive = Archive(archive)

    def __enter__(self) -> Self:
        try:
            self._server = _Server(self._port, self._pages, self.archive)
        except OSError as error:
            raise ConfigurationError(f"port {self._port} cannot be opened: {error.strerror}; give another") from error
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="viewer", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """Its address in a browser."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def study(self, study_instance_uid: str) -> str:
        """The address of a study's page."""
        return f"{self.address}/viewer?{urllib.parse.urlencode({'StudyInstanceUIDs': study_instance_uid})}"


def _found(pages: Path) -> dict[str, Path]:
    """Every file of the pages by its address: what is not in here cannot be asked for, whatever an address climbs."""
    found = {f"/{file.relative_to(pages).as_posix()}": file for file in pages.rglob("*") if file.is_file()}
    if "/index.html" not in found:
        raise ConfigurationError(f"{pages} holds no pages of a viewer: there is no index.html")
    return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, pages: Mapping[str, Path], archive: Archive) -> None:
        self.pages, self.archive = pages, archive
        super().__init__((HOST, port), _RequestHandler)


class _RequestHandler(BaseHTTPRequestHandler):
    """One browser's connection."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def handle(self) -> None:
        with suppress(ConnectionError):  # a browser gives up what it no longer shows
            super().handle()

    def do_GET(self) -> None:
        asked = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(asked.path)
        if not self._meant_for_us():
            self._say(HTTPStatus.MISDIRECTED_REQUEST, "this address serves this machine alone")
        elif path.startswith(f"{_DICOMWEB}/"):
            self._read(path.removeprefix(_DICOMWEB), asked.query)
        elif path == "/app-config.js":
            self._answer(f"window.config = {json.dumps(_CONFIGURATION)};".encode(), "text/javascript")
        else:
            self._page(path)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Addresses name studies, so they stay out of every log."""

    def _meant_for_us(self) -> bool:
        """Whether the browser asked for this machine: a page elsewhere could let a name of its own lead here."""
        return self.headers.get("Host", "").rpartition(":")[0] in {HOST, "localhost"}

    def _page(self, path: str) -> None:
        """A file; an address that names none is the page itself, which reads its own address (`/viewer?...`)."""
        file = self.server.pages.get(path)
        if file is None and "." in path:
            self._say(HTTPStatus.NOT_FOUND, "there is no such page")
            return
        file = file or self.server.pages["/index.html"]
        kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        self._answer(file.read_bytes(), kind, keep="no-store" if file.suffix == ".html" else "max-age=3600")

    def _read(self, path: str, query: str) -> None:
        if not reads(path):
            self._say(HTTPStatus.FORBIDDEN, "only reading is passed on to the archive")
            return
        # The archive writes addresses into its answers; they are to lead here (RFC 7239).
        headers = {"Forwarded": f"host={self.headers['Host']};proto=http", "Accept": self.headers.get("Accept", "*/*")}
        try:
            answer = self.server.archive.open(f"{path}?{query}" if query else path, headers)
        except (OSError, http.client.HTTPException) as error:
            self._say(HTTPStatus.BAD_GATEWAY, f"the archive does not answer: {error}")
            return
        with answer:
            self._pass_on(answer)

    def _pass_on(self, answer: Any) -> None:
        self.send_response(answer.status)
        for name in ("Content-Type", "Content-Length"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        if "Content-Length" not in answer.headers:
            self.send_header("Connection", "close")
        self._end("no-store")
        try:
            shutil.copyfileobj(answer, self.wfile, 1 << 18)
        except (http.client.HTTPException, TimeoutError):
            self.close_connection = True  # the browser gets less than was announced, and takes it for a failure

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._answer(text.encode(), "text/plain; charset=utf-8", status)

    def _answer(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, keep: str = "no-store") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self._end(keep)
        self.wfile.write(body)

    def _end(self, keep: str) -> None:
        for name, value in {**_HEADERS, "Cache-Control": keep}.items():
            self.send_header(name, value)
        self.end_headers()
