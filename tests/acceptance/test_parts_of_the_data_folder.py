"""Each role has its parts of the data folder alone, read-only where it reads, and a study goes home all the same."""

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from config.peers import Destination
from dicom_node.scu.store import send
from roles.parts import IMAGES, MASKS, PARTS, RESULTS, Need, all_parts
from store.grants import APPLICATION_ROLE
from tests.support import packages
from tests.support.counterparts import ROOT, missing
from tests.support.node import PROGRAM, own_folder
from tests.support.processes import Process, answers, free_port, tail, wait_for
from tests.support.senders import acknowledged, instance
from tests.support.servers import Postgres, StorageScp
from tests.support.trial import QUICK, small

pytestmark = pytest.mark.slow

# Kafka alone needs the relay; here events travel by PostgreSQL.
ROLES = [role for role in PARTS if role != "relay"]

# In a file system of its own: the data folder is empty but for the parts, and where these lie is hidden.
_APART = """
set -e
data=$1 parts=$2; shift 2
mount -t tmpfs -o mode=0711,size=8m node "$data"
while [ "$1" != -- ]; do
    mkdir -p "$data/$1"
    mount --bind "$parts/$1" "$data/$1"
    [ "$2" = writes ] || mount -o remount,bind,ro "$data/$1"
    shift 2
done
shift
mount -t tmpfs hidden "$parts"
exec "$@"
"""


def apart(role: str, data: Path, parts: Path) -> list[str]:
    """The command of a role that sees its parts of what lies in `parts` as its data folder."""
    needed = [word for part, need in PARTS[role].items() for word in (part, need.value)]
    own = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _APART, "sh", str(data), str(parts)]
    return [*own, *needed, "--", *PROGRAM, role]


class Apart:
    """A node whose roles share parts of the data folder, the database, and nothing else."""

    def __init__(self, folder: Path, database: str, destination: str) -> None:
        self.port, self._folder = free_port(), folder
        self.data, self.parts = folder / "data", folder / "parts"
        for part in all_parts():
            (self.parts / part).mkdir(parents=True)
        self.data.mkdir()
        self._env: Mapping[str, str] = {
            **QUICK,
            "DICOM_NODE_DATA": str(self.data),
            "DICOM_NODE_DATABASE__URL": database,
            "DICOM_NODE_LISTENER__PORT": str(self.port),
            "DICOM_NODE_CONFIG": str(_site(folder, destination)),
        }
        self.roles: dict[str, Process] = {}

    def start(self, stack: ExitStack) -> None:
        for role in ROLES:
            env = {**self._env, "DICOM_NODE_HTTP__PORT": str(free_port())}
            self.roles[role] = Process(apart(role, self.data, self.parts), self._folder / f"{role}.log", env=env)
            stack.callback(self.roles[role].stop)

    def run_beside(self, role: str, *words: str) -> str:
        """What a command says in the place of a role, as `docker compose exec` has it."""
        inside = ["nsenter", "--mount", "--target", str(self.roles[role].pid), *PROGRAM, *words]
        environment = {**os.environ, **self._env}
        return subprocess.run(inside, env=environment, check=True, capture_output=True, text=True).stdout

    def seen_by(self, role: str) -> Path:
        """The data folder as a role sees it, for one who is root."""
        return Path(f"/proc/{self.roles[role].pid}/root{self.data}")

    def report(self) -> str:
        return "\n".join(tail(one.log, 20) for one in self.roles.values())

    def wait_for(self, what: str, predicate: Callable[[], object]) -> None:
        def reached() -> bool:
            ended = [role for role, one in self.roles.items() if not one.running]
            assert not ended, f"{ended} ended\n{self.report()}"
            return bool(predicate())

        wait_for(reached, 180, what, self.report)


def _site(folder: Path, destination: str) -> Path:
    """The settings file that Compose mounts, with this archive and these packages written into it."""
    text = (ROOT / "deploy" / "compose" / "node.toml").read_text()
    aet, _, place = destination.partition("@")
    host, _, port = place.partition(":")
    said = {
        'aet = "ORTHANC"\nhost = "orthanc"\nport = 4242': f'aet = "{aet}"\nhost = "{host}"\nport = {port}',
        '# folder = "/etc/dicom-node/models"': f'folder = "{folder / "models"}"',
    }
    for as_laid, here in said.items():
        assert as_laid in text
        text = text.replace(as_laid, here)
    file = folder / "site" / "node.toml"
    file.parent.mkdir()
    file.write_text(text)
    return file


@pytest.fixture(scope="module")
def node(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Apart, StorageScp]]:
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        missing("a mount namespace", "run the tests as root")
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder())
        shutil.rmtree(folder / "models")
        packages.write_package(folder / "models")
        archive = stack.enter_context(StorageScp(tmp_path_factory.mktemp("archive")))
        name = postgres.fresh_schema()
        url = postgres.url(dbname=name)
        node = Apart(folder, postgres.url(APPLICATION_ROLE, name), archive.destination)
        node.start(stack)
        node.wait_for("the listener", lambda: answers(node.port))
        _send_and_wait(node, url)
        yield node, archive


def _send_and_wait(node: Apart, url: str) -> None:
    door = Destination(name="node", aet="DICOM_NODE", host="127.0.0.1", port=node.port)
    images = [instance(one) for one in small("parts").datasets()]
    assert len(acknowledged(send(images, door, "SCANNER", timeout=60))) == len(images)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        query = "SELECT count(*) FROM dicom_node.deliveries WHERE state IN ('stored', 'committed')"
        node.wait_for("the results at the archive", lambda: (connection.execute(query).fetchone() or (0,))[0])


def test_a_study_goes_home_though_each_role_has_its_parts_alone(node: tuple[Apart, StorageScp]) -> None:
    apart, archive = node
    assert len(archive.files()) >= 2
    for part in (IMAGES, MASKS, RESULTS):
        assert any(path.is_file() for path in (apart.parts / part).rglob("*")), part


def test_a_command_in_the_place_of_the_index_says_where_the_study_is(node: tuple[Apart, StorageScp]) -> None:
    apart, archive = node
    said = json.loads(apart.run_beside("index", "status", "--json"))
    assert [one["where"] for one in said["studies"]] == [f"results stored at {archive.destination.partition('@')[0]}"]
    assert said["index_trouble"] == ""
    assert "SCANNER" in apart.run_beside("index", "callers")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_keeps_to_its_parts_and_what_is_its_own(node: tuple[Apart, StorageScp], role: str) -> None:
    apart, _ = node
    own = {"run", "objects", *(["identity.key"] if role == "index" else [])}
    seen = {path.name for path in apart.seen_by(role).iterdir()}
    assert seen <= own | {part.partition("/")[0] for part in PARTS[role]}


def _touched(place: Path) -> int:
    """0 where a file can be made, and is gone again; else why not (errno)."""
    try:
        place.touch()
        place.unlink()
    except OSError as error:
        return error.errno or -1
    return 0


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_reads_it_cannot_write_and_what_it_does_not_need_is_not_there(
    node: tuple[Apart, StorageScp], role: str
) -> None:
    apart, _ = node
    for part in all_parts():
        place, need = apart.seen_by(role) / part / "mark", PARTS[role].get(part)
        wanted = {Need.WRITES: 0, Need.READS: errno.EROFS, None: errno.ENOENT}[need]
        assert _touched(place) == wanted, part
    assert list(Path(f"/proc/{apart.roles[role].pid}/root{apart.parts}").iterdir()) == []
