"""Figures that alerts can use: each is served by who knows it, and ages do not fall at an attempt."""

import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge

from config import metrics
from config.certificates import first_expiry
from roles.table import ROLES


def served(role: str) -> set[str]:
    return {line.split()[2] for line in metrics.exposition(role).decode().splitlines() if line.startswith("# TYPE")}


def test_a_figure_without_labels_is_served_by_the_role_that_knows_it_and_by_no_other() -> None:
    collectors = set(metrics.REGISTRY._names_to_collectors.values())
    bare = {one._name for one in collectors if isinstance(one, Counter | Gauge) and not one._labelnames}
    assert bare == set(metrics.OF_ROLE)
    for name, role in metrics.OF_ROLE.items():
        assert [other for other in ROLES if any(one.startswith(name) for one in served(other))] == [role]


def test_a_second_worker_serves_what_the_first_does() -> None:
    metrics.build.labels("test").set(1)
    assert served("work-1") == served("work")
    assert "dicom_node_build_info" in served("work")


def test_the_expiry_of_a_certificate_is_read_from_its_file_and_what_is_none_has_none(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "10", "-subj", "/CN=test"]
    subprocess.run([*made, *files], check=True, capture_output=True)
    expiry = first_expiry(certificate)
    assert expiry is not None
    assert expiry - time.time() == pytest.approx(10 * 86400, abs=3600)
    key.write_text("no certificate")
    assert first_expiry(key) is None
    assert first_expiry(tmp_path / "missing.pem") is None
