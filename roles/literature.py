"""References of the settings' sources of literature: each question is recorded before it leaves, and counted."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from importlib.util import find_spec

from audit.actions import Action
from audit.trail import Ledger
from config import metrics
from config.settings import Literature
from domain.clock import Clock, SystemClock
from domain.ids import StudyId
from domain.impressions import Facts, Reference
from domain.json_records import record
from store import literature as rows
from summary.literature.articles import Article
from summary.literature.search import LiteratureSearch, Outcome, Query, Source, of_europe_pmc, of_pubmed

_log = logging.getLogger(__name__)


class ReferenceFinder:
    """Finds references for one study at a time; `asked` is what left for it, URL by URL."""

    def __init__(self, settings: Literature, ledger: Ledger, clock: Clock | None = None) -> None:
        self._ledger = ledger
        self._study: StudyId | None = None
        self.asked: list[str] = []
        clock = clock or SystemClock()
        store = ArticleRows(ledger, timedelta(days=settings.keep_days), clock)
        self._search = LiteratureSearch(sources(settings), clock, settings.timeout, store, self._leaves, self._told)

    def about(self, study: StudyId, facts: Facts) -> tuple[Reference, ...]:
        """What there is to read about a study's facts."""
        self._study, self.asked = study, []
        return self._search.references(facts)

    def _leaves(self, query: Query) -> None:
        """Nothing leaves that the trail does not have: where it cannot be written, nobody is asked."""
        self._record(Action.LITERATURE_ASKED, query)
        self.asked.append(query.url)

    def _told(self, outcome: Outcome) -> None:
        said = "answered" if outcome.fault is None else outcome.fault.name.lower()
        metrics.literature_queries.labels(outcome.query.source, said).inc()
        if outcome.fault is not None:
            extra = {"provider": outcome.query.source, "reason": outcome.fault}
            _log.warning("a source of literature did not answer", extra=extra)
        self._record(Action.LITERATURE_ANSWERED, outcome.query, outcome=said)

    def _record(self, action: Action, query: Query, **details: object) -> None:
        with self._ledger.transaction() as transaction:
            transaction.record(action, self._study, source=query.source, payload=query.digest, **details)


class ArticleRows:
    """Articles in the database, for so long."""

    def __init__(self, ledger: Ledger, keep: timedelta, clock: Clock) -> None:
        self._database = ledger.database
        self._keep = keep
        self._clock = clock

    def get(self, key: str) -> Sequence[Article] | None:
        """What is kept and not too old."""
        with self._database.transaction() as connection:
            kept = rows.kept(connection, key, self._clock.now() - self._keep)
        return None if kept is None else [record(Article, one) for one in kept]

    def put(self, key: str, articles: Sequence[Article]) -> None:
        """Keep what was found now."""
        with self._database.transaction() as connection:
            rows.keep(connection, key, [asdict(one) for one in articles], self._clock.now())


def sources(settings: Literature) -> list[Source]:
    """Those of the settings, in their order; PubMed is left out where nothing here can read its answers."""
    made = {
        "pubmed": lambda: of_pubmed(settings.pubmed_url, settings.contact),
        "europe_pmc": lambda: of_europe_pmc(settings.europe_pmc_url),
    }
    named = [one for one in dict.fromkeys(settings.sources) if one != "pubmed" or _can_read_pubmed()]
    return [made[one]() for one in named]


def _can_read_pubmed() -> bool:
    if find_spec("Bio") is not None:
        return True
    _log.warning("PubMed is not asked: biopython is not installed; pip install 'dicom-node[literature]'")
    return False
