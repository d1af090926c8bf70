"""A receiver of syslog messages, which gets a message a checkpoint."""

import socket
from functools import partial

from audit.client_tls import client_context
from audit.outside import line_of
from audit.syslog import Message, Origin, Sender, StreamSender, UdpSender, encoded
from audit.witnesses import Offered
from config.audit import Witness

_KIND = "checkpoint"


class Messages:
    """Sends, and has the receiver confirm as far as its transport can."""

    def __init__(self, witness: Witness) -> None:
        self._origin = Origin(socket.gethostname(), "dicom-node")
        self._sender = partial(_sender, witness)

    def give(self, offered: Offered) -> tuple[str, ...]:
        """See `audit.witnesses.Outlet`. A receiver keeps what it got; it answers nothing that could contradict."""
        sender = self._sender()
        message = Message(offered.at, _KIND, line_of(str(offered.note)), offered.number)
        try:
            sender.send(encoded(message, self._origin))
            sender.confirm()
        finally:
            sender.close()
        return ()


def _sender(witness: Witness) -> Sender:
    host, port = witness.endpoint
    if witness.transport == "udp":
        return UdpSender(host, port)
    context = None
    if witness.transport == "tls":
        context = client_context(witness.ca, witness.certificate, witness.certificate_key)
    return StreamSender(host, port, witness.timeout, context)
