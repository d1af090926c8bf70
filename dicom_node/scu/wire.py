"""The bytes of an association that we ask for: by when they are sent and read, and in which fragments (PS3.8 9.3.5)."""

import ssl
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dicom_node.pace import Pace
from dicom_node.pdu import COMMAND, FRAGMENT_HEAD, HEAD, LAST, PDV_HEAD, PduType
from dicom_node.scu.securing import Connection, broken
from domain.errors import Retryable

# Bytes. An A-ASSOCIATE-AC of 128 contexts is some 10 KB; more is not a DICOM peer.
LARGEST_ANSWER = 1 << 20
_TLS_ALERT = 0x15  # the content type of what a server of TLS answers to anything else (RFC 8446 section 5.1)

# The id of its presentation context, its message control header, and the bytes.
Fragment = tuple[int, int, bytes]


class Deadline:
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


class Flow:
    """What is sent, at the least pace: raises TimeoutError where the peer falls `behind` s behind it."""

    def __init__(self, connection: Connection, behind: float) -> None:
        self._connection = connection
        self._pace = Pace(behind)

    def send(self, data: bytes) -> None:
        """Send a piece."""
        Deadline(self._connection, self._pace.begin()).send(data)
        self._pace.moved(len(data))


@contextmanager
def network_errors(may_be: str = "") -> Iterator[None]:
    """What a connection raises, as what it means for who asked; `may_be` is what a bare end of it is likely to mean."""
    try:
        yield
    except TimeoutError as error:
        raise Retryable("the destination did not answer in time") from error
    except OSError as error:
        hint = f"; {may_be}" if may_be and not isinstance(error, ssl.SSLError) else ""
        raise Retryable(f"the connection broke: {broken(error)}{hint}") from error


def read_pdu(deadline: Deadline) -> tuple[int, bytes]:
    """The type and the body of the next PDU; raises Retryable where it is none of DICOM's."""
    kind, size = HEAD.unpack(deadline.read(HEAD.size))
    if kind == _TLS_ALERT:
        raise Retryable("the peer speaks TLS at this port: tls = true")
    if size > LARGEST_ANSWER:
        raise Retryable("the peer does not speak DICOM: its answer announces an absurd length")
    return kind, deadline.read(size)


def fragment(context: int, flags: int, data: bytes | memoryview) -> bytes:
    """A P-DATA-TF with one fragment."""
    size = len(data)
    return b"".join((FRAGMENT_HEAD.pack(PduType.DATA, size + 6, size + 2, context, flags), data))


def fragments(body: bytes) -> Iterator[Fragment]:
    """Those that a P-DATA-TF holds; raises Retryable where they are not."""
    position = 0
    while position < len(body):
        try:
            size, context, flags = PDV_HEAD.unpack_from(body, position)
        except struct.error as error:
            raise Retryable("the destination sent a malformed P-DATA-TF") from error
        yield context, flags & (COMMAND | LAST), body[position + 6 : position + 4 + size]
        position += 4 + max(size, 2)


def joined(parts: Iterable[Fragment], kind: int, largest: int) -> tuple[int, bytes]:
    """The id of its context and a command set or a data set, as `kind` says, of whose fragments none has come yet."""
    whole, of = bytearray(), 0
    for context, piece in pieces(parts, kind):
        whole += piece
        of = context
        if len(whole) > largest:
            raise Retryable("the destination's answer has no end")
    return of, bytes(whole)


def pieces(parts: Iterable[Fragment], kind: int) -> Iterator[tuple[int, bytes]]:
    """As `joined`, piece by piece, none of them held."""
    for context, flags, piece in parts:
        if flags & COMMAND != kind:
            raise Retryable("what the destination sends is out of order")
        yield context, piece
        if flags & LAST:
            return


def cut(data: bytes, size: int) -> Iterator[memoryview]:
    """`data` in pieces of `size` bytes at the most."""
    whole = memoryview(data)
    for start in range(0, len(whole), size):
        yield whole[start : start + size]


def marked(pieces: Iterable[memoryview]) -> Iterator[tuple[memoryview, bool]]:
    """Each piece, and whether it is the last."""
    iterator = iter(pieces)
    held = next(iterator, None)
    for piece in iterator:
        assert held is not None
        yield held, False
        held = piece
    if held is not None:
        yield held, True
