"""Europe PMC by its REST service: how it is asked, and what its answers say. It holds all that PubMed does."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode

from domain.json_records import Json, json_object
from summary.literature.articles import Article
from summary.literature.subjects import Subject
from summary.providers.faults import Fault, ProviderError

NAME = "Europe PMC"
MOST = 10  # numbers of one search
_OF_PUBMED = "MED"
# As PubMed's, in the words of Europe PMC (publication types, and types of comments and corrections).
_TYPES = frozenset({"retracted publication", "retraction of publication", "retraction notice", "expression of concern"})
_LINKS = ("retraction", "retracted", "expression of concern")


def search_url(base: str, subject: Subject) -> str:
    """The numbers of guidelines and reviews about a subject, the most relevant first."""
    return _url(base, query(subject), "idlist", MOST)


def query(subject: Subject) -> str:
    """The subject in Europe PMC's words: terms in titles, and what kind of article."""
    parts = (
        subject.searched('TITLE:"{}"', 'TITLE_ABS:"{}"'),
        '(PUB_TYPE:"guideline" OR PUB_TYPE:"practice guideline" OR PUB_TYPE:"review")',
        "LANG:eng",
        f"SRC:{_OF_PUBMED}",
    )
    return f'{" AND ".join(parts)} NOT PUB_TYPE:"retracted publication"'


def resolve_url(base: str, pmids: Sequence[str]) -> str:
    """The records of these numbers of PubMed."""
    numbers = " OR ".join(f"EXT_ID:{one}" for one in pmids)
    return _url(base, f"({numbers}) AND SRC:{_OF_PUBMED}", "core", len(pmids))


def _url(base: str, query: str, kind: str, most: int) -> str:
    asked = {"query": query, "format": "json", "resultType": kind, "pageSize": most}
    return f"{base.rstrip('/')}/search?{urlencode(asked)}"


def found(body: bytes) -> tuple[str, ...]:
    """The numbers that a search came to."""
    return tuple(_number(one) for one in _results(body))[:MOST]


def articles(body: bytes) -> tuple[Article, ...]:
    """The records of an answer."""
    return tuple(map(_article, _results(body)))


def _article(result: Mapping[str, Json]) -> Article:
    journal = _object(_object(result.get("journalInfo")).get("journal"))
    types = {one.lower() for one in _listed(_object(result.get("pubTypeList")).get("pubType")) if isinstance(one, str)}
    links = [
        str(_object(one).get("type", "")).lower()
        for one in _listed(_object(result.get("commentCorrectionList")).get("commentCorrection"))
    ]
    flagged = result.get("isRetracted") in (True, "Y", "y")
    year = str(result.get("pubYear", ""))
    return Article(
        _number(result),
        _text(result.get("title")),
        _text(journal.get("isoabbreviation")) or _text(journal.get("title")),
        int(year) if year.isascii() and year.isdigit() and len(year) == 4 else 0,
        flagged or bool(types & _TYPES) or any(one.startswith(_LINKS) for one in links),
        NAME,
    )


def _results(body: bytes) -> Iterator[Mapping[str, Json]]:
    """Results of PubMed; raises ProviderError where the answer is none of Europe PMC's."""
    try:
        results = _object(json_object(body)["resultList"])["result"]
    except (ValueError, LookupError, RecursionError) as error:
        raise ProviderError(Fault.MALFORMED, type(error).__name__) from error
    return (one for one in map(_object, _listed(results)) if one.get("source") == _OF_PUBMED)


def _number(result: Mapping[str, Json]) -> str:
    return _text(result.get("pmid")) or _text(result.get("id"))


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
