"""A backup of the node in a folder, and a node out of it.

The database is written first and the objects after it, so that every row has its object; while that goes on, nothing is
removed. Objects bear their digest in their name and never change: those that are there already are proven and left.
"""

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from audit.actions import Action
from audit.trail import Ledger, rows
from config.settings import Settings
from dicom_node.spool import BacklogMeter
from domain.backups import FORM, Backup, Proven
from domain.errors import ConfigurationError, Permanent
from domain.json_records import record
from roles.backup_files import (
    OBJECTS,
    SAID,
    copy,
    file_digest,
    make_private,
    put_back,
    read_list,
    refuse_place,
    write_list,
)
from roles.data_folder import prepare
from roles.database import any_database, embedded_server, server_folder, sole_supervisor
from roles.run_files import all_running
from roles.seal_keys import begin_another_log, key_folder
from store import dumping, schema
from store.database import Database
from store.grants import WHOEVER
from store.queries.backup import is_empty, last_of_trail, revision, study_count
from store.retention import nothing_removed

_KEY, _SETTINGS, _IDENTITY = "identity.key", "settings.toml", "spool/identity"
_SPOOL, _KEYS = "spool", "seal"


def back_up(settings: Settings, folder: Path, config: Path | None, user: str, *, key: bool = True) -> Backup:
    """Bring the backup in `folder` up to date, or make it; what it says of itself.

    Of a node that runs, what the index has not read yet is not in it; of one that does not, the spool is. `config` is
    the settings file, which goes along, and so does the identity key unless `key` is false; `user` is who asks, as the
    trail has it before anything is copied. Raises ConfigurationError
    where the folder is in the data folder, or somebody else's.
    """
    refuse_place(folder, settings.data)
    make_private(folder)
    before = _said(folder)
    known = {one.key: one for one in read_list(folder / before.listing)} if before else {}
    damaged: list[str] = []
    mark = uuid.uuid4().hex[:8]
    database, listing = f"database-{mark}.dump", f"objects-{mark}.txt"
    with _held(settings) as stopped, any_database(settings) as (_, owner_url):
        source = Database(owner_url, pool_size=2, role=WHOEVER)
        try:
            with nothing_removed(source):
                Ledger(source, "console").on_behalf_of(user).record(Action.BACKUP_BEGUN, key=key)
                trail, head = last_of_trail(source)
                made = Backup(
                    form=FORM,
                    made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                    version=version("dicom-node"),
                    revision=revision(source),
                    studies=study_count(source),
                    trail=trail,
                    head=head,
                    objects=0,
                    bytes=0,
                    database=database,
                    listing=listing,
                    whole=True,
                    damaged=(),
                    files=(),
                )
                dumping.dump(owner_url, folder / database, server_folder(settings))
                count, size = write_list(
                    folder / listing, copy(settings.data / OBJECTS, folder / OBJECTS, known, damaged)
                )
        finally:
            source.close()
        unread = _unread(settings)
        names = [database, listing, *_extras(settings, folder, config, key, spool=stopped and unread > 0)]
    files = tuple(Proven(name, file_digest(folder / name)) for name in names)
    made = replace(made, objects=count, bytes=size, whole=stopped or not unread, files=files, damaged=tuple(damaged))
    _say(folder, made)
    return made


def restore(settings: Settings, folder: Path, user: str) -> Backup:
    """A data folder, and a database, out of the backup in `folder`; what the backup says of itself.

    The restored trail goes on with an entry that it was, by `user`.

    Raises ConfigurationError where something is there already, Permanent where the backup is not what it says: then
    nothing is left of what was begun.
    """
    said = _said(folder)
    if said is None:
        raise ConfigurationError(f"{folder} is no backup of a node, or one that was not finished: it has no {SAID}")
    if said.revision not in schema.known():
        raise ConfigurationError(f"the backup is of a later release ({said.version}): install that one, then restore")
    _refuse_present(settings.data)
    for one in said.files:
        if file_digest(folder / one.name) != one.sha256:
            raise Permanent(f"{one.name} of the backup is damaged: its digest is not the one that {SAID} tells")
    place = settings.data.with_name(f"{settings.data.name}.new")
    shutil.rmtree(place, ignore_errors=True)
    own = settings.model_copy(update={"data": place})
    try:
        prepare(place)
        put_back(folder / OBJECTS, place / OBJECTS, read_list(folder / said.listing))
        for one in said.files:
            if one.name == _KEY or one.name.startswith((f"{_SPOOL}/", f"{_KEYS}/")):
                _copy_file(folder / one.name, place / one.name)
        with _empty_database(own) as owner_url:
            schema.upgrade(owner_url, said.revision)
            dumping.load(owner_url, folder / said.database, server_folder(own))
            schema.upgrade(owner_url)
            schema.divide_trail(owner_url)
            _prove(owner_url, said)
            _record_restored(owner_url, said, user)
        begin_another_log(own, user)
        shutil.rmtree(place / "run", ignore_errors=True)
        if settings.data.exists():
            settings.data.rmdir()
        place.rename(settings.data)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return said


