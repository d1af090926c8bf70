"""Every list that the command line shows has a bound, in its output and in its queries, and says what it leaves out."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, insert
from typer.testing import CliRunner

from audit.actions import Action
from audit.trail import Ledger
from console.cli.app import app
from store.database import Database
from store.grants import WHOEVER
from store.queries.path import study_path
from store.tables import (
    associations,
    conflicts,
    dead_letters,
    deliveries,
    instances,
    jobs,
    quarantine,
    results,
    series,
    studies,
    study_associations,
)
from tests.support.delivered import BEGUN, STUDY, fill
from tests.support.servers import Postgres

MANY = 300
# What `status STUDY` shows as tables of their own.
TABLES = ("associations", "series", "conflicts", "jobs", "results", "deliveries", "dead_letters", "quarantine")


@pytest.fixture(scope="module")
def crowded_url(postgres: Postgres) -> Iterator[str]:
    """A study with very much of everything, beside very many others."""
    url = postgres.url(dbname=postgres.fresh_schema())
    database = Database(url, role=WHOEVER)
    fill(database)
    _crowd(database)
    yield url
    database.close()


@pytest.fixture
def crowded(crowded_url: str) -> Iterator[Database]:
    database = Database(crowded_url, role=WHOEVER)
    yield database
    database.close()


def _crowd(database: Database) -> None:
    copied = {
        table: _template(database, table) for table in (associations, instances, jobs, results, deliveries, studies)
    }
    copied |= {table: _template(database, table) for table in (conflicts, dead_letters, quarantine, series)}
    with database.transaction() as connection:
        for number in range(MANY):
            changes: dict[Any, dict[str, Any]] = {
                associations: {"id": uuid.UUID(int=number + 1000)},
                series: {"id": uuid.UUID(int=number + 1000), "series_uid": f"1.9.{number}"},
                instances: {"sop_uid": f"1.8.{number}", "series_id": uuid.UUID(int=number + 1000)},
                jobs: {
                    "id": uuid.UUID(int=number + 1000),
                    "state": "cancelled",
                    "revision": 0,
                    "input_set": str(number),
                },
                results: {"sop_uid": f"1.7.{number}", "job_id": uuid.UUID(int=number + 1000)},
                deliveries: {
                    "id": uuid.UUID(int=number + 1000),
                    "job_id": uuid.UUID(int=number + 1000),
                    "state": "cancelled",
                },
                studies: {"id": uuid.UUID(int=number + 1000), "study_uid": f"1.5.{number}", "last_received": BEGUN},
                conflicts: {"sop_uid": f"1.8.{number}", "digest": str(number), "object_key": str(number)},
                dead_letters: {"event_id": uuid.UUID(int=number + 1000), "study_id": STUDY},
                quarantine: {"sop_uid": f"1.4.{number}", "digest": str(number), "study_id": STUDY},
            }
            for table, change in changes.items():
                row = {name: value for name, value in copied[table].items() if name != "id" or "id" in change}
                connection.execute(insert(table).values({**row, **change}))
            connection.execute(
                insert(study_associations).values(
                    study_id=STUDY, association_id=uuid.UUID(int=number + 1000), last_sequence=0
                )
            )
    ledger = Ledger(database, "test")
    with ledger.transaction() as transaction:
        for number in range(MANY):
            transaction.record(Action.STUDY_COMPLETED, STUDY, number=number)


def _template(database: Database, table: Any) -> dict[str, Any]:
    """A row of `table` that `fill` has put there."""
    with database.transaction() as connection:
        return dict(connection.execute(table.select().limit(1)).mappings().one())


def shown(url: str, *words: object) -> str:
    result = CliRunner().invoke(app, [*map(str, words), "--database", url])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def answer(url: str, *words: object) -> Any:
    return json.loads(shown(url, *words, "--json"))


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("quarantine", "list"),
        ("conflicts", "list", "--each"),
        ("dead-letters", "list"),
        ("audit", "show"),
    ],
)
def test_a_list_shows_so_many_and_says_how_many_more_there_are_and_how_to_see_them(
    crowded_url: str, words: tuple[str, ...]
) -> None:
    found = answer(crowded_url, *words, "--last", 7)
    (rows,) = [value for name, value in found.items() if isinstance(value, list) and name != "paused"]
    assert len(rows) == 7
    assert found["more"] >= MANY - 7
    text = shown(crowded_url, *words, "--last", 7)
    assert f"and {found['more'] + (1 if words[0] == 'audit' else 0)} more (--last N)" in text
    assert len(text.splitlines()) < 30
    assert len(shown(crowded_url, *words).splitlines()) < 220


def test_many_images_of_one_study_push_no_other_conflict_off_the_list(crowded_url: str) -> None:
    found = answer(crowded_url, "conflicts", "list")
    assert len(found["conflicts"]) < 10
    assert found["more"] == 0
    assert max(one["images"] for one in found["conflicts"]) >= MANY


@pytest.mark.parametrize("words", [("status",), ("quarantine", "list"), ("conflicts", "list"), ("audit", "show")])
def test_a_list_of_more_rows_than_any_has_is_a_wrong_usage_and_no_defect(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, [*words, "--last", str(10**20)]).exit_code == 2


@pytest.mark.parametrize("words", [("status", STUDY), ("explain", STUDY), ("audit", "show", "--study", STUDY)])
def test_whatever_a_study_has_much_of_is_cut_with_a_word(crowded_url: str, words: tuple[str, ...]) -> None:
    assert len(shown(crowded_url, *words).splitlines()) < 420


def test_each_table_of_a_study_says_how_many_more_there_are_unless_all_are_wanted(crowded_url: str) -> None:
    found = answer(crowded_url, "status", STUDY)
    assert {name for name, more in found["more"].items() if more >= MANY - 20} >= set(TABLES)
    assert all(len(found[name]) == 20 for name in TABLES)
    text = shown(crowded_url, "status", STUDY)
    assert text.count("more (--all)") == len(TABLES)
    everything = answer(crowded_url, "status", STUDY, "--all")
    assert all(len(everything[name]) >= MANY for name in TABLES)
    assert everything["more"] == {}
    assert "more (--all)" not in shown(crowded_url, "status", STUDY, "--all")


def test_where_a_study_is_does_not_depend_on_what_is_cut(crowded_url: str) -> None:
    cut, whole = answer(crowded_url, "status", STUDY), answer(crowded_url, "status", STUDY, "--all")
    assert (cut["where"], cut["why"]) == (whole["where"], whole["why"])
    assert cut["where"] == "delivery to PACS pending"
    listed = [one for one in answer(crowded_url, "status", "--last", 1000)["studies"] if one["id"] == str(STUDY)]
    assert listed[0]["where"] == cut["where"]


def test_the_unreadable_are_counted_among_all_instances(crowded_url: str) -> None:
    assert f"of {answer(crowded_url, 'status', STUDY)['unreadable'] + MANY + 3} instances unreadable" in shown(
        crowded_url, "status", STUDY
    )


def test_no_query_of_a_bounded_answer_reads_more_rows_than_are_shown(crowded: Database) -> None:
    read: list[int] = []
    event.listen(crowded._engine, "after_cursor_execute", lambda _c, cursor, *_: read.append(cursor.rowcount))
    study_path(crowded, STUDY, most=5)
    assert max(read) <= 5 * 7


def test_explain_names_the_first_series_that_were_refused_and_counts_the_rest(
    crowded_url: str, crowded: Database
) -> None:
    refusals = {str(uuid.UUID(int=number + 1000)): ["has 1 slice, fewer than 20"] for number in range(MANY)}
    with crowded.transaction() as connection:
        connection.exec_driver_sql("UPDATE dicom_node.decisions SET refusals = %s", (json.dumps(refusals),))
    text = shown(crowded_url, "explain", STUDY)
    assert 0 < text.count("    not on ") <= 2 * 20
    assert f"and {MANY - 20} more series (--all)" in text
    assert shown(crowded_url, "explain", STUDY, "--all").count("    not on ") >= MANY
