"""Files and folders that `[audit]` names, and keys that stand in it: can what is set be done with them?

Whether a file is there at all `config.places` says. The node runs with all others: each is tried again.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from audit.client_tls import client_context
from config.audit import Witness
from config.audit_receivers import AuditReceiver
from config.places import unusable
from config.secret_files import secret_in
from config.settings import Settings
from config.toml_lines import KeyPath, element
from domain.errors import ConfigurationError

# A setting in words, its place, and what fails where it cannot be used.
_Use = tuple[str, KeyPath, Callable[[], object]]


def uses(settings: Settings) -> Iterator[_Use]:
    """Each use that is made of them; calling it raises ConfigurationError where it is made in vain."""
    if settings.audit.keys is not None:
        yield "audit.keys", ("audit", "keys"), partial(_folder, settings.audit.keys)
    for number, one in enumerate(settings.audit.witnesses):
        yield from _of_one("witnesses", number, one, ("token_file", "access_file"), one.certificate_key)
        where, path = f"audit.witnesses.{element(one.name, number)}", ("audit", "witnesses", number)
        if one.key:
            yield f"{where}.key", (*path, "key"), partial(_verifier_key, one.key)
        if one.file is not None:
            earlier = [other.file for other in settings.audit.witnesses[:number]]
            yield f"{where}.file", (*path, "file"), partial(_appended, one.file, earlier)
    for number, receiver in enumerate(settings.audit.receivers):
        yield from _of_one("receivers", number, receiver, ("token_file",), receiver.key)


def _of_one(
    table: str, number: int, one: Witness | AuditReceiver, secrets: tuple[str, ...], key: Path | None
) -> Iterator[_Use]:
    where, path = f"audit.{table}.{element(one.name, number)}", ("audit", table, number)
    for name in secrets:
        file: Path | None = getattr(one, name)
        if file is not None and file.exists():
            yield f"{where}.{name}", (*path, name), partial(secret_in, file, f"{where}.{name}")
    given = [file for file in (one.ca, one.certificate, key) if file is not None]
    if given and all(file.exists() for file in given):
        yield where, path, partial(client_context, one.ca, one.certificate, key)


def _folder(folder: Path) -> None:
    if said := unusable(folder):
        raise ConfigurationError(said)


def _verifier_key(text: str) -> None:
    from audit.notes import NoteError, VerifierKey  # noqa: PLC0415 - cryptography, which no role loads for this

    try:
        VerifierKey.parse(text)
    except NoteError as error:
        raise ConfigurationError(str(error)) from error


def _appended(file: Path, earlier: list[Path | None]) -> None:
    """A witness's file is made by the node, its folder is not: that may be a disk which is not mounted."""
    if file in earlier:
        raise ConfigurationError(f"{file} is another place's, and what one file has is kept once")
    if file.is_dir():
        raise ConfigurationError(f"{file} is a folder, and a file is needed")
    if not file.parent.is_dir():
        raise ConfigurationError(f"there is no folder {file.parent}: make it, or mount what it is on")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise ConfigurationError(f"{file} cannot be written by the user that this runs as")
