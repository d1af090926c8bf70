"""Entries of the trail as people read them."""

import re
from collections.abc import Iterable, Iterator, Mapping

from audit.report import Line, Reading, Report, Sender
from console.cli.counting import counted
from console.cli.output import moment_of_entry

_PLAIN: Mapping[object, str] = {None: "-", True: "yes", False: "no"}
_LISTED = 3  # members of a list that a line shows
_SHOWN = 12  # lines of an answer
_LONGEST = 160  # characters of a line's details
_DIGEST = 16  # of a digest's 64 digits
_HEX = re.compile(r"[0-9a-f]{64}")


def details(said: Mapping[str, object]) -> str:
    """The details of an entry on one line."""
    return ", ".join(f"{key}={_changes(value) or _short(value)}" for key, value in said.items())


def _changes(value: object) -> str:
    """Settings that differ, as [name, before, after] each; "" where the value is no such list."""
    found = value if isinstance(value, list) else []
    if not all(isinstance(one, list) and len(one) == len(("name", "before", "after")) for one in found):
        return ""
    return "; ".join(f"{name}: {_short(before)} → {_short(after)}" for name, before, after in found[:_LISTED]) + (
        f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    )


def _short(value: object) -> str:
    """Lists of instances would fill the screen; --json has them."""
    if isinstance(value, list) and len(value) > _LISTED:
        return f"({len(value)} of them)"
    if isinstance(value, list):
        return " and ".join(map(_short, value)) or "none"
    if isinstance(value, dict):
        return f"({', '.join(f'{key} {_short(one)}' for key, one in value.items())})"
    return _PLAIN.get(value, str(value)) if value is None or isinstance(value, bool) else str(value)


def report(told: Report) -> Iterator[str]:
    """A report in words: each answer under its question."""
    if not told.entries:
        yield "there are no entries"
        return
    yield f"{told.entries} entries, {moment_of_entry(told.first)} to {moment_of_entry(told.last)}"
    if told.unreadable:
        yield f"{told.unreadable} of them are no entries of the node: dicom-node audit verify"
    parts = {question: list(lines) for question, lines in _parts(told)}
    for question, lines in parts.items():
        if lines:
            yield from ("", f"{question}:", *(f"  {line}" for line in lines[:_SHOWN]))
        if len(lines) > _SHOWN:
            yield f"  and {len(lines) - _SHOWN} more (--json)"
    if empty := [question for question, lines in parts.items() if not lines]:
        yield from ("", f"no entry says {', or '.join(empty)}")


def _parts(told: Report) -> Iterator[tuple[str, Iterable[str]]]:
    """Each question with the lines that answer it."""
    yield "who sent it", map(_sender, told.senders)
    yield "which model read what, and wrote which objects", _readings(told.readings)
    for question, lines in told.answers.items():
        yield question, map(_line, lines)
    yield "who worked", [f"{user}: {counted(count, 'entry', 'entries')}" for user, count in told.people.items()]
    yield "how far off the clocks were", [f"{host}: {clock}" for host, clock in told.clocks.items()]
    yield "which processes wrote it", [", ".join(told.processes)] * bool(told.processes)
    course = ", ".join(f"{count} {name}" for name, count in told.course.items())
    yield "and in the ordinary course", [course] * bool(course)


def _sender(one: Sender) -> str:
    proven = [f"as user {user}" for user in one.users] + [f"by certificate {_cut(name)}" for name in one.certificates]
    by = ", ".join(proven) or "without TLS or a user's name"
    return f"{one.caller} from {one.address}, {by}: {counted(one.instances, 'instance')}"


def _readings(readings: list[Reading]) -> Iterator[str]:
    for one in readings:
        by = f"package {_cut(one.package)}, weights {_cut(one.weights)}"
        yield f"{moment_of_entry(one.at)}  {one.model} {one.version} ({by})"
        thresholds = ", ".join(_words(pair) for pair in one.thresholds) or "none"
        yield f"  read input {_cut(one.input)} by {one.engine or 'an unknown engine'}; thresholds: {thresholds}"
        yield from (f"  wrote {_words(each)}" for each in one.objects or ["no objects"])


def _words(members: object) -> str:
    """What, and how much; or an object's kind, UID and digest."""
    words = map(str, members if isinstance(members, list) else [members])
    return " ".join(_cut(one) if _HEX.fullmatch(one) else one for one in words)


def _line(one: Line) -> str:
    said = details({key: value for key, value in one.details.items() if key != "user"})
    cut = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
    return f"{moment_of_entry(one.at)}  {one.who}: {one.action}{f' ({cut})' if cut else ''}"


def _cut(digest: str) -> str:
    return digest[:_DIGEST] or "unknown"
