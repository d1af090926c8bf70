"""The trail as CSV (RFC 4180, UTF-8) for people and their spreadsheets. It proves nothing: JSON lines do.

A spreadsheet takes a cell for a formula that begins with = + - or @, and runs it; what an entry says is partly a
sender's word. So an apostrophe stands before each such sign at the beginning of a cell, and of whatever may be taken
for the beginning of one where another character than the comma separates them.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator

from audit.trail import Entry
from domain.visible import visible

COLUMNS = ("number", "at", "role", "host", "user", "study", "action", "details")
#: Spreadsheets take the wide forms of these signs for the signs.
_FORMULA = re.compile("(^|[,;|\"'\\t\\r\\n])(\\s*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")
_MARK = b"\xef\xbb\xbf"  # by which spreadsheets know UTF-8


def csv_rows(entries: Iterable[Entry]) -> Iterator[bytes]:
    """A row at a time, each with its end; the names of the columns first."""
    yield _MARK + _row(COLUMNS)
    for one in entries:
        yield _row(map(harmless, _cells(one)))


def harmless(cell: str) -> str:
    """The text of a cell that no spreadsheet runs."""
    return _FORMULA.sub(r"\1\2'", visible(cell))


def _cells(entry: Entry) -> Iterable[str]:
    user = entry.details.get("user")
    details = json.dumps(dict(entry.details), ensure_ascii=False, separators=(",", ":"))
    said = (entry.at, entry.by.role, entry.by.host, str(user or ""), entry.study or "", entry.action)
    return (str(entry.number), *said, details if entry.details else "")


def _row(cells: Iterable[str]) -> bytes:
    made = io.StringIO()
    csv.writer(made, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(list(cells))
    return made.getvalue().encode()
