"""Who runs the embedded PostgreSQL of a data folder: the keeper process of `up`, or a command for its own duration.

A lock file makes them take turns, so that nobody's database is stopped by somebody else.
"""

import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from config.places import SERVICE_SETTINGS, unusable
from config.settings import Settings
from domain.errors import ConfigurationError, Unavailable
from roles.data_folder import DATABASE, prepare
from roles.run_files import running
from store.grants import APPLICATION_ROLE, READER, role_of

if TYPE_CHECKING:
    from store.database import Database
    from store.embedded import EmbeddedPostgres

KEEPER = "database"
_TAKING_TURNS = 60.0  # s that a command waits while somebody else starts or stops the server


@contextmanager
def reading(settings: Settings, kind: str = READER) -> "Iterator[Database]":
    """The database that a command reads: the configured one, or the data folder's, started if nobody runs it.

    `kind` says what the command may do there: `store.grants.READER`, OPERATOR or AUDITOR.
    Raises ConfigurationError where there is none, or where its schema is not this release's.
    """
    from store.queries.schema import schema_is_ready  # noqa: PLC0415 - the keeper needs none of it

    with any_database(settings) as (url, _owner_url), _connected(url, role_of(kind)) as database:
        if not schema_is_ready(database):
            raise ConfigurationError("the database's schema is not this release's: run dicom-node database upgrade")
        yield database


def fits(url: str) -> bool:
    """Whether the schema is this release's, or a newer one; raises Unavailable where the server does not answer."""
    from store.queries.schema import schema_is_ready  # noqa: PLC0415 - the keeper needs none of it

    with _connected(url) as database:
        return schema_is_ready(database)


@contextmanager
def _connected(url: str, role: str = APPLICATION_ROLE) -> "Iterator[Database]":
    from store.database import Database  # noqa: PLC0415 - the keeper needs none of it

    database = Database(url, pool_size=1, role=role)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def any_database(settings: Settings) -> Iterator[tuple[str, str]]:
    """URLs (of the node's role, of the schema's owner) of the configured database or of the data folder's."""
    if settings.database.url is not None:
        owner_url = settings.database.owner_url or settings.database.url
        yield settings.database.url.get_secret_value(), owner_url.get_secret_value()
        return
    if not has_database(settings):
        why = "it is a file" if settings.data.is_file() else "no node has run there"
        instead = f"give --data or --database{of_the_service(settings)}"
        raise ConfigurationError(f"no database in {settings.data}: {why}; {instead}")
    ends = time.monotonic() + _TAKING_TURNS
    while time.monotonic() < ends:
        if kept := running(settings.data, KEEPER):
            yield kept.facts.url, kept.facts.owner_url
            return
        try:
            with locked(settings.data, wait=False), embedded_server(settings) as server:
                yield server.url, server.owner_url
                return
        except BlockingIOError:
            time.sleep(0.1)  # somebody starts or stops it at this moment
    raise Unavailable(
        f"another process has had the database of {settings.data} for {_TAKING_TURNS:.0f} s and does not say that it "
        "runs: look at the log of the node there"
    )


@contextmanager
def sole_supervisor(data: Path) -> Iterator[None]:
    """Hold DATA for one `up`; raises ConfigurationError where another one runs."""
    try:
        with locked(data, wait=False, name="up.lock"):
            yield
    except BlockingIOError as error:
        from roles.reload import UP, last_pid  # noqa: PLC0415 - the keeper needs none of it

        pid = last_pid(data, UP)
        raise ConfigurationError(
            f"another node runs on {data}{f', process {pid}' if pid else ''}: to give it other settings, dicom-node "
            f"reload; to start it anew, stop that one first; for a second node give another --data"
        ) from error


def embedded_server(settings: Settings) -> "EmbeddedPostgres":
    """PostgreSQL on the data folder, as a context manager; raises Unavailable where it does not start."""
    from store.embedded import EmbeddedPostgres  # noqa: PLC0415 - a command beside a node that runs needs none of it

    return EmbeddedPostgres(server_folder(settings), settings.database.user)


def refuse_unusable(settings: Settings) -> str:
    """Raise ConfigurationError, with what to do, where no database of its own can run in the data folder.

    Whom it runs as; "" for the node's own user, or where there is a URL of another one.
    """
    from store.embedded import usable  # noqa: PLC0415 - as above

    if settings.database.url is not None:
        return ""
    _, user = usable(server_folder(settings), settings.database.user)
    return user.name if user else ""


def has_database(settings: Settings) -> bool:
    """Whether the data folder has a database of its own; raises ConfigurationError where it is closed to us."""
    try:
        return (server_folder(settings) / "PG_VERSION").exists()
    except PermissionError as error:
        raise ConfigurationError(
            f"{settings.data} is its owner's alone: run this as root{_or_as_owner(settings.data)}"
        ) from error


def _or_as_owner(data: Path) -> str:
    try:
        return f", or as the user {pwd.getpwuid(data.stat().st_uid).pw_name}"
    except (OSError, KeyError):
        return ", or as the node's own user"


def of_the_service(settings: Settings) -> str:
    """Where this machine has the service, and nobody said which node is meant: how that one is asked."""
    if settings.data != Settings.model_fields["data"].default or not SERVICE_SETTINGS.parent.is_dir():
        return ""
    return f"; of the service: --config {SERVICE_SETTINGS}"


def server_folder(settings: Settings) -> Path:
    """Where the embedded database lies."""
    return settings.data / DATABASE


@contextmanager
def locked(data: Path, *, wait: bool, name: str = "database.lock") -> Iterator[None]:
    """An flock(2), which ends with its process however that ends; raises BlockingIOError where it is held."""
    prepare(data)
    try:
        (data / "run").mkdir(exist_ok=True)
        descriptor = os.open(data / "run" / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        said = unusable(data.absolute()) or f"{data} cannot be used as data folder: {error.strerror}"
        raise ConfigurationError(f"data: {said}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
