"""What one sender sends in plenty holds nobody else back: completeness, models, workers and archives take turns."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from consumers.steps.assemble import ROUTING, Assembler
from dicom_node.spool import Peer
from domain.completeness import SettlePolicy
from models.registry import Registry
from store import deliveries, jobs, studies
from store.deliveries import DELIVERIES
from store.jobs import JOBS
from store.leases import Condition, LeaseTable
from store.queries.path import study_path
from store.queries.studies import StudyFilter, find_study, latest_studies
from store.studies import LINES
from tests.support.bench import Bench
from tests.support.ingest import send
from tests.support.working import SMALL, route

FLOOD, QUIET = Peer("FLOOD", "NODE", "127.0.0.1"), Peer("QUIET", "NODE", "127.0.0.2")
BESIDE = Peer("BESIDE", "NODE", FLOOD.address)  # another behind the same gateway
AHEAD = 3


def bring(bench: Bench, peer: Peer, names: Sequence[str], slices: int = 1) -> None:
    """A study each, by one association."""
    send(bench.writer, [one for name in names for one in replace(SMALL, study=name, slices=slices).datasets()], peer)
    bench.index()


def flood(bench: Bench, count: int, slices: int = 1) -> None:
    bring(bench, FLOOD, [f"flood {number}" for number in range(count)], slices)


def uid(name: str) -> str:
    return replace(SMALL, study=name).uid("study")


def assembler(bench: Bench, ahead: int | None = AHEAD) -> Assembler:
    return Assembler(bench.as_process("assemble"), SettlePolicy(5, {}), bench.clock, ahead)


def completed(bench: Bench) -> list[str]:
    """The senders' studies in the order in which they were complete, each by the letter of its sender."""
    quiet = {uid(name) for name in ("quiet", "quiet too", "first")}
    found = bench.ask(
        "SELECT s.study_uid FROM dicom_node.outbox o JOIN dicom_node.studies s ON s.id::text = o.key "
        "WHERE o.envelope ->> 'type' LIKE 'study.%' ORDER BY o.seq"
    )
    return ["Q" if one in quiet else "F" for (one,) in found]


def handled(bench: Bench) -> None:
    """Models were chosen for all that was announced."""
    announced = f"SELECT '{ROUTING}', event_id, now() FROM dicom_node.outbox"
    bench.as_owner(f"INSERT INTO dicom_node.inbox {announced} ON CONFLICT DO NOTHING")


def claimed(bench: Bench, process: str, table: LeaseTable[Any, Any], *conditions: Condition) -> list[str]:
    """The senders of what waits, in the order in which it is claimed, each by the letter of its address."""
    order: list[str] = []
    with bench.as_process(process).transaction() as transaction:
        while lease := table.claim(transaction.connection, "somebody", 60, *conditions):
            column = select(table.table.c.sender).where(table.table.c.id == lease.row)
            sender = transaction.connection.execute(column).scalar_one()
            order.append("Q" if sender.startswith(QUIET.address) else "F")
    return order


def test_a_flood_that_is_due_lets_another_senders_study_in_after_a_few(bench: Bench) -> None:
    flood(bench, 20)
    made = assembler(bench)
    made.step()
    bench.clock.sleep(5)
    made.step()
    assert completed(bench) == ["F"] * AHEAD
    bring(bench, QUIET, ["quiet"])
    made.step()
    bench.clock.sleep(5)
    for _ in range(2):
        handled(bench)
        made.step()
    assert completed(bench)[AHEAD : AHEAD + 2] in (["F", "Q"], ["Q", "F"])


def test_who_comes_while_a_flood_is_worked_on_is_seen_before_it_ends_however_fast_that_is(bench: Bench) -> None:
    flood(bench, 36)
    made = assembler(bench, ahead=100)
    made.step()
    bench.clock.sleep(5)
    made.step()
    at_once = len(completed(bench))
    assert 0 < at_once < 36
    bring(bench, QUIET, ["quiet"])
    made = assembler(bench, ahead=100)
    made.step()
    bench.clock.sleep(5)
    made.step()
    assert completed(bench)[at_once : at_once + 2] in (["F", "Q"], ["Q", "F"])


