"""What `make bundle` packs installs where no network is, and refuses what it was not packed as."""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support import packages
from tests.support.counterparts import ROOT, missing, require
from tests.support.processes import Process, free_port, wait_for

pytestmark = pytest.mark.slow

_UNREACHED = ("No matching distribution", "Could not find a version", "ConnectionError", "Max retries")


@pytest.fixture(scope="module")
def bundle() -> Iterator[Path]:
    """The unpacked bundle of the least that can be installed."""
    with TemporaryDirectory(dir="/var/tmp") as place:
        models = Path(place) / "models"
        packages.write_package(models)
        made = subprocess.run(
            ["make", "bundle", f"DIST={place}"],
            cwd=ROOT,
            env={**os.environ, "EXTRAS": "", "MODELS": str(models)},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode and any(said in made.stderr for said in _UNREACHED):
            missing("an index of Python packages", "let pip reach one")
        assert made.returncode == 0, made.stderr
        (packed,) = Path(place).glob("*.tar")
        with tarfile.open(packed) as opened:
            opened.extractall(place, filter="data")
        yield packed.with_suffix("")


def install(bundle: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Where no network is at all, not even this machine's own."""
    alone = [require("unshare"), "--map-root-user", "--net", str(bundle / "install"), str(folder)]
    return subprocess.run(alone, capture_output=True, text=True, check=False)


def test_it_installs_without_a_network_and_the_listener_answers_without_an_engine(bundle: Path, tmp_path: Path) -> None:
    done = install(bundle, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("installed: dicom-node ")
    assert list((tmp_path / "dicom-node/models").glob("*/manifest.toml"))
    program, port = tmp_path / "dicom-node/bin/dicom-node", free_port()
    listener = Process(
        [str(program), "listen", "--data", str(tmp_path / "data"), "--port", str(port)], tmp_path / "log"
    )
    try:
        echo = [str(program), "echo", f"DICOM_NODE@127.0.0.1:{port}"]
        wait_for(lambda: subprocess.run(echo, capture_output=True, check=False).returncode == 0, 60, "an answer")
    finally:
        listener.kill()
    again = install(bundle, tmp_path)
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_a_file_that_is_not_as_it_was_packed_installs_nothing(bundle: Path, tmp_path: Path) -> None:
    wheel = next((bundle / "wheels").glob("pydicom-*.whl"))
    right = wheel.read_bytes()
    wheel.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    done = install(bundle, tmp_path)
    wheel.write_bytes(right)
    assert done.returncode == 1
    assert "not as they were packed" in done.stderr
    assert not list(tmp_path.iterdir())
