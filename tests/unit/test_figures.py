"""Figures that alerts can use: each is served by who knows it, and ages do not fall at an attempt."""

import math
import ssl
import time
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge

from config import metrics
from config.certificates import certificate_files, first_expiry
from config.loading import load_settings
from roles.certificates import publish_certificates, troubles
from roles.table import ROLES
from tests.support.certificates import certified


def served(role: str) -> set[str]:
    return {line.split()[2] for line in metrics.exposition(role).decode().splitlines() if line.startswith("# TYPE")}


def test_a_figure_without_labels_is_served_by_the_role_that_knows_it_and_by_no_other() -> None:
    collectors = set(metrics.REGISTRY._names_to_collectors.values())
    bare = {one._name for one in collectors if isinstance(one, Counter | Gauge) and not one._labelnames}
    assert bare == set(metrics.OF_ROLE)
    for name, roles in metrics.OF_ROLE.items():
        assert [other for other in ROLES if any(one.startswith(name) for one in served(other))] == [
            other for other in ROLES if other in roles
        ]


def test_a_second_worker_serves_what_the_first_does() -> None:
    metrics.build.labels("test").set(1)
    assert served("work-1") == served("work")
    assert "dicom_node_build_info" in served("work")


@pytest.mark.parametrize("extensions", [(), ("-addext", "basicConstraints=critical,CA:FALSE")])
def test_the_expiry_of_a_certificate_is_read_from_its_file_whoever_it_is_of(
    tmp_path: Path, extensions: tuple[str, ...]
) -> None:
    _, certificate = certified(tmp_path, *extensions)
    expiry = first_expiry(certificate)
    assert expiry is not None
    assert expiry - time.time() == pytest.approx(10 * 86400, abs=3600)


def test_of_several_certificates_the_first_end_counts_also_one_behind_2049(tmp_path: Path) -> None:
    _, later = certified(tmp_path, "-days", "20000")
    text = later.read_text()
    expiry = first_expiry(later)
    assert expiry is not None
    assert expiry - time.time() == pytest.approx(20000 * 86400, abs=3600)
    _, both = certified(tmp_path)
    both.write_text(f"words\n{text}{both.read_text()}")
    expiry = first_expiry(both)
    assert expiry is not None
    assert expiry - time.time() == pytest.approx(10 * 86400, abs=3600)


def test_what_is_no_certificate_has_no_end(tmp_path: Path) -> None:
    key, cut = certified(tmp_path)
    damaged = ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(cut.read_text())[:60])
    cut.write_text(damaged)
    assert [first_expiry(one) for one in (key, cut, tmp_path / "missing.pem", tmp_path)] == [None] * 4


def test_every_file_of_certificates_that_the_settings_name_is_told_of_by_its_figure(tmp_path: Path) -> None:
    _, file = certified(tmp_path)
    url = f"postgresql://node:p?@s@db/node?sslmode=verify-full&sslrootcert={file}&sslcert={file}&sslkey=/key"
    owner = {"owner_url": f"postgresql://owner@db/node?sslrootcert={file}"}
    settings = load_settings(
        None, {"database": {"url": url, **owner}, "bus": {"kafka": "b:9", "tls": True, "ca": str(file)}}
    )
    names = ["bus.ca", "database.url sslrootcert", "database.url sslcert", "database.owner_url sslrootcert"]
    assert list(certificate_files(settings)) == [(name, file) for name in names]
    publish_certificates(settings)
    assert {*troubles(settings).values()} == {f"expires on {_day(file)}: renew it"}
    said = metrics.read_values(metrics.exposition("index").decode(), metrics.certificate_expiry._name)
    assert said == dict.fromkeys(names, first_expiry(file))
    file.unlink()
    assert {*troubles(settings).values()} == {"cannot be read"}
    said = metrics.read_values(metrics.exposition("index").decode(), metrics.certificate_expiry._name)
    assert all(map(math.isnan, said.values()))


def _day(file: Path) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(first_expiry(file)))


def test_the_certificates_of_the_listener_and_of_peers_are_among_them(tmp_path: Path) -> None:
    key, file = certified(tmp_path)
    ours = {"certificate": str(file), "key": str(key), "ca": str(file)}
    peer = {"aet": "PACS", "host": "10.0.0.1", "port": 2762, "tls": True, **ours}
    settings = load_settings(None, {"listener": {"tls": ours}, "destinations": [peer], "sources": [peer]})
    assert [name for name, _ in certificate_files(settings)] == [
        f"{where}.{name}"
        for where in ("listener.tls", "destinations.PACS", "sources.PACS")
        for name in ("certificate", "ca")
    ]


def test_the_machines_own_certificates_are_no_file_of_the_settings() -> None:
    url = "postgresql://node@db/node?sslmode=verify-full&sslrootcert=system"
    assert not list(certificate_files(load_settings(None, {"database": {"url": url}})))
