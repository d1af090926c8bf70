"""PubMed and Europe PMC on loopback: a few records, told as both tell them, and a script for what else a test wants.

E-utilities: ESearch and EFetch in XML (NCBI, Entrez Programming Utilities Help, chapters 2 and 4), with the document
types that they name. Europe PMC: the search of its REST service in JSON (Europe PMC, RESTful Web Service, reference).
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from tests.support.http_serving import served

ESEARCH = (
    '<!DOCTYPE eSearchResult PUBLIC "-//NLM//DTD esearch 20060628//EN" '
    '"https://eutils.ncbi.nlm.nih.gov/eutils/dtd/20060628/esearch.dtd">'
)
# Of a year after the newest one that Biopython 1.88 has.
PUBMED = (
    '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2026//EN" '
    '"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_260101.dtd">'
)
_XML = '<?xml version="1.0" encoding="UTF-8" ?>\n'


@dataclass(frozen=True)
class Known:
    """A record as a source has it; `title` is markup of PubMed's as it stands, if `marked`."""

    pmid: str
    title: str
    journal: str = "Radiology"
    year: str = "2019"
    types: tuple[str, ...] = ("Journal Article", "Review")
    link: str = ""  # RefType of a comment or correction, as PubMed has it
    marked: bool = False


@dataclass(frozen=True)
class Request:
    """What was asked."""

    path: str
    asked: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What is sent instead of what is known; of a `slow` one nothing beyond the head comes until the test ends."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    slow: bool = False


Script = Callable[[Request], Answer | None]


@dataclass
class LiteratureServer:
    """Both sources. `found` are the numbers that every search comes to; `asked` is each request, in order."""

    pubmed: list[Known]
    europe_pmc: list[Known]
    found: list[str]
    script: Script = lambda request: None
    asked: list[Request] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, request: Request) -> Answer:
        """What this request is told."""
        return self.script(request) or Answer(_known(self, request))

    def paths(self) -> list[str]:
        """Where requests went, in order."""
        return [one.path for one in self.asked]


def _known(server: LiteratureServer, request: Request) -> bytes:
    if request.path == "/esearch.fcgi":
        return esearch(server.found)
    if request.path == "/efetch.fcgi":
        wanted = request.asked["id"].split(",")
        return efetch([one for one in server.pubmed if one.pmid in wanted])
    if request.asked["resultType"] == "idlist":
        return search([{"id": one, "source": "MED", "pmid": one} for one in server.found])
    return search([core(one) for one in server.europe_pmc if f"EXT_ID:{one.pmid}" in request.asked["query"]])


def esearch(pmids: Sequence[str]) -> bytes:
    """The numbers that a search came to."""
    listed = "\n".join(f"<Id>{one}</Id>" for one in pmids)
    count = len(pmids)
    return (
        f"{_XML}{ESEARCH}\n<eSearchResult><Count>{count}</Count><RetMax>{count}</RetMax><RetStart>0</RetStart>"
        f"<IdList>\n{listed}\n</IdList><TranslationSet/><QueryTranslation>x</QueryTranslation></eSearchResult>\n"
    ).encode()


def efetch(records: Sequence[Known]) -> bytes:
    """Records of PubMed."""
    return f"{_XML}{PUBMED}\n<PubmedArticleSet>\n{''.join(map(_record, records))}</PubmedArticleSet>\n".encode()


def _record(one: Known) -> str:
    types = "".join(f'<PublicationType UI="D000000">{kind}</PublicationType>' for kind in one.types)
    link = f'<CommentsCorrections RefType="{one.link}"><RefSource>X</RefSource></CommentsCorrections>'
    links = f"<CommentsCorrectionsList>{link}</CommentsCorrectionsList>" if one.link else ""
    title = one.title if one.marked else escape(one.title)
    year = f"<Year>{one.year}</Year>" if len(one.year) == 4 else f"<MedlineDate>{one.year}</MedlineDate>"
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{one.pmid}</PMID>'
        "<DateRevised><Year>2024</Year><Month>01</Month><Day>02</Day></DateRevised>"
        '<Article PubModel="Print-Electronic"><Journal><ISSN IssnType="Electronic">1527-1315</ISSN>'
        f'<JournalIssue CitedMedium="Internet"><Volume>1</Volume><PubDate>{year}</PubDate></JournalIssue>'
        f"<Title>{escape(one.journal)}</Title><ISOAbbreviation>{escape(one.journal)}</ISOAbbreviation></Journal>"
        f"<ArticleTitle>{title}.</ArticleTitle><Language>eng</Language>"
        f"<PublicationTypeList>{types}</PublicationTypeList></Article>{links}</MedlineCitation>"
        '<PubmedData><PublicationStatus>ppublish</PublicationStatus><ArticleIdList><ArticleId IdType="pubmed">'
        f"{one.pmid}</ArticleId></ArticleIdList></PubmedData></PubmedArticle>\n"
    )


# RefTypes of PubMed as Europe PMC calls them.
_LINKS = {
    "RetractionIn": "Retraction in",
    "ExpressionOfConcernIn": "Expression of concern in",
    "ErratumIn": "Erratum in",
}


def core(one: Known) -> dict[str, Any]:
    """A record of Europe PMC."""
    whole: dict[str, Any] = {
        "id": one.pmid,
        "source": "MED",
        "pmid": one.pmid,
        "title": f"{one.title}.",
        "journalInfo": {
            "yearOfPublication": int(one.year[:4]),
            "journal": {"title": one.journal, "isoabbreviation": one.journal},
        },
        "pubYear": one.year[:4],
        "pubTypeList": {"pubType": [kind.lower() for kind in one.types]},
    }
    if one.link:
        whole["commentCorrectionList"] = {"commentCorrection": [{"id": "1", "source": "MED", "type": _LINKS[one.link]}]}
    return whole


def search(results: Sequence[Mapping[str, Any]]) -> bytes:
    """An answer of Europe PMC."""
    whole = {"version": "6.9", "hitCount": len(results), "request": {}, "resultList": {"result": list(results)}}
    return json.dumps(whole).encode()


def at(path: str, *answers: Answer) -> Script:
    """These answers for requests to `path`, one after another, the last again and again."""
    left = list(answers)

    def script(request: Request) -> Answer | None:
        if request.path != path:
            return None
        return left.pop(0) if len(left) > 1 else left[0]

    return script


@contextmanager
def serving(
    pubmed: Sequence[Known] = (),
    europe_pmc: Sequence[Known] | None = None,
    found: Sequence[str] | None = None,
    script: Script = lambda request: None,
) -> Iterator[LiteratureServer]:
    """Both sources at one address; Europe PMC knows what PubMed does, and a search finds all, unless told otherwise."""
    server = LiteratureServer(
        list(pubmed),
        list(pubmed if europe_pmc is None else europe_pmc),
        [one.pmid for one in pubmed] if found is None else list(found),
        script,
    )

    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            request = Request(parts.path, {key: one[0] for key, one in parse_qs(parts.query).items()})
            server.asked.append(request)
            server.urls.append(f"{server.url}{self.path}")
            answer = server.answer(request)
            try:
                self._send(answer)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) or 1))
            self.end_headers()
            if answer.slow:
                ended.wait(60)
            self.wfile.write(answer.body)

    with served(Handler) as address:
        server.url = address
        try:
            yield server
        finally:
            ended.set()
