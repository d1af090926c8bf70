"""Retention on a real PostgreSQL: what goes, what never does, and that the plan and what then goes are one."""

import json
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from config.contradictions import contradictions
from config.settings import Retention, Settings
from console.cli.app import app
from consumers.steps.hold import hold, release
from consumers.steps.index import Indexer
from consumers.steps.remove import Plan, plan, remove, remove_rows, sweep
from dicom_node.spool import SpoolReader
from domain.errors import Permanent, Retryable
from domain.retention import Policy, What
from models.registry import Registry
from roles.retention import groups, policy
from store.objects import Buffer, DirectoryStore
from store.retention import writing
from tests.support.bench import Bench
from tests.support.ingest import send
from tests.support.working import ARCHIVE, SMALL, FakeChild, route, study, study_id, worker, write_and_plan

GROUPS = groups(Settings())
OLD = Policy({What.IMAGES: 1, What.MAPS: 1, What.RESULTS: 1})
HANDLED = """
    INSERT INTO dicom_node.inbox SELECT g.reader, o.event_id, now() FROM dicom_node.outbox o
    JOIN (VALUES {}) AS g(type, reader) ON g.type = o.envelope ->> 'type' ON CONFLICT DO NOTHING
"""


def past_all_steps(bench: Bench) -> None:
    """Every group has handled every event, and is past it."""
    bench.as_owner(HANDLED.format(", ".join(f"('{kind}', '{reader}')" for kind, reader in GROUPS.handled.items())))
    for reader in GROUPS.readers:
        bench.as_owner(
            f"INSERT INTO dicom_node.offsets SELECT '{reader}', coalesce(max(seq), 0) FROM dicom_node.outbox"
            " ON CONFLICT (reader) DO UPDATE SET seq = excluded.seq"
        )


@pytest.fixture
def delivered(bench: Bench, registry: Registry) -> Bench:
    """A study that is done, its results delivered; it came two days ago."""
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    bench.as_owner("UPDATE dicom_node.deliveries SET state = 'stored'")
    past_all_steps(bench)
    age(bench)
    return bench


def age(bench: Bench) -> None:
    bench.as_owner("UPDATE dicom_node.studies SET last_received = last_received - interval '2 days'")


def planned(bench: Bench, rule: Policy = OLD, lacking: int = 0) -> Plan:
    return plan(bench.as_process("operator").database, rule, GROUPS, datetime.now(UTC), lacking, None)


def carry_out(bench: Bench, made: Plan) -> list[tuple[str, int]]:
    """As the role does, by its rights; what went of how many objects."""
    ledger = bench.as_process("retain")
    done = [(one.candidate.what.value, remove(ledger, one, GROUPS)) for one in made.removals]
    sweep(ledger.database, bench.objects)
    return done


def files(bench: Bench, folder: str = "") -> set[Path]:
    return {one for one in (bench.root / "objects" / folder).rglob("*") if one.is_file()}


def removed(bench: Bench) -> list[Any]:
    return [
        row[0]
        for row in bench.ask(
            "SELECT entry::jsonb FROM dicom_node.audit_entries WHERE entry::jsonb ->> 'action' = 'removed by retention'"
            " ORDER BY number"
        )
    ]


def test_the_plan_says_what_then_goes_each_amount_with_an_entry_of_the_trail(delivered: Bench) -> None:
    made = planned(delivered)
    told = [(one.candidate.what.value, one.candidate.count) for one in made.removals]
    assert {what for what, _ in told} == {"images", "maps", "results"} and not made.kept
    assert files(delivered, "instances") and files(delivered, "results") and files(delivered, "masks")
    assert carry_out(delivered, made) == told
    assert files(delivered) == set()
    assert list((delivered.root / "objects" / "instances").glob("*/*")) == []  # nor an empty folder a study
    assert [(one["details"]["what"], one["details"]["count"]) for one in removed(delivered)] == told
    assert {one["study"] for one in removed(delivered)} == {str(study_id(delivered))}
    assert all(one["details"].keys() == {"what", "cause", "count", "bytes"} for one in removed(delivered))
    assert delivered.count("removals") == delivered.count("instances") == 0
    assert planned(delivered).removals == [] and delivered.chain_holds()


