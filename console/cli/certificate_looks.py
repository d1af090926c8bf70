"""What `doctor` finds in the files of certificates that the settings name."""

import time
from collections.abc import Iterator
from pathlib import Path

from config.certificates import certificate_files, first_expiry
from config.settings import Settings
from console.cli.counting import counted
from console.cli.looks import Look, Mark

_DAY = 86400.0  # s
_SOON = 14.0  # days, as the alert DicomNodeCertificateEnds has it


def certificates(settings: Settings, now: float) -> Iterator[Look]:
    """Whether each can be read, and how long it lasts from `now` (s since 1970)."""
    for setting, file in certificate_files(settings):
        yield _look(f"certificate of {setting}", file, now)


def _look(what: str, file: Path, now: float) -> Look:
    ends = first_expiry(file)
    if ends is None:
        return Look(what, Mark.LACKING, f"{file} holds no certificate (PEM) that can be read: put it there")
    left = (ends - now) / _DAY
    if left < 0:
        said = f"{file} has been out of date since {_day(ends)}: renew it; it is read anew, without a restart"
        return Look(what, Mark.LACKING, said)
    until = f"{file} lasts until {_day(ends)}, {counted(int(left), 'day')}"
    return Look(what, Mark.NOTED, f"{until}: renew it") if left < _SOON else Look(what, Mark.OK, until)


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at))
