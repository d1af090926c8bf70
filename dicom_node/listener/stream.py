"""PDUs off a socket, fragments of data sets straight to where they belong, and never an acknowledgement delayed."""

import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from config.settings import Listener as Settings
from dicom_node.pdu import (
    FRAGMENT_HEAD,
    HEAD,
    LAST,
    LONGEST_ASSOCIATE,
    PDV_HEAD,
    AbortReason,
    PduType,
    PeerGone,
    PeerSilent,
    ProtocolError,
    TlsAtPlainPort,
)
from dicom_node.tls.connection import TlsConnection

_SCRATCH = 1 << 16
_TLS_HANDSHAKE = 0x16  # the content type that TLS begins with (RFC 8446 section 5.1)
_MOST_EMPTY = 1000  # a command or data set may end with an empty fragment, and nobody needs many


@dataclass(frozen=True, slots=True)
class ControlPdu:
    """Any PDU but P-DATA-TF; `body` follows its type and length."""

    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Fragment:
    """The head of a PDV (PS3.8 annex E): `length` bytes of a command or data set are next in the stream."""

    context_id: int
    control: int
    length: int

    @property
    def is_last(self) -> bool:
        """Whether it ends its command or data set."""
        return bool(self.control & LAST)


class _Pace:
    """How far one message may be behind: `floor` s of waiting, of which each `rate` bytes that come pay back one.

    Only waiting for the peer counts, so that a slow disk of ours is not its fault. What comes faster is no credit for
    later: who sent a gigabyte at once may not hold it for days.
    """

    def __init__(self, floor: float, rate: int) -> None:
        self._floor, self._rate = floor, rate
        self.begin_anew()

    def begin_anew(self) -> None:
        """The message has ended; until the next begins, waiting is silence and nothing else."""
        self._behind = 0.0
        self._empty = 0
        self._begun = False

    def waited(self, seconds: float, got: int = 0) -> None:
        """So long for the next `got` bytes of a data set or command; raises PeerSilent where it is too far behind."""
        if not self._begun:
            self._begun = True
            return
        self._behind = max(0.0, self._behind + seconds - got / self._rate)
        if self._behind > self._floor:
            raise PeerSilent(f"a message is {self._behind:.0f} s behind {self._rate} bytes a second: too slow")

    def came(self, length: int) -> None:
        """A fragment of so many bytes; raises ProtocolError where ever more of them hold nothing."""
        self._empty += not length
        if self._empty > _MOST_EMPTY:
            raise ProtocolError(AbortReason.INVALID_PARAMETER, f"more than {_MOST_EMPTY} empty fragments in a message")


class Transport(Protocol):
    """What a stream asks of a connection: a socket, or what speaks TLS in the place of one."""

    def fileno(self) -> int: ...

    def recv_into(self, buffer: memoryview, /) -> int: ...

    def recvmsg_into(self, buffers: Sequence[memoryview], /) -> tuple[int, *tuple[object, ...]]: ...

    def sendall(self, data: bytes, /) -> None: ...

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None: ...

    def settimeout(self, seconds: float | None, /) -> None: ...


