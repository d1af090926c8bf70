"""The alerts of deploy/prometheus: each fires by its figure alone, and asks for figures that there are."""

import re
import subprocess

import yaml

from config import metrics
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


def test_every_alert_fires_by_its_figure_and_none_while_all_is_well() -> None:
    done = subprocess.run(
        [require("promtool"), "test", "rules", TESTS.name], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_and_tells_a_person_what_to_do_about_figures_that_there_are() -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    silent, *fired = yaml.safe_load(TESTS.read_text())["tests"]
    names = [rule["alert"] for rule in rules]
    assert [one["name"] for one in fired] == names
    assert [one["alertname"] for one in silent["alert_rule_test"]] == names
    for rule in rules:
        assert asked(rule["expr"]) <= served(), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
