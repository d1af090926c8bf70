"""What is new at an Orthanc comes into the spool once, in pages, and the place moves behind what is durable alone."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from config.peers import Source
from config.settings import Spool
from dicom_node.orthanc.answers import Change, Changes
from dicom_node.orthanc.feed import Follower, _is_another
from dicom_node.orthanc.fetching import Fetcher
from dicom_node.orthanc.line import Rules, Taken
from dicom_node.orthanc.place import Place, PlaceFile
from dicom_node.part10 import head
from dicom_node.spool import Entry, Kind, SpoolReader
from domain.errors import IntegrityError, Retryable
from domain.ids import IMPLEMENTATION_CLASS_UID, derived_uid, is_derived
from domain.stopping import Stopped
from tests.support.orthanc import CT, EXPLICIT, Changing, a_file, an_id, answering
from tests.support.spool import SMALL, entries, instances, writing

LONGEST = 1_000_000
EVERYTHING = {"changes_from": "everything"}


class Following:
    """A follower of an archive with its spool in a folder; made anew it is as after a restart."""

    def __init__(self, url: str, root: Path, **more: str) -> None:
        self.source = Source.model_validate({"kind": "orthanc", "name": "archive", "url": url, "changes": True, **more})
        self.root = root
        self.counts: Counter[Taken] = Counter()
        self.stop = threading.Event()

    @contextmanager
    def going(self, settings: Spool = SMALL) -> Iterator[Follower]:
        with writing(self.root, settings, index=1000) as writer:
            fetcher = Fetcher(self.source, writer, Rules("NODE", LONGEST, 5), self.stop)
            follower = Follower(self.source, PlaceFile(self.root / "follow", "archive"), fetcher, 5, self._count)
            try:
                yield follower
            finally:
                follower.close()

    def follow(self) -> None:
        """To the end of what there is."""
        with self.going() as follower:
            while follower.step():
                pass

    def place(self) -> int:
        (file,) = (self.root / "follow").glob("*.json")
        return int(json.loads(file.read_text())["since"])

    def spooled(self) -> list[Entry]:
        with SpoolReader(self.root) as reader:
            return [replace(one, read=partial(iter, (b"".join(one.read()),))) for one in entries(reader)]

    def _count(self, outcome: Taken) -> None:
        self.counts[outcome] += 1


@pytest.fixture
def archive() -> Changing:
    return Changing()


@pytest.fixture
def following(archive: Changing, tmp_path: Path) -> Iterator[Following]:
    with answering(archive) as url:
        yield Following(url, tmp_path, **EVERYTHING)


def data_set(file: bytes, uid: str) -> bytes:
    return file[len(head(CT, uid, EXPLICIT)) :]


def test_what_is_new_is_in_the_spool_as_it_was_there_by_the_name_of_the_source(
    archive: Changing, following: Following
) -> None:
    files = {f"1.2.826.0.1.{number}": a_file(number, size=number * 3_000) for number in range(30)}
    archive.add(*files.values())
    following.follow()
    found = following.spooled()
    assert instances(found) == {uid: data_set(file, uid) for uid, file in files.items()}
    assert {(one.calling, one.called, one.address) for one in found if one.kind is Kind.INSTANCE} == {
        ("archive", "NODE", "127.0.0.1")
    }
    assert {one.details["how"] for one in found if one.kind is Kind.ASSOCIATION_CLOSED} == {"released"}
    following.follow()
    assert following.counts == {Taken.STORED: 30}


def test_the_first_time_only_what_comes_from_then_on_is_taken(archive: Changing, tmp_path: Path) -> None:
    archive.add(a_file(1), a_file(2))
    archive.changes.pop()  # deleted since: the counter goes on all the same
    with answering(archive) as url:
        following = Following(url, tmp_path)
        following.follow()
        assert (following.counts, following.place()) == (Counter(), 4)
        archive.add(a_file(3))
        following.follow()
    assert set(instances(following.spooled())) == {"1.2.826.0.1.3"}


def test_a_log_of_100_000_changes_is_read_in_pages(archive: Changing, following: Following) -> None:
    for number in range(100_000):
        archive.happen("StableStudy", an_id(number))
    archive.add(a_file(1))
    following.follow()
    assert following.place() == archive.counter
    pages = [path for path in archive.asked if path.startswith("/changes?since=") and "limit=1" not in path[-8:]]
    assert 200 < len(pages) < 210
    assert set(instances(following.spooled())) == {"1.2.826.0.1.1"}


def test_the_place_stays_where_the_spool_takes_nothing_and_all_comes_once_it_does(
    archive: Changing, following: Following
) -> None:
    archive.add(*map(a_file, range(5)))
    with following.going(SMALL.model_copy(update={"disk_floor": 1 << 60})) as follower:
        with pytest.raises(Retryable):
            follower.step()
        assert following.place() == 0
    following.follow()
    assert len(instances(following.spooled())) == 5


def test_who_is_told_to_stop_in_the_middle_has_not_moved(archive: Changing, following: Following) -> None:
    archive.add(*map(a_file, range(5)))
    following.stop.set()
    with following.going() as follower, pytest.raises(Stopped):
        follower.step()
    assert following.place() == 0


def test_an_instance_that_is_gone_or_no_dicom_or_too_long_holds_up_none(
    archive: Changing, following: Following
) -> None:
    unknown = head("1.2.3.4", "1.2.826.0.1.9", EXPLICIT) + data_set(a_file(9), "1.2.826.0.1.9")
    archive.add(404, b"<html>", a_file(1, size=LONGEST), unknown, head(CT, "1.2.3", EXPLICIT), a_file(2))
    following.follow()
    found = following.spooled()
    assert set(instances(found)) == {"1.2.826.0.1.2"}
    refused = {one.details["status"]: one.sop_instance for one in found if one.kind is Kind.INSTANCE_REFUSED}
    assert refused.keys() == {0xA700, 0x0122, 0xC000}
    assert (refused[0xA700], refused[0x0122]) == ("1.2.826.0.1.1", "1.2.826.0.1.9")
    assert following.counts == {Taken.GONE: 1, Taken.REFUSED: 4, Taken.STORED: 1}


def tried(follower: Follower, times: int) -> int:
    """How many of so many turns failed for now."""
    failed = 0
    for _ in range(times):
        with suppress(Retryable):
            follower.step()
            continue
        failed += 1
    return failed


def test_one_that_is_never_given_is_given_up_and_recorded_while_others_come(
    archive: Changing, following: Following
) -> None:
    archive.add(500, a_file(1), a_file(2))
    with following.going() as follower:
        assert tried(follower, 7) == 4
    assert following.place() == archive.counter
    found = following.spooled()
    assert len(instances(found)) == 2
    (refusal,) = [one for one in found if one.kind is Kind.INSTANCE_REFUSED]
    assert "the source does not give it, after 5 tries" in str(refusal.details["reason"])


def test_an_archive_that_gives_nothing_at_all_loses_nothing(archive: Changing, following: Following) -> None:
    names = archive.add(500, 403, 401)
    with following.going() as follower:
        assert tried(follower, 12) == 12
        archive.files.update(zip(names, map(a_file, range(3)), strict=True))
        assert tried(follower, 1) == 0
    assert len(instances(following.spooled())) == 3


def test_what_was_taken_of_a_page_is_not_fetched_again_for_what_was_not(
    archive: Changing, following: Following
) -> None:
    first, second = archive.add(a_file(1), 503)
    with following.going() as follower:
        assert tried(follower, 2) == 2
        archive.files[second] = a_file(2)
        assert tried(follower, 1) == 0
    assert archive.asked.count(f"/instances/{first}/file") == 1


def test_an_archive_that_begins_anew_is_followed_from_its_beginning(archive: Changing, following: Following) -> None:
    archive.add(*map(a_file, range(4)))
    following.follow()
    archive.__init__()  # type: ignore[misc]
    archive.add(a_file(7), a_file(8))
    following.follow()
    assert {"1.2.826.0.1.7", "1.2.826.0.1.8"} < set(instances(following.spooled()))
    assert following.place() == archive.counter


def test_an_archive_that_says_that_there_is_more_and_gives_none_is_not_asked_without_end(tmp_path: Path) -> None:
    def nothing(method: str, path: str) -> object:
        return {"Changes": [], "Done": False, "Last": 0}

    with answering(nothing) as url, Following(url, tmp_path, **EVERYTHING).going() as follower:
        assert not follower.step()


def test_a_change_that_is_committed_behind_later_ones_is_taken(archive: Changing, following: Following) -> None:
    archive.add(*map(a_file, range(4)))
    late = archive.changes.pop(4)
    following.follow()
    archive.changes.insert(4, late)
    following.follow()
    assert len(instances(following.spooled())) == 4
    assert following.counts == {Taken.STORED: 4}


def test_our_own_result_is_not_taken_back(archive: Changing, following: Following) -> None:
    ours, theirs = derived_uid("result", "1"), "1.2.826.0.1.5"
    foreign = a_file(1, uid=derived_uid("result", "2")).replace(IMPLEMENTATION_CLASS_UID.encode(), b"9" * 44)
    archive.add(a_file(1, uid=ours), a_file(5), foreign)
    following.follow()
    assert following.counts[Taken.OWN] == 1
    assert theirs in instances(following.spooled())
    assert len(instances(following.spooled())) == 2


def test_a_derived_uid_is_known_by_its_form() -> None:
    assert is_derived(derived_uid("anything"))
    for other in ("", "2.25", "2.25.", "2.25.1", "2.25.x", f"2.25.{1 << 128}", "2.25." + "9" * 5000, "1.2.840.10008.1"):
        assert not is_derived(other)
    assert not is_derived("2.25.329800735698586629295641978511506172918")  # of chance: PS3.5 B.2


A, B, C = Change(8, "NewInstance", "a"), Change(9, "NewStudy", "b"), Change(10, "NewInstance", "c")
OTHER = Change(9, "NewInstance", "x")


@pytest.mark.parametrize(
    ("page", "another"),
    [
        (Changes([A, B, C], 10, True), False),
        (Changes([B], 9, True), False),  # what is missing was deleted
        (Changes([Change(40, "NewInstance", "z")], 40, True), False),
        (Changes([A, OTHER], 9, True), True),
        (Changes([], 10, True), False),
        (Changes([], 12, True), False),
        (Changes([], 3, True), True),
        (Changes([], 0, True), True),
        (Changes([], 7, True), False),  # what was asked for, as one repeats it that does not know
    ],
)
def test_another_database_is_told_by_its_numbers_and_never_by_what_was_deleted(page: Changes, another: bool) -> None:
    assert _is_another(Place(10, [A, B, C]), page, 7) is another


def test_a_place_keeps_no_digest_of_a_patients_id(tmp_path: Path) -> None:
    file, change = PlaceFile(tmp_path, "archive"), Change(11, "StablePatient", an_id("P-1"))
    file.save(Place(11, [change]))
    assert an_id("P-1") not in next(tmp_path.iterdir()).read_text()
    held = file.load()
    assert held is not None
    assert not _is_another(held, Changes([change], 11, True), 10)
    assert _is_another(held, Changes([Change(11, "NewInstance", an_id("P-1"))], 11, True), 10)


def test_a_place_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    file = PlaceFile(tmp_path, "archive/../../1")
    assert file.load() is None
    file.save(Place(10, [A]))
    assert file.load() == Place(10, (A,))
    (path,) = tmp_path.iterdir()
    path.write_text("{}")
    with pytest.raises(IntegrityError, match="remove it to begin as the first time"):
        file.load()


def test_a_place_that_cannot_be_read_holds_up_its_own_source_alone(archive: Changing, following: Following) -> None:
    archive.add(a_file(1))
    following.follow()
    (place,) = (following.root / "follow").iterdir()
    place.write_text("?")
    with following.going() as follower, pytest.raises(Retryable, match="remove it"):
        follower.step()
