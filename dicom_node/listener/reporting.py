"""Reports of ours on an association that a peer has with us (PS3.4 J.3.3): between its messages, one at a time."""

import time
from uuid import UUID

from dicom_node.commitment import PUSH_MODEL_INSTANCE, encode_report
from dicom_node.dimse import Command, Operation, encode_request
from dicom_node.listener.associate import AnsweredContext
from dicom_node.listener.stream import PduStream
from dicom_node.offers import Offers
from dicom_node.pdu import PeerSilent, message_fragments
from dicom_node.spool import AssociationWriter, SpoolUnavailable

_LOOK = 0.1  # s between two looks for a report
# s before one that has not said anything is told something: peers are known that are not ready the moment that their
# association is accepted, and break it off.
_AT_FIRST = 1.0
_ANSWER = Operation.N_EVENT_REPORT | 0x8000
_MOST_NUMBERS = 0xFFFF


class Reporter:
    """Tells the peer of one association what waits for it, in the presentation context `context`.

    `idle` (s) is for how long the peer may say nothing, its answer to a report included.
    """

    def __init__(
        self,
        stream: PduStream,
        spool: AssociationWriter,
        offers: Offers,
        context: AnsweredContext,
        *,
        peer_max_pdu: int,
        idle: float,
    ) -> None:
        self._stream = stream
        self._spool = spool
        self._offers = offers
        self._context = context
        self._peer_max_pdu = peer_max_pdu
        self._idle = idle
        self._aet = spool.peer.calling
        self._number = 0
        self._has_spoken = False
        self._told: UUID | None = None  # and not answered yet
        self._answered: set[UUID] = set()

    def wait(self) -> None:
        """Return when the peer says something; tell it meanwhile what waits. Raises PeerSilent."""
        begun = time.monotonic()
        while not self._stream.has_come(_LOOK):
            silent = time.monotonic() - begun
            if silent > self._idle:
                raise PeerSilent("no byte moved for too long")
            if self._told is None and (self._has_spoken or silent > _AT_FIRST):
                self._tell()
        self._has_spoken = True

    def heard(self, command: Command) -> bool:
        """Whether a response is one to a report of ours; what it says is then in the spool for good."""
        if self._told is None or command.field != _ANSWER or command.message_id != self._number:
            return False
        told, self._told = self._told, None
        self._answered.add(told)
        try:
            self._spool.keep(
                {"operation": _ANSWER, "type": None, "report": str(told), "status": command.status},
                b"",
                sop_class=self._context.abstract_syntax,
                sop_instance=PUSH_MODEL_INSTANCE,
                transfer_syntax=self._context.transfer_syntax or "",
                context_id=self._context.id,
            )
        except SpoolUnavailable:
            self._offers.give_back(self._aet, told)
        else:
            self._offers.done(self._aet, told)
        return True

    def end(self) -> None:
        """The association is over: what was not answered waits for another."""
        if self._told is not None:
            self._offers.give_back(self._aet, self._told)

    def _tell(self) -> None:
        for ident in self._offers.waiting(self._aet):
            if ident in self._answered or (report := self._offers.take(self._aet, ident)) is None:
                continue
            self._told = ident
            self._number = self._number % _MOST_NUMBERS + 1
            sop_class, syntax = self._context.abstract_syntax, self._context.transfer_syntax or ""
            command = encode_request(
                Operation.N_EVENT_REPORT, self._number, sop_class, PUSH_MODEL_INSTANCE, report.event
            )
            data = encode_report(report, syntax)
            self._stream.send(message_fragments(self._context.id, command, data, self._peer_max_pdu))
            return
