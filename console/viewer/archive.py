"""The reading half of an archive's DICOMweb services (PS3.18 section 10), for a viewer that must change nothing.

Nothing of an answer is believed: its status, type and length are judged, its other headers are left behind, it is
followed nowhere, and it has a length and a time that it cannot exceed.
"""

import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from http import HTTPStatus
from types import TracebackType
from typing import Self

from console.viewer import services
from console.viewer.address import authorization, parse
from domain.errors import Unavailable
from domain.json_records import JsonObject
from roles.http_heads import Refused

_CONNECTING = 10.0  # s
_SILENCE = 120.0  # s without a byte: metadata of a long study are gathered before the first of them is sent
_LONGEST = 900.0  # s for an answer as a whole, however it trickles
_MOST = 4 * 1024**3  # bytes of an answer
_MOST_OF_LIST = 64 * 1024**2  # bytes of the list of studies, which is read as a whole
_PART = 1 << 18
_JSON = "application/dicom+json"
_WANTED = ("StudyDescription", "ModalitiesInStudy")
_GIVEN = (HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.PARTIAL_CONTENT)
_UNKNOWN_ASKER = "the archive asks who is there: give its USER:PASSWORD in a file (--credentials FILE)"
_REFUSED_ASKER = "the archive does not take these credentials"
_NO_RIGHT = "the archive lets who asks not read that"
# Refusals that a viewer can make something of, in our words: those of an archive are a page as like as not.
_REFUSALS: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "the archive does not understand what was asked",
    HTTPStatus.NOT_FOUND: "the archive does not have it",
    HTTPStatus.NOT_ACCEPTABLE: "the archive has it in no form that was asked for",
    HTTPStatus.GONE: "the archive no longer has it",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the archive finds more than it gives at once",
    HTTPStatus.SERVICE_UNAVAILABLE: "the archive is busy",
}
_UID = re.compile(r"[0-9.]{1,64}", re.ASCII)


class Reply:
    """An answer that passes: `kind` is its Content-Type, `length` its bytes where they are known. Close it."""

    def __init__(self, answer: http.client.HTTPResponse, clock: "_Clock", held: ExitStack) -> None:
        self._answer, self._clock, self._held = answer, clock, held
        self.status = HTTPStatus(answer.status)
        self.kind = answer.headers.get("Content-Type", "")
        self.length = answer.length

    def parts(self) -> Iterator[bytes]:
        """Its body as it comes; raises OSError where it ends too early, or exceeds what it may be."""
        taken = 0
        try:
            while part := self._answer.read1(_PART):
                taken += len(part)
                if taken > _MOST:
                    raise OSError(f"the archive sends more than {_MOST} bytes")
                yield part
            if self._clock.over or self.length not in (None, taken):
                raise OSError("the archive's answer was cut off")
        except http.client.HTTPException as error:
            raise OSError("the archive's answer was cut off") from error
        finally:
            self.close()

    def close(self) -> None:
        """Let the archive go."""
        self._held.close()