def test_what_goes_for_its_age_is_what_is_older_and_nothing_by_default(delivered: Bench) -> None:
    assert planned(delivered, policy(Settings())).removals == []
    assert planned(delivered, Policy({What.IMAGES: 3})).removals == []
    assert [one.candidate.what for one in planned(delivered, Policy({What.RESULTS: 1})).removals] == [What.RESULTS]


# What keeps a study, how it is brought about and how it ends.
STAYS = (
    ("it is amended", "UPDATE studies SET state = 'amended'", "UPDATE studies SET state = 'complete'"),
    ("it is stuck", "UPDATE studies SET state = 'stuck'", "UPDATE studies SET state = 'complete'"),
    ("its images are not synced yet", "UPDATE studies SET unsynced = '{a}'", "UPDATE studies SET unsynced = '{}'"),
    ("results have not arrived", "UPDATE deliveries SET state = 'pending'", "UPDATE deliveries SET state = 'stored'"),
    ("results have not arrived", "UPDATE deliveries SET state = 'refused'", "UPDATE deliveries SET state = 'stored'"),
    ("a model is asked", "UPDATE jobs SET state = 'running'", "UPDATE jobs SET state = 'succeeded'"),
    (
        "a model failed on it: dicom-node retry, or accept",
        "UPDATE jobs SET state = 'failed'",
        "UPDATE jobs SET state = 'succeeded'",
    ),
    (
        "a step of it is to come",
        "UPDATE inbox SET reader = 'x' || reader",
        "UPDATE inbox SET reader = substr(reader, 2)",
    ),
    (
        "an event of it was set aside",
        (
            "INSERT INTO dead_letters (reader, message, study_id, error, attempts, at)"
            " SELECT 'routing', '{}', id, '', 1, now() FROM studies"
        ),
        "UPDATE dead_letters SET replayed_at = now()",
    ),
    (
        "other images under its UIDs wait for a person",
        (
            "INSERT INTO conflicts (sop_uid, digest, kept_digest, study_id, association_id, object_key, received_at)"
            " SELECT '1.2', '', '', id, id, '', now() FROM studies"
        ),
        "UPDATE conflicts SET adopted_at = now()",
    ),
    ("it is under a hold", "INSERT INTO holds SELECT id, now(), 'a trial', 'alice' FROM studies", "DELETE FROM holds"),
    (
        "results have gone nowhere",
        "DELETE FROM delivery_objects; DELETE FROM deliveries",
        "",
    ),
)


def test_what_is_not_done_or_is_held_stays_and_the_plan_says_why_however_full_the_disk(delivered: Bench) -> None:
    before, made = files(delivered), planned(delivered)
    for why, begins, ends in STAYS:
        delivered.as_owner("SET search_path = dicom_node", *begins.split("; "))
        for again in (planned(delivered), planned(delivered, Policy({}, 1 << 60, 1 << 60), 1 << 60)):
            assert again.removals == []
            assert {one.kept for one in again.kept} == {why}
        # What was planned before it happened is looked at anew.
        assert {count for _, count in carry_out(delivered, made)} == {0}
        if ends:
            delivered.as_owner("SET search_path = dicom_node", ends)
            assert planned(delivered).removals == made.removals
    assert files(delivered) == before and removed(delivered) == []


def test_a_hold_holds_until_a_person_ends_it_and_both_are_on_the_trail(delivered: Bench) -> None:
    hold(delivered.ledger, study_id(delivered), "a trial", "alice")
    assert planned(delivered).removals == []
    release(delivered.ledger, study_id(delivered), "alice")
    assert planned(delivered).removals
    assert delivered.actions()[-2:] == ["study held", "hold released"]
    with pytest.raises(Permanent, match="under no hold"):
        release(delivered.ledger, study_id(delivered), "alice")


def test_a_short_disk_takes_the_oldest_until_enough_is_free_and_results_last(bench: Bench) -> None:
    sizes = []
    for number in range(4):
        bench.receive(_other(number))
        past_all_steps(bench)
        age(bench)  # each is two days older than the next
        sizes.append(bench.ask("SELECT sum(size) FROM dicom_node.instances")[0][0])
    made = planned(bench, Policy({}), int(sizes[0]) + 1)
    oldest = [str(row[0]) for row in bench.ask("SELECT id FROM dicom_node.studies ORDER BY last_received LIMIT 2")]
    assert [str(one.candidate.study) for one in made.removals] == oldest
    carry_out(bench, made)
    assert bench.ask("SELECT count(DISTINCT study_id) FROM dicom_node.instances") == [(2,)]
    assert planned(bench, Policy({}), 0).removals == []


