"""One association that we ask for (PS3.8), on a blocking socket: the protocol under the sender.

pynetdicom is the codec of the negotiation. Its service user is not used: it keeps a whole object in a queue and starts
the time-out for the answer when the object enters the queue, so that a large object on a slow line can never arrive.
Here what is sent must move at a least pace, and an answer has one deadline as a whole: a peer that drips a byte now and
then is as good as silent.
"""

import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import build_context

from config.peers import Peer
from dicom_node.dimse import Answer, Command, Malformed, decode_answer, decode_command
from dicom_node.outside import words
from dicom_node.scu.securing import Connection, broken, identity, secured
from domain.errors import Retryable, Unavailable
from domain.ids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

# (abstract syntax, transfer syntax): one presentation context each, so that what is accepted is known exactly.
Context = tuple[str, str]
# Context ids are the odd numbers of one byte (PS3.8 9.3.2.2).
MOST_CONTEXTS = 128

_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_ACCEPT, _REJECT, _DATA, _RELEASE_REQUEST, _RELEASE_REPLY, _ABORT = 2, 3, 4, 5, 6, 7
_UNKNOWN_CALLER = (1, 3)  # source and reason of a rejection: PS3.8 table 9-21
_TLS_ALERT = 0x15  # the content type of what a server of TLS answers to anything else (RFC 8446 section 5.1)
_PDU = struct.Struct(">BxI")
_PDV = struct.Struct(">IBB")
_COMMAND, _LAST = 1, 2
_LEAVE = 2.0  # s that an abort may take
_OUR_MAX_PDU = 16_384  # answers are a hundred bytes
_LARGEST_CHUNK = 256 << 10
# Bytes a second: half of an ISDN channel. What is taken slower than this is not taken.
_SLOWEST = 4 << 10
_LARGEST_ANSWER = 1 << 20  # an A-ASSOCIATE-AC of 128 contexts is some 10 KB; more is not a DICOM peer
_ASSOCIATE_HEAD = 68  # bytes of an A-ASSOCIATE-AC before its items (PS3.8 table 9-17)
# What pynetdicom's codec raises for an answer that is none.
_MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, struct.error)
_REFUSALS = {  # PS3.8 table 9-18
    1: "the destination refused it without a reason",
    2: "the destination refused it without a reason",
    3: "the destination does not support its SOP class",
    4: "the destination does not support its transfer syntax",
}


@dataclass(frozen=True)
class Negotiated:
    """What the peer agreed to. `accepted` holds a context id each, `refused` a reason each."""

    accepted: Mapping[Context, int]
    refused: Mapping[Context, str]
    max_pdu: int
    implementation: str


class _Silent(Exception):
    """The peer says nothing more in time, or takes its leave."""


