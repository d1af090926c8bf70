"""What is fetched is what we say it is, whatever index or mirror brings it: another file under its name is refused."""

import base64
import hashlib
import os
import shutil
import subprocess
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.counterparts import ROOT, kafka_jars

VERSION = "1.2.3"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wheel(folder: Path, name: str, text: str) -> Path:
    """A wheel of one module, and of a program that answers as uv does."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{VERSION}.dist-info"
    files = {
        f"{name}.py": text,
        f"{name}-{VERSION}.data/scripts/{name}": f"#!/bin/sh\necho {name} {VERSION}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {key: base64.urlsafe_b64encode(hashlib.sha256(one.encode()).digest()) for key, one in files.items()}
    record = "".join(f"{key},sha256={digest.rstrip(b'=').decode()},\n" for key, digest in digests.items())
    path = folder / f"{name}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for key, one in (files | {f"{info}/RECORD": record}).items():
            entry = zipfile.ZipInfo(key)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, one)
    return path


@contextmanager
def index(folder: Path) -> Iterator[str]:
    """A mirror of an index (PEP 503) that serves the wheels of `folder`, as they are then."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = folder / Path(self.path).name
            page = "".join(f'<a href="/{one.name}#sha256={sha256(one)}">{one.name}</a>' for one in folder.glob("*.whl"))
            body = found.read_bytes() if found.suffix == ".whl" else page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream" if found.suffix == ".whl" else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The scripts of this repository, in a folder that has nothing installed."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    return folder


