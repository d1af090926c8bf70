"""A language model of the settings writes a study's impression: what leaves is kept and recorded before it leaves."""

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit.trail import newest_entries
from config.retries import SUMMARIES as POLICY
from config.settings import LanguageModel, Settings, Summary
from console.cli.app import app
from consumers.leased import LeasedLoop
from consumers.steps.summarise import Summarising
from domain.impressions import Author
from models.registry import Registry
from roles.language_models import Asker
from roles.summarise import by_facts
from store.holders import Holder
from summary import prompt
from tests.contract.test_summarising import asked, both, route, run, run_models, the_newest  # noqa: F401
from tests.support.bench import Bench
from tests.support.provider_server import Answer, Exchange, fails, said, serving
from tests.support.working import LEASE, study_id


def tells_every_fact(exchange: Exchange) -> None:
    """An answer that is right: a sentence for each fact, of its slots alone."""
    facts = json.loads(exchange.body["messages"][1]["content"].partition("\n")[0])["facts"]
    sentences = [
        {
            "facts": [one["id"]],
            "parts": [
                {"words": "The"},
                {"slot": f"{one['id']}.place"},
                {"words": "has a"},
                {"slot": f"{one['id']}.amount1"},
            ],
        }
        for one in facts
    ]
    said(json.dumps({"sentences": sentences}))(exchange)


def writes(bench: Bench, registry: Registry, url: str, tmp_path: Path) -> None:
    """One impression, by the language model at `url`."""
    key = tmp_path / "key"
    key.write_text("sk-of-the-house\n")
    key.chmod(0o600)
    model = LanguageModel(name="house", kind="openai", url=url, model="small", key_files=(key,), timeout=5.0)
    settings = Settings(language_models=(model,), summary=Summary(timeout=10.0))
    ledger = bench.as_process("summarise")
    work = Summarising(
        ledger.database, by_facts(registry.packages.values, Asker(settings, ledger)), POLICY, bench.clock
    )
    assert LeasedLoop(ledger, work, Holder("s1", bench.life()), LEASE).step()


def calls(bench: Bench) -> list[tuple[str, dict[str, object]]]:
    entries = newest_entries(bench.database, 60).rows
    return [(one.action, dict(one.details)) for one in entries if one.action.startswith("language model")]


def test_a_model_whose_words_pass_writes_and_the_trail_has_what_left(
    asked: Bench,  # noqa: F811
    both: Registry,  # noqa: F811
    tmp_path: Path,
) -> None:
    run_models(asked, both)
    with serving(tells_every_fact) as server:
        writes(asked, both, server.url, tmp_path)
    made = the_newest(asked).impression
    assert made is not None and made.author is Author.LANGUAGE_MODEL, made
    assert made.language_model is not None and made.language_model.provider == "house"
    (left, answered) = calls(asked)
    assert [left[0], answered[0]] == ["language model asked", "language model answered"]
    assert answered[1]["outcome"] == "answered"
    printed = run(asked, "show", str(study_id(asked)), "--payload").stdout_bytes.rstrip(b"\n")
    digest = hashlib.sha256(prompt.VERSION.encode() + b"\n" + printed).hexdigest()
    assert left[1]["payload"] == answered[1]["payload"] == digest
    facts = tmp_path / "facts.json"
    facts.write_bytes(run(asked, "show", str(study_id(asked)), "--facts").stdout_bytes)
    assert CliRunner().invoke(app, ["summary", "try", "--facts", str(facts)]).exit_code == 0
    body = server.asked[0]
    whole = json.loads(printed)
    assert [one["content"] for one in body["messages"]] == [whole["system"], whole["user"]]
    assert asked.chain_holds()


@pytest.mark.parametrize(
    ("answer", "outcomes"),
    [
        (said("no JSON"), ["answered", "answered"]),
        (said(json.dumps({"sentences": [{"facts": ["F1"], "parts": [{"words": "A mass"}]}]})), ["answered"] * 2),
        (fails(401), ["authentication"]),
        (fails(404), ["model_gone"]),
    ],
    ids=["no JSON", "an invented finding", "a key that is not accepted", "no such model"],
)
def test_a_model_that_fails_or_invents_leaves_the_words_to_the_template(
    answer: Answer,
    outcomes: list[str],
    asked: Bench,  # noqa: F811
    both: Registry,  # noqa: F811
    tmp_path: Path,
) -> None:
    run_models(asked, both)
    with serving(answer) as server:
        writes(asked, both, server.url, tmp_path)
    made = the_newest(asked).impression
    assert made is not None and made.author is Author.TEMPLATE
    assert made.fallback
    assert [details["outcome"] for action, details in calls(asked) if action.endswith("answered")] == outcomes
    assert not any("sk-of-the-house" in str(details) for _, details in calls(asked))
