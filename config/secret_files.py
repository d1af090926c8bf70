"""Secrets that stand in files of their own: `database.url_file` in the place of `database.url`, and so on.

A file shows a secret to whoever may read it, an environment to whoever may read the process, a command line to all.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import get_args

from pydantic import BaseModel, Secret

from config.private import is_for_a_secret
from config.secret_urls import has_password
from config.settings import Settings
from config.toml_lines import KeyPath
from domain.errors import ConfigurationError

SUFFIX = "_file"
_LARGEST = 1 << 16
_FOR_OTHERS = stat.S_IRWXO | stat.S_IWGRP


def secret_settings() -> Iterator[tuple[str, str]]:
    """Section and name of each setting that nobody may see."""
    for section, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names = (name for name, one in kind.model_fields.items() if _is_secret(one.annotation))
            yield from ((section, name) for name in names)


def read_in(merged: Mapping[str, object], layers: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """`merged` with what the files hold that it names; of a secret and its file the one from the upper layer counts.

    `layers` are what was merged, the uppermost last. Raises ConfigurationError, a line for each file that is no
    readable one or that others may read, and for each secret that one layer gives twice.
    """
    result = dict(merged)
    wrong: list[str] = []
    for section, name in secret_settings():
        for layer in reversed(layers):
            given = layer.get(section)
            if not isinstance(given, Mapping) or not {name, name + SUFFIX} & given.keys():
                continue
            try:
                result[section] = _with_secret(given, result[section], f"{section}.{name}", name)
            except ConfigurationError as error:
                wrong += error.lines
            break
    if wrong:
        raise ConfigurationError(*wrong)
    return result


def shown_by(file: Path, table: Mapping[str, object]) -> Iterator[tuple[KeyPath, str]]:
    """Each secret that stands in the settings file itself, where others may read or change that, and what to do."""
    status = file.stat()
    if not status.st_mode & _FOR_OTHERS or os.statvfs(file).f_flag & os.ST_RDONLY:
        return
    for section, name in secret_settings():
        held = table.get(section)
        value = held.get(name) if isinstance(held, Mapping) else None
        if isinstance(value, str) and not (":/" in value and not has_password(value)):
            said = f"{section}.{name}: it is a secret, and {file} may be read or changed by others"
            yield (section, name), f"{said}: chmod o=,g-w {quote(str(file))}, or write it into {section}.{name}{SUFFIX}"


def _with_secret(given: Mapping[str, object], table: object, setting: str, name: str) -> object:
    """The section `table` with the secret of `given`, which is there itself or in a file."""
    if not isinstance(table, Mapping):
        return table  # what it is instead, the check of all settings says
    if name + SUFFIX not in given:
        return {key: value for key, value in table.items() if key != name + SUFFIX}
    if name in given:
        raise ConfigurationError(f"{setting} and {setting}{SUFFIX}: give one of them")
    place = given[name + SUFFIX]
    if not isinstance(place, str | Path):
        return dict(table)  # what it is instead, the check of all settings says
    return {**table, name: secret_in(Path(place), setting + SUFFIX)}


def secret_in(file: Path, setting: str) -> str:
    """What `file` holds, without the end of its line; raises ConfigurationError where others may read it."""
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            if complaint := _exposed(file, status):
                raise ConfigurationError(f"{setting}: {complaint}")
            held = opened.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigurationError(f"{setting}: {file} cannot be read: {error.strerror}") from error
    try:
        text = held.decode().strip()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{setting}: {file} is no text in UTF-8") from None
    if not text or len(held) > _LARGEST:
        raise ConfigurationError(f"{setting}: {file} is {'longer than any secret' if text else 'empty'}")
    return text


def _exposed(file: Path, status: os.stat_result) -> str:
    """Why the file keeps no secret, "" where it does.

    What is mounted read-only is whose that mounted it: Compose and Kubernetes hand secrets over that way, with modes
    that a node cannot change, into a file system that nobody else sees.
    """
    if not stat.S_ISREG(status.st_mode):
        return f"{file} is no file"
    if os.statvfs(file).f_flag & os.ST_RDONLY:
        return ""
    if status.st_uid not in (0, os.geteuid()):
        return f"{file} belongs to another user: {_closed(file, f'sudo chown {os.geteuid()}')}"
    if status.st_mode & _FOR_OTHERS:
        return f"{file} may be read or changed by others: {_closed(file, 'chmod 600')}"
    return ""


def _closed(file: Path, command: str) -> str:
    """What to do: for a file of the system's, or one that holds other things, that is to write one of its own."""
    if is_for_a_secret(file):
        return f"{command} {quote(str(file))}"
    return "it is no file of this secret alone; write the secret into one of its own, that nobody else may read"


def _is_secret(annotation: object) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, Secret)
    return any(map(_is_secret, get_args(annotation)))
