"""A machine of its own to install the node on: systemd over a copy of this machine's files that keeps nothing.

The files are an overlay in memory, so that everything may be written and nothing here is; processes, users, network
and services are the new machine's own.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import pydantic

from store.columns import SCHEMA
from store.queries.schema import known_revisions
from tests.support import wheel
from tests.support.counterparts import require
from tests.support.processes import wait_for

PYTHON = Path("/opt/python")
LIBRARIES = Path("/opt/libraries/site-packages")
NODE = Path("/opt/dicom-node")
NEWER = "99.0.0"  # the version that is laid beside it where one is wanted
# The third line of mounts is for Python's library, which the loader's list is made from; the machine mounts it anew.
# What an empty machine does not have lies beneath empty folders. `exec`: the signal to stop reaches systemd-nspawn.
_BOOT = """
mount -t tmpfs -o size=2g,mode=0755 tmpfs {layers}
cp -a {installed} {layers}/upper
mkdir {layers}/work
mount -t overlay -o lowerdir=/,upperdir={layers}/upper,workdir={layers}/work overlay {root}
mount --bind {python_source} {root}{python_place}
ldconfig -r {root}
umount {root}{python_place}
exec systemd-nspawn --quiet --directory={root} --boot --private-network --register=no --keep-unit --machine={name} \
    --bind-ro={python_source}:{python_place} --bind-ro={libraries} \
    --tmpfs=/root --tmpfs=/home --tmpfs=/work --tmpfs=/tmp \
    systemd.unit=basic.target systemd.log_target=console
"""


_MIGRATION = """
from alembic import op
from sqlalchemy import Column, Text

revision = "9999"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("studies", Column("of_later", Text), schema="{schema}")
"""


def _made_newer(packages: Path) -> None:
    """The same release under another number, with a migration more."""
    (stated,) = packages.glob("dicom_node-*.dist-info/METADATA")
    stated.write_text(stated.read_text().replace(f"\nVersion: {version('dicom-node')}\n", f"\nVersion: {NEWER}\n"))
    place = packages / "dicom_node_rooms/store/migrations/versions/9999_of_later.py"
    place.write_text(_MIGRATION.format(before=known_revisions()[-1], schema=SCHEMA))


class Machine:
    """Started as a context, with the wheel in /opt/dicom-node. `brought` are folders to be laid in its /srv.

    It lies as the bundle's `install` lays it; where `newer`, a version beside it that changes the schema.
    """

    def __init__(self, place: Path, *brought: Path, newer: bool = False) -> None:
        self._place = place
        self._brought = brought
        self._newer = newer
        self._installed = place / "installed"
        self._log = place / "console.log"
        self._container: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Self:
        require("systemd-nspawn")
        self._install_node()
        try:
            self._boot()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, _kind: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        self._stop()

    def _inside(self, path: Path | str) -> Path:
        """Where a file is to be laid that the machine finds when it boots."""
        return self._installed / str(path).lstrip("/")

    def run(self, *command: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command on the booted machine, as root; its words and exit code."""
        entered = ["nsenter", "--target", str(self._leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--"]
        clean = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
        return subprocess.run(
            [*entered, *clean, *map(str, command)], input=stdin, capture_output=True, text=True, check=False
        )

    def node(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command there."""
        return self.run(NODE / "bin/dicom-node", *words)

    def said(self) -> str:
        """What it printed on its console, and what its log says of the node."""
        console = self._log.read_text(errors="replace")[-4000:] if self._log.exists() else ""
        journal = (
            self.run("journalctl", "--no-pager", "--lines=80", "--unit=dicom-node*").stdout if self._leader else ""
        )
        return f"{console}\n{journal}"

    def _install_node(self) -> None:
        """The wheel in an environment of its own; what it depends on, and Python, are this environment's, read-only."""
        site = wheel.install(self._place / "built")
        self._lay(site, version("dicom-node"))
        if self._newer:
            self._lay(site, NEWER, _made_newer)
        self._inside(NODE).symlink_to(f"dicom-node-{version('dicom-node')}")
        command = self._inside("/usr/local/bin/dicom-node")
        command.parent.mkdir(parents=True)
        command.symlink_to(NODE / "bin/dicom-node")
        for folder in (PYTHON, LIBRARIES):
            self._inside(folder).mkdir(parents=True)
        for folder in self._brought:
            shutil.copytree(folder, self._inside("/srv") / folder.name)
        # A Python that was built as a shared library looks for it where it was built.
        loader = self._inside("/etc/ld.so.conf.d/00-python.conf")
        loader.parent.mkdir(parents=True)
        loader.write_text(f"{PYTHON}/lib\n")

    def _lay(self, site: Path, number: str, change: Callable[[Path], None] = lambda _: None) -> None:
        place = NODE.with_name(f"dicom-node-{number}")
        environment = self._inside(place)
        packages = environment / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
        packages.parent.mkdir(parents=True)
        shutil.copytree(site, packages)
        change(packages)
        (packages / "libraries.pth").write_text(f"{LIBRARIES}\n")
        programs = environment / "bin"
        programs.mkdir()
        interpreter = PYTHON / "bin" / Path(sys.executable).resolve().name
        (programs / "python").symlink_to(interpreter)
        (environment / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\ninclude-system-site-packages = false\n")
        command = programs / "dicom-node"
        command.write_text(f"#!{place}/bin/python\n{wheel.command(site).read_text()}")
        command.chmod(0o755)

    def _boot(self) -> None:
        """In a namespace of mounts, which goes with its last process: nothing of the machine is seen from here."""
        root, layers = self._place / "root", self._place / "layers"
        for folder in (root, layers):
            folder.mkdir()
        script = _BOOT.format(
            root=root,
            layers=layers,
            installed=self._installed,
            name=f"dn-{uuid4().hex[:8]}",
            python_source=sys.base_prefix,
            python_place=PYTHON,
            libraries=f"{Path(pydantic.__file__).parents[1]}:{LIBRARIES}",
        )
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]
        with self._log.open("wb") as log:
            self._container = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        wait_for(self._find_leader, 60, "the machine's first process", self.said)
        wait_for(self._has_booted, 120, "the machine's services", self.said)

    def _find_leader(self) -> bool:
        assert self._container is not None
        assert self._container.poll() is None, "the machine stopped"
        task = Path(f"/proc/{self._container.pid}/task/{self._container.pid}/children")
        for child in task.read_text().split():
            process = Path("/proc") / child
            command, numbers = (process / "comm").read_text().strip(), (process / "ns" / "pid").readlink()
            if command in {"systemd", "init"} and numbers != Path("/proc/self/ns/pid").readlink():
                self._leader = int(child)
        return self._leader > 0

    def _has_booted(self) -> bool:
        return self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}

    def _stop(self) -> None:
        if self._container is not None:
            self._container.terminate()  # asks its first process for a power-off
            try:
                self._container.wait(60)
            except subprocess.TimeoutExpired:
                self._container.kill()
                self._container.wait()
