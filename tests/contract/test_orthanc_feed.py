"""The changes of an Orthanc, which we did not write, come into the spool by the role `follow`, whatever is killed."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from config.peers import Destination
from dicom_node.scu import kinds
from dicom_node.scu.store import Verdict
from dicom_node.spool import Kind, SpoolReader
from domain.ids import derived_uid
from tests.support.node import PROGRAM
from tests.support.orthanc import a_file, an_object
from tests.support.processes import Process, wait_for
from tests.support.scripted import at
from tests.support.servers import Orthanc

COUNT = 200


class Following:
    """The role `follow` of a data folder, and what it has brought into the spool."""

    def __init__(self, folder: Path, archive: Orthanc, begin: str) -> None:
        self.folder, self.archive = folder, archive
        self.data = folder / "data"
        self.config = folder / "node.toml"
        self.config.write_text(
            f"""
            data = "{self.data}"
            listener.aet = "NODE"
            [[sources]]
            kind = "orthanc"
            name = "archive"
            url = "{archive.rest}"
            changes = true
            changes_from = "{begin}"
            """
        )
        self.seen: dict[str, bytes] = {}
        self._process: Process | None = None
        self._reader: SpoolReader | None = None

    def start(self) -> None:
        self._process = Process([*PROGRAM, "follow", "--config", str(self.config)], self.folder / "log.txt")

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()

    def wait(self, fact: Callable[[], bool], what: str) -> None:
        """Read on until it is so."""
        wait_for(lambda: self._read() or fact(), 120, what, lambda: (self.folder / "log.txt").read_text()[-2000:])

    def has(self, least: int) -> bool:
        """Whether so many instances have come."""
        return len(self.seen) >= least

    def has_begun(self) -> bool:
        return any((self.data / "spool" / "follow").glob("*.json"))

    def has_caught_up(self) -> bool:
        """Whether everything up to the latest change was taken or left."""
        (place,) = (self.data / "spool" / "follow").glob("*.json")
        return bool(json.loads(place.read_text())["since"] >= self.archive.get("/changes?last")["Last"])

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
        if self._reader is not None:
            self._reader.close()

    def _read(self) -> bool:
        assert self._process is not None
        assert self._process.running, (self.folder / "log.txt").read_text()[-2000:]
        self._reader = self._reader or SpoolReader(self.data / "spool")
        found = self._reader.poll(0.05)
        self.seen |= {one.sop_instance: one.data() for one in found if one.kind is Kind.INSTANCE}
        self._reader.checkpoint(found)
        return False


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Orthanc]:
    folder = tmp_path / "orthanc"
    folder.mkdir()
    with Orthanc(folder) as server:
        yield server


@pytest.fixture
def following(tmp_path: Path, archive: Orthanc, request: pytest.FixtureRequest) -> Iterator[Following]:
    held = Following(tmp_path, archive, getattr(request, "param", "everything"))
    yield held
    held.close()


def uids(numbers: range) -> set[str]:
    return {f"1.2.826.0.1.{number}" for number in numbers}


def test_a_follower_that_is_killed_again_and_again_brings_everything_as_it_was(
    archive: Orthanc, following: Following
) -> None:
    files = [a_file(number, size=100_000) for number in range(COUNT)]
    archive.store(*files)
    for least in (1, 60, 120):
        following.start()
        following.wait(partial(following.has, least), "instances to come")
        following.kill()
    following.start()
    following.wait(partial(following.has, COUNT), "all of them to come")
    assert all(file.endswith(following.seen[f"1.2.826.0.1.{number}"]) for number, file in enumerate(files))


@pytest.mark.parametrize("following", ["now"], indirect=True)
def test_what_is_new_from_now_on_is_taken_and_no_result_that_was_sent_there(
    archive: Orthanc, following: Following
) -> None:
    archive.store(a_file(1))
    following.start()
    following.wait(following.has_begun, "the place to be kept")
    results = [an_object(0, uid=derived_uid("result", str(number))) for number in range(3)]
    by_rest = Destination.model_validate({"kind": "orthanc", "name": "archive", "url": archive.rest})
    by_stow = Destination.model_validate({"kind": "dicomweb", "name": "archive", "url": archive.dicomweb})
    # One by each way: it is known by its file meta, or by the AE title that Orthanc keeps beside it.
    for one, where in zip(results, (by_rest, by_stow, at(archive.aet, archive.dicom_port)), strict=True):
        (outcome,) = kinds.send([one], where, "NODE")
        assert outcome.verdict is Verdict.STORED
    (deleted,) = archive.store(a_file(2))
    archive.delete(deleted)
    archive.store(a_file(3))
    following.wait(lambda: "1.2.826.0.1.3" in following.seen, "what was stored last")
    following.wait(following.has_caught_up, "the rest to be looked at")
    assert set(following.seen) <= uids(range(2, 4))


def test_an_archive_that_lost_its_database_is_followed_anew(archive: Orthanc, following: Following) -> None:
    archive.store(*(a_file(number) for number in range(5)))
    following.start()
    following.wait(partial(following.has, 5), "what it has at first")
    archive.stop()
    archive.forget_everything()
    archive.start()
    archive.store(a_file(7), a_file(8))
    following.wait(lambda: uids(range(7, 9)) <= set(following.seen), "what the new one has")
