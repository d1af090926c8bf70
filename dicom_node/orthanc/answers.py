"""What an Orthanc answers, judged: it may be another server that listens there, or a proxy in its stead."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from dicom_node.outside import words
from domain.errors import Retryable

T = TypeVar("T")

# What Orthanc calls a resource: the SHA-1 of its identifiers in five groups, so nothing else reaches a path.
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(\.\d{1,4})?")
# From this version on a resource has labels.
_LABELS = (1, 12)
_LONGEST_WORDS = 100
_HIGHEST = 1 << 62


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


@dataclass(frozen=True)
class Resource:
    """A study or series: its UID, its series or instances by Orthanc's ids, and its attributes, which name people."""

    uid: str
    children: Sequence[str] = field(repr=False)
    tags: Mapping[str, str] = field(repr=False)

    def tag(self, keyword: str, longest: int) -> str:
        """The value of an attribute; "" where it is not told."""
        return words(self.tags.get(keyword, ""), longest)


def system(said: object) -> System:
    """The version."""
    version = words(_text(_table(said), "Version"), _LONGEST_WORDS)
    found = _VERSION.match(version)
    # A build from its development branch calls itself mainline, and is newer than any.
    if found is None and not version.startswith("mainline"):
        raise NotOrthancs("its version is none")
    return System(version, (int(found[1]), int(found[2])) if found else (_HIGHEST, 0))


def upload(said: object) -> Upload:
    """What became of a file; a list is what it answers where it took that for an archive of several."""
    held = _table(said)
    status = _text(held, "Status")
    return (
        Upload(status, "", "") if status == "FilteredOut" else Upload(status, _id(held, "ID"), _id(held, "ParentStudy"))
    )


def ids(said: object, level: str) -> Sequence[str]:
    """The ids of what was looked up, of this level."""
    return [_id(one, "ID") for one in _tables(said) if one.get("Type") == level]


def texts(said: object) -> Sequence[str]:
    """A list of texts."""
    return _list(said, str)


def series(said: object) -> Sequence[Resource]:
    """The series of a study."""
    return [_resource(one, "SeriesInstanceUID", "Instances") for one in _tables(said)]


def studies(said: object) -> Sequence[Resource]:
    """Studies, each with the attributes of its patient."""
    return [_resource(one, "StudyInstanceUID", "Series") for one in _tables(said)]


def _resource(held: Mapping[str, object], uid: str, children: str) -> Resource:
    told = {**_held(held, "MainDicomTags"), **_table(held.get("PatientMainDicomTags", {}))}
    tags = {str(keyword): value for keyword, value in told.items() if isinstance(value, str)}
    inside = _list(held.get(children), str)
    if not all(map(_ID.fullmatch, inside)):
        raise NotOrthancs(f"{children} are no ids")
    return Resource(_text(tags, uid), inside, tags)


def changes(said: object, since: int, limit: int) -> Changes:
    """A page of changes behind number `since`, `limit` at most."""
    held = _table(said)
    found = [_change(one) for one in _tables(held.get("Changes"))]
    numbers = [one.number for one in found]
    if len(found) > limit or numbers != sorted(set(numbers)) or any(number <= since for number in numbers):
        raise NotOrthancs("changes that were not asked for")
    done = held.get("Done")
    if not isinstance(done, bool):
        raise NotOrthancs("changes without an end")
    return Changes(found, numbers[-1] if numbers else _number(held, "Last"), done)


def _change(held: Mapping[str, object]) -> Change:
    return Change(_number(held, "Seq"), _text(held, "ChangeType"), _id(held, "ID"))


def _table(said: object) -> Mapping[str, object]:
    if not isinstance(said, dict):
        raise NotOrthancs("a list or a word in the place of a table")
    return said


def _list(said: object, kind: type[T]) -> Sequence[T]:
    if not isinstance(said, list) or not all(isinstance(one, kind) for one in said):
        raise NotOrthancs("something else in the place of a list")
    return said


def _tables(said: object) -> Sequence[Mapping[str, object]]:
    return _list(said, dict)


def _held(table: Mapping[str, object], key: str) -> Mapping[str, object]:
    return _table(table.get(key))


def _text(table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise NotOrthancs(f"no {key}")
    return value


def _id(table: Mapping[str, object], key: str) -> str:
    value = _text(table, key)
    if not _ID.fullmatch(value):
        raise NotOrthancs(f"{key} is no id")
    return value


def _number(table: Mapping[str, object], key: str) -> int:
    value = table.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _HIGHEST:
        raise NotOrthancs(f"{key} is no number")
    return value
