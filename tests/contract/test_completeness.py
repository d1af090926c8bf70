"""What completes a study before silence does: counts, names, geometry and habits, as rows say, on PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset

from consumers.steps import index
from consumers.steps.assemble import Assembler
from dicom_node.spool import Peer
from domain.completeness import SettlePolicy
from domain.habits import KNOWN
from store import arrivals, expectations, studies
from store.expectations import Said
from tests.support.bench import Bench, open_bench
from tests.support.ingest import encoded, send, store
from tests.support.phantoms import Phantom
from tests.support.sendings import made, play

SETTLE, HOLD, GRACE, MISSING = 15, 60, 0.3, 60
POLICY = SettlePolicy(SETTLE, {}, HOLD, GRACE, MISSING)
CT1, CT2 = Peer("CT1", "NODE", "10.0.0.1"), Peer("CT2", "NODE", "10.0.0.2")


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def assembler(bench: Bench) -> Assembler:
    """One that was there before anything came."""
    made = Assembler(bench.as_process("assemble"), POLICY, bench.clock)
    made.step()
    return made


def study(number: int, slices: int = 6) -> list[Dataset]:
    return Phantom(slices=slices, size=(16, 16), study=str(number), series=str(number)).datasets()


def bring(bench: Bench, datasets: list[Dataset], peer: Peer = CT1) -> None:
    """By an association of its own that is released."""
    send(bench.writer, datasets, peer)
    bench.index()


def say(bench: Bench, *said: Said) -> None:
    with bench.as_process("assemble").transaction() as transaction:
        expectations.note(transaction.connection, said)


def row(bench: Bench, number: int) -> tuple[str, int, str]:
    """State, revision and reason of a study."""
    uid = study(number)[0].StudyInstanceUID
    return tuple(bench.ask(f"SELECT state, revision, reason FROM dicom_node.studies WHERE study_uid = '{uid}'")[0])


def make_known(bench: Bench, assembler: Assembler, peer: Peer = CT1) -> None:
    """So many studies of a sender, each by one association, that it is known."""
    for number in range(100, 100 + KNOWN):
        bring(bench, study(number), peer)
        assembler.step()
        bench.clock.sleep(SETTLE)
        assembler.step()


def test_a_study_that_somebody_counts_is_complete_with_its_last_image_and_its_association_still_open(
    bench: Bench, assembler: Assembler
) -> None:
    whole = study(1)
    say(bench, Said(whole[0].StudyInstanceUID, "PACS says", instances=len(whole)))
    association = bench.writer.open_association(CT1, {})
    for one in whole:
        assembler.step()
        assert row(bench, 1)[0] == "receiving" if one is not whole[0] else True
        store(association, encoded(one), one.SOPClassUID, one.SOPInstanceUID)
        bench.index()
    assembler.step()
    assert row(bench, 1) == ("complete", 1, "all 6 images came (PACS says)")


def with_counts(datasets: list[Dataset], **counts: int) -> list[Dataset]:
    """As a gateway sends them that writes its own counts into them."""
    for one in datasets:
        for keyword, number in counts.items():
            setattr(one, keyword, number)
    return datasets


def test_counts_that_images_state_complete_the_study_with_the_last_of_them_and_hold_it_where_some_are_missing(
    bench: Bench, assembler: Assembler
) -> None:
    whole = with_counts(study(1), NumberOfStudyRelatedInstances=6, NumberOfSeriesRelatedInstances=6)
    bring(bench, whole[:4])
    assembler.step()
    bench.clock.sleep(SETTLE)
    assembler.step()
    assert row(bench, 1)[:2] == ("receiving", 0)
    bring(bench, whole[4:])
    assembler.step()
    assert row(bench, 1) == ("complete", 1, "all 6 images came (the sender says)")
    of_series = with_counts(study(2), NumberOfStudyRelatedSeries=1, NumberOfSeriesRelatedInstances=6)
    bring(bench, of_series)
    assembler.step()
    assert row(bench, 2) == ("complete", 1, "all 6 images of 1 series came (the sender says)")


def test_counts_that_grow_with_the_images_or_that_more_came_than_complete_nothing(
    bench: Bench, assembler: Assembler
) -> None:
    for number, one in enumerate(growing := study(1), start=1):
        with_counts([one], NumberOfStudyRelatedInstances=number)
    bring(bench, growing)
    bring(bench, with_counts(study(2), NumberOfStudyRelatedInstances=4))
    assembler.step()
    assert [row(bench, number)[0] for number in (1, 2)] == ["receiving", "receiving"]
    bench.clock.sleep(SETTLE)
    assembler.step()
    assert row(bench, 2)[2].endswith(", more than the 4 that were expected (the sender says)")


def test_what_is_named_may_be_said_before_the_first_image_comes_and_is_waited_for(
    bench: Bench, assembler: Assembler
) -> None:
    whole = study(1)
    named = tuple(one.SOPInstanceUID for one in whole)
    its = whole[0]
    say(bench, Said(its.StudyInstanceUID, "MPPS", its.SeriesInstanceUID, part="1.2.3", sop_uids=named))
    bring(bench, whole[:-1])
    assembler.step()
    bench.clock.sleep(SETTLE)
    assembler.step()
    assert row(bench, 1)[:2] == ("receiving", 0)
    bring(bench, whole[-1:])
    assembler.step()
    assert row(bench, 1) == ("complete", 1, "all 6 images came that were named (MPPS)")


def test_who_names_some_of_what_came_or_more_than_any_study_has_changes_nothing(
    bench: Bench, assembler: Assembler
) -> None:
    whole = study(1)
    its = whole[0]
    said = Said(its.StudyInstanceUID, "MPPS", its.SeriesInstanceUID, part="1.2.3", sop_uids=(its.SOPInstanceUID,))
    say(bench, said)
    say(bench, replace(said, part="1.2.4"))
    bring(bench, whole)
    assembler.step()
    assert row(bench, 1)[:2] == ("receiving", 0)
    without_end = tuple(f"1.2.{number}" for number in range(expectations.MOST_NAMED))
    with bench.as_process("index").transaction() as transaction:
        expectations.note(transaction.connection, [replace(said, source=expectations.IAN, sop_uids=without_end)])
        expectations.note(transaction.connection, [replace(said, source=expectations.IAN, part="1.2.4")])
    assert bench.ask("SELECT DISTINCT source FROM dicom_node.expectations") == [("MPPS",)]


def test_what_never_comes_is_waited_for_as_long_as_the_settings_say_and_named_from_then_on(
    bench: Bench, assembler: Assembler
) -> None:
    whole = study(1)
    say(bench, Said(whole[0].StudyInstanceUID, "PACS says", instances=8))
    bring(bench, whole)
    assembler.step()
    bench.clock.sleep(MISSING)
    assembler.step()
    lacks = "6 of 8 images came (PACS says), 2 are missing; nothing more came for 60 s"
    assert row(bench, 1) == ("complete", 1, lacks)
    known = bench.ask("SELECT completeness, lacks FROM dicom_node.studies")
    assert known == [(lacks, "6 of 8 images came (PACS says), 2 are missing")]
    told = bench.ask("SELECT entry::jsonb ->> 'action', entry FROM dicom_node.audit_entries")
    assert [lacks in entry for action, entry in told if action == "study completed"] == [True]


def test_of_a_sender_that_is_known_a_study_without_a_gap_is_complete_shortly_after_its_release(
    bench: Bench, assembler: Assembler
) -> None:
    make_known(bench, assembler)
    bring(bench, study(1))
    assert assembler.step() == pytest.approx(GRACE)
    bench.clock.sleep(1)
    assembler.step()
    state, revision, reason = row(bench, 1)
    assert (state, revision) == ("complete", 1)
    assert reason.startswith("no slice and no image number is missing")
    gap = study(2)
    bring(bench, gap[:2] + gap[3:])
    assembler.step()
    bench.clock.sleep(1)
    assert assembler.step() == SETTLE - 1
    assert row(bench, 2)[0] == "receiving"
    bring(bench, study(3), CT2)  # a stranger
    assembler.step()
    bench.clock.sleep(1)
    assembler.step()
    assert row(bench, 3)[0] == "receiving"


@pytest.mark.parametrize("known", [False, True])
def test_three_associations_six_seconds_apart_are_one_study_of_a_sender_that_does_so_whether_it_is_known_or_not(
    bench: Bench, assembler: Assembler, known: bool
) -> None:
    for number in range(1, KNOWN + 2 if known else 2):
        images = study(number)
        for third in (images[:2], images[2:4], images[4:]):
            bring(bench, third)
            as_if_received_at(bench, third, bench.clock.elapsed)
            assembler.step()
            bench.clock.sleep(6)
            assembler.step()
        bench.clock.sleep(SETTLE)
        assembler.step()
        assert row(bench, number)[:2] == ("complete", 1)


def as_if_received_at(bench: Bench, datasets: list[Dataset], elapsed: float) -> None:
    """The listener's clock is the machine's; a test's is its own."""
    uids = ", ".join(f"'{one.SOPInstanceUID}'" for one in datasets)
    moment = f"timestamptz '2026-01-01 00:00:00+00' + make_interval(secs => {elapsed})"
    bench.as_owner(f"UPDATE dicom_node.instances SET received_at = {moment} WHERE sop_uid IN ({uids})")