def test_one_host_by_many_names_takes_few_turns(bench: Bench, registry: Registry) -> None:
    for number in range(24):
        bring(bench, replace(FLOOD, calling=f"NAME{number}"), [f"flood {number}"], 4)
    bring(bench, QUIET, ["quiet"], 4)
    made = assembler(bench, ahead=1)
    made.step()
    bench.clock.sleep(5)
    while "receiving" in [row[0] for row in bench.ask("SELECT state FROM dicom_node.studies")]:
        made.step()
        handled(bench)
    assert completed(bench).index("Q") <= LINES
    bench.as_owner("DELETE FROM dicom_node.inbox")
    route(bench, registry)
    order = claimed(bench, "work", JOBS)
    assert (order.index("Q") <= LINES, len(order)) == (True, 25)


def test_of_two_behind_one_gateway_the_flood_of_one_holds_the_other_back_no_more_than_elsewhere(
    bench: Bench, registry: Registry
) -> None:
    flood(bench, 8, slices=4)
    bring(bench, BESIDE, ["quiet"], slices=4)
    bench.settle()
    route(bench, registry)
    (job,) = bench.ask(
        "SELECT j.id FROM dicom_node.jobs j JOIN dicom_node.studies s ON s.id = j.study_id "
        f"WHERE s.study_uid = '{uid('quiet')}'"
    )
    with bench.as_process("work").transaction() as transaction:
        first = [JOBS.claim(transaction.connection, "somebody", 60) for _ in range(2)]
    assert job[0] in [lease.row for lease in first if lease]


def test_whose_turn_it_is_is_the_same_when_studies_and_when_jobs_wait(bench: Bench) -> None:
    bring(bench, FLOOD, ["flood"])
    with bench.as_process("assemble").transaction() as transaction:
        (study,) = studies.open_studies(transaction.connection)
        assert study.sender == transaction.connection.execute(select(studies.sender_of(study.id))).scalar_one()
    assert study.sender.startswith(f"{FLOOD.address} ")


def test_an_amended_study_waits_for_a_few_of_a_flood_and_not_for_all_of_it(bench: Bench) -> None:
    bring(bench, QUIET, ["first"])
    bench.settle()
    flood(bench, 20)
    send(bench.writer, replace(SMALL, study="first", slices=2).datasets()[1:], QUIET)
    bench.index()
    made = assembler(bench)
    made.step()
    bench.clock.sleep(5)
    made.step()
    assert completed(bench)[1:].count("Q") == 1
    assert bench.ask(f"SELECT state, revision FROM dicom_node.studies WHERE study_uid = '{uid('first')}'") == [
        ("complete", 2)
    ]


def test_who_is_next_is_the_same_after_the_process_was_killed(bench: Bench) -> None:
    flood(bench, 12)
    bring(bench, QUIET, ["quiet", "quiet too"])
    made = assembler(bench)
    made.step()
    bench.clock.sleep(5)
    made.step()
    line = "SELECT study_uid FROM dicom_node.studies WHERE turn IS NOT NULL ORDER BY turn, last_received, id"
    before = bench.ask(line)
    assert len(before) == 14 - AHEAD
    again = assembler(bench)
    again.step()
    bench.clock.sleep(5)
    again.step()
    assert bench.ask(line) == before[AHEAD:]


def test_a_study_that_waits_for_others_says_how_many_and_nothing_of_that_is_left_when_it_is_complete(
    bench: Bench,
) -> None:
    flood(bench, 12)
    made = assembler(bench)
    made.step()
    bench.clock.sleep(5)
    made.step()
    said = {one.study.reason for one in latest_studies(bench.database, 20) if one.study.state == "receiving"}
    words = "all of it is there; it waits to be chosen for"
    assert said == {words, f"{words} behind 1 study", *(f"{words} behind {number} studies" for number in range(2, 9))}
    ((last,), *_) = bench.ask("SELECT id::text FROM dicom_node.studies ORDER BY turn DESC NULLS LAST")
    last = find_study(bench.database, last)
    assert study_path(bench.database, last).study.reason.endswith("behind 8 studies")
    while "receiving" in [row[0] for row in bench.ask("SELECT state FROM dicom_node.studies")]:
        handled(bench)
        made.step()
    assert bench.ask("SELECT DISTINCT turn FROM dicom_node.studies") == [(None,)]


