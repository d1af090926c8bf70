"""The life of one connection: negotiation, dialogue, farewell (the acceptor's half of PS3.8 table 9-10)."""

import logging
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from config.settings import Listener as Settings
from config.tls import UserIdentity
from dicom_node.listener.associate import (
    AnsweredContext,
    AssociateRequest,
    RequestHead,
    decode_head,
    decode_request,
    encode_acceptance,
)
from dicom_node.listener.dialogue import Dialogue
from dicom_node.listener.events import ListenerEvents
from dicom_node.listener.policy import ACCEPTED, Acceptance, AssociationPolicy, Rejection, unidentified
from dicom_node.listener.reporting import Reporter
from dicom_node.listener.services import Room, Service
from dicom_node.listener.stream import ControlPdu, Fragment, PduStream
from dicom_node.listener.users import UnknownUser, Users
from dicom_node.pdu import (
    RELEASE_RP,
    AbortReason,
    PduType,
    PeerAborted,
    PeerGone,
    PeerSilent,
    ProtocolError,
    TlsAtPlainPort,
    abort_by_provider,
    abort_by_user,
    reject,
)
from dicom_node.spool import AssociationWriter, Close, Peer, SpoolWriter
from dicom_node.tally import CountedLog
from dicom_node.tls.acceptor import TlsAcceptor
from dicom_node.tls.connection import NotTls, TlsConnection
from dicom_node.tls.faults import TlsFault, handshake_fault
from dicom_node.tls.peers import Secured
from domain.json_records import JsonObject

log = logging.getLogger(__name__)


