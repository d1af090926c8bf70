"""Orthanc's REST API: its paths, and what it answers, judged."""

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from config.peers import Peer
from dicom_node.outside import words
from dicom_node.web.client import HttpClient
from dicom_node.web.connection import Answer, explained
from domain.errors import Permanent, Retryable

# What Orthanc calls a resource: the SHA-1 of its identifiers in five groups, so nothing else reaches a path.
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(\.\d{1,4})?")
_LONGEST_WORDS = 100
# Bytes of an answer in JSON. A page of changes has some 300 for each.
_LARGEST = 4 << 20
# From this version on a resource has labels.
_LABELS = (1, 12)
_HIGHEST = 1 << 62
# It closes a connection that says nothing for a second, which a request that changes something must not meet.
_KEPT = 0.5
_OK, _CREATED, _MISSING = 200, 201, 404
# What the same request will hear again: malformed, conflicting, too large, of a kind that it does not take.
_LASTING = (400, 405, 409, 410, 411, 413, 414, 415, 422)


class Refused(Permanent):
    """It understood, and will not."""


class NotNow(Retryable):
    """It answered, and could not or would not do this one thing now."""


class NotFound(Refused):
    """It has no such thing (any more)."""


class NotOrthancs(Retryable):
    """An answer that Orthanc does not give: somebody else listens there, or a proxy answers in its stead."""

    def __init__(self, what: str) -> None:
        super().__init__(f"it does not answer as Orthanc's REST API does ({what}): look at its url")


@dataclass(frozen=True)
class System:
    """What it says of itself: the text of its version, and its first two numbers."""

    version: str
    number: tuple[int, int]

    @property
    def has_labels(self) -> bool:
        """Whether resources have labels."""
        return self.number >= _LABELS


@dataclass(frozen=True)
class Upload:
    """What became of a file that was sent: the status in Orthanc's words, its instance and study by Orthanc's ids."""

    status: str
    instance: str
    study: str


@dataclass(frozen=True)
class Change:
    """One line of its log of changes. The sequence number only grows, in one database."""

    number: int
    kind: str
    resource: str


@dataclass(frozen=True)
class Changes:
    """A page of changes; `last` is the number of the last in it, or of the last there is where it holds none."""

    changes: Sequence[Change]
    last: int
    done: bool


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
        version = words(_text(_table(self._json("GET", "/system")), "Version"), _LONGEST_WORDS)
        found = _VERSION.match(version)
        # A build from its development branch calls itself mainline, and is newer than any.
        if found is None and not version.startswith("mainline"):
            raise NotOrthancs("its version is none")
        return System(version, (int(found[1]), int(found[2])) if found else (_HIGHEST, 0))

    def plugins(self) -> Sequence[str]:
        """The names of its plugins."""
        return [words(one, _LONGEST_WORDS) for one in _list(self._json("GET", "/plugins"), str)]

    def upload(self, pieces: Iterable[bytes | memoryview], size: int) -> Upload:
        """Store a Part 10 file, which `pieces` of `size` bytes altogether give."""
        said = self._json("POST", "/instances", body=pieces, length=size, kind="application/dicom")
        held = _table(said)  # a list is what it answers where it took the file for an archive of several
        status = _text(held, "Status")
        if status == "FilteredOut":
            return Upload(status, "", "")
        return Upload(status, _id(held, "ID"), _id(held, "ParentStudy"))

    def lookup(self, uid: str, level: str) -> Sequence[str]:
        """The ids of what bears this UID at `level` (Study, Series, Instance)."""
        found = self._json("POST", "/tools/lookup", body=uid.encode("ascii"), kind="text/plain")
        return [_id(one, "ID") for one in _tables(found) if one.get("Type") == level]

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

    def series_of(self, study: str) -> Mapping[str, int]:
        """How many instances each series of a study has, by Series Instance UID."""
        found = _tables(self._json("GET", f"/studies/{study}/series"))
        return {
            _text(_held(one, "MainDicomTags"), "SeriesInstanceUID"): len(_strings(one, "Instances")) for one in found
        }

    def find(self, level: str, query: Mapping[str, str], limit: int) -> Sequence[Mapping[str, Any]]:
        """What matches `query` (keywords and values as in C-FIND), `limit` at most, with its main attributes."""
        asked = {"Level": level, "Query": dict(query), "Expand": True, "Limit": limit, "CaseSensitive": True}
        body = json.dumps(asked).encode()
        return _tables(self._json("POST", "/tools/find", body=body, kind="application/json"))[:limit]

    def changes(self, since: int, limit: int) -> Changes:
        """The changes behind number `since`, `limit` at most."""
        query = (("since", str(since)), ("limit", str(limit)))
        return _changes(self._json("GET", "/changes", query), since, limit)

    def last_change(self) -> Changes:
        """The last there is."""
        return _changes(self._json("GET", "/changes", (("last", ""),)), 0, 1)

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


def _changes(said: object, since: int, limit: int) -> Changes:
    held = _table(said)
    found = [_change(one) for one in _tables(held.get("Changes"))]
    numbers = [one.number for one in found]
    if len(found) > limit or numbers != sorted(set(numbers)) or any(number <= since for number in numbers):
        raise NotOrthancs("changes that were not asked for")
    done = held.get("Done")
    if not isinstance(done, bool):
        raise NotOrthancs("changes without an end")
    return Changes(found, numbers[-1] if numbers else _number(held, "Last"), done)


def _change(held: Mapping[str, Any]) -> Change:
    return Change(_number(held, "Seq"), _text(held, "ChangeType"), _id(held, "ID"))


def _table(said: object) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        raise NotOrthancs("a list or a word in the place of a table")
    return said


def _list(said: object, kind: type) -> Sequence[Any]:
    if not isinstance(said, list) or not all(isinstance(one, kind) for one in said):
        raise NotOrthancs("something else in the place of a list")
    return said


def _tables(said: object) -> Sequence[Mapping[str, Any]]:
    return _list(said, dict)


def _held(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return _table(table.get(key))


def _strings(table: Mapping[str, Any], key: str) -> Sequence[str]:
    return _list(table.get(key), str)


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise NotOrthancs(f"no {key}")
    return value


def _id(table: Mapping[str, Any], key: str) -> str:
    value = _text(table, key)
    if not _ID.fullmatch(value):
        raise NotOrthancs(f"{key} is no id")
    return value


def _number(table: Mapping[str, Any], key: str) -> int:
    value = table.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _HIGHEST:
        raise NotOrthancs(f"{key} is no number")
    return value