def test_a_pause_that_a_sender_made_is_waited_for_in_its_next_study(bench: Bench, assembler: Assembler) -> None:
    make_known(bench, assembler)
    images = study(1)
    for half in (images[:3], images[3:]):
        bring(bench, half)
        as_if_received_at(bench, half, bench.clock.elapsed)
        assembler.step()
        bench.clock.sleep(6)
        assembler.step()
    assert row(bench, 1)[:2] == ("complete", 2)
    assert bench.ask("SELECT studies, pause FROM dicom_node.callers") == [(KNOWN + 1, 6.0)]
    bring(bench, study(2))
    assert assembler.step() == 12
    bench.clock.sleep(12)
    assembler.step()
    assert row(bench, 2)[:2] == ("complete", 1)


def test_a_series_is_on_its_way_while_an_open_association_brought_it_last(bench: Bench) -> None:
    first, second = study(1), Phantom(slices=3, size=(16, 16), study="1", series="2").datasets()
    association = bench.writer.open_association(CT1, {})
    for one in (*first, *second):
        store(association, encoded(one), one.SOPClassUID, one.SOPInstanceUID)
    bench.index()
    with bench.as_process("assemble").transaction() as transaction:
        (open_one,) = studies.open_studies(transaction.connection)
        found = arrivals.series_of(transaction.connection, [open_one.id])[open_one.id]
    came = {one.uid: (one.came, one.on_its_way) for one in found}
    assert came == {first[0].SeriesInstanceUID: (6, False), second[0].SeriesInstanceUID: (3, True)}


def test_a_hundred_sendings_of_every_kind_are_complete_once_for_the_true_reason_as_soon_as_the_facts_allow(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_GATHER", 0.0)
    hundred = made(100, seed=14)
    found = play(bench, hundred)
    for one, uid in [(sending, uid) for sending in hundred for uid in sending.studies]:
        (completed,) = found[uid]
        assert one.why in completed.reason, one.kind
        assert completed.at - one.last == pytest.approx(one.waits, abs=0.01), one.kind
    assert bench.chain_holds()