def run(project: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command without any uv, and without the settings of this machine's own index."""
    known = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_"))}
    places = [one for one in known["PATH"].split(":") if not (Path(one) / "uv").exists()]
    known |= {"PATH": ":".join(places), "UV_CACHE_DIR": str(project / "cache"), "PIP_NO_CACHE_DIR": "1"}
    return subprocess.run(command, cwd=project, env=known | environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_mirror_serves_the_uv_that_is_named_and_no_other(project: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    known = sha256(wheel(mirror, "uv", "named = True\n"))
    (project / "scripts" / "uv" / "requirements.txt").write_text(f"uv=={VERSION} \\\n    --hash=sha256:{known}\n")
    with index(mirror) as address:
        taken = run(project, "scripts/setup", "--uv", PIP_INDEX_URL=address)
        assert taken.stdout == ".tools/bin/uv\n", taken.stderr

        shutil.rmtree(project / ".tools")
        served = sha256(wheel(mirror, "uv", "named = False\n"))
        refused = run(project, "scripts/setup", "--uv", PIP_INDEX_URL=address)
    assert refused.returncode != 0
    assert known in refused.stderr
    assert served in refused.stderr
    assert not (project / ".tools" / "bin" / "uv").exists()


def test_a_wheel_that_is_not_the_one_of_the_lock_file_is_refused(project: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    known = sha256(wheel(links, "wanted", "true = True\n"))
    (project / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["wanted"]\n'
        "[tool.uv]\npackage = false\n"
    )
    uv = subprocess.run([ROOT / "scripts" / "setup", "--uv"], capture_output=True, text=True, check=True, cwd=ROOT)
    program = str((ROOT / uv.stdout.strip()).absolute())
    with index(links) as address:
        assert run(project, program, "lock", UV_DEFAULT_INDEX=address).returncode == 0
        assert known in (project / "uv.lock").read_text()
        assert run(project, program, "sync", "--frozen").returncode == 0

        shutil.rmtree(project / ".venv")
        shutil.rmtree(project / "cache")
        served = sha256(wheel(links, "wanted", "true = False\n"))
        refused = run(project, program, "sync", "--frozen")
    assert refused.returncode != 0
    assert known in refused.stderr
    assert served in refused.stderr


def stand_in(project: Path, name: str, script: str) -> dict[str, str]:
    """What fetches files, in its place: a shell script under its name."""
    folder = project / "bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\nset -e\n{script}")
    (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


MAVEN = """
for one in "$@"; do case $one in -DoutputDirectory=*) folder=${one#*=} ;; esac; done
mkdir -p "$folder"
ln -s "$JARS"/*.jar "$folder"
"""


def test_a_jar_of_the_broker_that_was_changed_is_refused_and_so_is_one_more(project: Path) -> None:
    jars = {"JARS": str(kafka_jars())}
    whole = run(project, "scripts/counterparts", "--kafka", **jars | stand_in(project, "mvn", MAVEN))
    assert whole.returncode == 0, whole.stderr
    assert list((project / ".counterparts" / "kafka").glob("kafka_*.jar"))

    shutil.rmtree(project / ".counterparts")
    changed = MAVEN + 'rm "$folder"/kafka-clients-*.jar; echo changed > "$(ls -d "$folder")"/kafka-clients-4.3.0.jar\n'
    changed += 'echo more > "$folder"/more.jar\n'
    refused = run(project, "scripts/counterparts", "--kafka", **jars | stand_in(project, "mvn", changed))
    assert refused.returncode != 0
    lines = (ROOT / "scripts" / "kafka" / "SHA256SUMS").read_text().splitlines()
    known = {name: digest for digest, name in map(str.split, lines)}
    assert known["kafka-clients-4.3.0.jar"] in refused.stderr
    assert hashlib.sha256(b"changed\n").hexdigest() in refused.stderr
    assert "does not know more.jar" in refused.stderr
    assert not (project / ".counterparts" / "kafka").exists()


def test_a_broker_that_was_changed_after_it_was_fetched_is_refused(project: Path) -> None:
    folder = project / ".counterparts" / "kafka"
    folder.mkdir(parents=True)
    for jar in kafka_jars().glob("*.jar"):
        (folder / jar.name).symlink_to(jar)
    assert run(project, "scripts/counterparts", "--kafka").returncode == 0
    (folder / "slf4j-api-1.7.36.jar").unlink()
    (folder / "slf4j-api-1.7.36.jar").write_text("changed")
    refused = run(project, "scripts/counterparts", "--kafka")
    assert refused.returncode != 0
    assert "refused: slf4j-api-1.7.36.jar is " in refused.stderr


NPM = """
while [ "$1" != --pack-destination ]; do shift; done
mkdir -p package/dist && echo "$PAGE" > package/dist/index.html
tar -czf "$2"/ohif-app-3.13.2.tgz --sort=name --mtime=@0 --owner=0 --group=0 package
"""


def test_pages_of_the_viewer_that_were_changed_are_refused(project: Path) -> None:
    digests = project / "scripts" / "ohif" / "SHA512SUMS"
    known = digests.read_text().split()[0]
    npm = stand_in(project, "npm", NPM)
    refused = run(project, "scripts/counterparts", "--ohif", PAGE="changed", **npm)
    assert refused.returncode != 0
    assert known in refused.stderr
    found = refused.stderr.partition("ohif-app-3.13.2.tgz is ")[2].split()[0]
    assert not list((project / ".counterparts" / "ohif").glob("*"))

    digests.write_text(f"{found}  ohif-app-3.13.2.tgz\n")
    assert run(project, "scripts/counterparts", "--ohif", PAGE="changed", **npm).returncode == 0
    assert (project / ".counterparts" / "ohif" / "3.13.2" / "index.html").read_text() == "changed\n"


def test_no_package_of_the_lock_file_has_to_be_built() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    built = {one["name"] for one in packages if not one.get("wheels")}
    assert built == {"dicom-node"}
    files = [file for one in packages for file in (*one.get("wheels", ()), *filter(None, [one.get("sdist")]))]
    assert len(files) > 1000
    assert all(file["hash"].startswith("sha256:") for file in files)


def test_what_builds_the_project_is_in_the_lock_file_and_nothing_builds_without_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["dependency-groups"]["build"] == project["build-system"]["requires"]
    assert project["tool"]["uv"]["no-build-isolation-package"] == ["dicom-node"]
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert "uv sync --only-group build" in dockerfile
    assert "--no-build-isolation" in dockerfile
    assert dockerfile.count("pip install") - dockerfile.count("uv pip install") == dockerfile.count("--require-hashes")