@contextmanager
def _held(settings: Settings) -> Iterator[bool]:
    """Whether no process of the node runs on the data folder; none is started then, for as long as this lasts."""
    with ExitStack() as stack:
        if settings.data.exists() and not all_running(settings.data):
            stack.enter_context(sole_supervisor(settings.data))
            yield True
        else:
            yield False


@contextmanager
def _empty_database(settings: Settings) -> Iterator[str]:
    """The owner's URL of a database without the node's schema."""
    if settings.database.url is None:
        with embedded_server(settings) as server:
            yield server.owner_url
        return
    with any_database(settings) as (_, owner_url):
        source = Database(owner_url, pool_size=1, role=WHOEVER)
        try:
            if not is_empty(source):
                raise ConfigurationError("the database has a node's schema already: name one that is empty")
        finally:
            source.close()
        yield owner_url


def _prove(owner_url: str, said: Backup) -> None:
    """The rows are those of the backup: its studies, and its trail to the last entry."""
    source = Database(owner_url, pool_size=1, role=WHOEVER)
    try:
        heads = {row.number: row.hash.hex() for row in rows(source) if row.number == said.trail}
        studies = study_count(source)
    finally:
        source.close()
    if studies < said.studies or heads.get(said.trail, "") != said.head:
        raise Permanent("the database of the backup is not the one that it tells of: its trail has another entry there")


def _record_restored(owner_url: str, said: Backup, user: str) -> None:
    source = Database(owner_url, pool_size=1, role=WHOEVER)
    try:
        told = {"made_at": said.made_at, "version": said.version, "trail": said.trail, "head": said.head}
        Ledger(source, "console").on_behalf_of(user).record(Action.RESTORED, **told)
    finally:
        source.close()


def _refuse_present(data: Path) -> None:
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise ConfigurationError(f"{data} is not empty: restore into a folder that is, or is not there yet")


def _unread(settings: Settings) -> int:
    root = settings.data / _SPOOL
    if not root.is_dir():
        return 0
    meter = BacklogMeter(root)
    try:
        return meter.measure().records
    finally:
        meter.close()


def _extras(settings: Settings, folder: Path, config: Path | None, key: bool, *, spool: bool) -> Iterator[str]:
    """What lies beside database and objects: the settings, the key, of the spool its name or all of it."""
    for part in (_SPOOL, _KEYS):
        shutil.rmtree(folder / part, ignore_errors=True)
    wanted = {_SETTINGS: config, _KEY: settings.data / _KEY if key else None}
    if spool:
        found = sorted(one for one in (settings.data / _SPOOL).rglob("*") if one.is_file())
        wanted |= {str(one.relative_to(settings.data)): one for one in found}
    wanted |= {_IDENTITY: settings.data / _IDENTITY}
    wanted |= {f"{_KEYS}/{file.name}": file for file in key_folder(settings).public_files()}
    for name, file in wanted.items():
        (folder / name).unlink(missing_ok=True)
        if file is not None and file.is_file():
            _copy_file(file, folder / name)
            yield name


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o600)


def _said(folder: Path) -> Backup | None:
    """What a backup says of itself; None where it was never finished. Raises ConfigurationError where it is no word."""
    try:
        said = json.loads((folder / SAID).read_text())
        if said.get("form") != FORM:
            raise ConfigurationError(f"{folder / SAID} is of another release's form: {said.get('form')!r}")
        return record(Backup, said)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{folder / SAID} cannot be read: {error}") from error


def _say(folder: Path, made: Backup) -> None:
    """From now on the folder is this backup; what belonged to the one before goes."""
    draft = folder / f"{SAID}.new"
    draft.write_text(json.dumps(asdict(made), indent=2) + "\n")
    draft.replace(folder / SAID)
    for stale in (*folder.glob("database-*.dump"), *folder.glob("objects-*.txt")):
        if not made.has(stale.name):
            stale.unlink()