def _other(number: int) -> Sequence[Any]:
    found = SMALL.datasets()
    for place, one in enumerate(found):
        one.StudyInstanceUID = f"1.2.826.7.{number}"
        one.SeriesInstanceUID = f"1.2.826.7.{number}.1"
        one.SOPInstanceUID = f"1.2.826.7.{number}.1.{place}"
    return found


def test_images_that_come_again_are_taken_as_new_and_status_says_that_some_had_gone(
    delivered: Bench, database_url: str
) -> None:
    images = delivered.count("instances")
    carry_out(delivered, planned(delivered))
    options = ["--data", str(delivered.root), "--database", database_url]
    for command in ("status", "explain"):
        said = CliRunner().invoke(app, [command, str(study_id(delivered)), *options]).output
        assert f"{images} images of it were removed by retention" in said, said
    told = json.loads(CliRunner().invoke(app, ["status", str(study_id(delivered)), *options, "--json"]).output)
    assert told["study"]["images_removed"] == images
    refused = CliRunner().invoke(app, ["retry", str(study_id(delivered)), *options])
    assert refused.exit_code == 1 and "have it sent again" in refused.output
    send(delivered.writer, SMALL.datasets())
    delivered.index()
    assert study(delivered)[0] == "amended"
    assert delivered.count("instances") == images == len(files(delivered, "instances"))
    delivered.settle()
    assert study(delivered)[0] == "complete"


def test_bytes_that_another_row_names_stay_until_that_goes_too(delivered: Bench) -> None:
    delivered.as_owner(
        "INSERT INTO dicom_node.quarantine (sop_uid, sop_class, digest, association_id, object_key, reason,"
        " received_at, study_id) SELECT sop_uid, '', digest, association_id, object_key, '', now(), study_id"
        " FROM dicom_node.instances ORDER BY sop_uid LIMIT 1"
    )
    carry_out(delivered, planned(delivered, Policy({What.IMAGES: 1})))
    assert len(files(delivered, "instances")) == 1
    later = datetime.now(UTC) + timedelta(days=2)
    hold(delivered.ledger, study_id(delivered), "a trial", "alice")
    assert remove_rows(delivered.as_process("retain"), Policy({What.QUARANTINE: 1}), GROUPS, later) == {}
    release(delivered.ledger, study_id(delivered), "alice")
    done = remove_rows(delivered.as_process("retain"), Policy({What.QUARANTINE: 1}), GROUPS, later)
    assert done == {What.QUARANTINE: 1}
    sweep(delivered.as_process("retain").database, delivered.objects)
    assert files(delivered, "instances") == set()


def test_a_file_that_is_written_before_its_row_is_not_removed_between_the_two(delivered: Bench) -> None:
    """The same image comes again at the moment when its file is to go."""
    ledger = delivered.as_process("retain")
    for one in planned(delivered).removals:
        remove(ledger, one, GROUPS)
    looked: list[int] = []
    sweeper = threading.Thread(target=lambda: looked.append(sweep(ledger.database, delivered.objects)))
    with writing(delivered.as_process("index").database):
        sweeper.start()
        _wait_for_lock(delivered)
        assert files(delivered, "instances") and not looked
        send(delivered.writer, SMALL.datasets())
        with pytest.MonkeyPatch.context() as patch:
            # The index's own lock would wait behind the sweep's: it is the one that is held here.
            patch.setattr("consumers.steps.index.keep_files", lambda _: None)
            delivered.index()
    sweeper.join()
    assert looked and len(files(delivered, "instances")) == delivered.count("instances") > 0


def test_a_full_disk_holds_up_what_has_no_room_and_nothing_that_was_stored_before(bench: Bench) -> None:
    """A batch that is larger than the disk would otherwise wait for room that only its own studies can give."""
    room = [2]

    class Full(DirectoryStore):
        def put(self, key: str, parts: Iterable[Buffer]) -> None:
            if not room[0]:
                raise Retryable("object store: No space left on device")
            room[0] -= 1
            super().put(key, parts)

    send(bench.writer, SMALL.datasets())
    with SpoolReader(bench.root / "spool") as reader:
        store = Full(bench.root / "objects")
        indexer = Indexer(reader, bench.as_process("index"), store, bench.clock)
        indexer.step(0.05)
        with pytest.raises(Retryable):
            indexer.step(0.05)
        assert bench.count("instances") == len(files(bench, "instances")) == 2
        assert bench.ask("SELECT unsynced FROM dicom_node.studies") == [([],)]
        room[0] = 100
        while indexer.step(0.05):
            pass
        indexer.close()
    assert bench.count("instances") == len(SMALL.datasets()) == len(files(bench, "instances"))


