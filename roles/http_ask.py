"""A question to one of the node's own doors (roles.health): one GET, and all of its answer.

A command that asks one would otherwise import the standard library's client, its mail parser and TLS for it.
"""

import re
import socket
from itertools import takewhile
from typing import BinaryIO

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n")
_LENGTH = re.compile(rb"content-length:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)
_LONGEST_LINE = 8192  # bytes
_MOST_FIELDS = 100


def ask_door(host: str, port: int, path: str, within: float) -> tuple[int, bytes]:
    """Status and body of what the door answers, which may be silent for `within` seconds at a time.

    Raises OSError where it does not answer, and ValueError where what answers is none or ends in the middle.
    """
    with socket.create_connection((host, port), within) as connection, connection.makefile("rb") as answer:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("ascii"))
        return _read(answer)


def _read(answer: BinaryIO) -> tuple[int, bytes]:
    status = _STATUS.fullmatch(answer.readline(_LONGEST_LINE))
    lines = (answer.readline(_LONGEST_LINE) for _ in range(_MOST_FIELDS))
    fields = list(takewhile(lambda line: line not in (b"\r\n", b""), lines))
    length = next((int(found[1]) for one in fields if (found := _LENGTH.fullmatch(one))), None)
    if status is None or length is None:
        raise ValueError("this is no answer of a door of the node")
    body = answer.read(length)
    if len(body) < length:
        raise ValueError("the answer ends in the middle")
    return int(status[1]), body
