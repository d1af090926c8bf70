"""The trail as CSV: whatever a sender wrote, no spreadsheet runs it, whichever character it parts cells by."""

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from audit.export.csv_rows import COLUMNS, csv_rows, harmless
from audit.trail import Actor, Entry

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
WORDS = st.text(st.sampled_from([*FORMULA, *",;\t|\"' \n\r\u00a0\u200b\x00aZ0{:"]), max_size=12)


def _row(user: str, caller: str) -> str:
    details = {"user": user, "caller": caller}
    entry = Entry("2026-03-01T08:00:00.000000+00:00", Actor("listen", "node"), None, "refused", 7, details)
    head, row = b"".join(csv_rows([entry])).decode("utf-8-sig").split("\r\n", 1)
    assert next(csv.reader([head])) == list(COLUMNS)
    return row


@given(WORDS, WORDS, st.sampled_from(",;\t|"))
@example('a";=cmd|calc', "", ";")
@example("\t=1", '"=2', ",")
def test_no_cell_begins_as_a_formula_by_whatever_character_cells_are_parted(
    user: str, caller: str, separator: str
) -> None:
    cells = next(csv.reader(io.StringIO(_row(user, caller), newline=""), delimiter=separator))
    assert [cell for cell in cells if cell.lstrip().startswith(FORMULA)] == []


@given(WORDS)
def test_what_people_read_is_what_the_entry_says(user: str) -> None:
    row = next(csv.reader(io.StringIO(_row(user, ""), newline="")))
    assert (row[0], row[4], row[6]) == ("7", harmless(user), "refused")
