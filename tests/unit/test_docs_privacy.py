"""docs/privacy.md names every column of the database that may tell of a person, and says why the others do not."""

import re
from collections.abc import Iterator

from sqlalchemy import ARRAY, Boolean, Double, Integer, Uuid

from config.settings import Settings
from store.tables import metadata
from tests.support.privacy_page import TELLS, TELLS_NOT, columns, rows

# Numbers, truths and random ids tell of nobody by themselves; whatever else a column may be has to be explained.
PLAIN = (Boolean, Integer, Uuid)


def named(heading: str) -> list[str]:
    return [name for row in rows(heading) for name in columns(row)]


def to_explain() -> Iterator[str]:
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, (ARRAY, Double)) or not isinstance(column.type, PLAIN):
                yield f"{table.name}.{column.name}"


def test_every_column_that_can_hold_words_dates_or_bytes_is_in_one_of_the_two_tables() -> None:
    told = [*named(TELLS), *named(TELLS_NOT)]
    assert sorted(told) == sorted(set(told)), "a column is in the tables twice"
    missing, gone = set(to_explain()) - set(told), set(told) - set(to_explain())
    assert not missing, f"say of these in docs/privacy.md whether they tell of a person: {sorted(missing)}"
    assert not gone, f"there are no such columns: {sorted(gone)}"


def test_each_row_says_what_why_how_long_and_by_which_setting() -> None:
    for row in rows(TELLS):
        assert len(row) == 5, row[0]
        assert all(row), row[0]
        setting = re.match(r"`([a-z_.]+) = ", row[4])
        assert setting or row[4].startswith("none"), row[0]
        if setting:
            _exists(setting[1])
    assert all(len(row) == 2 and all(row) for row in rows(TELLS_NOT))


def _exists(setting: str) -> None:
    value: object = Settings()
    for name in setting.split("."):
        value = getattr(value, name)
