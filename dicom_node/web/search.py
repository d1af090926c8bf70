"""Searches by QIDO-RS (PS3.18 10.6): what is asked, and the matches as a peer's words."""

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from dicom_node.scu.find import TakesNoQuery
from dicom_node.web.client import HttpClient
from dicom_node.web.connection import explained
from dicom_node.web.stored import JSON
from domain.errors import Retryable

STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"

_NO_SEARCH = (404, 405, 406, 501)

Match: TypeAlias = Mapping[str, object]


def search(client: HttpClient, path: str, asked: Iterable[tuple[str, str]], most: int) -> list[Match]:
    """At most so many matches; raises TakesNoQuery where the archive offers no search."""
    answer = client.request("GET", path, [*asked, ("limit", str(most))], {"accept": JSON})
    if answer.status in _NO_SEARCH:
        raise TakesNoQuery(f"the archive offers no search: {explained(answer)}")
    if answer.expect(200, 204).status == 204 or not answer.body:
        return []
    try:
        found: object = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Retryable("the archive's answer to a search is no JSON") from error
    if not isinstance(found, list):
        raise Retryable("the archive's answer to a search is no list of matches")
    matches: list[Match] = [one for one in found if isinstance(one, dict)]
    return matches[:most]


def text(match: Match, tag: str) -> str:
    """The only value of an attribute (PS3.18 F.2.2); "" where there is none, or several."""
    values = texts(match, tag)
    return values[0] if len(values) == 1 else ""


def texts(match: Match, tag: str) -> list[str]:
    """The values of an attribute, as text."""
    element = match.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return [str(value) for value in values if isinstance(value, str | int)] if isinstance(values, list) else []
