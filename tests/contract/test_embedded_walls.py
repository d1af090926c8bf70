"""Who gets at the data folder's own PostgreSQL: the node's user with a password of its files, and nobody else."""

import fcntl
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from domain.errors import ConfigurationError
from store.embedded import EmbeddedPostgres, postmaster, usable
from store.embedded_cluster import ROLES, passfile, programs_for
from store.embedded_user import as_user, server_user
from tests.support.counterparts import ROOT
from tests.support.node import own_folder
from tests.support.processes import alive, wait_for
from tests.support.users import reached_by, system_user

AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with own_folder() as place, EmbeddedPostgres(place / "data" / "database") as server:
        yield server


@pytest.fixture
def place() -> Iterator[Path]:
    with own_folder() as folder:
        yield folder / "data" / "database"


def folder_of(server: EmbeddedPostgres) -> Path:
    return Path(server.url.partition("passfile=")[2]).parent.with_name("database")


def rows(url: str, words: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        answer = connection.execute(words.encode())
        return answer.fetchall() if answer.description else []


@pytest.mark.parametrize("role", ROLES)
def test_a_process_of_the_nodes_user_without_the_password_is_refused(server: EmbeddedPostgres, role: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host=str(folder_of(server)), user=role, dbname="postgres", passfile="/dev/null")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host=str(folder_of(server)), user=role, dbname="postgres", password="postgres")


def test_the_superuser_is_let_in_by_the_owners_url_alone(server: EmbeddedPostgres) -> None:
    asked = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    assert rows(server.owner_url, asked) == [(True,)]
    assert rows(server.url, asked) == [(False,)]


def test_no_url_holds_a_password_and_no_file_of_one_is_anybody_elses(server: EmbeddedPostgres) -> None:
    for role, url in zip(ROLES, (server.owner_url, server.url), strict=True):
        file = passfile(folder_of(server), role)
        assert file.read_text().strip().rpartition(":")[2] not in url
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_it_has_a_socket_in_its_own_folder_and_no_port(server: EmbeddedPostgres) -> None:
    folder = folder_of(server)
    assert rows(server.owner_url, "SHOW listen_addresses") == [("",)]
    assert rows(server.owner_url, "SHOW unix_socket_directories") == [(f'"{folder}"',)]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_another_user_does_not_reach_it(server: EmbeddedPostgres) -> None:
    folder = folder_of(server)
    with system_user() as mallory:
        keys = folder.with_name("database.keys").iterdir()
        assert reached_by(mallory, [folder, folder / ".s.PGSQL.5432", *keys]) == []


def test_a_lock_that_another_user_holds_in_the_temporary_folder_stops_nothing_and_nothing_is_left_there(
    place: Path, tmp_path: Path
) -> None:
    code = "import pathlib, sys, store.embedded as it\nwith it.EmbeddedPostgres(pathlib.Path(sys.argv[1])): pass"
    with (tmp_path / ".lockfile").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        env = {**os.environ, "TMPDIR": str(tmp_path)}
        env.pop("XDG_RUNTIME_DIR", None)
        subprocess.run([sys.executable, "-c", code, str(place)], cwd=ROOT, env=env, check=True, timeout=120)
    assert [one.name for one in tmp_path.iterdir()] == [".lockfile"]


def test_a_path_that_is_too_long_for_a_socket_is_refused_with_what_to_do_and_a_link_to_it_is_taken(place: Path) -> None:
    long = place.parent / ("n" * 90) / "database"
    with pytest.raises(ConfigurationError, match=r"\d+ bytes too long .*ln -s .*--database URL"):
        usable(long)
    assert not long.parent.exists()
    long.parent.mkdir(parents=True, mode=0o711)
    short = place.parent / "short"
    short.symlink_to(long.parent)
    if AS_ROOT:
        place.parent.chmod(0o711)
    with EmbeddedPostgres(short / "database") as server:
        assert rows(server.owner_url, "SELECT 1") == [(1,)]
        assert f"host={short}/database&" in server.url


def test_a_path_may_hold_what_lists_and_urls_are_made_of(place: Path) -> None:
    odd = place.parent / "a \"b\" %41 &c='d'" / "database"
    odd.parent.mkdir(parents=True)
    if AS_ROOT:
        place.parent.chmod(0o711)
    with EmbeddedPostgres(odd) as server:
        assert rows(server.url, "SELECT 1") == [(1,)]


