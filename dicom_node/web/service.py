"""STOW-RS at the door (PS3.18 10.5): who asks for what, and what is answered; each request is an association's like."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from config.settings import Listener
from config.web import ROOT
from dicom_node.listener.events import ListenerEvents
from dicom_node.outside import is_uid, words
from dicom_node.spool import AssociationWriter, Close, Peer, SpoolWriter
from dicom_node.tally import CountedLog
from dicom_node.tls.peers import PeerCertificate
from dicom_node.web import stored
from dicom_node.web.callers import Callers, Denied
from dicom_node.web.exchange import Ended, Exchange, Fields, Refused, Request, TooSlow
from dicom_node.web.multipart import Malformed, media_type
from dicom_node.web.store import DICOM, StoreRequest, TooMany

log = logging.getLogger(__name__)

_STUDIES = f"{ROOT}/studies"
_HARMLESS = (404, 405)  # of a caller that is known, as of an archive that looks whether the door is there
_ALLOW = ("allow", "POST, OPTIONS")
_CHALLENGES: Fields = (
    ("www-authenticate", 'Basic realm="dicom-node", charset="UTF-8"'),
    ("www-authenticate", 'Bearer realm="dicom-node"'),
)
_AGAIN = ("retry-after", "30")  # s: the spool's room comes back within the index's next turns, or a person is needed
_TEXT = ("content-type", "text/plain; charset=utf-8")


@dataclass
class WebState:
    """What all connections share. `callers` may be replaced; `stopping` says that the node ends."""

    settings: Listener
    max_request: int
    callers: Callers
    writer: SpoolWriter
    events: ListenerEvents
    warnings: CountedLog = field(default_factory=lambda: CountedLog(log))
    stopping: bool = False


@dataclass(frozen=True)
class _Answer:
    status: int
    fields: Fields = ()
    body: bytes = b""


@dataclass(frozen=True)
class _Ending:
    """How a request ended for the record, why, and what is answered; None where nobody is there to hear it."""

    how: Close
    reason: str
    answer: _Answer | None


class WebService:
    """Serves the requests of one connection from `address`, which TLS may have proven by `certificate`."""

    def __init__(
        self, state: WebState, exchange: Exchange, address: str, certificate: PeerCertificate | None = None
    ) -> None:
        self._state = state
        self._exchange = exchange
        self._address = address
        self._certificate = certificate
        self._is_storing = False

    @property
    def is_storing(self) -> bool:
        """Whether a request is being served: before and after that nothing is lost with the connection."""
        return self._is_storing

    def run(self) -> None:
        """Serve until the peer, or the node, has had enough."""
        try:
            while self._serve_one():
                pass
        except (Ended, TooSlow) as error:
            log.debug("connection from %s ended: %s", self._address, error)
            if isinstance(error, TooSlow) and self._exchange.has_heard:
                self._refused(Peer("", "", self._address), 408, str(error))
        self._exchange.part()

    def _serve_one(self) -> bool:
        peer = Peer("", self._state.settings.aet, self._address)
        try:
            request = self._exchange.request()
            if request is None:
                return False
            peer = self._caller(request)
            answer = self._answer(request, peer)
        except Refused as error:
            self._refused(peer, error.status, str(error))
            answer = _Answer(error.status, (*error.fields, _TEXT), f"{error}\n".encode())
        if answer is None:
            return False
        return self._exchange.answer(answer.status, answer.fields, answer.body) and not self._state.stopping

    def _refused(self, peer: Peer, status: int, reason: str) -> None:
        if status not in _HARMLESS:
            self._state.writer.refuse_association(peer, status, None, None, f"HTTP {status}: {reason}")
        self._state.events.refused(f"http-{status}")

    def _caller(self, request: Request) -> Peer:
        called = self._state.callers.judge(self._address, request.fields, self._certificate)
        if isinstance(called, Denied):
            raise Refused(called.status, called.reason, _CHALLENGES if called.status == 401 else ())
        return Peer(called, self._state.settings.aet, self._address)

    def _answer(self, request: Request, peer: Peer) -> _Answer | None:
        study = _study(request.path)
        if request.method == "OPTIONS":
            return _Answer(204, (_ALLOW, ("accept", f'multipart/related; type="{DICOM}"')))
        if request.method != "POST":
            raise Refused(405, "this door takes instances, and nothing else: POST", [_ALLOW])
        boundary = self._boundary(request)
        record = self._state.writer.open_association(peer, _details(request))
        self._state.events.opened(peer.calling)
        self._is_storing = True
        store = StoreRequest(record, self._state.events, boundary, study, self._state.settings.max_instance)
        ending = _Ending(Close.ABORTED_BY_US, "internal error", None)
        try:
            ending = self._store(store, _kind(request.fields.get("accept", "")))
        finally:
            store.abandon()
            self._is_storing = False
            self._record_end(record, store, ending)
        return ending.answer

    def _boundary(self, request: Request) -> bytes:
        said = media_type(request.fields.get("content-type", ""))
        if said.name != "multipart/related":
            raise Refused(415, f'the body has to be multipart/related; type="{DICOM}"')
        if said.parameters.get("type", DICOM).lower() != DICOM:
            raise Refused(415, f"parts have to be {DICOM}")
        if request.fields.get("content-encoding", "identity").lower() != "identity":
            raise Refused(415, "the body must not be compressed")
        length = request.fields.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._state.max_request:
            raise Refused(413, f"a request may have {self._state.max_request} bytes at most: send several")
        try:
            return said.boundary()
        except Malformed as error:
            raise Refused(400, str(error)) from error

    def _store(self, store: StoreRequest, kind: str) -> _Ending:
        try:
            self._read(store)
        except (Malformed, Refused) as error:
            return _Ending(Close.ABORTED_BY_US, str(error), _told(store, 400, kind, str(error)))
        except TooMany as error:
            return _Ending(Close.ABORTED_BY_US, str(error), _told(store, 413, kind, str(error)))
        except TooSlow as error:
            return _Ending(Close.IDLE, str(error), _told(store, 408, kind, str(error)))
        except Ended as error:
            if self._state.stopping:
                return _Ending(Close.ABORTED_BY_US, "the node stops", _told(store, 503, kind, "the node stops"))
            return _Ending(Close.LOST, str(error), None)
        return _Ending(Close.RELEASED, "", _whole(store, kind))

    def _read(self, store: StoreRequest) -> None:
        size = 0
        for piece in self._exchange.body():
            size += len(piece)
            if size > self._state.max_request:
                raise TooMany(f"a request may have {self._state.max_request} bytes at most: send several")
            store.take(piece)
        store.finish()

    def _record_end(self, record: AssociationWriter, store: StoreRequest, ending: _Ending) -> None:
        stored_ = store.stored
        numbers = {"stored": stored_, "refused": len(store.parts) - stored_, "bytes": store.bytes}
        told = self._state.writer.close_association(record, ending.how, ending.reason, **numbers)
        self._state.events.closed(record.peer.calling, ending.how)
        if told:
            extra = {"association": str(record.id), "calling": record.peer.calling, "address": self._address, **numbers}
            log.info("request %s%s", ending.how, f": {ending.reason}" if ending.reason else "", extra=extra)


def _study(path: str) -> str:
    """The study that an address names, "" for any; raises Refused where nothing is there."""
    if path == _STUDIES:
        return ""
    study = path.removeprefix(f"{_STUDIES}/")
    if study == path or not is_uid(study):
        raise Refused(404, f"there is {_STUDIES}, and {_STUDIES}/STUDY-INSTANCE-UID")
    return study


def _kind(accept: str) -> str:
    """XML for those that ask for it and not for JSON; what cannot be had is no reason to refuse an image."""
    asked = [media_type(one).name for one in accept.split(",")]
    return stored.XML if stored.XML in asked and stored.JSON not in asked else stored.JSON


def _details(request: Request) -> dict[str, str]:
    return {"implementation_version": words(request.fields.get("user-agent", "")), "service": "STOW-RS"}


def _told(store: StoreRequest, status: int, kind: str, reason: str) -> _Answer:
    """What is answered to a request that ended early: what of it is stored stays stored, and the answer says so."""
    if not store.parts:
        return _Answer(status, [_TEXT], f"{reason}\n".encode())
    return _Answer(status, [("content-type", kind)], stored.encode(store.parts, kind))


def _whole(store: StoreRequest, kind: str) -> _Answer:
    """PS3.18 table 10.5.3-1; 503 where room of ours was all that lacked."""
    fields: Mapping[str, str] = {"content-type": kind}
    status = 200 if store.stored == len(store.parts) else 202 if store.stored else 409
    again = [_AGAIN] if store.may_pass else []
    return _Answer(503 if store.may_pass else status, [*fields.items(), *again], stored.encode(store.parts, kind))
