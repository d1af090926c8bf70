"""The door for HTTP with its spool and a reader, and instances to bring there."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from config.settings import Listener, Spool
from config.web import Web
from dicom_node.listener import ListenerEvents
from dicom_node.part10 import head
from dicom_node.spool import Entry, Kind, SpoolReader, SpoolWriter
from dicom_node.spool.numbers import SpoolNumber
from dicom_node.web.door import WebDoor
from dicom_node.web.stored import JSON, Part, decode
from tests.support.spool import SMALL

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
STUDY = "1.2.826.0.2"
RELATED = 'multipart/related; type="application/dicom"; boundary=bq'


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def data_set(uid: str, study: str = STUDY, sop_class: str = CT, size: int = 0) -> bytes:
    """A small data set, explicit little endian, with `size` bytes of pixel data."""
    values = {
        0x00080016: (b"UI", sop_class),
        0x00080018: (b"UI", uid),
        0x00080060: (b"CS", "CT"),
        0x00100010: (b"PN", "Nobody"),
        0x00100020: (b"LO", "1"),
        0x0020000D: (b"UI", study),
        0x0020000E: (b"UI", "1.2.826.0.3"),
    }
    elements = b"".join(element(tag, vr, value.encode()) for tag, (vr, value) in values.items())
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size) + bytes(size) if size else b""
    return elements + pixels


def file(uid: str, study: str = STUDY, sop_class: str = CT, syntax: str = EXPLICIT, size: int = 0) -> bytes:
    """A Part 10 file of it."""
    return head(sop_class, uid, syntax) + data_set(uid, study, sop_class, size)


def body(*files: bytes, kind: str = "application/dicom") -> bytes:
    """A body of these parts, with the boundary of `RELATED`."""
    parts = (f"--bq\r\nContent-Type: {kind}\r\n\r\n".encode() + one + b"\r\n" for one in files)
    return b"".join(parts) + b"--bq--\r\n"


@dataclass
class RunningDoor:
    """A door that runs, its spool, and a reader of it."""

    door: WebDoor
    writer: SpoolWriter
    reader: SpoolReader

    def ask(
        self, content: bytes, path: str = "/dicom-web/studies", method: str = "POST", **fields: str
    ) -> tuple[int, HTTPResponse, bytes]:
        """Status, head and body of the answer; `fields` with a hyphen for each underscore."""
        connection = HTTPConnection("127.0.0.1", self.door.port, timeout=60)
        given = {name.replace("_", "-"): value for name, value in fields.items()}
        try:
            connection.request(method, path, content, {"Content-Type": RELATED, **given})
            answer = connection.getresponse()
            return answer.status, answer, answer.read()
        finally:
            connection.close()

    def store(self, *files: bytes, path: str = "/dicom-web/studies", **fields: str) -> tuple[int, list[Part]]:
        """Status, and what became of which instance."""
        status, _, said = self.ask(body(*files), path, **fields)
        return status, decode(said, JSON)

    def raw(self, data: bytes) -> bytes:
        """All that comes back for `data`, until the door closes the connection."""
        with socket.create_connection(("127.0.0.1", self.door.port), 60) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            said = b""
            while more := connection.recv(1 << 16):
                said += more
            return said

    def entries(self, kind: Kind, count: int = 1) -> list[Entry]:
        """The first `count` entries of `kind`."""
        found: list[Entry] = []
        while len(found) < count:
            batch = self.reader.poll(60.0)
            if not batch:
                raise AssertionError(f"no {kind.name} came")
            found += (entry for entry in batch if entry.kind is kind)
        return found


@contextmanager
def open_door(
    root: Path,
    spool: Spool = SMALL,
    events: ListenerEvents | None = None,
    listener: dict[str, object] | None = None,
    **settings: object,
) -> Iterator[RunningDoor]:
    """A door on a free port of this machine, of a node that is called NODE."""
    limits = Listener(aet="NODE").model_copy(update=listener or {})
    writer = SpoolWriter(root, SpoolNumber.WEB, spool)
    try:
        with SpoolReader(root) as reader:
            door = WebDoor(Web(port=0).model_copy(update=settings), limits, writer, events)
            door.start()
            try:
                yield RunningDoor(door, writer, reader)
            finally:
                door.stop(grace=0.0)
    finally:
        writer.close()