def test_a_study_that_receives_again_while_it_waits_is_complete_once(bench: Bench) -> None:
    bring(bench, FLOOD, [f"flood {number}" for number in range(AHEAD)])
    bring(bench, QUIET, ["quiet"])
    made = assembler(bench, ahead=1)
    made.step()
    bench.clock.sleep(5)
    made.step()
    send(bench.writer, replace(SMALL, study="quiet", slices=2).datasets()[1:], QUIET)
    bench.index()
    made.step()
    assert bench.ask(f"SELECT turn FROM dicom_node.studies WHERE study_uid = '{uid('quiet')}'") == [(None,)]
    bench.clock.sleep(5)
    for _ in range(AHEAD + 1):
        handled(bench)
        made.step()
    assert bench.ask(f"SELECT revision FROM dicom_node.studies WHERE study_uid = '{uid('quiet')}'") == [(1,)]


def test_a_job_waits_for_a_few_of_another_senders_and_says_behind_how_many(bench: Bench, registry: Registry) -> None:
    flood(bench, 8, slices=4)
    bring(bench, QUIET, ["quiet"], slices=4)
    bench.settle()
    route(bench, registry)
    quiet = find_study(bench.database, uid("quiet"))
    (summary,) = [one for one in latest_studies(bench.database, 20) if one.study.id == quiet]
    assert summary.jobs[0].reason in ("waits for a worker", "waits for a worker behind 1 job")
    order = claimed(bench, "work", JOBS)
    assert (order.index("Q") <= 1, len(order)) == (True, 9)


def test_a_flood_that_is_tried_again_goes_behind_those_who_have_not_been_served(
    bench: Bench, registry: Registry
) -> None:
    flood(bench, 4, slices=4)
    bench.settle()
    route(bench, registry)
    for _ in range(4):
        with bench.as_process("work").transaction() as transaction:
            lease = JOBS.claim(transaction.connection, "w", 60)
            assert lease
            JOBS.move(transaction.connection, lease.row, JOBS.lost, reason="its holder was lost")
    bring(bench, QUIET, ["quiet"], slices=4)
    bench.settle()
    route(bench, registry)
    assert claimed(bench, "work", JOBS).index("Q") <= 1


def test_what_was_cancelled_while_it_waited_moves_nobodys_turn(bench: Bench, registry: Registry) -> None:
    flood(bench, 6, slices=4)
    bench.settle()
    route(bench, registry)
    with bench.as_process("work").transaction() as transaction:
        for (row,) in bench.ask("SELECT id FROM dicom_node.jobs"):
            JOBS.move(transaction.connection, row, JOBS.cancel, reason="cancelled")
    bring(bench, FLOOD, ["one more of the flood"], slices=4)
    bring(bench, QUIET, ["quiet", "quiet too"], slices=4)
    bench.settle()
    route(bench, registry)
    assert claimed(bench, "work", JOBS).index("F") <= 1


def test_results_of_a_flood_leave_an_archive_to_others_after_a_few(bench: Bench, registry: Registry) -> None:
    flood(bench, 5, slices=4)
    bring(bench, QUIET, ["quiet"], slices=4)
    bench.settle()
    route(bench, registry)
    with bench.as_process("deliver").transaction() as transaction:
        for (row,) in bench.ask("SELECT id FROM dicom_node.jobs ORDER BY requested_at"):
            deliveries.make(transaction.connection, jobs.get(transaction.connection, row), "PACS")
    quiet = latest_studies(bench.database, 1, StudyFilter(sender="QUIET"))
    assert [one.reason for one in quiet[0].deliveries] == ["waits to be sent behind 1 delivery"]
    order = claimed(bench, "deliver", DELIVERIES, DELIVERIES.bound_for("PACS"))
    assert (order.index("Q"), len(order)) == (1, 6)
