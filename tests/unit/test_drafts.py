"""Drafts that a killed process left in the object store go; none goes that anybody may be writing."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Settings
from roles.health import Health
from roles.parts import PARTS, Need, all_parts, sweep_drafts
from roles.process import Context
from store import drafts
from store.drafts import draft_of, sweep
from store.objects import DirectoryStore
from tests.support.counterparts import ROOT

DAY, GONE = 86400, 2**22 + 1  # beyond the greatest process id of Linux


def left(folder: Path, host: str, pid: int, age: float) -> Path:
    """A draft as a process leaves it that wrote to it last `age` s ago."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".0123.dcm.{host}.{pid}.0a1b2c3d"
    draft.write_bytes(b"half")
    moment = draft.stat().st_mtime - age
    os.utime(draft, (moment, moment))
    return draft


# As in a container: whoever starts first is process 1 on a host that others call the same.
NAMED = """
import os, platform, sys
os.getpid, platform.node = lambda: 1, lambda: sys.argv[1]
from store.drafts import draft_of
print(*(draft_of("/store/0123.dcm") for _ in range(3)), sep="\\n")
"""


def named(host: str) -> list[str]:
    """The names of three drafts of one object, as a process 1 of that host makes them."""
    done = subprocess.run([sys.executable, "-c", NAMED, host], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_names_of_drafts_cannot_collide_between_hosts_even_where_name_and_process_id_are_the_same() -> None:
    drafts_of_all = [*named("node-a"), *named("node-b"), *named("node-a")]
    assert len(set(drafts_of_all)) == 9


@pytest.mark.parametrize(
    ("host", "pid", "age", "goes"),
    [
        (drafts._HOST, GONE, 120, True),
        (drafts._HOST, GONE, 0, False),
        (drafts._HOST, os.getpid(), DAY / 2, False),
        (drafts._HOST, os.getpid(), DAY + 60, True),
        ("another", GONE, DAY / 2, False),
        ("another", GONE, DAY + 60, True),
    ],
    ids=[
        "dead writer",
        "dead, but written just now",
        "living writer",
        "living number",
        "other host",
        "other host, old",
    ],
)
def test_a_draft_goes_where_nobody_can_be_writing_it(
    tmp_path: Path, host: str, pid: int, age: float, goes: bool
) -> None:
    store = DirectoryStore(tmp_path)
    store.put("instances/ab/study/0123.dcm", [b"whole"])
    draft = left(tmp_path / "instances" / "ab" / "study", host, pid, age)
    assert sweep(tmp_path) == int(goes)
    assert draft.exists() is not goes
    assert store.get("instances/ab/study/0123.dcm") == b"whole"


def test_what_is_being_written_is_written(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"one "
        assert sweep(tmp_path) == 0
        yield b"two"

    store = DirectoryStore(tmp_path)
    store.put("results/ab/one.dcm", parts())
    assert store.get("results/ab/one.dcm") == b"one two"


def test_what_was_too_young_at_one_sweep_is_found_by_the_next(tmp_path: Path) -> None:
    draft = left(tmp_path / "masks" / "ab", drafts._HOST, GONE, 0)
    assert sweep(tmp_path) == 0
    os.utime(draft, (draft.stat().st_mtime - 120,) * 2)
    assert sweep(tmp_path) == 1


def test_folders_in_which_nothing_was_made_since_the_last_sweep_are_passed_over(tmp_path: Path) -> None:
    old, new = (left(tmp_path / name, drafts._HOST, GONE, 120) for name in ("old", "new"))
    (tmp_path / ".swept").touch()
    os.utime(old.parent, (old.stat().st_mtime - 3 * DAY,) * 2)
    assert sweep(tmp_path) == 1
    assert old.exists()
    assert not new.exists()


def test_a_file_that_no_put_made_stays(tmp_path: Path) -> None:
    files = [
        tmp_path / ".hidden",
        tmp_path / ".a.b.c.d",
        tmp_path / f".a.b.{9**20}.d",
        tmp_path / "0123.dcm.host.5.0a1b2c3d",
    ]
    for file in files:
        file.touch()
        os.utime(file, (0, 0))
    assert sweep(tmp_path) == 0
    assert all(file.exists() for file in files)


def test_a_sweep_ends_when_it_is_told_to_and_begins_anew_at_the_next_start(tmp_path: Path) -> None:
    draft = left(tmp_path / "masks", drafts._HOST, GONE, 120)
    assert sweep(tmp_path, lambda: True) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["masks"]
    assert sweep(tmp_path) == 1
    assert not draft.exists()
    assert draft_of(f"{tmp_path}/x") != draft_of(f"{tmp_path}/x")


@pytest.mark.parametrize("role", PARTS)
def test_a_role_sweeps_the_parts_that_it_writes_and_no_other(role: str, tmp_path: Path) -> None:
    objects = {part: need for part, need in PARTS[role].items() if part.startswith("objects/")}
    places = [part for part in all_parts() if part.startswith("objects/")]
    found = {part: left(tmp_path / part / "ab", drafts._HOST, GONE, 120) for part in places}
    context = Context(Settings(data=tmp_path), DirectoryStore(tmp_path / "objects"), threading.Event(), Health())
    sweep_drafts(context, role)
    for thread in [one for one in threading.enumerate() if one.name == "drafts"]:
        thread.join(60)
    assert {part for part, draft in found.items() if not draft.exists()} == {
        part for part, need in objects.items() if need is Need.WRITES
    }
