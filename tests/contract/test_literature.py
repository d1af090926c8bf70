"""References on a real PostgreSQL: recorded before a question leaves, kept with the impression, and for a while."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from audit.trail import newest_entries
from config.retries import SUMMARIES as POLICY
from config.settings import Literature
from consumers.leased import LeasedLoop
from consumers.steps.summarise import Summariser, Summarising, Written
from domain.ids import StudyId
from models.registry import Registry
from roles.literature import ArticleRows, ReferenceFinder, sources
from roles.summarise import by_facts
from store.holders import Holder
from store.studied import StudiedStudy
from summary.literature.articles import Article
from tests.contract.test_summarising import asked, both, run, run_models, the_newest  # noqa: F401
from tests.support.bench import Bench
from tests.support.impressions import RIGHT, nodules, package
from tests.support.literature_server import Answer, Known, serving
from tests.support.working import LEASE, study_id

SOUND = Known("101", "Pulmonary nodules in adults: a review", journal="Thorax")
PACKED = ["28240562", "26082159", "24004118"]


def settings(url: str) -> Literature:
    return Literature(enabled=True, contact="pacs@example.org", pubmed_url=url, europe_pmc_url=url, timeout=5.0)


def of_nodules(writer: Summariser) -> Summariser:
    """As if the study's models had found a nodule."""

    def written(study: StudyId, found: StudiedStudy) -> Written:
        (first, *_) = found.runs
        return writer(study, replace(found, runs=(replace(first, findings=nodules((6.0, 6.0, RIGHT, 0.97))),)))

    return written


def writes(bench: Bench, url: str) -> None:
    """One impression, with references from the server at `url`."""
    ledger = bench.as_process("summarise")
    finder = ReferenceFinder(settings(url), ledger, bench.clock)
    writer = of_nodules(by_facts(lambda: [package("ct_nodules")], None, finder))
    work = Summarising(ledger.database, writer, POLICY, bench.clock)
    assert LeasedLoop(ledger, work, Holder("s1", bench.life()), LEASE).step()


def entries(bench: Bench) -> list[tuple[str, dict[str, object]]]:
    rows = newest_entries(bench.database, 60).rows
    return [(one.action, dict(one.details)) for one in rows if one.action.startswith("literature")]


def test_each_question_is_an_entry_and_what_left_and_what_was_found_is_shown(
    asked: Bench,  # noqa: F811
    both: Registry,  # noqa: F811
) -> None:
    run_models(asked, both)
    with serving([SOUND]) as server:
        writes(asked, server.url)
    made = the_newest(asked).impression
    assert made is not None
    assert [one.pmid for one in made.references] == ["101"]
    left = run(asked, "show", str(study_id(asked)), "--payload").stdout.splitlines()
    assert left == server.urls
    told = entries(asked)
    assert [action for action, _ in told] == ["literature asked", "literature answered"] * 3
    digests = [hashlib.sha256(one.encode()).hexdigest() for one in left for _ in range(2)]
    assert [details["payload"] for _, details in told] == digests
    assert [details["outcome"] for action, details in told if action.endswith("answered")] == ["answered"] * 3
    shown = run(asked, "show", str(study_id(asked)))
    assert "[F1] Pulmonary nodules in adults: a review. Thorax 2019. PMID 101" in " ".join(shown.stdout.split())
    (one,) = json.loads(run(asked, "show", str(study_id(asked)), "--json").stdout)["impression"]["references"]
    assert one["pmid"] == "101" and one["facts"] == ["F1"]
    assert asked.chain_holds()


def test_sources_that_do_not_answer_hold_no_impression_back(asked: Bench, both: Registry) -> None:  # noqa: F811
    run_models(asked, both)
    with serving(script=lambda request: Answer(status=503)) as server:
        writes(asked, server.url)
    made = the_newest(asked).impression
    assert made is not None and made.sentences
    assert [(one.pmid, one.source) for one in made.references] == [(one, "pack") for one in PACKED]
    outcomes = [details["outcome"] for action, details in entries(asked) if action.endswith("answered")]
    assert outcomes == ["overloaded", "overloaded"]
    assert asked.ask("SELECT count(*) FROM dicom_node.literature") == [(0,)]


def test_articles_are_kept_by_their_terms_for_as_long_as_the_settings_say(bench: Bench) -> None:
    ledger = bench.as_process("summarise")
    store = ArticleRows(ledger, timedelta(days=30), bench.clock)
    kept = [Article("101", "Pulmonary nodules in adults", "Thorax", 2019, source="PubMed")]
    assert store.get("x") is None
    store.put("x", kept)
    store.put("nothing", [])
    bench.clock.sleep(29 * 86_400)
    assert store.get("x") == kept
    assert store.get("nothing") == []
    bench.clock.sleep(2 * 86_400)
    assert store.get("x") is None
    store.put("x", [])
    assert store.get("x") == []


@pytest.mark.parametrize(
    ("named", "names"),
    [(("europe_pmc", "pubmed"), ["Europe PMC", "PubMed"]), ((), []), (("pubmed", "pubmed"), ["PubMed"])],
)
def test_sources_are_asked_in_the_order_of_the_settings(named: tuple[str, ...], names: list[str]) -> None:
    literature = Literature(sources=named)
    assert [one.name for one in sources(literature)] == names
