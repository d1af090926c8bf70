"""What `doctor` says of certificates before they end."""

import time
from pathlib import Path

from config.loading import load_settings
from console.cli.certificate_looks import certificates
from console.cli.looks import Look, Mark
from tests.support.certificates import certified


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
