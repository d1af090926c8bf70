"""TOML text to values, and a key's path back to the line that a person has to look at."""

import ast
import grp
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from shlex import quote
from typing import TypeAlias

from config.private import started_by_systemd
from domain.errors import ConfigurationError

KeyPath: TypeAlias = tuple[str | int, ...]

# A name that needs no quotes, and one that is no URL and has no word that a secret follows.
_PLAIN = re.compile(r"[\w-]+")
_OPEN = re.compile(r"[\w .,()+-]+")
_SETTING = re.compile(r"\s*[\w.-]+\s*=")
_TEXT_OF_LINES = re.compile("\"\"\"|'''")
_MOST = 20  # lines that are told to be no TOML
_GIVEN_TWICE = "Cannot overwrite a value"  # as the parser says it
_WRITTEN = re.compile(r"(?:([^=@]+)=)?([^=@]+)@")


def read(file: Path) -> str:
    """The text of `file`; raises ConfigurationError naming it where there is none to be had."""
    try:
        return file.read_text(encoding="utf-8-sig")  # Notepad begins a file with a mark
    except IsADirectoryError as error:
        raise ConfigurationError(f"{file}: is a folder, and a file is needed") from error
    except PermissionError as error:
        raise ConfigurationError(f"{file}: cannot be read: it is not this user's; {_opened(file)}") from error
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{file}:{line}: cannot be read: it is no text in UTF-8") from error


def _opened(file: Path) -> str:
    """A service has a user of its own, and nobody types its command."""
    if not started_by_systemd():
        return "run this with sudo, or as whom it is for"
    with suppress(KeyError):
        group, named = grp.getgrgid(os.getegid()).gr_name, quote(str(file))
        return f"let the service read it: sudo chown root:{group} {named}, sudo chmod 640 {named}"
    return "let the service's user read it"


def load(text: str, file: Path) -> dict[str, object]:
    """The values in `text`; raises ConfigurationError as `file:line: what is wrong` where it is not TOML.

    A line is told for each setting that is wrong within its line, for those behind it can be read without it.
    """
    complaints: list[str] = []
    rest = text
    while fault := _fault(rest):
        said, line = fault
        complaints.append(f"{file}:{line}: not TOML: {_in_words(said, text, line)}")
        rows = rest.split("\n")
        if len(complaints) == _MOST or _TEXT_OF_LINES.search(text) or not _stands_alone(said, rows[line - 1]):
            break
        rows[line - 1] = ""
        rest = "\n".join(rows)
    if complaints:
        raise ConfigurationError(*complaints[:-1], f"{complaints[-1]}; the rest is looked at once this is right")
    return tomllib.loads(text)


def _fault(text: str) -> tuple[str, int] | None:
    """What the parser says first, and of which line."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said, _, place = str(error).partition(" (at ")
        named = re.match(r"line (\d+)", place)
        # The parser names no line for what it misses at the end of the document.
        return said, int(named[1]) if named else max(1, len(text.splitlines()))
    return None


def _stands_alone(said: str, row: str) -> bool:
    """Whether a line is a setting by itself, so that what is wrong with it says nothing of the others."""
    closed = all(row.count(one) == row.count(other) for one, other in ("[]", "{}"))
    return bool(_SETTING.match(row) and closed and (said == _GIVEN_TWICE or _fault(row)))


def _in_words(said: str, text: str, line: int) -> str:
    """What the parser said of `line`, in words of the file; as it stands where it speaks of no matter of Python's."""
    rows = text.splitlines()
    if found := re.match(r"Cannot (declare|mutate immutable namespace) (\(.*\))", said):
        path: KeyPath = ast.literal_eval(found[2])
        name, above = ".".join(map(str, path)), locate("\n".join(rows[: line - 1]), path)
        if found[1] == "declare":
            return f"{name} is written at line {above} already: put its keys there, for a table is opened once"
        return f"{name} is written whole at line {above}, in [ ] or {{ }}: what is to be added to it stands in there"
    if said == _GIVEN_TWICE:
        row = rows[line - 1].strip() if line <= len(rows) else ""
        key = row.strip("[] ") if row.startswith("[") else row.partition("=")[0].strip()
        shown = f"{key} is" if re.fullmatch(r"[\w.\s\"'-]+", key) else "this key is"
        return f"{shown} given a second time: above it stands already, as a key or as a table; keep one of them"
    if found := re.fullmatch(r"Duplicate inline table key '([\w-]+)'", said):
        return f"{found[1]} is given twice in one {{ }}: keep one of them"
    if said in ("Unclosed array", "Unclosed inline table"):
        return _unclosed(said, rows, line)
    return _PARSER.get(said, said)


# What the parser says, and what is most likely wrong.
_PARSER: Mapping[str, str] = {
    "Invalid value": "what stands here is no value: a text is in quotes, a list in [ ], true and false are in small"
    " letters",
    "Invalid statement": "a line is NAME = VALUE or [TABLE], and this begins as neither; a comment begins with #",
    "Expected newline or end of document after a statement": "something stands behind the value: one setting a line,"
    " a text in quotes as a whole",
    "Expected '=' after a key in a key/value pair": "a name is followed by = and a value",
    "Unterminated string": "a text is closed by the quote that opened it",
    "Illegal character '\\n'": "a text is closed by the quote that opened it, on the same line",
}


