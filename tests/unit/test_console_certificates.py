"""What `doctor` says of certificates before they end."""

import time
from pathlib import Path

from config.loading import load_settings
from console.cli.certificate_looks import certificates, dicom_tls
from console.cli.looks import Look, Mark
from tests.support.certificates import Site, certified


def looked(file: Path, in_days: int = 0) -> Look:
    url = f"postgresql://node@db/node?sslmode=verify-full&sslrootcert={file}"
    (look,) = certificates(load_settings(None, {"database": {"url": url}}), time.time() + in_days * 86400)
    assert look.what == "certificate of database.url sslrootcert"
    return look


def test_a_certificate_is_told_before_it_ends_and_one_that_has_ended_or_is_not_there_is_lacking(tmp_path: Path) -> None:
    key, file = certified(tmp_path)
    assert looked(file).mark is Mark.NOTED
    assert "9 days: renew it" in looked(file).said
    certified(tmp_path, "-days", "100")
    assert looked(file).mark is Mark.OK
    assert looked(file, in_days=101).mark is Mark.LACKING
    assert "out of date since" in looked(file, in_days=101).said
    assert looked(key).mark is looked(tmp_path / "missing.pem").mark is Mark.LACKING


def test_what_keeps_dicom_tls_from_being_spoken_is_told_by_setting_and_file(tmp_path: Path) -> None:
    site = Site(tmp_path)
    ours = {"ca": str(site.ca), "certificate": str(site.node.certificate), "key": str(site.node.key)}
    peer = {"aet": "PACS", "host": "10.0.0.1", "port": 2762, "tls": True, **ours, "key": str(site.partner("X").key)}
    looks = list(dicom_tls(load_settings(None, {"listener": {"tls": ours}, "destinations": [peer]})))
    assert [(one.what, one.mark) for one in looks] == [
        ("TLS of listener.tls", Mark.OK),
        ("TLS of destinations.PACS", Mark.LACKING),
    ]
    assert "destinations.PACS.key: " in looks[1].said and "is not the key of" in looks[1].said
    assert not list(dicom_tls(load_settings(None, {})))
