"""The viewer's door: OHIF's built pages and the reading half of an archive's DICOMweb, on one loopback address.

One origin for both, so that the browser needs no leave of the archive to read from it, and a policy by which the pages
talk to nothing else. Nobody is answered who has not shown the key of the printed address (console.viewer.door).
"""

import base64
import hashlib
import json
import re
import threading
import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from console.viewer import answers, services
from console.viewer.answers import Answer
from console.viewer.archive import Archive
from console.viewer.door import Entrance
from console.viewer.requests import Request
from console.viewer.server import Server
from domain.errors import ConfigurationError
from roles.http_heads import Refused

HOST = "127.0.0.1"
_DICOMWEB = "/dicom-web"
# What the pages are made of; whatever else lies in their folder (other pages, scripts of a log-in) is not given.
_TYPES = {
    ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".wasm": "application/wasm",
    ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif", ".ico": "image/x-icon",
    ".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf",
}  # fmt: skip
_INDEX = "index.html"
# A browser asks for it without its cookie.
_MANIFEST = re.compile(rb'<link rel="manifest"[^>]*>')
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_ACCEPT = 1000  # letters of an Accept header
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

    Port 0 takes a free one; `credentials` are those of `Archive`. Raises ConfigurationError for a folder without pages,
    a root that is no address, and a port that cannot be had.
    """

    def __init__(self, pages: Path, archive: str, port: int = 0, credentials: str = "") -> None:
        self.archive = Archive(archive, credentials)
        self._pages, self._port = _Pages(pages), port

    def __enter__(self) -> Self:
        try:
            self._server = Server((HOST, self._port), self._answer)
        except OSError as error:
            raise ConfigurationError(f"port {self._port} cannot be opened: {error.strerror}; give another") from error
        self._door = Entrance(HOST, self._server.port)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="viewer", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def origin(self) -> str:
        """Where it is, which is no secret."""
        return self._door.origin

    @property
    def address(self) -> str:
        """What a person opens in a browser: it holds the key."""
        return self._door.address()

    def study(self, study_instance_uid: str) -> str:
        """The address of a study's page, with the key."""
        return self._door.address("/viewer", urllib.parse.urlencode({"StudyInstanceUIDs": study_instance_uid}))

    def _answer(self, request: Request, owner: int | None) -> Answer:
        elsewhere = self._door.admit(request, owner)
        if elsewhere:
            return elsewhere
        try:
            if request.path.startswith(f"{_DICOMWEB}/"):
                return self._read(request)
            return self._pages.answer(request.path)
        except Refused as refused:
            return answers.said(refused.status, refused.reason, known=True)

    def _read(self, request: Request) -> Answer:
        """What the archive has; never as a page of its own, whatever it is."""
        path, accept = request.path.removeprefix(_DICOMWEB), request.header("accept") or "*/*"
        if request.method != "GET" or request.header("sec-fetch-mode") == "navigate":
            raise Refused(HTTPStatus.FORBIDDEN, "the viewer's pages read from the archive, and nobody else")
        if not services.reads(path) or len(accept) > _ACCEPT or not accept.isascii():
            raise Refused(HTTPStatus.FORBIDDEN, "only reading is passed on to the archive")
        # The archive writes addresses into its answers; they are to lead here.
        forwarded = f"host={self._door.origin.removeprefix('http://')};proto=http"
        reply = self.archive.ask(path, request.query, accept, forwarded)
        if reply.status is HTTPStatus.NO_CONTENT:
            reply.close()
            return Answer(reply.status, known=True)
        return Answer(reply.status, reply.parts(), reply.kind, reply.length, known=True)


class _Pages:
    """Every file of the pages by its address: what is not in here cannot be asked for, whatever an address climbs."""

    def __init__(self, folder: Path) -> None:
        place = folder.resolve()
        self._files = {
            f"/{file.relative_to(folder).as_posix()}": file
            for file in folder.rglob("*")
            if file.suffix in _TYPES and file.is_file() and file.resolve().is_relative_to(place)
        }
        try:
            self._index = _MANIFEST.sub(b"", (folder / _INDEX).read_bytes())
        except OSError as error:
            raise ConfigurationError(f"{folder} holds no pages of a viewer: there is no {_INDEX}") from error
        self._policy = answers.page_policy([_digest(script) for script in _SCRIPT.findall(self._index)])
        self._settings = f"window.config = {json.dumps(_CONFIGURATION)};".encode()

    def answer(self, path: str) -> Answer:
        """A file; an address that names none is the first page, which reads its own address (`/viewer?...`)."""
        name = urllib.parse.unquote(path)
        if name == "/app-config.js":
            return self._page(self._settings, "text/javascript")
        file = self._files.get(name)
        if file is None:
            if "." in name and name != f"/{_INDEX}":
                raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
            return self._page(self._index, "text/html; charset=utf-8")
        try:
            return self._page(file.read_bytes(), _TYPES[file.suffix], keep="private, max-age=3600")
        except OSError:
            raise Refused(HTTPStatus.NOT_FOUND, "this page is gone: start the viewer anew") from None

    def _page(self, content: bytes, kind: str, keep: str = "no-store") -> Answer:
        return Answer(HTTPStatus.OK, content, kind, keep=keep, policy=self._policy, known=True)


def _digest(script: bytes) -> str:
    """By which a policy lets this one script run where it stands in its page (CSP 3, hash-source)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}"