@dataclass
class AcceptorState:
    """What all connections share. `callers` counts associations that were let in by AE title and address, under `lock`.

    `services` are those besides storage and verification; `room` is the memory that their requests share.
    """

    settings: Settings
    policy: AssociationPolicy
    writer: SpoolWriter
    events: ListenerEvents
    services: Mapping[str, Service] = field(default_factory=dict)
    room: Room = field(default_factory=Room)
    users: Users = field(default_factory=lambda: Users(UserIdentity()))
    warnings: CountedLog = field(default_factory=lambda: CountedLog(log))
    callers: Counter[tuple[str, str]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def running(self) -> int:
        """Associations that are open now."""
        return self.callers.total()

    def admit(self, head: RequestHead, address: str, secured: Secured | None) -> Rejection | None:
        """Why this caller is not let in, or None: it then counts until `leave`."""
        with self.lock:
            caller = head.calling, address
            rejection = self.policy.rejection(head, address, self.running, self.callers[caller], secured)
            self.callers += Counter({caller: rejection is None})
        return rejection

    def leave(self, head: RequestHead, address: str) -> None:
        """One that was let in has ended."""
        with self.lock:
            self.callers -= Counter({(head.calling, address): 1})


@dataclass(frozen=True)
class _Ending:
    """How an association ended, why, and the last PDU to send."""

    how: Close
    reason: str
    farewell: bytes


class Connection:
    """One accepted connection, served by the thread that calls `run`."""

    def __init__(
        self, acceptor: AcceptorState, connection: socket.socket, address: str, tls: TlsAcceptor | None = None
    ) -> None:
        self._acceptor = acceptor
        self._tls = TlsConnection(connection, tls.context()) if tls else None
        self._socket = self._tls or connection
        self._address = address
        self._stream = PduStream(self._socket, acceptor.settings)
        self._secured: Secured | None = None
        self._user = ""
        self._interrupted = False
        self._associated = False

    @property
    def is_associated(self) -> bool:
        """Whether it carries an association now; before and after that nothing is lost with it."""
        return self._associated

    def interrupt(self) -> None:
        """End it soon, with an A-ABORT: called from another thread when the node stops."""
        self._interrupted = True
        self._shut(socket.SHUT_RD)

    def cut(self) -> None:
        """End it now: called from another thread where the peer does not even take the A-ABORT."""
        self._shut(socket.SHUT_RDWR)

    def _shut(self, how: int) -> None:
        with suppress(OSError):  # it ended by itself meanwhile
            self._socket.shutdown(how)

    def run(self) -> None:
        """Serve the connection to its end."""
        with self._socket:
            try:
                self._serve()
            except (PeerGone, PeerSilent) as error:
                log.debug("connection from %s ended: %s", self._address, error)
            except Exception:
                # The boundary of a thread: a defect here may cost this association, never the listener.
                log.exception("connection from %s failed", self._address)

    def _serve(self) -> None:
        if self._tls is not None and not self._secure(self._tls):
            return
        body = self._request()
        farewell = self._answer(body) if body is not None else b""
        if farewell:
            self._part(farewell)

    def _secure(self, tls: TlsConnection) -> bool:
        """Whether TLS holds now, and the peer is who an authority says; else it is told why, and others are."""
        artim = self._acceptor.settings.artim
        try:
            self._secured = tls.handshake(artim)
        except OSError as error:
            left = self._interrupted or not tls.has_heard
            if left and not isinstance(error, TimeoutError):
                raise PeerGone("connection closed by the peer") from error
            self._refuse_tls(handshake_fault(error))
            if isinstance(error, NotTls):
                tls.say_plainly(abort_by_user())
            tls.drain(artim)
            return False
        return True

    def _refuse_tls(self, fault: TlsFault) -> None:
        self._acceptor.writer.refuse_association(self._nobody, None, None, None, f"TLS: {fault.said}")
        self._acceptor.events.refused(fault.code)

    def _request(self) -> bytes | None:
        """What follows type and length of an A-ASSOCIATE-RQ, nothing of it looked at."""
        try:
            pdu = self._stream.first(self._acceptor.settings.artim)
            if isinstance(pdu, ControlPdu) and pdu.kind == PduType.ABORT:
                return None
            if isinstance(pdu, Fragment) or pdu.kind != PduType.ASSOCIATE_RQ:
                raise ProtocolError(AbortReason.UNEXPECTED_PDU, "the first PDU is no A-ASSOCIATE-RQ")
            return pdu.body
        except ProtocolError as error:
            self._part(self._refuse_garbage(error, self._nobody))
        except PeerSilent:
            self._acceptor.warnings.warn(f"connection from {self._address} sent no A-ASSOCIATE-RQ in time")
            self._acceptor.events.refused("silent")
        return None

    def _answer(self, body: bytes) -> bytes:
        """Serve who may associate; the last PDU to send. A stranger's items are not worth a look."""
        try:
            head = decode_head(body)
        except ProtocolError as error:
            return self._refuse_garbage(error, self._nobody)
        peer = Peer(head.calling, head.called, self._address)
        rejection = self._acceptor.admit(head, self._address, self._secured)
        if rejection:
            return self._reject(peer, rejection)
        try:
            return self._negotiate(peer, body)
        finally:
            self._acceptor.leave(head, self._address)

    def _negotiate(self, peer: Peer, body: bytes) -> bytes:
        try:
            request = decode_request(body)
            answer = self._acceptor.policy.answer(request)
        except ProtocolError as error:
            return self._refuse_garbage(error, peer)
        if isinstance(answer, Rejection):
            return self._reject(peer, answer)
        users = self._acceptor.policy.users(request, self._address, self._secured)
        try:
            self._user = self._acceptor.users.known(users, request.identity) if users else ""
        except UnknownUser as error:
            return self._reject(peer, unidentified(str(error)))
        return self._associate(peer, request, answer)

    @property
    def _nobody(self) -> Peer:
        return Peer("", "", self._address)

    def _refuse_garbage(self, error: ProtocolError, peer: Peer) -> bytes:
        # Action AA-1: before an association exists an abort is the service user's and has no reason.
        self._acceptor.writer.refuse_association(peer, None, None, None, f"aborted: {error}")
        self._acceptor.events.refused("tls-at-plain-port" if isinstance(error, TlsAtPlainPort) else "protocol")
        return abort_by_user()

    def _reject(self, peer: Peer, rejection: Rejection) -> bytes:
        result, source, code = rejection.result, rejection.source, rejection.code
        self._acceptor.writer.refuse_association(peer, result, source, code, rejection.reason)
        self._acceptor.events.refused(f"rejected-{result}-{source}-{code}")
        return reject(result, source, code)

    def _associate(self, peer: Peer, request: AssociateRequest, acceptance: Acceptance) -> bytes:
        try:
            self._associated = True
            if acceptance.is_empty:
                self._acceptor.writer.refuse_association(peer, None, None, None, "no acceptable presentation context")
                self._acceptor.events.refused("no-context")
            record = self._acceptor.writer.open_association(
                peer, _details(request, acceptance, self._secured, self._user)
            )
            self._acceptor.events.opened(peer.calling)
            return self._converse(request, acceptance, record).farewell
        finally:
            self._associated = False

    def _converse(self, request: AssociateRequest, acceptance: Acceptance, record: AssociationWriter) -> _Ending:
        settings = self._acceptor.settings
        accepted = {context.id: context for context in acceptance.contexts if context.result == ACCEPTED}
        dialogue = Dialogue(
            self._stream,
            accepted,
            record,
            self._acceptor.events,
            peer_max_pdu=request.max_pdu,
            max_instance=settings.max_instance,
            services=self._acceptor.services,
            room=self._acceptor.room,
            reporter=self._reporter(request, accepted.values(), record),
        )
        ending = _Ending(Close.ABORTED_BY_US, "internal error", abort_by_provider(AbortReason.NOT_SPECIFIED))
        try:
            answer = encode_acceptance(
                request, acceptance.contexts, acceptance.roles, settings.max_pdu, identified=bool(self._user)
            )
            self._stream.send(answer)
            ending = self._listen(dialogue)
        finally:
            self._record_end(record, dialogue, ending)
        return ending

    def _reporter(
        self, request: AssociateRequest, contexts: Iterable[AnsweredContext], record: AssociationWriter
    ) -> Reporter | None:
        """Who tells the peer what we report to it; None where it is no user of such a service."""
        for context in contexts:
            service = self._acceptor.services.get(context.abstract_syntax)
            if service is not None and service.offers and request.roles.get(context.abstract_syntax, (1, 0))[0]:
                idle = self._acceptor.settings.idle
                return Reporter(self._stream, record, service.offers, context, peer_max_pdu=request.max_pdu, idle=idle)
        return None

    def _listen(self, dialogue: Dialogue) -> _Ending:
        try:
            dialogue.run()
        except PeerAborted as error:
            return _Ending(Close.ABORTED_BY_PEER, str(error), b"")
        except PeerSilent as error:
            return _Ending(Close.IDLE, str(error), abort_by_user())
        except ProtocolError as error:
            return _Ending(Close.ABORTED_BY_US, str(error), abort_by_provider(error.reason))
        except PeerGone as error:
            if self._interrupted:
                return _Ending(Close.ABORTED_BY_US, "the node stops", abort_by_user())
            return _Ending(Close.LOST, str(error), b"")
        return _Ending(Close.RELEASED, "", RELEASE_RP)

    def _record_end(self, record: AssociationWriter, dialogue: Dialogue, ending: _Ending) -> None:
        counts = dialogue.counts
        numbers = {"stored": counts.stored, "refused": counts.refused, "bytes": counts.bytes}
        told = self._acceptor.writer.close_association(record, ending.how, ending.reason, **numbers)
        self._acceptor.events.closed(record.peer.calling, ending.how)
        if not told:
            return
        extra = {"association": str(record.id), "calling": record.peer.calling, "address": self._address, **numbers}
        log.info("association %s%s", ending.how, f": {ending.reason}" if ending.reason else "", extra=extra)

    def _part(self, farewell: bytes) -> None:
        # State Sta13: the requestor closes the connection; ARTIM ends the wait for it.
        self._stream.send(farewell)
        self._stream.await_close(self._acceptor.settings.artim)


def _details(request: AssociateRequest, acceptance: Acceptance, secured: Secured | None, user: str) -> JsonObject:
    return {
        **({"user": user} if user else {}),
        **({"tls": secured.as_json()} if secured else {}),
        "implementation_class_uid": request.implementation_class_uid,
        "implementation_version": request.implementation_version,
        "max_pdu": request.max_pdu,
        "contexts": [
            {
                "id": context.id,
                "abstract_syntax": context.abstract_syntax,
                "transfer_syntax": context.transfer_syntax,
                "result": context.result,
            }
            for context in acceptance.contexts
        ],
    }
