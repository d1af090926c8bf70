"""A peer that does as it is told: what no archive can be made to do."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from config.peers import Destination


def at(aet: str, port: int) -> Destination:
    """A destination on this machine."""
    return Destination(name=aet, aet=aet, host="127.0.0.1", port=port)


class Script:
    """A peer that does as it is told, on one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def read_pdu(self) -> tuple[int, bytes]:
        kind, size = struct.unpack(">BxI", self._read(6))
        return kind, self._read(size)

    def accept(self, result: Callable[[int], int]) -> None:
        """Answer an A-ASSOCIATE-RQ; `result` says what becomes of each context by its id."""
        _, body = self.read_pdu()
        user, contexts, position = b"\x51\x00\x00\x04" + struct.pack(">I", 16_384), b"", 68
        while position < len(body):
            kind, size = struct.unpack_from(">BxH", body, position)
            item = body[position + 4 : position + 4 + size]
            if kind == 0x20:
                syntax = item[item.index(b"\x40") :]
                contexts += struct.pack(">BxHBxBx", 0x21, 4 + len(syntax), item[0], result(item[0])) + syntax
            position += 4 + size
        name = b"1.2.840.10008.3.1.1.1"
        items = struct.pack(">BxH", 0x10, len(name)) + name + contexts + struct.pack(">BxH", 0x50, len(user)) + user
        self.connection.sendall(struct.pack(">BxI", 2, 68 + len(items)) + body[:68] + items)

    def read_message(self) -> None:
        """Read P-DATA until the end of a data set."""
        while True:
            kind, body = self.read_pdu()
            position = 0
            while kind == 4 and position < len(body):
                size, _, flags = struct.unpack_from(">IBB", body, position)
                if flags == 2:
                    return
                position += 4 + size

    def respond(self, status: int) -> None:
        """Read a C-STORE request and answer it."""
        self.read_message()
        command = struct.pack("<HHIHHHIH", 0, 0x0100, 2, 0x8001, 0, 0x0900, 2, status)
        head_of = struct.pack(">BxIIBB", 4, len(command) + 6, len(command) + 2, 1, 3)
        self.connection.sendall(head_of + command)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.connection.recv(size - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data


@contextmanager
def scripted(answer: Callable[[Script], None]) -> Iterator[Destination]:
    """A peer that follows `answer` for one connection, then answers a release and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(60)
                try:
                    peer = Script(connection)
                    answer(peer)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass
                except OSError:
                    return

        thread = threading.Thread(target=run)
        thread.start()
        yield at("SCRIPT", server.getsockname()[1])
        thread.join()