def _wait_for_lock(bench: Bench) -> None:
    for _ in range(600):
        if bench.ask("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def test_a_kill_between_rows_and_files_leaves_no_file_behind(delivered: Bench) -> None:
    for one in planned(delivered).removals:
        remove(delivered.as_process("retain"), one, GROUPS)
    assert delivered.count("removals") == len(files(delivered)) > 0  # and here the process ends
    sweep(delivered.as_process("retain").database, delivered.objects)
    assert files(delivered) == set() and delivered.count("removals") == 0


def test_events_go_when_every_group_is_past_them_and_marks_when_their_event_is_gone(delivered: Bench) -> None:
    rule = Policy({What.OUTBOX: 1, What.INBOX: 1})
    ledger, later = delivered.as_process("retain"), datetime.now(UTC) + timedelta(days=2)
    events, marks = delivered.count("outbox"), delivered.count("inbox")
    delivered.as_owner("UPDATE dicom_node.offsets SET seq = 1 WHERE reader = 'delivery'")
    assert remove_rows(ledger, Policy({What.OUTBOX: 36_500}), GROUPS, later) == {}
    assert remove_rows(ledger, rule, GROUPS, later)[What.OUTBOX] == 1
    past_all_steps(delivered)
    unhandled = "SELECT event_id FROM dicom_node.outbox WHERE envelope ->> 'type' = 'results.written'"
    delivered.as_owner(f"DELETE FROM dicom_node.inbox WHERE reader = 'delivery' AND event_id IN ({unhandled})")
    told = plan(delivered.as_process("operator").database, rule, GROUPS, later, 0, None).rows
    done = remove_rows(ledger, rule, GROUPS, later)
    assert done[What.OUTBOX] == told[What.OUTBOX] == events - 1 - 1
    assert delivered.count("outbox") == 1 and delivered.count("inbox") < marks
    assert delivered.ask("SELECT envelope ->> 'type' FROM dicom_node.outbox") == [("results.written",)]


def test_an_association_stays_for_as_long_as_a_study_with_images_tells_of_it(delivered: Bench) -> None:
    rule, later = Policy({What.ASSOCIATIONS: 1}), datetime.now(UTC) + timedelta(days=2)
    assert remove_rows(delivered.as_process("retain"), rule, GROUPS, later) == {}
    carry_out(delivered, planned(delivered))
    assert remove_rows(delivered.as_process("retain"), rule, GROUPS, later) == {What.ASSOCIATIONS: 1}
    assert delivered.count("associations") == delivered.count("study_associations") == 0


def test_people_see_the_plan_and_the_holds(delivered: Bench, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text("[retention]\nimages_days = 1\n")
    options = ["--data", str(delivered.root), "--database", database_url, "--config", str(file)]
    ident = str(study_id(delivered))

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, *options])
        assert done.exit_code == 0, done.output
        return done.output

    told = json.loads(run("retention", "plan", "--json"))
    assert {(one["study"], one["what"], one["cause"]) for one in told["goes"]} == {
        (ident, "images", "age"),
        (ident, "maps", "age"),
    }
    assert "for its age" in run("retention", "plan")
    assert "stay until" in run("hold", ident[:8], "--reason", "a trial")
    assert "a trial" in run("hold") and "held since" in run("status", ident)
    said = run("retention", "plan")
    assert "nothing of any study goes now" in said and "it is under a hold" in said
    assert json.loads(run("hold", "--json"))["holds"][0]["study_id"] == ident
    run("release", ident[:8])
    assert "no study is under a hold" in run("hold")


def test_room_that_would_be_short_only_below_the_floor_is_a_contradiction() -> None:
    for wrong, said in (
        (Retention(keep_free=1 << 30), "is not above spool.disk_floor"),
        (Retention(keep_free=4 << 30, until_free=3 << 30), "is not above retention.keep_free"),
    ):
        (fault,) = contradictions(Settings(retention=wrong))
        assert said in str(fault)
    assert policy(Settings(retention=Retention(keep_free=4 << 30))).until_free == 5 << 30