class Association:
    """An established association. Every method raises Retryable once the peer is gone, silent or out of order.

    `timeout` (s) is for each answer as a whole, and how far the peer may fall behind the least pace of what is sent.
    """

    def __init__(self, connection: Connection, negotiated: Negotiated, timeout: float) -> None:
        self._connection = connection
        self.negotiated = negotiated
        self._timeout = timeout
        self._left: deque[tuple[int, bytes]] = deque()
        # The maximum counts the PDV's own head of six bytes (PS3.8 D.1); fragments are of even length.
        self._chunk = (min(negotiated.max_pdu or _LARGEST_CHUNK, _LARGEST_CHUNK) - _PDV.size) & ~1

    def request(self, context: Context, command: bytes, data: Iterable[memoryview] = ()) -> bytes:
        """Send a message and return the command set of its answer.

        `data` are pieces of the encoded data set; none is longer than `chunk`.
        """
        self.say(context, command, data)
        with _network_errors():
            return self._answer(_Deadline(self._connection, self._timeout))

    def say(self, context: Context, command: bytes, data: Iterable[memoryview] = ()) -> None:
        """Send a message, as `request` does, and wait for nothing."""
        number = self.negotiated.accepted[context]
        with _network_errors():
            # The command set goes out together with the first piece: two small packets would cost two wake-ups.
            ahead = _fragment(number, _COMMAND | _LAST, command)
            flow = _Flow(self._connection, self._timeout)
            for piece, last in _marked(data):
                flow.send(ahead + _fragment(number, _LAST if last else 0, piece))
                ahead = b""
            if ahead:
                flow.send(ahead)

    def answers(self, seconds: float, largest: int) -> Iterator[tuple[Answer, bytes]]:
        """The responses to a query, each with its data set as it is encoded, for as long as they are asked for.

        Raises Retryable where they take longer than `seconds` together, or where a data set has more than `largest`
        bytes: of a peer's answers nothing else is known to end.
        """
        deadline = _Deadline(self._connection, seconds)
        parts = self._parts(deadline)
        while True:
            with _network_errors():
                answer = _query_answer(_joined(parts, _COMMAND, _LARGEST_ANSWER))
                data = _joined(parts, 0, largest) if answer.has_data_set else b""
            yield answer, data

    def hear(self, seconds: float, largest: int) -> tuple[Command, bytes] | None:
        """The next message of the peer, whether it answers or asks; None where none is whole within `seconds`.

        None too where the peer takes its leave. Raises Retryable where it is none, or its data set has more than
        `largest` bytes.
        """
        try:
            with _network_errors():
                parts = self._coming(_Deadline(self._connection, seconds))
                command = decode_command(_joined(parts, _COMMAND, _LARGEST_ANSWER))
                return command, _joined(parts, 0, largest) if command.has_data_set else b""
        except _Silent:
            return None
        except Malformed as error:
            raise Retryable(f"what the destination sent cannot be read: {error}") from error

    def messages(self, seconds: float) -> Iterator[tuple[int, bytes, Iterator[bytes]]]:
        """What the peer says while it gives what it was asked for (C-GET), all of it within `seconds`.

        Of each message the id of its context, its command set, and its data set in pieces, which are to be read to
        their end before the next message is asked for: of a command without one, there are none to be asked for.
        """
        deadline = _Deadline(self._connection, seconds)
        parts = self._numbered(deadline)
        while True:
            with _network_errors():
                number, command = _command_of(parts)
            yield number, command, _data_of(parts)

    def reply(self, number: int, command: bytes) -> None:
        """Answer a message in its own context, without a data set."""
        with _network_errors():
            _Deadline(self._connection, self._timeout).send(_fragment(number, _COMMAND | _LAST, command))

    def _numbered(self, deadline: "_Deadline") -> Iterator[tuple[int, int, bytes]]:
        while True:
            kind, body = _read_pdu(deadline)
            if kind != _DATA:
                raise Retryable("the peer ended the association in the middle")
            yield from _numbered_fragments(body)

    def _coming(self, deadline: "_Deadline") -> Iterator[tuple[int, bytes]]:
        """Fragments as they come; what is behind a message in its PDU stays for the next."""
        while True:
            while self._left:
                yield self._left.popleft()
            try:
                kind, body = _read_pdu(deadline)
            except TimeoutError as error:
                raise _Silent from error
            if kind != _DATA:
                raise _Silent
            self._left.extend(_fragments(body))

    def _parts(self, deadline: "_Deadline") -> Iterator[tuple[int, bytes]]:
        while True:
            kind, body = _read_pdu(deadline)
            if kind != _DATA:
                raise Retryable("the destination ended the association instead of answering")
            yield from _fragments(body)

    @property
    def chunk(self) -> int:
        """Bytes of a data set that fit into one PDU of this peer."""
        return self._chunk

    def release(self) -> None:
        """Take leave by the book (PS3.8 7.2); a peer that does not answer has all of it anyway."""
        with suppress(Retryable), _network_errors():
            deadline = _Deadline(self._connection, self._timeout)
            deadline.send(_PDU.pack(_RELEASE_REQUEST, 4) + bytes(4))
            while (kind := _read_pdu(deadline)[0]) != _RELEASE_REPLY:
                if kind == _RELEASE_REQUEST:  # both ask at once (PS3.8 7.2.2)
                    deadline.send(_PDU.pack(_RELEASE_REPLY, 4) + bytes(4))

    def abort(self) -> None:
        """Tell the peer that nothing more comes."""
        with suppress(OSError):
            _Deadline(self._connection, min(self._timeout, _LEAVE)).send(_PDU.pack(_ABORT, 4) + bytes(4))

    def _answer(self, deadline: "_Deadline") -> bytes:
        command = bytearray()
        while True:
            kind, body = _read_pdu(deadline)
            if len(command) > _LARGEST_ANSWER:
                raise Retryable("the destination's answer has no end")
            if kind != _DATA:
                raise Retryable("the destination ended the association instead of answering")
            for flags, fragment in _fragments(body):
                command += fragment if flags & _COMMAND else b""
                if flags == _COMMAND | _LAST:
                    return bytes(command)


