"""The listener with its spool and a reader, and a peer that can say whatever it likes on the wire."""

import os
import shutil
import socket
import ssl
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.settings import Listener as Settings
from config.settings import Spool
from dicom_node.listener import Listener, ListenerEvents
from dicom_node.listener.services import Service
from dicom_node.spool import Entry, Kind, SpoolReader, SpoolWriter
from tests.support.counterparts import INSTALL, missing
from tests.support.spool import SMALL

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
APPLICATION = "1.2.840.10008.3.1.1.1"

ABORT, ACCEPT, REJECT = 7, 2, 3
COMMAND, LAST = 1, 2


def program(name: str) -> str:
    """A peer's program; pynetdicom installs some under the same names beside Python, which are not meant."""
    here = Path(sys.executable).parent
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if Path(folder) != here]
    return shutil.which(name, path=os.pathsep.join(folders)) or missing(name, INSTALL)


@dataclass
class RunningListener:
    """A listener that runs, its spool, and a reader of it."""

    listener: Listener
    writer: SpoolWriter
    reader: SpoolReader

    @property
    def port(self) -> int:
        return self.listener.port

    @property
    def tls_port(self) -> int:
        assert self.listener.tls_port is not None
        return self.listener.tls_port

    def read(self, kind: Kind, count: int = 1, timeout: float = 60.0) -> list[Entry]:
        """The entries up to and with the `count`-th of `kind`."""
        found: list[Entry] = []
        while sum(entry.kind is kind for entry in found) < count:
            batch = self.reader.poll(timeout)
            if not batch:
                raise AssertionError(f"no {kind.name} came, only {[entry.kind.name for entry in found]}")
            found += batch
        return found


@contextmanager
def listening(
    root: Path,
    spool: Spool = SMALL,
    events: ListenerEvents | None = None,
    services: Mapping[str, Service] | None = None,
    **settings: object,
) -> Iterator[RunningListener]:
    """A listener as NODE on a free port of this machine."""
    writer = SpoolWriter(root, 0, spool)
    try:
        with SpoolReader(root) as reader:
            # Not checked: a test has no whole second for a time-out.
            listener = Listener(Settings(aet="NODE", port=0).model_copy(update=settings), writer, events, services)
            listener.start()
            try:
                yield RunningListener(listener, writer, reader)
            finally:
                listener.stop(grace=0.0)
    finally:
        writer.close()


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def pdv(context_id: int, control: int, data: bytes) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context_id, control) + data


def raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def request(
    contexts: Sequence[tuple[int, str | bytes, Sequence[str | bytes]]] = (
        (1, CT, (EXPLICIT,)),
        (3, "1.2.840.10008.1.1", (IMPLICIT,)),
    ),
    *,
    called: str | bytes = "NODE",
    calling: str | bytes = "RAW",
    application: str = APPLICATION,
    version: int = 1,
    max_pdu: int = 16_384,
    extra: bytes = b"",
) -> bytes:
    """An A-ASSOCIATE-RQ."""
    proposed = b"".join(
        item(
            0x20,
            struct.pack(">B3x", ident)
            + item(0x30, raw(abstract))
            + b"".join(item(0x40, raw(transfer)) for transfer in transfers),
        )
        for ident, abstract, transfers in contexts
    )
    user = item(0x51, struct.pack(">I", max_pdu)) + item(0x52, b"1.2.3.4") + extra
    fixed = struct.pack(">H2x16s16s32x", version, raw(called).ljust(16), raw(calling).ljust(16))
    return pdu(1, fixed + item(0x10, application.encode()) + proposed + item(0x50, user))


def command(
    field: int, *, uid: str | bytes = "1.2.3", sop_class: str = CT, data: bool = True, message: int = 1
) -> bytes:
    """A command set."""

    def element(number: int, value: bytes) -> bytes:
        value += b"\0" * (len(value) % 2)
        return struct.pack("<HHI", 0, number, len(value)) + value

    body = b"".join(
        (
            element(0x0002, sop_class.encode()),
            element(0x0100, struct.pack("<H", field)),
            element(0x0110, struct.pack("<H", message)),
            element(0x0700, struct.pack("<H", 0)),
            element(0x0800, struct.pack("<H", 0 if data else 0x0101)),
            element(0x1000, raw(uid)),
        )
    )
    return element(0, struct.pack("<I", len(body))) + body


class RawPeer:
    """A requestor without manners."""

    def __init__(self, port: int, timeout: float = 60.0, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")

    def __enter__(self) -> "RawPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """Type and body of the next PDU; (0, b"") when the connection was closed."""
        head = self._exactly(6)
        if not head:
            return 0, b""
        kind, length = struct.unpack(">BxI", head)
        return kind, self._exactly(length)

    def associate(self, **wishes: object) -> "RawPeer":
        """Propose, and expect to be accepted."""
        self.send(request(**wishes))  # type: ignore[arg-type]
        kind, _ = self.receive()
        assert kind == ACCEPT
        return self

    def store(self, uid: str | bytes, data: bytes, size: int = 16_000) -> int:
        """C-STORE in fragments of `size` bytes; the status."""
        self.send(pdu(4, pdv(1, COMMAND | LAST, command(1, uid=uid))))
        cuts = range(0, max(len(data), 1), size)
        pieces = [data[start : start + size] for start in cuts]
        self.send(b"".join(pdu(4, pdv(1, LAST if piece is pieces[-1] else 0, piece)) for piece in pieces))
        return self.status()

    def status(self) -> int:
        """The status of the response that comes next; 0 to 0xFFFF, -1 when the connection ended instead."""
        kind, body = self.receive()
        if kind != 4:
            return -1
        place = body.index(struct.pack("<HHI", 0, 0x0900, 2)) + 8
        status: int = struct.unpack_from("<H", body, place)[0]
        return status

    def echo(self) -> int:
        """C-ECHO; the status."""
        echo = command(0x30, sop_class="1.2.840.10008.1.1", uid="", data=False)
        self.send(pdu(4, pdv(3, COMMAND | LAST, echo)))
        return self.status()

    def release(self) -> None:
        """A-RELEASE, and expect the answer."""
        self.send(pdu(5, bytes(4)))
        assert self.receive() == (6, bytes(4))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionResetError:
                return b""
            if not piece:
                return b""
            data += piece
        return data
