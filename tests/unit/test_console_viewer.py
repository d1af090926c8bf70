"""The viewer's door gives pages and studies to this machine's browser, and nothing else to anybody."""

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.app import app
from console.demo import folder as demo_folder
from console.viewer.archive import Archive, reads
from console.viewer.pages import Viewer
from domain.errors import ConfigurationError, Unavailable
from tests.support.processes import free_port

LISTED = [
    {"0020000D": {"vr": "UI", "Value": ["1.2.1"]}, "00080020": {"vr": "DA", "Value": ["20240131"]}},
    {
        "0020000D": {"vr": "UI", "Value": ["1.2.2"]},
        "00080020": {"vr": "DA", "Value": ["20250131"]},
        "00080061": {"vr": "CS", "Value": ["CT", "SEG"]},
        "00081030": {"vr": "LO", "Value": ["Thorax"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
    },
]


class FakeArchive(HTTPServer):
    """Answers every GET with the studies, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/dicom-web"


class _Answer(BaseHTTPRequestHandler):
    server: FakeArchive

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        body = json.dumps(LISTED).encode()
        self.send_response(404 if "/9.9" in self.path else 200)
        self.send_header("Content-Type", "application/dicom+json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gives it
        pass


@pytest.fixture
def archive() -> Iterator[FakeArchive]:
    with FakeArchive() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Pages, and beside them something that is none."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "index.html").write_text("the page")
    (folder / "app.js").write_text("run()")
    return folder


@pytest.fixture
def viewer(pages: Path, archive: FakeArchive) -> Iterator[Viewer]:
    with Viewer(pages, archive.root) as served:
        yield served


def ask(viewer: Viewer, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    """Status, type and text of an answer."""
    request = urllib.request.Request(viewer.address + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers["Content-Type"], refusal.read().decode()


def test_files_are_given_as_what_they_are_and_every_place_in_the_viewer_is_its_page(viewer: Viewer) -> None:
    assert ask(viewer, "/app.js") == (200, "text/javascript", "run()")
    for path in ("/", "/viewer?StudyInstanceUIDs=1.2.1"):
        assert ask(viewer, path) == (200, "text/html", "the page")


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/x/../../secret.txt", "/%2Fetc/passwd.txt", "/no\0.js", "/missing.js"],
)
def test_nothing_but_the_pages_can_be_had(viewer: Viewer, path: str) -> None:
    status, _, said = ask(viewer, urllib.parse.quote(path, safe="/%."))
    assert status == 404
    assert "secret" not in said


def test_the_pages_are_told_to_read_from_where_they_came(viewer: Viewer) -> None:
    _, _, said = ask(viewer, "/app-config.js")
    configuration = json.loads(said.removeprefix("window.config = ").removesuffix(";"))
    (source,) = configuration["dataSources"]
    assert {source["configuration"][root] for root in ("qidoRoot", "wadoRoot")} == {"/dicom-web"}


def test_the_browser_is_told_to_talk_to_nobody_else(viewer: Viewer) -> None:
    with urllib.request.urlopen(viewer.address, timeout=60) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "http" not in policy


def test_reading_is_passed_on_with_the_address_that_answers_should_name(viewer: Viewer, archive: FakeArchive) -> None:
    status, kind, said = ask(viewer, "/dicom-web/studies/1.2.1/series?limit=1", Accept="application/dicom+json")
    assert (status, kind, json.loads(said)) == (200, "application/dicom+json", LISTED)
    ((path, headers),) = archive.asked
    assert path == "/dicom-web/studies/1.2.1/series?limit=1"
    assert headers["Accept"] == "application/dicom+json"
    assert headers["Forwarded"] == f"host={viewer.address.removeprefix('http://')};proto=http"


def test_a_refusal_of_the_archive_is_passed_on(viewer: Viewer) -> None:
    assert ask(viewer, "/dicom-web/studies/9.9/metadata")[0] == 404


@pytest.mark.parametrize(
    "path", ["/servers", "/workitems", "/studies/../../system", "/studies/%2e%2e/instances", "/", "/st%20udies"]
)
def test_nothing_else_is_passed_on(viewer: Viewer, archive: FakeArchive, path: str) -> None:
    assert ask(viewer, f"/dicom-web{path}")[0] == 403
    assert archive.asked == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(viewer: Viewer, archive: FakeArchive, method: str) -> None:
    assert ask(viewer, "/dicom-web/studies/1.2.1", method)[0] == 501
    assert archive.asked == []


def test_a_page_elsewhere_cannot_read_by_a_name_that_leads_here(viewer: Viewer, archive: FakeArchive) -> None:
    assert ask(viewer, "/dicom-web/studies", Host="elsewhere.example:80")[0] == 421
    assert archive.asked == []


def test_an_archive_that_is_away_is_said(pages: Path) -> None:
    with Viewer(pages, f"http://127.0.0.1:{free_port()}/dicom-web") as viewer:
        status, _, said = ask(viewer, "/dicom-web/studies")
        assert (status, said) == (502, said)
        assert "does not answer" in said
        with pytest.raises(Unavailable, match="Connection refused"):
            viewer.archive.studies()


def test_studies_are_listed_the_latest_first_and_without_a_name(archive: FakeArchive) -> None:
    assert Archive(archive.root).studies() == [("1.2.2", "2025-01-31, CT+SEG, Thorax"), ("1.2.1", "2024-01-31")]


@pytest.mark.parametrize(
    "path",
    [
        "/studies",
        "/studies/1.2/series/1.3/instances/1.4/frames/1,2",
        "/studies/1.2/series/1.3/metadata",
        "/studies/1.2/series/1.3/instances/1.4/bulk/00420011",
    ],
)
def test_what_a_viewer_reads_is_reading(path: str) -> None:
    assert reads(path)


@pytest.mark.parametrize("root", ["file:///etc", "ftp://archive/", "archive:8042", ""])
def test_an_archive_has_an_address(root: str) -> None:
    with pytest.raises(ConfigurationError, match="DICOMweb"):
        Archive(root)


def test_a_folder_without_pages_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["viewer", "--pages", str(tmp_path), "--archive", "http://127.0.0.1:1/dicom-web"])
    assert result.exit_code == 1
    assert f"{tmp_path} holds no pages" in result.stderr


def test_without_a_demonstration_there_is_nothing_to_show(pages: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["viewer", "--pages", str(pages), "--data", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "make demo" in result.stderr


def test_a_demonstration_and_its_viewer_do_not_run_together(tmp_path: Path) -> None:
    with demo_folder.fresh(tmp_path / "demo") as place:
        second = demo_folder.kept(place)
        with pytest.raises(ConfigurationError, match="another"):
            second.__enter__()
    with demo_folder.kept(place) as again:
        assert again == place
