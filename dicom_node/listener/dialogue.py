"""The messages of one accepted association: C-STORE into the spool, C-ECHO, other services' requests by their table.

What is none of these gets an answer by the book.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from dicom_node.dimse import (
    LONGEST_COMMAND,
    Command,
    Malformed,
    Operation,
    Status,
    decode_command,
    encode_response,
    is_uid,
)
from dicom_node.listener.associate import AnsweredContext
from dicom_node.listener.events import ListenerEvents
from dicom_node.listener.messages import Message
from dicom_node.listener.reporting import Reporter
from dicom_node.listener.services import Room, Service
from dicom_node.listener.stream import ControlPdu, Fragment, PduStream
from dicom_node.outside import LONGEST_UID
from dicom_node.pdu import COMMAND, AbortReason, PduType, PeerAborted, ProtocolError, command_fragments
from dicom_node.spool import PART, AssociationWriter, SpoolUnavailable
from dicom_node.syntaxes import VERIFICATION

# A data set that is longer than the longest instance is read to its end and refused; beyond this it has none.
_ENDLESS = 4


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status that is not success, and the reason in words for the peer and the record."""

    status: Status
    reason: str


@dataclass(slots=True)
class Counts:
    """What one association has brought."""

    stored: int = 0
    refused: int = 0
    bytes: int = 0


@dataclass(slots=True)
class _Message:
    """A request whose data set is on its way."""

    command: Command
    context: AnsweredContext
    refusal: Refusal | None
    started: float
    size: int = 0


def judge(command: Command, abstract_syntax: str) -> Refusal | None:
    """Why `command` cannot be done in a context of `abstract_syntax` (PS3.7 sections 9.1.1.1.9, 9.1.5.1.4)."""
    if command.field not in (Operation.C_STORE, Operation.C_ECHO):
        return Refusal(Status.UNRECOGNIZED_OPERATION, f"operation {command.field:#06x} is not offered")
    if (command.field == Operation.C_ECHO) != (abstract_syntax == VERIFICATION):
        return Refusal(Status.SOP_CLASS_NOT_SUPPORTED, "operation does not belong to the context's SOP class")
    return _judge_echo(command) if command.field == Operation.C_ECHO else _judge_store(command, abstract_syntax)


def _judge_echo(command: Command) -> Refusal | None:
    """Its Command Data Set Type is 0101H, always (PS3.7 section 9.3.5.1)."""
    return Refusal(Status.MISTYPED_ARGUMENT, "C-ECHO with a data set") if command.has_data_set else None


def _judge_store(command: Command, abstract_syntax: str) -> Refusal | None:
    if not command.sop_class:
        return Refusal(Status.CANNOT_UNDERSTAND, "Affected SOP Class UID is missing")
    if command.sop_class != abstract_syntax:
        return Refusal(Status.SOP_CLASS_NOT_SUPPORTED, "SOP class is not that of the presentation context")
    if not is_uid(command.sop_instance):
        what = f"longer than {LONGEST_UID}" if len(command.sop_instance) > LONGEST_UID else "missing or no UID"
        return Refusal(Status.INVALID_INSTANCE, f"Affected SOP Instance UID is {what}")
    if not command.has_data_set:
        return Refusal(Status.CANNOT_UNDERSTAND, "C-STORE without a data set")
    return None


def _decoded(data: bytearray) -> Command:
    try:
        return decode_command(data)
    except Malformed as error:
        raise ProtocolError(AbortReason.INVALID_PARAMETER, str(error)) from error


