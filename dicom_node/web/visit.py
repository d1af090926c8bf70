"""One connection at the door for HTTP, from its first byte to its last, by TLS where that is on."""

import logging
import socket
import ssl
from contextlib import suppress

from dicom_node.spool import Peer
from dicom_node.tls.connection import NotTls, TlsConnection
from dicom_node.tls.faults import handshake_fault
from dicom_node.tls.peers import PeerCertificate
from dicom_node.web.exchange import Exchange
from dicom_node.web.service import WebService, WebState

log = logging.getLogger(__name__)

_PLAIN = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 22\r\nConnection: close\r\n\r\n"
    b"this port speaks HTTPS"
)


class Visit:
    """One connection from `address`, served by the thread that calls `run`; by TLS where a `context` is given."""

    def __init__(
        self, state: WebState, connection: socket.socket, address: str, context: ssl.SSLContext | None = None
    ) -> None:
        self._state = state
        self._tls = TlsConnection(connection, context) if context else None
        self._socket = self._tls or connection
        self._address = address
        self._service: WebService | None = None

    @property
    def is_storing(self) -> bool:
        """Whether a request is being served: before and after that nothing is lost with the connection."""
        return self._service is not None and self._service.is_storing

    def run(self) -> None:
        """Serve the connection to its end."""
        with self._socket:
            try:
                self._serve()
            except Exception:
                # The boundary of a thread: a defect here may cost this connection, never the door.
                log.exception("connection from %s failed", self._address)

    def interrupt(self) -> None:
        """End it soon: what it waits for does not come any more. Called from another thread."""
        self._shut(socket.SHUT_RD)

    def cut(self) -> None:
        """End it now. Called from another thread."""
        self._shut(socket.SHUT_RDWR)

    def _shut(self, how: int) -> None:
        with suppress(OSError):  # it ended by itself meanwhile
            self._socket.shutdown(how)

    def _serve(self) -> None:
        certificate = None
        if self._tls is not None:
            secured = self._secure(self._tls)
            if not secured:
                return
            certificate = secured[0]
        exchange = Exchange(self._socket, self._state.settings)
        self._service = WebService(self._state, exchange, self._address, certificate)
        self._service.run()

    def _secure(self, tls: TlsConnection) -> tuple[PeerCertificate | None] | None:
        """The certificate that the caller showed, if any; None where TLS does not hold, and it is told why."""
        artim = self._state.settings.artim
        try:
            return (tls.handshake(artim).certificate,)
        except OSError as error:
            if tls.has_heard or isinstance(error, TimeoutError):
                fault = handshake_fault(error)
                nobody = Peer("", self._state.settings.aet, self._address)
                self._state.writer.refuse_association(nobody, None, None, None, f"HTTPS: {fault.said}")
                self._state.events.refused(fault.code)
            if isinstance(error, NotTls):
                tls.say_plainly(_PLAIN)
            tls.drain(artim)
            return None
