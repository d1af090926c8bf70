"""What `make bundle` packs installs where no network is, and refuses what it was not packed as.

By the lines of docs/install.md, as they stand there.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support import packages
from tests.support.counterparts import ROOT, missing, require
from tests.support.processes import Process, free_port, wait_for

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/install.md").read_text()
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
        check, unpack, _ = lines("## 2.")
        type_in(Path(place), f"{check}\n{unpack}")
        (packed,) = Path(place).glob("*.tar")
        yield packed.with_suffix("")


def lines(heading: str) -> list[str]:
    """Of the page's first block below a heading."""
    block = re.search(r"```sh\n(.*?)```", PAGE.partition(f"\n{heading}")[2], re.DOTALL)
    assert block
    return block[1].splitlines()


def type_in(folder: Path, typed: str, **env: str) -> None:
    """Have a shell do it there; fails where one of the commands does."""
    done = subprocess.run(
        ["sh", "-ec", typed], cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{typed}\n{done.stdout}\n{done.stderr}"


def install(bundle: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Where no network is at all, not even this machine's own."""
    *_, line = lines("## 2.")
    alone = f'sudo() {{ {require("unshare")} --map-root-user --net "$@" "{folder}"; }}'
    return subprocess.run(
        ["sh", "-c", f"{alone}\n{line}"], cwd=bundle.parent, capture_output=True, text=True, check=False
    )


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


def test_by_pip_and_by_uv_it_is_installed_as_the_page_says(bundle: Path, tmp_path: Path) -> None:
    """From a folder of wheels instead of an index; what `make dist` makes is in tests/contract/test_dist.py."""
    (tmp_path / "dist").mkdir()
    for file in (bundle / "requirements.txt", *(bundle / "wheels").glob("dicom_node-*.whl")):
        shutil.copy(file, tmp_path / "dist")
    _, *pip = lines("## By pip")
    (uv,) = re.findall(r"`(uv tool install .*?)`", PAGE)
    away = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"{bundle}/wheels", "PIP_NO_COMPILE": "1", "HOME": str(tmp_path)}
    away |= {
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": f"{bundle}/wheels",
        "UV_CACHE_DIR": f"{tmp_path}/uv",
    }
    away |= {"PATH": f"{Path(sys.base_prefix) / 'bin'}:{bundle}:{os.environ['PATH']}"}
    type_in(tmp_path, "\n".join(pip).replace("/opt/", f"{tmp_path}/"), **away)
    type_in(tmp_path, uv, **away)
    programs = tmp_path / "dicom-node-pip/bin/dicom-node", tmp_path / ".local/bin/dicom-node"
    said = {subprocess.run([one, "--version"], capture_output=True, text=True, check=True).stdout for one in programs}
    assert len(said) == 1
    for one in programs:
        type_in(tmp_path, f"{one} status --help")
