"""References for facts: from what is kept, from sources in an order, from the pack; never later than its time is up."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from domain.clock import Clock
from domain.errors import NodeError
from domain.impressions import Facts, Reference
from summary.literature import europe_pmc, pubmed
from summary.literature.articles import Article, cleaned, doubt
from summary.literature.fetching import fetch
from summary.literature.pack import packed
from summary.literature.subjects import Subject, subjects
from summary.providers.faults import HANDLING, Fault, ProviderError
from summary.providers.limits import Breaker, BreakerState

T = TypeVar("T")

_MOST = 3  # references of a subject
_MOST_RESOLVED = 12  # numbers of one question
# Seconds between two questions to one source: NCBI allows three a second without a key.
_BETWEEN = 0.4


@dataclass(frozen=True)
class Source:
    """Somebody who knows articles: how it is asked, as URLs, and how its answers are read."""

    name: str
    search: Callable[[Subject], str]
    found: Callable[[bytes], tuple[str, ...]]
    resolve: Callable[[Sequence[str]], str]
    articles: Callable[[bytes], tuple[Article, ...]]


def of_pubmed(base: str, contact: str) -> Source:
    """PubMed at this address, told whom to write to, as NCBI asks."""
    return Source(
        pubmed.NAME,
        partial(pubmed.search_url, base, contact),
        pubmed.found,
        partial(pubmed.resolve_url, base, contact),
        pubmed.articles,
    )


def of_europe_pmc(base: str) -> Source:
    """Europe PMC at this address."""
    return Source(
        europe_pmc.NAME,
        partial(europe_pmc.search_url, base),
        europe_pmc.found,
        partial(europe_pmc.resolve_url, base),
        europe_pmc.articles,
    )


@dataclass(frozen=True)
class Query:
    """What leaves for a source: the whole of it is a URL."""

    source: str
    url: str

    @property
    def digest(self) -> str:
        """SHA-256 of the URL."""
        return hashlib.sha256(self.url.encode("ascii")).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of a query."""

    query: Query
    fault: Fault | None = None


class ArticleStore(Protocol):
    """Where articles are kept for a while by the key of their subject; None of what is not there, or too old."""

    def get(self, key: str) -> Sequence[Article] | None: ...

    def put(self, key: str, articles: Sequence[Article]) -> None: ...


class _Line:
    """A source with what is known of it so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.breaker = Breaker()
        self.free = 0.0  # when it may be asked next


class LiteratureSearch:
    """Finds references. `total` (s) is the longest that the questions about one study take.

    `leaves` is told before anything leaves, and may raise NodeError to keep it here; `told` what became of it.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        clock: Clock,
        total: float,
        store: ArticleStore,
        leaves: Callable[[Query], None] = lambda query: None,
        told: Callable[[Outcome], None] = lambda outcome: None,
    ) -> None:
        self._clock = clock
        self._total = total
        self._store = store
        self._leaves = leaves
        self._told = told
        self._lines = [_Line(one) for one in sources]

    def references(self, facts: Facts) -> tuple[Reference, ...]:
        """What there is to read about the facts. Raises for nothing that a source does."""
        deadline = self._clock.monotonic() + self._total
        about: dict[Article, dict[str, None]] = {}
        for subject, ids in subjects(facts):
            for article in self._articles(subject, deadline):
                about.setdefault(article, {}).update(dict.fromkeys(ids))
        return tuple(
            Reference(one.pmid, one.title, one.journal, one.year, tuple(ids), one.source) for one, ids in about.items()
        )

    def _articles(self, subject: Subject, deadline: float) -> Sequence[Article]:
        if not self._lines:
            return packed(subject)[:_MOST]
        kept = self._store.get(subject.key)
        if kept is not None:
            return kept
        looked = self._looked(subject, deadline)
        if looked is None:
            return packed(subject)[:_MOST]
        self._store.put(subject.key, looked)
        return looked

    def _looked(self, subject: Subject, deadline: float) -> Sequence[Article] | None:
        """What sources know: by the first that finds, of all that answer; None where none of them does."""
        found = self._found(subject, deadline)
        if found is None:
            return None
        pmids = tuple(dict.fromkeys((*(one.pmid for one in packed(subject)), *found)))[:_MOST_RESOLVED]
        if not pmids:
            return ()
        told = self._resolved(pmids, deadline)
        return [_first(one, told) for one in pmids if doubt(one, told, subject) is None][:_MOST] if told else None

    def _found(self, subject: Subject, deadline: float) -> Sequence[str] | None:
        for line in self._lines:
            try:
                found = self._ask(line, line.source.search(subject), line.source.found, deadline)
            except NodeError:
                continue
            return [one for one in found if one.isascii() and one.isdigit()]
        return None

    def _resolved(self, pmids: Sequence[str], deadline: float) -> Sequence[Mapping[str, Article]]:
        """By each source that answers, the articles of these numbers: what one knows against an article, counts."""
        told = []
        for line in self._lines:
            try:
                articles = self._ask(line, line.source.resolve(pmids), line.source.articles, deadline)
            except NodeError:
                continue
            told.append({one.pmid: one for one in articles})
        return told

    def _ask(self, line: _Line, url: str, read: Callable[[bytes], T], deadline: float) -> T:
        """One answer of one source, read; raises NodeError."""
        now = self._clock.monotonic()
        if line.breaker.state(now) is BreakerState.OPEN:
            raise ProviderError(Fault.RESTING)
        wait = max(0.0, line.free - now)
        if now + wait >= deadline:
            raise ProviderError(Fault.BUSY)
        self._clock.sleep(wait)
        query = Query(line.source.name, url)
        self._leaves(query)
        line.free = self._clock.monotonic() + _BETWEEN
        try:
            answer = _read(read, fetch(url, deadline - self._clock.monotonic()))
        except ProviderError as error:
            self._failed(line, error)
            self._told(Outcome(query, error.fault))
            raise
        line.breaker.succeeded()
        self._told(Outcome(query))
        return answer

    def _failed(self, line: _Line, error: ProviderError) -> None:
        now = self._clock.monotonic()
        line.free = max(line.free, now + (error.retry_after or 0.0))
        if HANDLING[error.fault].counts:
            line.breaker.failed(now)


def _read(read: Callable[[bytes], T], body: bytes) -> T:
    try:
        return read(body)
    except ProviderError:
        raise
    except Exception as error:  # an answer of another shape than the source's
        raise ProviderError(Fault.MALFORMED, type(error).__name__) from error


def _first(pmid: str, told: Sequence[Mapping[str, Article]]) -> Article:
    article = cleaned(next(one[pmid] for one in told if pmid in one))
    assert article is not None
    return article
