"""The whole node with a language model that knows nothing: over HTTP, and in the process when the server is away."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from domain.impressions import Author, Facts, Impression, Topic
from tests.support.node import Node
from tests.support.phantoms import write
from tests.support.second_checker import Kind, complaints
from tests.support.senders import storescu
from tests.support.servers import Orthanc
from tests.support.small_model import serving, weights
from tests.support.trial import QUICK, Trial, small

# It is done when the model has answered, and a machine that does much besides is slow at that.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


ONE = small("a language model")
_AT_HOME = """
SELECT m.facts, m.impression, r.sop_uid FROM summaries m JOIN results r ON r.summary_id = m.id
JOIN deliveries d ON d.summary_id = m.id AND d.state IN ('stored', 'committed') WHERE m.number = %s
"""
_LONG = 540.0  # s for one answer on a machine that does much besides
_MOST_MEMORY = 2 << 30  # of the process with a model of 98 MB


def settings(url: str, file: Path) -> dict[str, str]:
    """A server first, and a file where it is away; no answer is kept, so that each impression asks."""
    common = {"answer_tokens": 96, "timeout": _LONG, "first_byte_timeout": _LONG}
    models = [
        {"name": "house", "kind": "openai", "url": url, "model": "SmolLM2-135M-Instruct", **common},
        {"name": "inside", "kind": "local", "file": str(file), **common},
    ]
    return {
        "DICOM_NODE_LANGUAGE_MODELS": json.dumps(models),
        "DICOM_NODE_SUMMARY__KEEP_ANSWERS": "0.001",
        "DICOM_NODE_MODELS__THREADS": "1",
        "DICOM_NODE_SUMMARY__TIMEOUT": str(_LONG),
    }


@pytest.fixture
def archive_of_its_own(tmp_path: Path) -> Iterator[Orthanc]:
    (tmp_path / "archive").mkdir()
    with Orthanc(tmp_path / "archive") as archive:
        yield archive


def impression(trial: Trial, number: int) -> list[str]:
    """The texts of the impression of this number at the archive: of what they say nothing lacks a fact."""
    row = trial.wait_for(lambda: trial.rows(_AT_HOME, number), f"impression {number} at the archive", 2 * _LONG)[0]
    facts, said = Facts.from_json(row["facts"]), Impression.from_json(row["impression"])
    rules = [one.text for one in said.sentences if one.topic is Topic.GUIDELINE]
    assert [one for one in complaints(said, facts, rules) if one.kind is not Kind.WORD] == []
    assert said.author is Author.LANGUAGE_MODEL or said.fallback
    uid = str(ONE.datasets()[0].StudyInstanceUID)
    (home,) = [one for one in trial.results(uid) if one.SOPInstanceUID == row["sop_uid"]]
    texts = [str(one.value) for one in home.iterall() if one.keyword == "TextValue"]
    assert {one.text for one in said.sentences} <= set(texts)
    return texts


def providers(trial: Trial) -> list[tuple[str, str]]:
    """Which language models were asked, and what came of it, by the trail."""
    found = trial.node.cli("audit", "show", "--action", "language model answered")["entries"]
    return [(one["details"]["provider"], one["details"]["outcome"]) for one in found]


def most_memory(pid: int) -> int:
    """The most bytes that a process had (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(one.split()[1]) * 1024 for one in lines if one.startswith("VmHWM"))


def test_a_model_over_http_and_then_one_in_the_process_bring_nothing_ungrounded_into_an_object(
    archive_of_its_own: Orthanc, thresholds: Path, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    write(ONE.datasets(), tmp_path / "images")
    study = str(ONE.datasets()[0].StudyInstanceUID)
    with ExitStack() as server:
        env = {**QUICK, **settings(server.enter_context(serving()), weights())}
        destinations = [archive_of_its_own.destination]
        with Node(tmp_path / "node", destinations=destinations, models=thresholds, env=env, impressions=True) as node:
            trial = Trial(node, archive_of_its_own)
            storescu(node, tmp_path / "images")
            impression(trial, 1)
            assert "house" in {name for name, _ in providers(trial)}

            server.close()
            node.cli("summary", "again", study)
            impression(trial, 2)
            said = providers(trial)
            assert ("house", "network") in said
            inside = {outcome for name, outcome in said if name == "inside"}
            assert inside
            assert inside <= {"answered", "cut_short"}
            assert most_memory(node.pid("summarise")) < _MOST_MEMORY

            how = json.loads(node.get("door", "/health/ready"))
            assert how["ready"]
            assert "no connection" in how["language_models"]["house"]
            shown = node.cli("summary", "providers")["providers"]
            assert {one["name"]: one["node"] for one in shown}.keys() == {"house", "inside"}
            assert "no connection" in shown[0]["node"]
            assert 'dicom_node_language_model_resting{provider="house"}' in node.get("summarise", "/metrics")
