"""The one door of `up`: what several processes say, told as one."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from config.settings import Http
from roles.door import Gathered, Said, _ask_all
from roles.exposition import merged
from roles.health import Health, HealthServer
from roles.http_heads import Refused

INDEX = """# HELP x_total What?
# TYPE x_total counter
x_total{caller="A{\\"b"} 1.0
# HELP y Bare
# TYPE y gauge
y 2.0
"""
WORK = """# HELP x_total What?
# TYPE x_total counter
x_total{caller="C"} 3.0
"""


def test_a_family_is_there_once_and_each_series_has_its_role() -> None:
    families = list(text_string_to_metric_families(merged({"index": INDEX, "work-1": WORK}, ["write"])))
    assert [one.name for one in families] == ["x", "y", "dicom_node_role_ready"]
    counted = {(one.labels["role"], one.labels["caller"]): one.value for one in families[0].samples}
    assert counted == {("index", 'A{"b'): 1, ("work-1", "C"): 3}
    assert [(one.labels, one.value) for one in families[1].samples] == [({"role": "index"}, 2)]
    assert [(one.labels, one.value) for one in families[2].samples] == [({"role": "write"}, 0)]


INDEX_IS_READY = json.dumps({"ready": True, "waiting_for": []})


def gathered(said: Said) -> Gathered:
    return Gathered(list(said), lambda names, path: said)


def test_what_each_role_waits_for_is_told_with_its_name() -> None:
    waits = json.dumps({"ready": False, "waiting_for": ["PostgreSQL"]})
    listen = json.dumps({"ready": True, "waiting_for": [], "dicom_port": 104, "aet": "NODE"})
    status, _, body = gathered(
        {"listen": (200, listen), "index": (503, waits), "work": (503, ""), "write": None}
    ).answer("/health/ready")
    assert status == 503
    assert json.loads(body) == {
        "ready": False,
        "waiting_for": ["index: PostgreSQL", "work: its health door", "write: its process"],
        "dicom_port": 104,
        "aet": "NODE",
    }


def test_how_language_models_are_is_told_by_whatever_role_knows() -> None:
    known = json.dumps({"ready": True, "waiting_for": [], "language_models": {"house": "answers"}})
    said = gathered({"index": (200, INDEX_IS_READY), "summarise": (200, known)}).answer("/health/ready")
    assert (said[0], json.loads(said[2])["language_models"]) == (200, {"house": "answers"})


def test_what_hangs_is_no_life_and_what_is_being_started_again_is_no_reason_to_end_all() -> None:
    alive, hangs = json.dumps({"alive": True}), json.dumps({"alive": False, "hanging": ["delivery to PACS"]})
    status, _, body = gathered({"index": (200, alive), "deliver": (503, hangs), "write": None}).answer("/health/live")
    assert (status, json.loads(body)["hanging"]) == (503, {"deliver": ["delivery to PACS"]})
    assert gathered({"index": (200, alive), "write": None}).answer("/health/live")[0] == 200


def test_a_flood_of_questions_is_one_to_the_roles() -> None:
    now, asked = [0.0], 0

    def ask(names: Sequence[str], path: str) -> Said:
        nonlocal asked
        asked += 1
        return {"index": (200, INDEX)}

    door = Gathered(["index"], ask, lambda: now[0])
    for _ in range(1000):
        door.answer("/metrics")
    assert asked == 1
    now[0] = 1.0
    door.answer("/metrics")
    assert asked == 2


def test_another_path_is_refused() -> None:
    with pytest.raises(Refused):
        gathered({}).answer("/")


def test_roles_are_asked_where_they_say_that_they_are(tmp_path: Path) -> None:
    health = Health()
    health.beat()
    with ThreadPoolExecutor(2) as threads, HealthServer(health, Http(), tmp_path, "index"):
        said = _ask_all(tmp_path, threads, ["index", "work"], "/health/live")
    assert said == {"index": (200, '{"alive": true}'), "work": None}
