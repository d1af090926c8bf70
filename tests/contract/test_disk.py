"""`dicom-node disk` says what lies on the disk, by kind and by table, and how long it lasts."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from config import metrics
from config.settings import Settings
from console.cli.app import app
from roles.disk_use import publish_space, space
from tests.support.bench import Bench
from tests.support.working import SMALL


def _said(bench: Bench, url: str, *options: str) -> str:
    done = CliRunner().invoke(app, ["disk", "--data", str(bench.root), "--database", url, *options])
    assert done.exit_code == 0, done.output
    return done.output


def _bytes(folder: Path) -> tuple[int, int]:
    found = [(Path(where) / name).stat().st_blocks * 512 for where, _, names in os.walk(folder) for name in names]
    return sum(found), len(found)


def test_each_kind_is_what_its_folder_takes_and_the_images_growth_is_what_came(bench: Bench, database_url: str) -> None:
    bench.receive(SMALL.datasets())
    said: Any = json.loads(_said(bench, database_url, "--json"))
    kinds = {one["kind"]: one for one in said["kinds"]}
    assert {"images", "spool"} <= kinds.keys()
    for kind, folder in (("images", "objects/instances"), ("spool", "spool")):
        assert (kinds[kind]["bytes"], kinds[kind]["files"]) == _bytes(bench.root / folder)
    assert kinds["images"]["growth"] == kinds["images"]["bytes"]  # all of it came today
    assert kinds["spool"]["growth"] == 0
    assert said["arrived"]["instances"] == bench.count("instances")
    assert {"instances", "audit_entries", "outbox"} <= {one["table"] for one in said["tables"]}
    (system,) = said["systems"]
    assert system["free"] > 0 and system["days_left"] > 0


def test_people_are_told_how_many_days_the_disk_lasts_once_a_day_has_told_it(bench: Bench, database_url: str) -> None:
    bench.receive(SMALL.datasets())
    soon = _said(bench, database_url)
    assert "can be said a day after the first image, which came 0 h ago" in soon
    assert " a day, as" not in soon and "images" in soon
    bench.as_owner("UPDATE dicom_node.instances SET received_at = received_at - interval '3 days'")
    later = _said(bench, database_url)
    assert re.search(
        r"at [\d.]+ .?B a day, as in the last 3 days, it is down to spool.disk_floor .* in \d+ days", later
    )


def test_a_disk_that_is_below_its_floor_already_is_called_so_on_its_first_day_too(
    bench: Bench, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.receive(SMALL.datasets())
    monkeypatch.setenv("DICOM_NODE_SPOOL__DISK_FLOOR", str(1 << 46))
    assert "below spool.disk_floor (70.4 TB) now, and senders are refused (0xA700)" in _said(bench, database_url)


def test_a_node_without_a_study_says_that_nothing_grows(bench: Bench, database_url: str) -> None:
    assert "nothing grows there at present" in _said(bench, database_url)


def test_what_is_free_is_a_metric_of_each_folder(bench: Bench) -> None:
    bench.receive(SMALL.datasets())
    publish_space(Settings(data=bench.root))
    free, _ = space(bench.root)
    told = metrics.REGISTRY.get_sample_value("dicom_node_disk_free_bytes", {"folder": "objects"})
    assert told is not None and abs(told - free) < 1 << 30
