"""The reading half of an archive's DICOMweb services (PS3.18 section 10), for a viewer that must change nothing."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from typing import IO, Any

from domain.errors import ConfigurationError, Unavailable

_PATIENCE = 120.0  # s for an answer of the archive
# Studies and what is in them; no worklist, and nothing that an archive adds of its own beside them.
_READING = re.compile(r"/(studies|series|instances)(/(?!\.\.?(/|$))[\w.,-]+)*", re.ASCII)
_WANTED = ("StudyDescription", "ModalitiesInStudy")


def reads(path: str) -> bool:
    """Whether GET of this path, under the services' root, reads studies and does nothing else."""
    return _READING.fullmatch(path) is not None


class Archive:
    """The archive whose DICOMweb services are under `root`; raises ConfigurationError where that is no address."""

    def __init__(self, root: str) -> None:
        parts = urllib.parse.urlsplit(root)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ConfigurationError(f"{root} is not the root of DICOMweb services: http://HOST:PORT/PATH")
        self._root = root.rstrip("/")
        # Asked directly: the archive is on this machine or in its network, never behind the way to the internet.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def open(self, path: str, headers: Mapping[str, str]) -> Any:
        """Its answer to GET of `path` under the root, a refusal too; raises OSError where there is none."""
        request = urllib.request.Request(self._root + path, headers=dict(headers))
        try:
            return self._opener.open(request, timeout=_PATIENCE)
        except urllib.error.HTTPError as refusal:
            return refusal

    def studies(self) -> list[tuple[str, str]]:
        """Study Instance UID of each study, the latest first, with a line that says what it is and never of whom.

        Raises Unavailable where there is no answer, or one that is no list of studies.
        """
        query = urllib.parse.urlencode([("includefield", name) for name in _WANTED])
        try:
            with self.open(f"/studies?{query}", {"Accept": "application/dicom+json"}) as answer:
                if answer.status == HTTPStatus.NO_CONTENT:
                    return []
                found = sorted(json.load(answer), key=lambda one: _value(one, "00080020"), reverse=True)
                return [(_value(one, "0020000D"), _described(one)) for one in found]
        except (OSError, ValueError, AttributeError) as error:
            raise Unavailable(f"no DICOMweb answers at {self._root}: {error}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An archive that points elsewhere is not followed there."""

    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str) -> None:
        return None


def _value(study: Mapping[str, Any], tag: str) -> str:
    """The values of an attribute in the DICOM JSON model (PS3.18 annex F)."""
    return "+".join(str(one) for one in study.get(tag, {}).get("Value", ()))


def _described(study: Mapping[str, Any]) -> str:
    date = re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", _value(study, "00080020"))
    return ", ".join(part for part in (date, _value(study, "00080061"), _value(study, "00081030")) if part)