class _Deadline:
    """One moment by which everything on a connection must have happened; raises TimeoutError past it."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection = connection
        self._end = time.monotonic() + seconds

    def send(self, data: bytes) -> None:
        self._limit()
        self._connection.sendall(data)

    def read(self, size: int) -> bytes:
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            self._limit()
            received = self._connection.recv_into(view)
            if not received:
                raise Retryable("the destination closed the connection")
            view = view[received:]
        return bytes(buffer)

    def _limit(self) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)


class _Flow:
    """What is sent, at the least pace: raises TimeoutError where the peer falls `behind` s behind it.

    A peer that was fast has no credit for it later, so that one that stops in the middle is noticed as soon as at the
    beginning.
    """

    def __init__(self, connection: Connection, behind: float) -> None:
        self._connection = connection
        self._behind = behind
        self._left = behind

    def send(self, data: bytes) -> None:
        began = time.monotonic()
        _Deadline(self._connection, self._left).send(data)
        gained = len(data) / _SLOWEST - (time.monotonic() - began)
        self._left = min(self._behind, self._left + gained)


@contextmanager
def associate(
    destination: Peer, our_aet: str, contexts: Sequence[Context], timeout: float, provides: Sequence[str] = ()
) -> Iterator[Association]:
    """An association with `destination` for `contexts`, at most 128; released at the end, aborted on an exception.

    Of the SOP classes in `provides` we are the provider and the peer the user (PS3.7 annex D.3.3.4).
    Raises Unavailable where nobody answers and Retryable where the peer says no.
    """
    with _network_errors(f"{destination.host}:{destination.port}"):
        plain = socket.create_connection((destination.host, destination.port), timeout)
    with plain, secured(plain, destination, timeout) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with _network_errors():
            deadline = _Deadline(connection, timeout)
            deadline.send(_request(destination, our_aet, contexts, provides))
            association = Association(connection, _negotiated(*_read_pdu(deadline), contexts, our_aet), timeout)
        try:
            yield association
        except BaseException:
            association.abort()
            raise
        association.release()


def _request(peer: Peer, calling: str, contexts: Sequence[Context], provides: Sequence[str]) -> bytes:
    largest, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    largest.maximum_length_received = _OUR_MAX_PDU
    implementation.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    primitive = A_ASSOCIATE()
    primitive.application_context_name = _APPLICATION_CONTEXT
    primitive.called_ae_title = peer.aet
    primitive.calling_ae_title = calling
    named = identity(peer)
    roles = map(_provider, provides)
    primitive.user_information = [largest, implementation, *roles, version, *([named] if named else [])]
    primitive.presentation_context_definition_list = [
        _numbered(number, context) for number, context in enumerate(contexts)
    ]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())


def _provider(sop_class: str) -> SCP_SCU_RoleSelectionNegotiation:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = sop_class, False, True
    return role


def _numbered(number: int, context: Context) -> object:
    proposal = build_context(context[0], context[1])
    proposal.context_id = 2 * number + 1
    return proposal


def _negotiated(kind: int, body: bytes, contexts: Sequence[Context], our_aet: str) -> Negotiated:
    whole = _PDU.pack(kind, len(body)) + body
    try:
        if kind == _REJECT:
            raise Retryable(_rejection(whole, our_aet))
        if kind != _ACCEPT:
            raise Retryable("the destination aborted the association")
        if len(body) < _ASSOCIATE_HEAD:
            raise ValueError(f"{len(body)} bytes")
        return _accepted(whole, contexts)
    except _MALFORMED as error:  # whose words quote what the destination sent
        fault = type(error).__name__
        raise Retryable(f"the destination's answer to the association request is malformed ({fault})") from error


def _accepted(whole: bytes, contexts: Sequence[Context]) -> Negotiated:
    pdu = A_ASSOCIATE_AC()
    pdu.decode(whole)
    answer = pdu.to_primitive()
    results = {result.context_id: result for result in answer.presentation_context_definition_results_list}
    accepted, refused = {}, {}
    for number, context in enumerate(contexts):
        result = results.get(2 * number + 1)
        if result is not None and result.result == 0 and context[1] in result.transfer_syntax:
            accepted[context] = 2 * number + 1
        else:
            refused[context] = _REFUSALS.get(result.result if result else 1, _REFUSALS[1])
    version = (item.implementation_version_name for item in answer.user_information if _names_version(item))
    return Negotiated(accepted, refused, answer.maximum_length_received or 0, words(next(version, None) or ""))


def _names_version(item: object) -> bool:
    return isinstance(item, ImplementationVersionNameNotification)


def _rejection(whole: bytes, our_aet: str) -> str:
    pdu = A_ASSOCIATE_RJ()
    pdu.decode(whole)
    lasting = "for good" if pdu.result == 1 else "for the moment"
    called_as = f"; it was called as {our_aet}" if (pdu.source, pdu.reason_diagnostic) == _UNKNOWN_CALLER else ""
    return f"the destination rejected the association {lasting}: {pdu.reason_str}{called_as}"


def _fragment(context: int, flags: int, data: bytes | memoryview) -> bytes:
    size = len(data)
    return b"".join((_PDU.pack(_DATA, size + 6), _PDV.pack(size + 2, context, flags), data))


def _fragments(body: bytes) -> Iterator[tuple[int, bytes]]:
    return ((flags, fragment) for _, flags, fragment in _numbered_fragments(body))


def _numbered_fragments(body: bytes) -> Iterator[tuple[int, int, bytes]]:
    """With the id of the presentation context of each."""
    position = 0
    while position < len(body):
        try:
            size, number, flags = _PDV.unpack_from(body, position)
        except struct.error as error:
            raise Retryable("the destination sent a malformed P-DATA-TF") from error
        yield number, flags & 3, body[position + 6 : position + 4 + size]
        position += 4 + max(size, 2)


def _command_of(parts: Iterator[tuple[int, int, bytes]]) -> tuple[int, bytes]:
    """The id of its context and a command set, of whose fragments none has come yet."""
    command, context = bytearray(), 0
    for number, flags, fragment in parts:
        if not flags & _COMMAND or len(command) > _LARGEST_ANSWER:
            raise Retryable("what the peer gives is out of order")
        command += fragment
        context = number
        if flags & _LAST:
            break
    return context, bytes(command)


def _data_of(parts: Iterator[tuple[int, int, bytes]]) -> Iterator[bytes]:
    with _network_errors():
        for _, flags, fragment in parts:
            if flags & _COMMAND:
                raise Retryable("what the peer gives is out of order")
            yield fragment
            if flags & _LAST:
                return


def _joined(parts: Iterator[tuple[int, bytes]], kind: int, largest: int) -> bytes:
    """A command set or a data set, whichever `kind` says, of whose fragments none has come yet."""
    whole = bytearray()
    for flags, fragment in parts:
        if flags & _COMMAND != kind:
            raise Retryable("the destination's answer is out of order")
        whole += fragment
        if len(whole) > largest:
            raise Retryable("the destination's answer has no end")
        if flags & _LAST:
            break
    return bytes(whole)


def _query_answer(command: bytes) -> Answer:
    try:
        return decode_answer(command)
    except Malformed as error:
        raise Retryable(f"the destination's answer cannot be read: {error}") from error


def _read_pdu(deadline: _Deadline) -> tuple[int, bytes]:
    kind, size = _PDU.unpack(deadline.read(_PDU.size))
    if kind == _TLS_ALERT:
        raise Retryable("the peer speaks TLS at this port: tls = true")
    if size > _LARGEST_ANSWER:
        raise Retryable("the peer does not speak DICOM: its answer announces an absurd length")
    return kind, deadline.read(size)


def _marked(pieces: Iterable[memoryview]) -> Iterator[tuple[memoryview, bool]]:
    """Each piece, and whether it is the last."""
    iterator = iter(pieces)
    held = next(iterator, None)
    for piece in iterator:
        assert held is not None
        yield held, False
        held = piece
    if held is not None:
        yield held, True


@contextmanager
def _network_errors(address: str = "") -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        if address:
            raise Unavailable(f"no connection to {address}: no answer in time") from error
        raise Retryable("the destination did not answer in time") from error
    except UnicodeError as error:
        raise Unavailable(f"no connection to {address}: that is no name of a host") from error
    except OSError as error:
        if address:
            raise Unavailable(f"no connection to {address}: {error.strerror or error}") from error
        raise Retryable(f"the connection broke: {broken(error)}") from error