def _unclosed(said: str, rows: list[str], line: int) -> str:
    """What is missing where the parser wanted a comma or the end."""
    before = next((at for at in range(min(line, len(rows)) - 1, 0, -1) if _bare(rows[at - 1])), 0)
    begins = _bare(rows[line - 1])[:1] if line <= len(rows) else ""
    if before and begins and begins in "{[\"'" and not _bare(rows[before - 1]).endswith((",", "[", "{")):
        return f"a comma is missing at the end of line {before}"
    return f"a comma or the {']' if said == 'Unclosed array' else '}'} that closes it is missing here or above"


def _bare(row: str) -> str:
    """A row without its comment; a # within quotes is rare enough to be taken for one."""
    return row.partition("#")[0].strip()


def locate(text: str, path: KeyPath) -> int:
    """The line (from 1) of the key at `path`, or of the nearest table or array above it that `text` has.

    Elements of arrays are integers from 0: ("rule", 1, "model") is `model` of the second `[[rule]]`.
    `text` must be valid TOML.
    """
    lines = _key_lines(text)
    return next((lines[path[:depth]] for depth in range(len(path), 0, -1) if path[:depth] in lines), 1)


@lru_cache(maxsize=1)  # a file with many mistakes is asked once for each of them
def _key_lines(text: str) -> Mapping[KeyPath, int]:
    lines: dict[KeyPath, int] = {}
    tables: dict[KeyPath, int] = {}
    prefix: KeyPath = ()
    for number, statement, tree in _statements(text):
        header = statement.lstrip().startswith("[")
        if header:
            prefix = _enter(tree, tables)
            paths: Iterator[KeyPath] = (prefix[:depth] for depth in range(1, len(prefix) + 1))
        else:
            for path, line in _elements(statement, tree):
                lines[prefix + path] = number + line
            paths = (prefix + path for path in _paths(tree))
        for path in paths:
            # What is in an element of an array stands where that does.
            above = (path[:depth] for depth in range(len(path), len(prefix), -1))
            lines.setdefault(path, next((lines[one] for one in above if one in lines), number))
    return lines


def _elements(statement: str, tree: dict[str, object]) -> Iterator[tuple[KeyPath, int]]:
    """The elements of an array that is written over several lines, each with its line in `statement`, from 0."""
    path: KeyPath = ()
    node: object = tree
    while isinstance(node, dict) and len(node) == 1:
        key, node = next(iter(node.items()))
        path = (*path, key)
    rows = statement.split("\n")
    if not isinstance(node, list) or len(rows) == 1:
        return
    known = 0
    for line in range(len(rows)):
        begun = _begun("\n".join(rows[: line + 1]), path)
        yield from (((*path, number), line) for number in range(known, begun))
        known = max(known, begun)


def _begun(text: str, path: KeyPath) -> int:
    """How many elements the array has that `text` begins and does not end."""
    for end in ("\n]", ""):
        try:
            held = within(tomllib.loads(text + end), path)
        except (tomllib.TOMLDecodeError, LookupError):
            continue
        return len(held) if isinstance(held, list) else 0
    return 0


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, object]]]:
    """Each header or assignment with its first line: the shortest run of lines that is TOML by itself."""
    start, pending = 1, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        pending = f"{pending}\n{line}" if pending else line
        try:
            tree = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue
        if tree:
            yield start, pending, tree
        start, pending = number + 1, ""


def _enter(tree: dict[str, object], tables: dict[KeyPath, int]) -> KeyPath:
    """The path of the table that a header opens; `tables` counts what each array of tables holds so far."""
    path: KeyPath = ()
    node: object = tree
    while node and isinstance(node, dict):
        key, node = next(iter(node.items()))
        path = (*path, key)
        if isinstance(node, list):
            tables[path] = tables.get(path, 0) + 1
            node = node[0]
        if path in tables:
            path = (*path, tables[path] - 1)
    return path


def _paths(value: object) -> Iterator[KeyPath]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (key,)
        yield from ((key, *rest) for rest in _paths(inner))


def within(tree: object, path: KeyPath) -> object:
    """What `tree` holds at `path`; raises LookupError where there is nothing."""
    for part in path:
        if not isinstance(tree, dict | list | tuple) or isinstance(tree, dict) is isinstance(part, int):
            raise LookupError(part)
        tree = tree[part]  # type: ignore[index]
    return tree


def dotted(tree: object, path: KeyPath) -> str:
    """The path as people read it: an element of a list by its name or AE title, by its number from 1 where it has none.

    Of a list of plain values, it is the list.
    """
    shown: list[str] = []
    for depth, part in enumerate(path, start=1):
        try:
            held = within(tree, path[:depth])
        except LookupError:
            held = None
        if not isinstance(part, int):
            shown.append(str(part))
        elif (name := _name(held)) or isinstance(held, dict):
            shown.append(element(name, part))
    return ".".join(shown)


def element(name: str, number: int) -> str:
    """What an element of a list is called: by its name, or by its number from 1 where that may hold a secret."""
    if _PLAIN.fullmatch(name):
        return name
    return f'"{name}"' if _OPEN.fullmatch(name) else f"#{number + 1}"


def _name(held: object) -> str:
    if isinstance(held, dict):
        names = (held.get(key) for key in ("name", "aet"))
        return next((one for one in names if isinstance(one, str) and one), "")
    # As NAME=AET@HOST:PORT.
    written = _WRITTEN.match(held) if isinstance(held, str) else None
    return (written[1] or written[2]) if written else ""
