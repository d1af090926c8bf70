"""multipart/related bodies (RFC 2046 5.1, RFC 2387) as they come, in pieces of any size; nothing is waited for or held.

What is held at most is a part's head, or as many bytes as a delimiter has: memory does not grow with a part. A line
that begins with the boundary and goes on otherwise than a delimiter is data.
"""

import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from domain.errors import UnusableInput

# 70 by the book (RFC 2046 5.1.1), but Orthanc's are two UUIDs: 73.
LONGEST_BOUNDARY = 200
_LONGEST_HEAD = 16 << 10
_LONGEST_PADDING = 256  # blanks behind a delimiter
_LONGEST_PREAMBLE = 64 << 10
_PARAMETER = re.compile(r';[ \t]*([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')
_ESCAPED = re.compile(r"\\(.)")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]*[0-9A-Za-z'()+_,./:=?-]")


class Malformed(UnusableInput):
    """The body is no multipart body, or has not come whole."""


@dataclass(frozen=True, slots=True)
class PartBegins:
    """A part, with its fields by their names in small letters."""

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartEnds:
    """All of the part has come."""


#: What comes of a body: the data of a part in pieces, which are valid until the next are asked for.
Event = PartBegins | memoryview | PartEnds


@dataclass(frozen=True)
class MediaType:
    """A media type in small letters, and its parameters by their names in small letters."""

    name: str
    parameters: Mapping[str, str]

    def boundary(self) -> bytes:
        """The boundary of a multipart body; raises Malformed where there is none by the book."""
        text = self.parameters.get("boundary", "")
        if len(text) > LONGEST_BOUNDARY or not _BOUNDARY.fullmatch(text):
            raise Malformed(f"its media type has no boundary of 1 to {LONGEST_BOUNDARY} letters")
        return text.encode("ascii")


def media_type(text: str) -> MediaType:
    """A Content-Type; of a parameter that stands there twice the first counts."""
    name, _, _ = text.partition(";")
    parameters: dict[str, str] = {}
    for key, quoted, plain in _PARAMETER.findall(text):
        parameters.setdefault(key.lower(), _ESCAPED.sub(r"\1", quoted) if quoted else plain)
    return MediaType(name.strip().lower(), parameters)


_PREAMBLE: Final = "preamble"
_HEAD: Final = "head"
_BODY: Final = "body"
_END: Final = "end"


class MultipartReader:
    """Reads one body. `feed` it what comes; `finish` when no more does. Both raise Malformed."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter may be the body's first line, and then has no end of a line before it.
        self._held = b"\r\n"
        self._state = _PREAMBLE
        self._skipped = 0

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """What `data` brings; to be read to its end before more is fed."""
        self._held = b"".join((self._held, data)) if self._held else bytes(data)
        at: int | None = 0
        while at is not None:
            if self._state == _END:  # an epilogue says nothing (RFC 2046 5.1.1)
                self._held = b""
                return
            if self._state == _HEAD:
                at = yield from self._head(at)
            else:
                at = yield from self._data(at)

    def finish(self) -> None:
        """Raises Malformed where the closing delimiter has not come."""
        if self._state != _END:
            raise Malformed("the body ends before its last delimiter")

    def _data(self, begin: int) -> Generator[Event, None, int | None]:
        """Where to go on behind the next delimiter; None where more must come."""
        held, search = self._held, begin
        while (found := held.find(self._delimiter, search)) >= 0:
            behind = self._behind(found + len(self._delimiter))
            if behind is None:  # not yet told
                yield from self._emit(begin, found)
                self._held = held[found:]
                return None
            if behind >= 0:
                yield from self._emit(begin, found)
                if self._state == _BODY:
                    yield PartEnds()
                self._state = _END if behind == 0 else _HEAD
                return behind
            search = found + 1
        # A delimiter may have begun at the end.
        safe = max(begin, len(held) - len(self._delimiter) + 1)
        safe = len(held) if held.find(b"\r", safe) < 0 else safe
        yield from self._emit(begin, safe)
        self._held = held[safe:]
        return None

    def _behind(self, at: int) -> int | None:
        """Where the line of a delimiter ends that ends at `at`: 0 for the last one, -1 for none, None not yet told."""
        held = self._held
        if held.startswith(b"--", at):
            return 0
        end = at
        while end < len(held) and held[end] in b" \t" and end - at <= _LONGEST_PADDING:
            end += 1
        rest = held[end : end + 2]
        if rest == b"\r\n":
            return end + 2
        if rest in (b"", b"\r") or (rest == b"-" and end == at):
            return None
        return -1

    def _emit(self, begin: int, end: int) -> Iterator[Event]:
        if end <= begin:
            return
        if self._state == _PREAMBLE:
            self._skipped += end - begin
            if self._skipped > _LONGEST_PREAMBLE:
                raise Malformed("its boundary is not where the body begins")
        else:
            yield memoryview(self._held)[begin:end]

    def _head(self, begin: int) -> Generator[Event, None, int | None]:
        held = self._held
        if held.startswith(b"\r\n", begin):
            end, behind = begin, begin + 2
        else:
            end = held.find(b"\r\n\r\n", begin)
            behind = end + 4
        if end < 0 or behind > len(held):
            if len(held) - begin > _LONGEST_HEAD:
                raise Malformed(f"the head of a part has more than {_LONGEST_HEAD} bytes")
            self._held = held[begin:]
            return None
        if end - begin > _LONGEST_HEAD:
            raise Malformed(f"the head of a part has more than {_LONGEST_HEAD} bytes")
        yield PartBegins(_fields(held[begin:end]))
        self._state = _BODY
        return behind


def _fields(head: bytes) -> dict[str, str]:
    text = re.sub(r"\r\n[ \t]+", " ", head.decode("latin-1"))
    fields: dict[str, str] = {}
    for line in text.split("\r\n") if text else ():
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or name.lower() in fields:
            raise Malformed("the head of a part is none: a field is malformed, or stands there twice")
        fields[name.lower()] = value.strip(" \t")
    return fields
