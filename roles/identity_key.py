"""The secret key of patients' digests: a setting, or a file of the data folder that is made once."""

import os
import secrets
from pathlib import Path

from config.secret_urls import SHORTEST_KEY
from config.settings import Settings
from dicom_node.intake.identity import PatientMarks
from domain.errors import ConfigurationError
from store.database import Database
from store.identity_key import is_the_one
from store.identity_key import known as known_value

_MISSING = (
    "{file} is missing, and the database knows a key: put that back, or set identity.key; if it is lost: dicom-node "
    "patients forget-key"
)
_OTHER = (
    "the patients' digests in this database were made with another key: give this host the key of the host that "
    "indexed first, as identity.key or as {file}; if that is lost: dicom-node patients forget-key"
)


def patient_marks(settings: Settings, database: Database) -> PatientMarks:
    """What digests patients with the node's key; raises ConfigurationError where the database knows another one."""
    file = settings.data / "identity.key"
    given = settings.identity.key
    marks = PatientMarks(given.get_secret_value().encode() if given else kept(file))
    with database.transaction() as connection:
        if not is_the_one(connection, marks.check_value):
            raise ConfigurationError(_OTHER.format(file=file))
    return marks


def known_marks(settings: Settings, database: Database) -> PatientMarks:
    """What digests patients with the node's key, for a search; makes no key. Raises ConfigurationError without it."""
    with database.transaction() as connection:
        check_value = known_value(connection)
    if check_value is None:
        raise ConfigurationError("nothing that is indexed has digests yet: nothing can be found by them")
    if fault := key_fault(settings, check_value):
        raise ConfigurationError(f"patients and accession numbers are known by digests alone: {fault}")
    given = settings.identity.key
    return PatientMarks(given.get_secret_value().encode() if given else _read(settings.data / "identity.key"))


def key_fault(settings: Settings, known: str | None) -> str:
    """What is wrong with the node's key, "" where nothing is; makes none. `known` is the value of the database's."""
    file = settings.data / "identity.key"
    given = settings.identity.key
    try:
        key = given.get_secret_value().encode() if given else _read(file)
    except ConfigurationError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return _MISSING.format(file=file) if known else ""
        return str(error)
    return _OTHER.format(file=file) if known not in (None, PatientMarks(key).check_value) else ""


def kept(file: Path) -> bytes:
    """The secret key in `file`, made where there is none. Raises ConfigurationError where it cannot be."""
    try:
        if not file.exists():
            _make(file)
    except OSError as error:
        raise _unusable(file, error) from error
    return _read(file)


def _unusable(file: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{file} cannot be used: {error.strerror}")


def _read(file: Path) -> bytes:
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise _unusable(file, error) from error
    if len(key) < SHORTEST_KEY:
        raise ConfigurationError(f"{file} is cut short: put back the key that was there")
    return key


def _make(file: Path) -> None:
    """Whole or not at all, and readable by its owner alone; of two that make it at once, one's stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(f".{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as written:
        written.write(f"{secrets.token_hex(32)}\n")
        written.flush()
        os.fsync(written.fileno())
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
