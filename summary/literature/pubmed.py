"""PubMed by NCBI's E-utilities: how it is asked, and what its answers say.

The one importer of `Bio`, whose Entrez parser reads the answers by NLM's DTDs. It asks nobody itself: its requests have
no time-out and tries of their own, and of a DTD that it does not have it would ask the network.
"""

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from summary.literature.articles import Article
from summary.literature.subjects import Subject
from summary.providers.faults import Fault, ProviderError

NAME = "PubMed"
MOST = 10  # numbers of one search
_TOOL = "dicom-node"
_NEWEST_DTD = "pubmed_*.dtd"
_PUBMED_DTD = re.compile(r"pubmed_\d{6}\.dtd")
_YEAR = re.compile(r"(?:19|20)\d\d")
# NLM's publication types and kinds of comments and corrections that take an article's word away.
_TYPES = frozenset({"retracted publication", "retraction of publication", "retraction notice", "expression of concern"})
_LINKS = frozenset(
    {"RetractionIn", "RetractionOf", "RetractedandRepublishedIn", "ExpressionOfConcernIn", "ExpressionOfConcernFor"}
)


def search_url(base: str, contact: str, subject: Subject) -> str:
    """ESearch: the numbers of guidelines and reviews about a subject, the most relevant first."""
    wanted = {"term": query(subject), "retmax": MOST, "sort": "relevance"}
    return _url(base, "esearch.fcgi", contact, wanted)


def query(subject: Subject) -> str:
    """The subject in PubMed's words: terms in titles, and what kind of article."""
    parts = (
        subject.searched('"{}*"[ti]', '"{}"[tiab]'),
        '("guideline"[pt] OR "practice guideline"[pt] OR "review"[pt])',
        '"english"[la]',
    )
    return f'{" AND ".join(parts)} NOT "retracted publication"[pt]'


def resolve_url(base: str, contact: str, pmids: Sequence[str]) -> str:
    """EFetch: the records of these numbers."""
    return _url(base, "efetch.fcgi", contact, {"id": ",".join(pmids)})


def _url(base: str, program: str, contact: str, wanted: Mapping[str, object]) -> str:
    asked = {"db": "pubmed", **wanted, "retmode": "xml", "tool": _TOOL, "email": contact}
    return f"{base.rstrip('/')}/{program}?{urlencode(asked)}"


def found(body: bytes) -> tuple[str, ...]:
    """The numbers that a search came to."""
    return tuple(str(one) for one in _read(body, "eSearchResult")["IdList"])[:MOST]


def articles(body: bytes) -> tuple[Article, ...]:
    """The records of an answer."""
    return tuple(_article(one["MedlineCitation"]) for one in _read(body, "PubmedArticleSet")["PubmedArticle"])


def _article(citation: Any) -> Article:
    article = citation["Article"]
    journal = article["Journal"]
    types = {str(one).lower() for one in article.get("PublicationTypeList", ())}
    links = {one.attributes.get("RefType") for one in citation.get("CommentsCorrectionsList", ())}
    return Article(
        str(citation["PMID"]),
        str(article["ArticleTitle"]),
        str(journal.get("ISOAbbreviation") or journal["Title"]),
        _year(journal["JournalIssue"]["PubDate"]),
        bool(types & _TYPES or links & _LINKS),
        NAME,
    )


def _year(date: Mapping[str, object]) -> int:
    """Of PubDate, or of MedlineDate, which is text ("1998 Dec-1999 Jan"); 0 where there is none."""
    said = _YEAR.search(str(date.get("Year") or date.get("MedlineDate") or ""))
    return int(said[0]) if said else 0


def _read(body: bytes, wanted: str) -> Any:
    """An answer as Biopython reads it; raises ProviderError where it is none, or is not one for which it was asked."""
    parser = _parser()
    handler = parser.DataHandler(False, False, False)
    folder = Path(handler.global_dtd_dir)

    def begins(name: str, _system: str | None, _public: str | None, has_internal: int) -> None:
        if name != wanted or has_internal:
            raise ProviderError(Fault.MALFORMED, "it is another document, or declares entities of its own")

    def opened(name: str) -> Any:
        """A DTD of Biopython's, never of the network; in place of one of a later year its newest of PubMed's."""
        if not (folder / name).is_file() and _PUBMED_DTD.fullmatch(name):
            name = max(one.name for one in folder.glob(_NEWEST_DTD))
        try:
            return (folder / Path(name).name).open("rb")
        except OSError as error:
            raise ProviderError(Fault.MALFORMED, "it is of a kind that is not known") from error

    handler.parser.StartDoctypeDeclHandler = begins
    handler.open_dtd_file = opened
    handler.open_xsd_file = opened
    try:
        return handler.read(BytesIO(body))
    except ProviderError:
        raise
    except Exception as error:  # whatever a library makes of bytes that it did not expect
        raise ProviderError(Fault.MALFORMED, type(error).__name__) from error


def _parser() -> Any:
    try:
        entrez: Any = import_module("Bio.Entrez")
    except ImportError as error:
        said = "biopython is not installed: install dicom-node[literature]"
        raise ProviderError(Fault.REFUSED, said) from error
    # On import the parser makes a folder for what it fetches; in its own package there is one, and nothing is made.
    entrez.local_cache = str(Path(entrez.__path__[0]).parents[1])
    return import_module("Bio.Entrez.Parser")
