"""The alerts of deploy/prometheus: each fires by its figure alone, and asks for figures that there are."""

import re
import subprocess

import pytest
import yaml

from config import metrics
from roles.table import ROLES
from tests.support.counterparts import ROOT, require

FOLDER = ROOT / "deploy" / "prometheus"
RULES = FOLDER / "dicom-node.rules.yml"
TESTS = FOLDER / "dicom-node.rules.test.yml"


def asked(text: str) -> set[str]:
    """Names of the figures that an expression asks for."""
    return set(re.findall(r"dicom_node_\w+", text))


def served() -> set[str]:
    """Names of all series that a node may serve."""
    names = set()
    for family in metrics.REGISTRY.collect():
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {f"{family.name}{end}" for end in ends}
    return names


@pytest.mark.parametrize("sample", ["scrape.yml", "scrape-compose.yml"])
def test_a_sample_of_settings_is_one_that_prometheus_takes(sample: str) -> None:
    command = [require("promtool"), "check", "config", sample]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_of_compose_every_role_is_scraped_where_it_listens() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    (job,) = yaml.safe_load((FOLDER / "scrape-compose.yml").read_text())["scrape_configs"]
    scraped = {one["labels"]["role"]: one["targets"] for one in job["static_configs"]}
    doors = {
        name: [f"{one['environment']['DICOM_NODE_HTTP__HOST']}:{one['environment']['DICOM_NODE_HTTP__PORT']}"]
        for name, one in services.items()
        if name in ROLES
    }
    assert scraped == doors


def test_every_alert_fires_by_its_figure_and_none_while_all_is_well() -> None:
    done = subprocess.run(
        [require("promtool"), "test", "rules", TESTS.name], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_and_tells_a_person_what_to_do_about_figures_that_there_are() -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    silent, *fired = yaml.safe_load(TESTS.read_text())["tests"]
    names = [rule["alert"] for rule in rules]
    by_faults = (ROOT / "tests/acceptance/test_alerts_fire.py").read_text()
    assert [one for one in names if f'await_alert("{one}"' not in by_faults] == []
    assert [one["name"] for one in fired] == names
    assert [one["alertname"] for one in silent["alert_rule_test"]] == names
    for rule in rules:
        assert asked(rule["expr"]) <= served(), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
