"""A real PostgreSQL for one machine, out of a wheel, under the node's data folder; reached by a Unix socket alone.

The socket lies in the database's folder, which its user alone may enter, and whoever calls there needs a password. The
server has no TCP port, and nothing of it lies in the temporary folder.
"""

import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from domain.errors import ConfigurationError, Unavailable
from store.embedded_cluster import (
    OWNER_ROLE,
    is_made,
    is_secured,
    make,
    passfile,
    programs_for,
    secure,
    write_logins,
)
from store.embedded_user import ServerUser, as_user, let_pass, refuse_closed, server_user
from store.grants import APPLICATION_ROLE

_PID_FILE = "postmaster.pid"
# Of the file's lines: the socket's folder, and how far the server is.
_SOCKET, _STATE = 4, 7
_SOCKET_NAME = ".s.PGSQL.5432"
_LONGEST = 107  # bytes of a socket's path (unix(7), sun_path)
_LOOK = 0.02  # s between two looks at a server that starts or stops
_STOP = 60.0  # s for an orderly stop


class EmbeddedPostgres:
    """The server under `folder`, as a context manager: what it started it stops, what ran already it leaves.

    `user` is whom root wants it to run as. Raises ConfigurationError where it cannot be run, Unavailable where it does
    not start.
    """

    def __init__(self, folder: Path, user: str | None = None) -> None:
        self._given = folder.absolute()
        self._folder = folder.resolve()
        self._wanted = user
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = ""

    @property
    def url(self) -> str:
        """For the node's processes: the role that owns nothing."""
        return self._url(APPLICATION_ROLE)

    @property
    def owner_url(self) -> str:
        """For migrations alone."""
        return self._url(OWNER_ROLE)

    def __enter__(self) -> Self:
        try:
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            socket, user = usable(self._given, self._wanted)
            running = postmaster(self._folder)
            if running is not None and not is_secured(self._folder):
                end_orphan(self._folder)  # of an earlier version, which lets everybody in
                running = None
            if running is None:
                self._start(socket, user)
            self._socket = self._await_ready()
        except OSError as error:
            raise Unavailable(f"the embedded PostgreSQL did not start: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            _stop(self._process)

    def _start(self, socket: Path, user: ServerUser | None) -> None:
        data = self._folder.parent
        let_pass(data, user)
        refuse_closed(user, [*reversed(data.parents), data])
        programs = programs_for(self._folder, user)
        if not is_made(self._folder):
            make(self._folder, programs, user)
        # Whose number it holds may be another process's by now, and PostgreSQL reads no file that is cut short.
        (self._folder / _PID_FILE).unlink(missing_ok=True)
        logins = write_logins(self._folder, user)
        if not is_secured(self._folder):
            secure(self._folder, programs, user)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": '"{}"'.format(str(socket).replace('"', '""')),
            "unix_socket_permissions": "0700",
            "hba_file": str(logins),
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        # Exclusively the folder's own file: root follows no link of the server's user.
        log = os.open(self._folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            self._process = subprocess.Popen(
                [str(programs / "postgres"), "-D", str(self._folder), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is the node's to handle
                **as_user(user),
            )
        finally:
            os.close(log)

    def _await_ready(self) -> str:
        """Wait until the server takes connections, however long it recovers. The folder of its socket."""
        while True:
            if self._process is not None and self._process.poll() is not None:
                raise Unavailable(f"the embedded PostgreSQL did not start; its log is {self._folder / 'log'}")
            if self._process is None and postmaster(self._folder) is None:
                raise Unavailable("the embedded PostgreSQL ended by itself")
            lines = _lines(self._folder)
            if lines[_STATE:] and lines[_STATE].strip() == "ready" and self._is_ours(lines[0]):
                return lines[_SOCKET]
            time.sleep(_LOOK)

    def _is_ours(self, number: str) -> bool:
        return self._process is None or number.strip() == str(self._process.pid)

    def _url(self, role: str) -> str:
        host, file = quote(self._socket, safe="/"), quote(str(passfile(self._folder, role)), safe="/")
        return f"postgresql+psycopg://{role}@/postgres?host={host}&passfile={file}"


def usable(folder: Path, wanted: str | None = None) -> tuple[Path, ServerUser | None]:
    """The folder of the socket of a server on `folder`, and its user where that is not the node's own.

    Raises ConfigurationError with what to do where no server can run there. `folder` may be yet to be made.
    """
    user = server_user(folder, wanted)
    known = (folder.resolve(), folder.absolute())
    places = [place for place in known if _fits(place) and "," not in str(place)]
    if not places and any(map(_fits, known)):
        raise ConfigurationError("the path of the data folder holds a comma, at which clients of its database part it")
    if not places:
        surplus = len(os.fsencode(folder.absolute() / _SOCKET_NAME)) - _LONGEST
        raise ConfigurationError(
            f"the path of the data folder is {surplus} bytes too long for the socket of its database: choose a shorter "
            "one, give a link to it (ln -s FOLDER /srv/node; --data /srv/node), or give --database URL"
        )
    data = folder.resolve().parent
    refuse_closed(user, [place for place in reversed(data.parents) if place.exists()])
    return places[0], user


def postmaster(folder: Path) -> int | None:
    """The process id of the server that runs on `folder`: the one whose command line says so, whatever its file says.

    The file may outlive its server, and its number may be another process's by now; after a loss of power it may be
    empty or cut short.
    """
    try:
        process = int((folder / _PID_FILE).read_bytes().split()[0])
        command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    return process if os.fsencode(folder.resolve()) in command else None


def end_orphan(folder: Path) -> bool:
    """Stop a server that nobody keeps, and wait for its end; whether there was one."""
    orphan = postmaster(folder)
    if orphan is None:
        return False
    os.kill(orphan, signal.SIGINT)  # PostgreSQL's fast shutdown
    while postmaster(folder) is not None:
        time.sleep(_LOOK)
    return True


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """In order; without waiting for a checkpoint where that takes too long."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        process.send_signal(number)
        try:
            process.wait(_STOP)
            return
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()


def _lines(folder: Path) -> list[str]:
    try:
        return os.fsdecode((folder / _PID_FILE).read_bytes()).splitlines()
    except OSError:
        return []


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / _SOCKET_NAME)) <= _LONGEST
