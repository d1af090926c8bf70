"""What a process says of the certificates that its settings name: when each ends, as a figure and in words."""

import time
from collections.abc import Mapping
from functools import partial
from math import nan
from pathlib import Path

from config import metrics
from config.certificates import certificate_files, first_expiry
from config.settings import Settings

_SOON = 14 * 86_400.0  # s, as the alert DicomNodeCertificateEnds has it


def publish_certificates(settings: Settings) -> None:
    """Serve when each file of certificates ends; read at each scrape, for somebody renews them. NaN: it cannot be read.

    A role says it also of a server that it does not reach, for that is when it is asked about.
    """
    for setting, file in certificate_files(settings):
        metrics.certificate_expiry.labels(setting).set_function(partial(_end_of, file))


def troubles(settings: Settings) -> Mapping[str, str]:
    """Of each file of certificates that is out, ends soon or cannot be read: its setting, and what is to be done."""
    told = ((setting, _trouble(file, time.time())) for setting, file in certificate_files(settings))
    return {setting: said for setting, said in told if said}


def _trouble(file: Path, now: float) -> str:
    ends = first_expiry(file)
    if ends is None:
        return "cannot be read"
    day = time.strftime("%Y-%m-%d", time.gmtime(ends))
    if ends < now:
        return f"expired on {day}: renew it; it is read anew, without a restart"
    return f"expires on {day}: renew it" if ends - now < _SOON else ""


def _end_of(file: Path) -> float:
    ends = first_expiry(file)
    return nan if ends is None else ends
