"""Downloads over real sockets on loopback: cut connections, ranges, changed files, proxies, offline folders."""

import hashlib
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.errors import ConfigurationError, IntegrityError, Unavailable
from models.catalogue import Entry
from models.pulling import pull
from models.registry import load_package, verify
from tests.support.counterparts import ROOT
from tests.support.downloads import Shelf, proxy, serving, write_bundle

CONTENT = random.Random(4).randbytes(3_000_000)
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serving(Shelf(CONTENT)) as served:
        yield served


def entry(shelf: Shelf, digest: str = DIGEST) -> Entry:
    return Entry("toy", "A toy", "bundle", "1", shelf.address, "CC0-1.0", digest)


def test_a_file_comes_whole_and_its_progress_is_told(shelf: Shelf, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    file = pull(entry(shelf), tmp_path / "parts", progress=lambda done, whole: told.append((done, whole)))
    assert file.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["file.bin"]


def test_sha1_is_taken_where_the_publisher_states_no_better_one(shelf: Shelf, tmp_path: Path) -> None:
    digest = "sha1:" + hashlib.sha1(CONTENT).hexdigest()
    assert pull(entry(shelf, digest), tmp_path).read_bytes() == CONTENT


def test_a_cut_connection_is_taken_up_where_it_broke(shelf: Shelf, tmp_path: Path) -> None:
    shelf.cuts = [1_000_000, 500_000]
    assert pull(entry(shelf), tmp_path).read_bytes() == CONTENT
    assert [one.get("Range") for one in shelf.requests] == [None, "bytes=1000000-", "bytes=1500000-"]
    assert shelf.requests[1]["If-Range"] == '"one"'


def test_what_came_is_kept_for_the_next_call(shelf: Shelf, tmp_path: Path) -> None:
    shelf.cuts = [1_000_000, 0]
    with pytest.raises(Unavailable, match="1000000 bytes are kept, pull again to go on"):
        pull(entry(shelf), tmp_path)
    assert pull(entry(shelf), tmp_path).read_bytes() == CONTENT
    assert shelf.requests[-1]["Range"] == "bytes=1000000-"


def test_a_file_that_was_changed_meanwhile_is_begun_anew(shelf: Shelf, tmp_path: Path) -> None:
    shelf.cuts = [1_000_000, 0]
    with pytest.raises(Unavailable):
        pull(entry(shelf), tmp_path)
    shelf.content, shelf.etag = CONTENT[::-1], '"two"'
    changed = "sha256:" + hashlib.sha256(CONTENT[::-1]).hexdigest()
    assert pull(entry(shelf, changed), tmp_path).read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_sends_everything_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.ranges, shelf.cuts = False, [1_000_000]
    assert pull(entry(shelf), tmp_path).read_bytes() == CONTENT


def test_a_part_without_a_validator_is_begun_anew(shelf: Shelf, tmp_path: Path) -> None:
    shelf.etag, shelf.cuts = "", [1_000_000]
    assert pull(entry(shelf), tmp_path).read_bytes() == CONTENT
    assert [one.get("Range") for one in shelf.requests] == [None, None]


def test_a_file_that_is_there_already_is_not_fetched_again(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT)
    assert pull(entry(shelf), tmp_path).read_bytes() == CONTENT
    assert shelf.requests == []


def test_a_part_as_long_as_the_file_is_begun_anew(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT[::-1])
    (tmp_path / "file.bin.etag").write_text('"one"')
    assert pull(entry(shelf), tmp_path).read_bytes() == CONTENT


def test_a_file_with_another_digest_is_refused_and_removed(shelf: Shelf, tmp_path: Path) -> None:
    wrong = "sha256:" + "0" * 64
    with pytest.raises(IntegrityError, match=f"the 3000000 bytes that came are {DIGEST}, not sha256:0000"):
        pull(entry(shelf, wrong), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_digest_nothing_is_fetched_until_one_is_given(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no digest is known of file\.bin"):
        pull(entry(shelf, ""), tmp_path)
    assert shelf.requests == []
    assert pull(entry(shelf, ""), tmp_path, DIGEST).read_bytes() == CONTENT


@pytest.mark.parametrize(("given", "said"), [("md5:00", "is no digest"), ("sha256:" + "0" * 64, "catalogue states")])
def test_a_digest_that_is_none_or_another_is_refused(shelf: Shelf, tmp_path: Path, given: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        pull(entry(shelf), tmp_path, given)


def test_an_answer_that_is_no_file_is_said_with_the_address(shelf: Shelf, tmp_path: Path) -> None:
    shelf.status = 404
    with pytest.raises(Unavailable, match=f"{shelf.address}: Not Found"):
        pull(entry(shelf), tmp_path)
    assert len(shelf.requests) == 1


def test_a_server_that_is_not_there_is_unavailable(shelf: Shelf, tmp_path: Path) -> None:
    gone = Entry("toy", "A toy", "bundle", "1", "http://127.0.0.1:9/file.bin", "CC0-1.0", DIGEST)
    with pytest.raises(Unavailable, match="Connection refused"):
        pull(gone, tmp_path)


def test_a_proxy_of_the_environment_is_used(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy() as (address, asked):
        monkeypatch.setenv("http_proxy", address)
        assert pull(entry(shelf), tmp_path / "through").read_bytes() == CONTENT
        assert asked == [shelf.address]
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert pull(entry(shelf), tmp_path / "past").read_bytes() == CONTENT
        assert len(asked) == 1


def test_the_command_makes_a_package_of_what_it_fetches(tmp_path: Path) -> None:
    archive = write_bundle(tmp_path)
    content = archive.read_bytes()
    packages, book = tmp_path / "packages", tmp_path / "catalogue.toml"
    with serving(Shelf(content, cuts=[len(content) // 2])) as shelf:
        digest = hashlib.sha256(content).hexdigest()
        book.write_text(
            f'[[models]]\nname = "toy_spleen"\ntitle = "A toy"\nkind = "bundle"\nversion = "0.1.0"\n'
            f'address = "{shelf.address}"\nlicence = "CC0-1.0"\ndigest = "sha256:{digest}"\n'
            f'codes = "monai_spleen_ct.toml"\n'
        )
        words: list[str | Path] = [
            "-m",
            "console.cli.main",
            "models",
            "pull",
            "toy_spleen",
            "--catalogue",
            book,
            "--models",
            packages,
        ]
        done = subprocess.run(
            [sys.executable, *words, "--models", packages], capture_output=True, text=True, check=False, cwd=ROOT
        )
    assert done.returncode == 0, done.stderr
    assert [one.get("Range") for one in shelf.requests] == [None, f"bytes={len(content) // 2}-"]
    verify(load_package(packages / "toy_spleen"))
    assert sorted(path.name for path in packages.iterdir() if not path.name.startswith(".")) == ["toy_spleen"]
    assert not (packages / ".pulled" / "toy_spleen").exists()
