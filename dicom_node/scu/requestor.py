"""One association that we ask for (PS3.8), on a blocking socket: the protocol under the sender.

pynetdicom is the codec of the negotiation. Its service user is not used: it keeps a whole object in a queue and starts
the time-out for the answer when the object enters the queue, so that a large object on a slow line can never arrive.
Here what is sent must move at a least pace, and an answer has one deadline as a whole: a peer that drips a byte now and
then is as good as silent.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from config.peers import Peer
from dicom_node.dimse import Answer, Command, Malformed, decode_answer, decode_command
from dicom_node.pace import connected
from dicom_node.pdu import COMMAND, HEAD, LAST, PDV_HEAD, RELEASE_RP, PduType, abort_by_user
from dicom_node.scu import negotiation
from dicom_node.scu.negotiation import Context, Negotiated
from dicom_node.scu.securing import Connection, secured
from dicom_node.scu.wire import (
    LARGEST_ANSWER,
    Deadline,
    Flow,
    Fragment,
    cut,
    fragment,
    fragments,
    joined,
    marked,
    network_errors,
    pieces,
    read_pdu,
)
from domain.errors import Retryable

_LEAVE = 2.0  # s that an abort may take
_LARGEST_CHUNK = 256 << 10


class _Ended(Retryable):
    """The peer takes its leave."""


class Association:
    """An established association. Every method raises Retryable once the peer is gone, silent or out of order.

    `timeout` (s) is for each answer as a whole, and how far the peer may fall behind the least pace of what is sent.
    """

    def __init__(self, connection: Connection, negotiated: Negotiated, timeout: float) -> None:
        self._connection = connection
        self.negotiated = negotiated
        self._timeout = timeout
        self._left: deque[Fragment] = deque()
        # The maximum counts the PDV's own head of six bytes (PS3.8 D.1); fragments are of even length.
        self._chunk = (min(negotiated.max_pdu or _LARGEST_CHUNK, _LARGEST_CHUNK) - PDV_HEAD.size) & ~1

    @property
    def chunk(self) -> int:
        """Bytes of a data set that fit into one PDU of this peer."""
        return self._chunk

    def request(self, context: Context, command: bytes, data: bytes | Iterable[memoryview] = b"") -> bytes:
        """Send a message and return the command set of its answer; a data set that comes with that is passed over.

        `data` is an encoded data set, or pieces of one, of which none is longer than `chunk`.
        """
        self.say(context, command, data)
        with network_errors():
            parts = self._incoming(Deadline(self._connection, self._timeout))
            return joined((one for one in parts if one[1] & COMMAND), COMMAND, LARGEST_ANSWER)[1]

    def say(self, context: Context, command: bytes, data: bytes | Iterable[memoryview] = b"") -> None:
        """Send a message, as `request` does, and wait for nothing."""
        number = self.negotiated.accepted[context]
        with network_errors():
            # The command set goes out together with the first piece: two small packets would cost two wake-ups.
            ahead = fragment(number, COMMAND | LAST, command)
            flow = Flow(self._connection, self._timeout)
            for piece, last in marked(cut(data, self._chunk) if isinstance(data, bytes) else data):
                flow.send(ahead + fragment(number, LAST if last else 0, piece))
                ahead = b""
            if ahead:
                flow.send(ahead)

    def reply(self, number: int, command: bytes) -> None:
        """Answer a message in its own context, which has this id, without a data set."""
        with network_errors():
            Deadline(self._connection, self._timeout).send(fragment(number, COMMAND | LAST, command))

    def answers(self, seconds: float, largest: int) -> Iterator[tuple[Answer, bytes]]:
        """The responses to a query, each with its data set as it is encoded, for as long as they are asked for.

        Raises Retryable where they take longer than `seconds` together, or where a data set has more than `largest`
        bytes: of a peer's answers nothing else is known to end.
        """
        parts = self._incoming(Deadline(self._connection, seconds))
        while True:
            with _readable(), network_errors():
                answer = decode_answer(joined(parts, COMMAND, LARGEST_ANSWER)[1])
                data = joined(parts, 0, largest)[1] if answer.has_data_set else b""
            yield answer, data

    def hear(self, seconds: float, largest: int) -> tuple[Command, bytes] | None:
        """The next message of the peer, whether it answers or asks; None where none is whole within `seconds`.

        None too where the peer takes its leave. Raises Retryable where it is none, or its data set has more than
        `largest` bytes.
        """
        parts = self._incoming(Deadline(self._connection, seconds))
        with _readable(), network_errors():
            try:
                command = decode_command(joined(parts, COMMAND, LARGEST_ANSWER)[1])
                return command, joined(parts, 0, largest)[1] if command.has_data_set else b""
            except (TimeoutError, _Ended):
                return None

    def messages(self, seconds: float) -> Iterator[tuple[int, bytes, Iterator[bytes]]]:
        """What the peer says while it gives what it was asked for (C-GET), all of it within `seconds`.

        Of each message the id of its context, its command set, and its data set in pieces, which are to be read to
        their end before the next message is asked for: of a command without one, there are none to be asked for.
        """
        parts = self._incoming(Deadline(self._connection, seconds))
        while True:
            with network_errors():
                number, command = joined(parts, COMMAND, LARGEST_ANSWER)
            yield number, command, _data_of(parts)

    def release(self) -> None:
        """Take leave by the book (PS3.8 7.2); a peer that does not answer has all of it anyway."""
        with suppress(Retryable), network_errors():
            deadline = Deadline(self._connection, self._timeout)
            deadline.send(HEAD.pack(PduType.RELEASE_RQ, 4) + bytes(4))
            while (kind := read_pdu(deadline)[0]) != PduType.RELEASE_RP:
                if kind == PduType.RELEASE_RQ:  # both ask at once (PS3.8 7.2.2)
                    deadline.send(RELEASE_RP)

    def abort(self) -> None:
        """Tell the peer that nothing more comes."""
        with suppress(OSError):
            Deadline(self._connection, min(self._timeout, _LEAVE)).send(abort_by_user())

    def _incoming(self, deadline: Deadline) -> Iterator[Fragment]:
        """Fragments as they come; what is behind a message in its PDU stays for the next."""
        while True:
            while self._left:
                yield self._left.popleft()
            kind, body = read_pdu(deadline)
            if kind != PduType.DATA:
                raise _Ended("the destination ended the association instead of answering")
            self._left.extend(fragments(body))


@contextmanager
def associate(
    destination: Peer, our_aet: str, contexts: Sequence[Context], timeout: float, provides: Sequence[str] = ()
) -> Iterator[Association]:
    """An association with `destination` for `contexts`, at most 128; released at the end, aborted on an exception.

    Of the SOP classes in `provides` we are the provider and the peer the user (PS3.7 annex D.3.3.4).
    Raises Unavailable where nobody answers and Retryable where the peer says no.
    """
    plain = connected(destination.host, destination.port, timeout)
    with plain, secured(plain, destination, timeout) as connection:
        with network_errors(_unanswered(destination)):
            deadline = Deadline(connection, timeout)
            deadline.send(negotiation.request(destination, our_aet, contexts, provides))
            agreed = negotiation.negotiated(*read_pdu(deadline), contexts, our_aet)
        association = Association(connection, agreed, timeout)
        try:
            yield association
        except BaseException:
            association.abort()
            raise
        association.release()


def _unanswered(peer: Peer) -> str:
    """What a connection that ends before any answer is likely to mean, for the peer has no word for it."""
    if not peer.tls:
        return "the peer may speak TLS at this port: tls = true"
    return "" if peer.certificate else "the peer may ask for a certificate of ours: certificate and key"


def _data_of(parts: Iterator[Fragment]) -> Iterator[bytes]:
    with network_errors():
        for _, piece in pieces(parts, 0):
            yield piece


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except Malformed as error:
        raise Retryable(f"what the destination sent cannot be read: {error}") from error