class _Clock:
    """Ends what is read from a socket when its time is over, by another thread: who trickles never falls silent."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(_SILENCE)
        self._socket = connected
        self.over = False
        self._timer = threading.Timer(_LONGEST, self._ring)
        self._timer.daemon = True

    def _ring(self) -> None:
        self.over = True
        with contextlib.suppress(OSError):  # it was closed meanwhile
            self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()


class Archive:
    """The archive whose DICOMweb services are under `root`, which `credentials` (USER:PASSWORD) open where it asks.

    Raises ConfigurationError where the one is no address, or the others are none.
    """

    def __init__(self, root: str, credentials: str = "") -> None:
        self.root = parse(root)
        self._authorization = authorization(credentials)

    @property
    def is_told_who_asks(self) -> bool:
        """Whether credentials go with each question."""
        return bool(self._authorization)

    def ask(self, path: str, query: str, accept: str, forwarded: str) -> Reply:
        """Its answer to GET of `path`, which services.reads lets pass; `forwarded` is where answers lead (RFC 7239).

        Raises Refused, with a sentence, for every answer that is not passed on and where there is none.
        """
        # Asked directly, and not by a proxy: it is on this machine or in its network.
        kind = http.client.HTTPSConnection if self.root.tls else http.client.HTTPConnection
        asked = f"{self.root.path}{path}{'?' if query else ''}{query}"
        fields = {"Accept": accept, "Forwarded": forwarded, "Authorization": self._authorization}
        with ExitStack() as stack:
            try:
                connection = kind(self.root.host, self.root.port, timeout=_CONNECTING)
                stack.callback(connection.close)
                connection.connect()
                clock = stack.enter_context(_Clock(connection.sock))
                connection.request("GET", asked, headers={name: value for name, value in fields.items() if value})
                answer = stack.enter_context(connection.getresponse())
                _judge(answer, bool(self._authorization))
                return Reply(answer, clock, stack.pop_all())
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise Refused(HTTPStatus.BAD_GATEWAY, _why(error)) from error

    def studies(self) -> list[tuple[str, str]]:
        """Study Instance UID of each study, the latest first, with a line that says what it is and never of whom.

        Raises Unavailable where there is no answer, or one that is no list of studies.
        """
        query = urllib.parse.urlencode([("includefield", name) for name in _WANTED])
        try:
            found = _listed(self.ask("/studies", query, _JSON, ""))
        except (Refused, OSError) as error:
            raise Unavailable(f"no DICOMweb answers at {self.root}: {error}{_advice(error)}") from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise Unavailable(f"no DICOMweb answers at {self.root}: that is no list of studies{_ELSEWHERE}") from error
        newest = sorted(found, key=lambda one: _value(one, "00080020"), reverse=True)
        return [(_value(one, "0020000D"), _described(one)) for one in newest if _UID.fullmatch(_value(one, "0020000D"))]


def _judge(answer: http.client.HTTPResponse, introduced: bool) -> None:
    """Raise Refused unless what comes is what a viewer asks for; `introduced`: it was told who asks."""
    status = HTTPStatus(answer.status)
    if status is HTTPStatus.UNAUTHORIZED:
        raise Refused(HTTPStatus.BAD_GATEWAY, _REFUSED_ASKER if introduced else _UNKNOWN_ASKER)
    if status is HTTPStatus.FORBIDDEN:
        raise Refused(HTTPStatus.BAD_GATEWAY, _NO_RIGHT)
    if status not in _GIVEN:
        known = status in _REFUSALS
        said = _REFUSALS.get(status, f"the archive answers {status.value}, which is not passed on")
        raise Refused(status if known else HTTPStatus.BAD_GATEWAY, said)
    if status is not HTTPStatus.NO_CONTENT and not services.passes(answer.headers.get("Content-Type", "")):
        raise Refused(HTTPStatus.BAD_GATEWAY, "the archive answers with a type that is not passed on")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise Refused(HTTPStatus.BAD_GATEWAY, "the archive answers in an encoding that nobody asked for")
    if answer.length is not None and answer.length > _MOST:
        raise Refused(HTTPStatus.BAD_GATEWAY, f"the archive answers with more than {_MOST} bytes")


_ELSEWHERE = ". Orthanc has its services under /dicom-web, dcm4chee under /dcm4chee-arc/aets/NAME/rs"


def _advice(error: Exception) -> str:
    """Where else the services may be, for who typed an address at which something answers."""
    return _ELSEWHERE if isinstance(error, Refused) and error.status is HTTPStatus.NOT_FOUND else ""


def _why(error: Exception) -> str:
    """Why there is no answer that could be judged. What the archive itself said is not repeated."""
    if isinstance(error, TimeoutError):
        return "the archive does not answer in time: is that the port of its web server, and not of DICOM?"
    if isinstance(error, ssl.SSLError):
        return "the archive does not answer: its certificate is not trusted, or it speaks no TLS"
    if isinstance(error, OSError) and error.strerror:
        return f"the archive does not answer: {error.strerror}"
    return "the archive answers with what is no HTTP: is that its web server, and does it want https://?"


def _listed(reply: Reply) -> list[JsonObject]:
    """The studies of an answer in the DICOM JSON model (PS3.18 annex F)."""
    body = bytearray()
    for part in reply.parts():
        body += part
        if len(body) > _MOST_OF_LIST:
            raise OSError("its list of studies has no end")
    found = json.loads(body) if body else []
    return [dict(one) for one in list(found)]


def _value(study: JsonObject, tag: str) -> str:
    """The values of an attribute, "" where they are none."""
    attribute = study.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return "+".join(str(one) for one in values) if isinstance(values, list) else ""


def _described(study: JsonObject) -> str:
    date = re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", _value(study, "00080020"))
    return ", ".join(part for part in (date, _value(study, "00080061"), _value(study, "00081030")) if part)
