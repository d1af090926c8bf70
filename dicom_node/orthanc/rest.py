"""Orthanc's REST API: its paths, and what it answers, judged."""

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from config.peers import Peer
from dicom_node.orthanc import answers
from dicom_node.orthanc.answers import Changes, NotOrthancs, Resource, System, Upload
from dicom_node.outside import words
from dicom_node.web.client import HttpClient
from dicom_node.web.connection import Answer, explained
from domain.errors import Permanent, Retryable

_MD5 = re.compile(r"[0-9a-f]{32}")
_LONGEST_WORDS = 100
# Bytes of an answer in JSON. A page of changes has some 300 for each, a list of instances 50.
_LARGEST = 16 << 20
# It closes a connection that says nothing for a second, which a request that changes something must not meet.
_KEPT = 0.5
_OK, _CREATED, _MISSING = 200, 201, 404
# What the same request will hear again: malformed, conflicting, too large, of a kind that it does not take. 405 is of a
# wrong address, and no word on what was sent there.
_LASTING = (400, 409, 410, 411, 413, 414, 415, 422)


class Refused(Permanent):
    """It understood, and will not."""


class NotNow(Retryable):
    """It answered, and could not or would not do this one thing now."""


class NotFound(Refused):
    """It has no such thing (any more)."""


class Orthanc:
    """One Orthanc. Raises Retryable where it is away or not itself, NotFound and Refused for what it will not do.

    `timeout` (s) is for the connection and each answer. For one thread: its connection is kept.
    """

    def __init__(self, peer: Peer, timeout: float) -> None:
        self._client = HttpClient(peer, timeout)
        self._used = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def system(self) -> System:
        """Its version."""
        return answers.system(self._json("GET", "/system"))

    def plugins(self) -> Sequence[str]:
        """The names of its plugins."""
        return [words(one, _LONGEST_WORDS) for one in answers.texts(self._json("GET", "/plugins"))]

    def upload(self, pieces: Iterable[bytes | memoryview], size: int) -> Upload:
        """Store a Part 10 file, which `pieces` of `size` bytes altogether give."""
        said = self._json("POST", "/instances", body=pieces, length=size, kind="application/dicom")
        return answers.upload(said)

    def lookup(self, uid: str, level: str) -> Sequence[str]:
        """The ids of what bears this UID at `level` (Study, Series, Instance)."""
        found = self._json("POST", "/tools/lookup", body=uid.encode("ascii"), kind="text/plain")
        return answers.ids(found, level)

    def md5(self, instance: str) -> str:
        """The MD5 of the file that it holds, as it came."""
        said = self._text("GET", f"/instances/{instance}/attachments/dicom/md5").strip().lower()
        if not _MD5.fullmatch(said):
            raise NotOrthancs("an MD5 that is none")
        return said

    def metadata(self, instance: str, name: str) -> str:
        """A metadatum of an instance; "" where it has none of this name."""
        try:
            return words(self._text("GET", f"/instances/{instance}/metadata/{name}"), _LONGEST_WORDS)
        except NotFound:
            return ""

    @contextmanager
    def file(self, instance: str) -> Iterator[Iterator[bytes]]:
        """The pieces of an instance's file, as it came."""
        self._let_go_of_an_old_one()
        with self._client.streamed("GET", f"/instances/{instance}/file") as (answer, pieces):
            _judge(answer)
            yield pieces
        self._used = time.monotonic()

    def series_of(self, study: str) -> Sequence[Resource]:
        """The series of a study."""
        return answers.series(self._json("GET", f"/studies/{study}/series"))

    def studies_like(self, query: Mapping[str, str], limit: int) -> Sequence[Resource]:
        """The studies that match `query` (keywords and values as in C-FIND), `limit` at most."""
        asked = {"Level": "Study", "Query": dict(query), "Expand": True, "Limit": limit, "CaseSensitive": True}
        body = json.dumps(asked).encode()
        return answers.studies(self._json("POST", "/tools/find", body=body, kind="application/json"))[:limit]

    def changes(self, since: int, limit: int) -> Changes:
        """The changes behind number `since`, `limit` at most."""
        query = (("since", str(since)), ("limit", str(limit)))
        return answers.changes(self._json("GET", "/changes", query), since, limit)

    def last_change(self) -> Changes:
        """The last there is."""
        return answers.changes(self._json("GET", "/changes", (("last", ""),)), 0, 1)

    def label(self, study: str, label: str) -> None:
        """Put a label on a study: letters, digits, - and _."""
        self._text("PUT", f"/studies/{study}/labels/{label}")

    def annotate(self, study: str, number: int, value: str) -> None:
        """Set a metadatum of a study by its number, from 1024 on."""
        self._text("PUT", f"/studies/{study}/metadata/{number}", body=value.encode(), kind="text/plain")

    def _json(
        self,
        method: str,
        path: str,
        query: Iterable[tuple[str, str]] = (),
        body: bytes | Iterable[bytes | memoryview] = b"",
        length: int | None = None,
        kind: str = "",
    ) -> object:
        answer = self._ask(method, path, query, body, length, kind)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise NotOrthancs("no JSON") from None

    def _text(self, method: str, path: str, body: bytes = b"", kind: str = "") -> str:
        return self._ask(method, path, (), body, None, kind).body.decode("utf-8", "replace")

    def _ask(
        self,
        method: str,
        path: str,
        query: Iterable[tuple[str, str]],
        body: bytes | Iterable[bytes | memoryview],
        length: int | None,
        kind: str,
    ) -> Answer:
        self._let_go_of_an_old_one()
        fields = {"content-type": kind} if kind else {}
        answer = self._client.request(method, path, query, fields, body, length, _LARGEST)
        self._used = time.monotonic()
        return _judge(answer)

    def _let_go_of_an_old_one(self) -> None:
        if time.monotonic() - self._used > _KEPT:
            self._client.close()


@contextmanager
def asked_of(peer: Peer, timeout: float) -> Iterator[Orthanc]:
    """One for questions that may be put again: somebody gives us the right, or mends a file of ours."""
    try:
        with Orthanc(peer, timeout) as orthanc:
            yield orthanc
    except Permanent as error:
        raise Retryable(*error.lines) from error


def _judge(answer: Answer) -> Answer:
    if answer.status in (_OK, _CREATED):
        return answer
    said = explained(answer)
    if message := _message(answer.body):
        said = f"{said}: {message}"
    if answer.status == _MISSING:
        raise NotFound(said)
    raise (Refused if answer.status in _LASTING else NotNow)(said)


def _message(body: bytes) -> str:
    """Its own words for an error, which name a kind and never a patient; its details may quote anything."""
    try:
        held = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return ""
    return words(str(held.get("Message", "")), _LONGEST_WORDS) if isinstance(held, dict) else ""
