"""A model that starts on a series that is whole while the next one comes, through a real node on a slow line."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.node import Node
from tests.support.senders import instance, paced
from tests.support.trial import QUICK, small

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, thresholds: Path) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("early") / "node", models=thresholds, env=QUICK) as made:
        yield made


def rows(node: Node, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(node.superuser_url.replace("+psycopg", ""), row_factory=dict_row) as connection:
        return connection.execute(query.encode()).fetchall()


def jobs(node: Node) -> list[tuple[str, bool]]:
    return [(row["state"], row["early"]) for row in rows(node, "SELECT state, early FROM dicom_node.jobs")]


def test_a_model_is_done_with_the_first_series_while_the_second_comes_and_kills_between_cost_nothing(
    node: Node,
) -> None:
    first, second = small("early"), replace(small("early"), series="2", slices=400)
    others = second.datasets()
    for one in others:
        one.Modality = "MR"
    line = paced(node, [instance(one) for one in (*first.datasets(), *others)])
    for _ in range(first.slices):
        next(line)

    def done_early() -> bool:
        next(line)
        return jobs(node) == [("found_early", True)]

    node.wait_for(done_early, 60, "the model to be done early", lambda: jobs(node))
    (study,) = node.cli("status")["studies"]
    assert "started early: series 1 was whole while others were arriving" in study["why"]
    for role in ("work", "assemble"):
        node.wait_restarted(role, node.kill(role))
    assert rows(node, "SELECT 1 FROM dicom_node.results") == []
    sent = 0
    for sent, _ in enumerate(line, 1):  # noqa: B007 - to its end
        pass
    assert sent, "the second series was through before the model was"
    written = "SELECT count(DISTINCT job_id) AS sets FROM dicom_node.results"
    node.wait_for(lambda: rows(node, written)[0]["sets"], 60, "the results", lambda: jobs(node))
    assert jobs(node) == [("succeeded", False)]
    assert rows(node, "SELECT attempts FROM dicom_node.jobs") == [{"attempts": 1}]
    trail = rows(node, "SELECT entry::jsonb ->> 'action' AS action FROM dicom_node.audit_entries")
    actions = [one["action"] for one in trail]
    assert actions.count("inference started early") == actions.count("early inference taken over") == 1
    assert actions.count("inference done") == 1