class PduStream:
    """One accepted connection, by the settings' longest P-DATA-TF, longest silence, and time for one message.

    All methods raise PeerGone when the connection ends and PeerSilent when nothing moves for too long, or too slowly.
    """

    def __init__(self, connection: Transport, settings: Settings) -> None:
        self._socket = connection
        self._pace = _Pace(settings.message_time, settings.message_rate)
        self._max_pdu = settings.max_pdu
        self._head = bytearray(FRAGMENT_HEAD.size)
        self._head_view = memoryview(self._head)
        self._have = 0  # bytes of the head that have come; a PDV's own head lies in the last six
        self._pdu_left = 0  # bytes of the present P-DATA-TF after the present fragment
        self._deadline: float | None = None
        # The kernel's time-outs, unlike Python's, leave the socket blocking: one system call for each receive.
        idle = settings.idle
        timeout = struct.pack("ll", int(idle), int(idle % 1 * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def first(self, seconds: float) -> ControlPdu | Fragment:
        """The first PDU, whole within `seconds`."""
        self._deadline = time.monotonic() + seconds
        try:
            return self.next()
        finally:
            self._deadline = None
            self._socket.settimeout(None)
            self._pace.begin_anew()

    def next(self) -> ControlPdu | Fragment:
        """The next PDU that is not data, or the next fragment.

        All bytes of a fragment must be taken by `into` or `skip` before the next call. Raises ProtocolError where
        lengths contradict each other or the maximum.
        """
        if self._pdu_left:
            self._fill_head(FRAGMENT_HEAD.size)
            length, context_id, control = PDV_HEAD.unpack_from(self._head, HEAD.size)
        else:
            self._fill_head(HEAD.size)
            if self._head[0] != PduType.DATA:
                return self._control_pdu()
            self._fill_head(FRAGMENT_HEAD.size)
            _, self._pdu_left, length, context_id, control = FRAGMENT_HEAD.unpack(self._head)
            if self._pdu_left > self._max_pdu:
                raise ProtocolError(AbortReason.INVALID_PARAMETER, f"P-DATA-TF of {self._pdu_left} bytes is too long")
        self._pdu_left -= length + 4
        if length < 2 or self._pdu_left < 0 or 0 < self._pdu_left < PDV_HEAD.size:
            raise ProtocolError(AbortReason.INVALID_PARAMETER, "lengths of a P-DATA-TF and its PDVs do not fit")
        self._have = HEAD.size if self._pdu_left else 0
        self._pace.came(length - 2)
        return Fragment(context_id, control, length - 2)

    @property
    def is_between(self) -> bool:
        """Whether nothing of what comes next has come."""
        return not (self._have or self._pdu_left)

    def has_come(self, seconds: float) -> bool:
        """Whether the peer has said something, or has gone, within `seconds`."""
        if isinstance(self._socket, TlsConnection) and self._socket.has_pending:
            return True
        looking = select.poll()
        looking.register(self._socket, select.POLLIN)
        return bool(looking.poll(seconds * 1000))

    def message_ended(self) -> None:
        """What comes next begins another message, and may come whenever it likes."""
        self._pace.begin_anew()

    def into(self, view: memoryview, *, more: bool) -> None:
        """Fill `view` with the next bytes of the fragment; `more` if it ends there and another fragment must follow."""
        connection, start, want = self._socket, 0, len(view)
        while start < want:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            before = time.monotonic()
            try:
                if more:
                    # The next head in the same call: half the calls of a long data set.
                    got = connection.recvmsg_into((view[start:], self._head_view[self._have :]))[0]
                else:
                    got = connection.recv_into(view[start:])
            except OSError as error:
                raise _translated(error) from error
            if not got:
                raise PeerGone("connection closed by the peer")
            self._pace.waited(time.monotonic() - before, got)
            start += got
        self._have += start - want

    def skip(self, length: int) -> None:
        """Drop the next `length` bytes of the fragment."""
        scratch = memoryview(bytearray(min(length, _SCRATCH)))
        while length:
            part = min(length, len(scratch))
            self.into(scratch[:part], more=False)
            length -= part

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise _translated(error) from error

    def await_close(self, seconds: float) -> None:
        """Drop what comes until the peer closes the connection, `seconds` at most (ARTIM, PS3.8 section 9.1.5)."""
        self._deadline = time.monotonic() + seconds
        with suppress(PeerGone, PeerSilent):
            scratch = memoryview(bytearray(_SCRATCH))
            while True:
                self._receive(scratch)

    def _control_pdu(self) -> ControlPdu:
        kind, length = HEAD.unpack_from(self._head)
        longest = LONGEST_ASSOCIATE if kind in (PduType.ASSOCIATE_RQ, PduType.ASSOCIATE_AC) else 4
        if kind == _TLS_HANDSHAKE:
            raise TlsAtPlainPort(AbortReason.UNRECOGNIZED_PDU, "this is TLS, which the port for TLS alone speaks")
        if kind not in tuple(PduType):
            raise ProtocolError(AbortReason.UNRECOGNIZED_PDU, f"PDU type {kind:#04x} is unknown")
        if length > longest:
            raise ProtocolError(AbortReason.INVALID_PARAMETER, f"PDU of type {kind:#04x} has {length} bytes")
        body = bytearray(length)
        begun = self._head[HEAD.size : self._have][:length]
        body[: len(begun)] = begun
        view, start = memoryview(body), len(begun)
        while start < length:
            before = time.monotonic()
            start += self._receive(view[start:])
            self._pace.waited(time.monotonic() - before)
        self._have = 0
        return ControlPdu(kind, bytes(body))

    def _fill_head(self, size: int) -> None:
        while self._have < size:
            before = time.monotonic()
            self._have += self._receive(self._head_view[self._have :])
            self._pace.waited(time.monotonic() - before)

    def _receive(self, view: memoryview) -> int:
        try:
            if self._deadline is not None:
                self._socket.settimeout(max(0.001, self._deadline - time.monotonic()))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            got = self._socket.recv_into(view)
        except OSError as error:
            raise _translated(error) from error
        if not got:
            raise PeerGone("connection closed by the peer")
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise PeerSilent("time is over")
        return got


def _translated(error: OSError) -> PeerGone | PeerSilent:
    if isinstance(error, (BlockingIOError, TimeoutError)):
        return PeerSilent("no byte moved for too long")
    return PeerGone(f"connection lost: {error.strerror}")