class Dialogue:
    """Serves one association's messages, one at a time (no asynchronous operations were negotiated)."""

    def __init__(
        self,
        stream: PduStream,
        contexts: Mapping[int, AnsweredContext],
        spool: AssociationWriter,
        events: ListenerEvents,
        *,
        peer_max_pdu: int,
        max_instance: int,
        services: Mapping[str, Service],
        room: Room,
        reporter: Reporter | None = None,
    ) -> None:
        self.counts = Counts()
        served = {one.id: services.get(one.abstract_syntax) for one in contexts.values()}
        self._services = {ident: service for ident, service in served.items() if service is not None}
        self._room = room
        self._reporter = reporter
        self._stream = stream
        self._contexts = contexts
        self._spool = spool
        self._events = events
        self._peer_max_pdu = peer_max_pdu
        self._max_instance = max_instance
        self._command = bytearray()
        self._command_context: int | None = None
        self._message: _Message | Message | None = None

    def run(self) -> None:
        """Serve until the peer asks for release. Raises PeerAborted, PeerGone, PeerSilent, ProtocolError."""
        try:
            while True:
                if self._reporter is not None and self._is_between:
                    self._reporter.wait()
                item = self._stream.next()
                if isinstance(item, Fragment):
                    self._take_fragment(item)
                elif self._is_release(item):
                    return
        finally:
            if isinstance(self._message, Message):
                self._message.drop()
            if self._reporter is not None:
                self._reporter.end()

    @property
    def _is_between(self) -> bool:
        """Whether the peer is not in the middle of a message."""
        return self._message is None and self._command_context is None and self._stream.is_between

    def _is_release(self, pdu: ControlPdu) -> bool:
        if pdu.kind == PduType.ABORT:
            raise PeerAborted(f"source {pdu.body[2]}, reason {pdu.body[3]}" if len(pdu.body) == 4 else "no reason")
        if pdu.kind != PduType.RELEASE_RQ:
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, f"PDU of type {pdu.kind:#04x} within an association")
        if self._message is not None or self._command_context is not None:
            # A message is sent to its end (PS3.7 6.3.1): what was begun is not stored, and its sender must hear so.
            raise ProtocolError(AbortReason.NOT_SPECIFIED, f"release within {self._unended()}, which is not kept")
        return True

    def _unended(self) -> str:
        if self._message is None:
            return "a command that has not ended"
        return f"a data set that has not ended ({self._message.size} bytes of it came)"

    def _take_fragment(self, fragment: Fragment) -> None:
        context = self._contexts.get(fragment.context_id)
        if context is None:
            text = f"presentation context {fragment.context_id} was not accepted"
            raise ProtocolError(AbortReason.INVALID_PARAMETER, text)
        if fragment.control & COMMAND:
            self._take_command(fragment, context)
        else:
            self._take_data(fragment)

    def _take_command(self, fragment: Fragment, context: AnsweredContext) -> None:
        if self._message is not None or self._command_context not in (None, context.id):
            raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER, "a command within another message")
        start = len(self._command)
        if start + fragment.length > LONGEST_COMMAND:
            raise ProtocolError(AbortReason.INVALID_PARAMETER, "command set is too long")
        self._command += bytes(fragment.length)
        self._command_context = context.id
        with memoryview(self._command) as view:
            self._stream.into(view[start:], more=not fragment.is_last)
        if fragment.is_last:
            command = _decoded(self._command)
            self._command.clear()
            self._command_context = None
            self._begin(command, context)

    def _begin(self, command: Command, context: AnsweredContext) -> None:
        if command.is_response:
            if self._reporter is not None and not command.has_data_set and self._reporter.heard(command):
                self._stream.message_ended()
                return
            raise ProtocolError(AbortReason.NOT_SPECIFIED, f"response {command.field:#06x} to a request never made")
        if command.field == Operation.C_CANCEL:
            self._stream.message_ended()
            return
        if context.id in self._services:
            self._begin_message(Message(command, context, self._services[context.id], self._room))
            return
        message = _Message(command, context, judge(command, context.abstract_syntax), time.perf_counter())
        if not command.has_data_set:
            self._answer(message)
            return
        self._message = message
        if message.refusal is None:
            self._spool.begin(command.sop_class, command.sop_instance, context.transfer_syntax or "", context.id)

    def _begin_message(self, message: Message) -> None:
        if message.command.has_data_set:
            self._message = message
        else:
            self._answer_message(message)

    def _take_more(self, message: Message, fragment: Fragment) -> None:
        message.take(self._stream, fragment)
        if message.size > _ENDLESS * message.longest:
            raise ProtocolError(AbortReason.NOT_SPECIFIED, f"a data set has no end after {message.size} bytes")
        if fragment.is_last:
            self._message = None
            self._answer_message(message)

    def _answer_message(self, message: Message) -> None:
        answer, response = message.answered(self._spool, self._peer_max_pdu)
        self._stream.send(response)
        self._stream.message_ended()
        self._events.message(self._spool.peer.calling, message.name, answer.is_taken)

    def _take_data(self, fragment: Fragment) -> None:
        message = self._message
        if message is None or message.context.id != fragment.context_id:
            raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER, "a data set without a command")
        if isinstance(message, Message):
            self._take_more(message, fragment)
            return
        message.size += fragment.length
        if message.size > _ENDLESS * self._max_instance:
            raise ProtocolError(AbortReason.NOT_SPECIFIED, f"a data set has no end after {message.size} bytes")
        if message.size > self._max_instance:
            self._refuse(message, f"data set is longer than {self._max_instance} bytes")
        if message.refusal is None:
            self._store(message, fragment)
        else:
            self._stream.skip(fragment.length)
        if fragment.is_last:
            self._message = None
            self._answer(message)

    def _store(self, message: _Message, fragment: Fragment) -> None:
        spool, left = self._spool, fragment.length
        while left:
            if spool.fill == PART and not self._flush(message):
                self._stream.skip(left)
                return
            part = min(left, PART - spool.fill)
            left -= part
            self._stream.into(spool.buffer[spool.fill : spool.fill + part], more=not left and not fragment.is_last)
            spool.fill += part

    def _flush(self, message: _Message) -> bool:
        try:
            self._spool.flush()
        except SpoolUnavailable as error:
            self._refuse(message, str(error))
        return message.refusal is None

    def _refuse(self, message: _Message, reason: str) -> None:
        message.refusal = message.refusal or Refusal(Status.OUT_OF_RESOURCES, reason)
        self._spool.abandon()

    def _answer(self, message: _Message) -> None:
        if message.command.field == Operation.C_STORE:
            self._finish_store(message)
        refusal = message.refusal
        status, reason = (refusal.status, refusal.reason) if refusal else (Status.SUCCESS, "")
        response = encode_response(message.command, status, reason)
        self._stream.send(command_fragments(message.context.id, response, self._peer_max_pdu))
        self._stream.message_ended()
        self._count(message)

    def _finish_store(self, message: _Message) -> None:
        if message.refusal is None and not message.size:
            message.refusal = Refusal(Status.CANNOT_UNDERSTAND, "data set is empty")
        if message.refusal is None:
            try:
                self._spool.commit()
            except SpoolUnavailable as error:
                self._refuse(message, str(error))
        if message.refusal is not None:
            command, refusal = message.command, message.refusal
            self._spool.refuse(command.sop_class, command.sop_instance, refusal.status, refusal.reason)

    def _count(self, message: _Message) -> None:
        caller = self._spool.peer.calling
        if message.command.field == Operation.C_STORE:
            outcome = message.refusal.status.name.lower() if message.refusal else "stored"
            self._events.instance(caller, outcome, message.size, time.perf_counter() - message.started)
            self.counts.stored += message.refusal is None
            self.counts.refused += message.refusal is not None
            self.counts.bytes += 0 if message.refusal else message.size
        elif message.refusal is None:
            self._events.echo(caller)
