"""A connection to a peer, by TLS where its settings say so, and as whom we ask for an association on it."""

import socket
import ssl

from pynetdicom.pdu_primitives import UserIdentityNegotiation

from config.peers import Peer
from config.secret_files import secret_in
from dicom_node.tls.connection import TlsConnection
from dicom_node.tls.contexts import requestor_context
from dicom_node.tls.faults import handshake_fault, said_of
from domain.errors import ConfigurationError, Retryable

Connection = socket.socket | TlsConnection

# Types of user identity (PS3.7 table D.3-14).
_USERNAME, _PASSCODE, _JWT = 1, 2, 5


def secured(connection: socket.socket, peer: Peer, timeout: float) -> Connection:
    """`connection`, by TLS where `peer` speaks it; raises Retryable with what is wrong, and what to do."""
    if not peer.tls:
        return connection
    try:
        context = requestor_context(peer.name, peer.ca, peer.certificate, peer.key, peer.minimum)
        tls = TlsConnection(connection, context, peer.server_name or peer.host)
        tls.handshake(timeout)
    except ConfigurationError as error:
        raise Retryable(str(error)) from error
    except OSError as error:
        raise Retryable(f"TLS with {peer.address}: {said_of(handshake_fault(error), peer)}") from error
    return tls


def broken(error: OSError) -> str:
    """Why a connection ended: by TLS 1.3 a peer says only after the handshake that it does not take our certificate."""
    if isinstance(error, ssl.SSLError):
        return handshake_fault(error).said
    return error.strerror or str(error)


def identity(peer: Peer) -> UserIdentityNegotiation | None:
    """As whom we ask (PS3.7 D.3.3.7); None where the settings name nobody. Raises Retryable for an unusable file."""
    if not peer.user and peer.token_file is None:
        return None
    item = UserIdentityNegotiation()
    item.positive_response_requested = False
    try:
        if peer.token_file is not None:
            item.user_identity_type = _JWT
            item.primary_field = secret_in(peer.token_file, f"{peer.name}.token_file").encode()
            return item
        item.user_identity_type = _PASSCODE if peer.password_file else _USERNAME
        item.primary_field = peer.user.encode()
        if peer.password_file:
            item.secondary_field = secret_in(peer.password_file, f"{peer.name}.password_file").encode()
    except ConfigurationError as error:
        raise Retryable(str(error)) from error
    return item