def test_a_path_that_clients_would_part_is_refused(place: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds a comma"):
        usable(place.parent / "a,b" / "database")


def test_what_was_cut_short_while_it_was_made_is_made_anew(place: Path) -> None:
    half = place.with_name("database.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(place) as server:
        assert rows(server.url, "SELECT 1") == [(1,)]
    assert not half.exists()


def test_a_database_of_an_earlier_version_opens_and_lets_nobody_in_without_a_password_any_more(place: Path) -> None:
    """Its server, which let in whoever came, may still run when the node is killed for the update."""
    old = made_by_an_earlier_version(place)
    url = f"postgresql://postgres@/postgres?host={place}"
    wait_for(lambda: postmaster(place) and "ready" in (place / "postmaster.pid").read_text(), 120, "the old server")
    rows(url, "CREATE ROLE dicom_node_app LOGIN")
    rows(url, "CREATE TABLE kept AS SELECT 7 AS number")
    with EmbeddedPostgres(place) as server:
        assert old.poll() is not None or not alive(old.pid)
        assert rows(server.owner_url, "SELECT number FROM kept") == [(7,)]
        assert rows(server.url, "SELECT current_user") == [("dicom_node_app",)]
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            rows(f"{url}&passfile=/dev/null", "SELECT 1")
    with EmbeddedPostgres(place) as server:
        assert rows(server.owner_url, "SELECT number FROM kept") == [(7,)]
    old.wait()


def made_by_an_earlier_version(place: Path) -> "subprocess.Popen[bytes]":
    """A running server that trusts everybody, as the wheel's own code made and started it."""
    place.mkdir(parents=True)
    if AS_ROOT:
        place.parent.chmod(0o755)
    user = server_user(place.with_name("none"), None)
    if user:
        os.chown(place, user.uid, user.gid)
    programs = programs_for(place, user)
    words = ["--auth=trust", "--auth-local=trust", "--encoding=utf8", "-U", "postgres", "-D", str(place), "--no-sync"]
    subprocess.run([programs / "initdb", *words], check=True, capture_output=True, **as_user(user))
    return subprocess.Popen(
        [programs / "postgres", "-D", place, "-h", "", "-k", place],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **as_user(user),
    )


@pytest.mark.skipif(not AS_ROOT, reason="of root alone")
class TestRunByRoot:
    def test_it_runs_as_who_is_wanted_and_makes_no_user_and_opens_no_folder_above(self, place: Path) -> None:
        with system_user() as name:
            users, modes = pwd.getpwall(), {one: one.stat().st_mode for one in place.parent.parents}
            with EmbeddedPostgres(place, name) as server:
                (pid,) = [postmaster(place)]
                assert pid is not None
                assert Path(f"/proc/{pid}").stat().st_uid == pwd.getpwnam(name).pw_uid
                assert rows(server.url, "SELECT 1") == [(1,)]
            assert stat.S_IMODE(place.parent.stat().st_mode) & 0o066 == 0
            assert {one: one.stat().st_mode for one in place.parent.parents} == modes
            assert pwd.getpwall() == users

    def test_a_folder_above_that_its_user_may_not_pass_is_named_and_left_as_it_is(self, place: Path) -> None:
        place.parent.parent.chmod(0o700)
        with pytest.raises(ConfigurationError, match=rf"nobody, who may not pass {place.parent.parent}: "):
            usable(place)
        assert stat.S_IMODE(place.parent.parent.stat().st_mode) == 0o700
        assert not place.parent.exists()

    def test_somebodys_data_folder_is_served_as_that_somebody_and_stays_theirs(self, place: Path) -> None:
        with system_user() as name:
            place.parent.mkdir()
            entry = pwd.getpwnam(name)
            os.chown(place.parent, entry.pw_uid, entry.pw_gid)
            place.parent.chmod(0o700)
            with EmbeddedPostgres(place) as server:
                assert rows(server.url, "SELECT 1") == [(1,)]
            owners = {one.stat().st_uid for one in (place.parent, *place.parent.iterdir(), passfile(place, ROLES[0]))}
            assert owners == {entry.pw_uid}
            assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700

    def test_programs_that_its_user_cannot_reach_are_copied_and_their_folder_stays_closed(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As where Python lies in root's home."""
        wheel = programs_for(place, None).parent.parent
        hidden = place.parent.parent / "hidden"
        hidden.mkdir(mode=0o700)
        for one in (wheel, wheel.with_name(f"{wheel.name}.libs")):
            (hidden / one.name).symlink_to(one)
        spec = type("Spec", (), {"origin": str(hidden / wheel.name / "__init__.py")})
        monkeypatch.setattr("store.embedded_cluster.find_spec", lambda _name: spec)
        with EmbeddedPostgres(place) as server:
            assert rows(server.url, "SELECT 1") == [(1,)]
        assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
        assert list(place.parent.glob("postgresql-18-*/*/pginstall18/bin/postgres"))

    @pytest.mark.parametrize(("wanted", "said"), [("root", "does not run as root"), ("nobody-here", "has no user")])
    def test_a_user_that_cannot_be_is_refused(self, place: Path, wanted: str, said: str) -> None:
        with pytest.raises(ConfigurationError, match=said):
            usable(place, wanted)
