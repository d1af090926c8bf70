"""A peer that answers HTTP as it is told, byte by byte: what no server can be made to do."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from config.peers import Peer

#: What a peer does with one connection.
Part = Callable[[socket.socket], object]


@contextmanager
def playing(*parts: Part, **fields: object) -> Iterator[Peer]:
    """A DICOMweb peer on loopback: each connection in its turn is one of `parts`, and then closed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_play, args=(listening, parts), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/web"
        yield Peer.model_validate({"kind": "dicomweb", "name": "peer", "url": url, **fields})
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _play(listening: socket.socket, parts: tuple[Part, ...]) -> None:
    for part in parts:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            part(connection)


def head_of(connection: socket.socket) -> bytes:
    """A request's head, and what came with it."""
    held = b""
    while b"\r\n\r\n" not in held and (came := connection.recv(65_536)):
        held += came
    return held


def answering(*answers: bytes) -> Part:
    """Reads a head and sends one of `answers`, as often as there are some."""

    def part(connection: socket.socket) -> None:
        for answer in answers:
            if not head_of(connection):
                return
            connection.sendall(answer)

    return part
