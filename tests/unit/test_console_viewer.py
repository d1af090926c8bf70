"""The viewer's door gives pages and studies to this machine's browser, and nothing else to anybody."""

import json
import re
import socket
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli.app import app
from console.cli.commands import viewer as viewer_command
from console.demo import folder as demo_folder
from console.viewer.archive import Archive
from console.viewer.pages import Viewer
from console.viewer.services import reads
from domain.errors import ConfigurationError, Unavailable
from tests.support.counterparts import ROOT
from tests.support.door import Caller, answering, archive_that
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


@pytest.fixture
def archive() -> Iterator[tuple[str, list[bytes]]]:
    with archive_that(answering(json.dumps(LISTED).encode())) as one:
        yield one


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Pages, and beside them something that is none."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "index.html").write_text("the page")
    (folder / "app.js").write_text("run()")
    (folder / "log-in.html").write_text("secret")
    (folder / "linked.js").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture
def viewer(pages: Path, archive: tuple[str, list[bytes]]) -> Iterator[Viewer]:
    with Viewer(pages, archive[0]) as served:
        yield served


def ask(viewer: Viewer, path: str) -> tuple[int, str, str]:
    """Status, type and text of what a browser gets that came by the printed address."""
    status, headers, body = Caller(viewer.address).ask(path)
    return status, headers["content-type"].partition(";")[0], body.decode()


def test_files_are_given_as_what_they_are_and_every_place_in_the_viewer_is_its_page(viewer: Viewer) -> None:
    assert ask(viewer, "/app.js") == (200, "text/javascript", "run()")
    for path in ("/", "/viewer?StudyInstanceUIDs=1.2.1"):
        assert ask(viewer, path) == (200, "text/html", "the page")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/x/../../secret.txt",
        "/%2Fetc/passwd.txt",
        "/no\0.js",
        "/missing.js",
        "/log-in.html",
        "/linked.js",
        "/%252e%252e/secret.txt",
        "/app.js/../../secret.txt",
        "/..%5csecret.txt",
    ],
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


def test_an_archive_that_is_away_is_said(pages: Path) -> None:
    with Viewer(pages, f"http://127.0.0.1:{free_port()}/dicom-web") as viewer:
        status, _, said = ask(viewer, "/dicom-web/studies")
        assert status == 502
        assert "does not answer" in said
        with pytest.raises(Unavailable, match="Connection refused"):
            viewer.archive.studies()


def test_studies_are_listed_the_latest_first_and_without_a_name(archive: tuple[str, list[bytes]]) -> None:
    assert Archive(archive[0]).studies() == [("1.2.2", "2025-01-31, CT+SEG, Thorax"), ("1.2.1", "2024-01-31")]


@pytest.mark.parametrize(
    "path",
    [
        "/studies",
        "/studies/1.2/series/1.3/instances/1.4/frames/1,2",
        "/studies/1.2/series/1.3/metadata",
        "/studies/1.2/series/1.3/instances/1.4/bulk/00420011",
        "/studies/1.2/series/1.3/instances/1.4/bulkdata/7FE00010/1/x.raw",
        "/studies/1.2/series/1.3/instances/1.4/frames/1/rendered",
        "/studies/1.2/series/1.3/instances/1.4",
        "/studies/1.2/instances",
        "/studies/1.2/rendered",
    ],
)
def test_what_a_viewer_reads_is_reading(path: str) -> None:
    assert reads(path)


def asked_who(right: str) -> Any:
    """An archive that knows one user."""

    def answer(head: bytes, door: socket.socket) -> None:
        known = f"authorization: {right}\r\n".encode().lower() in head.lower()
        answering(b"[]", status="200 OK" if known else "401 Unauthorized")(head, door)

    return answer


@pytest.mark.parametrize(
    ("secret", "field"), [("operator:a b:c", "Basic b3BlcmF0b3I6YSBiOmM="), ("Bearer abc.def", "Bearer abc.def")]
)
def test_an_archive_that_asks_who_is_there_is_told_and_the_browser_is_not(secret: str, field: str, pages: Path) -> None:
    with archive_that(asked_who(field)) as (root, _), Viewer(pages, root, credentials=secret) as viewer:
        assert viewer.archive.studies() == []
        status, headers, body = Caller(viewer.address).ask("/dicom-web/studies")
    assert status == 200
    assert field not in f"{headers}{body!r}"


@pytest.mark.parametrize(
    ("credentials", "said"),
    [("", r"asks who is there: give its USER:PASSWORD in a file"), ("a:b", "does not take these credentials")],
)
def test_whoever_is_not_let_in_is_told_what_to_give(credentials: str, said: str) -> None:
    with archive_that(asked_who("Basic x")) as (root, _), pytest.raises(Unavailable, match=said):
        Archive(root, credentials).studies()


@pytest.mark.parametrize("secret", ["pw-alone", "a:b\nc", "Bearer \n"])
def test_credentials_that_are_none_are_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="credentials") as error:
        Archive("http://127.0.0.1/x", secret)
    assert secret not in str(error.value)


def test_credentials_come_from_a_file_of_its_owners_or_a_variable_and_from_no_argument(
    pages: Path, tmp_path: Path
) -> None:
    file = tmp_path / "archive.secret"
    file.write_text("operator:secret")
    file.chmod(0o644)
    words = ["viewer", "--pages", str(pages), "--archive", f"http://127.0.0.1:{free_port()}/x", "--credentials"]
    refused = CliRunner().invoke(app, [*words, str(file)])
    assert f"chmod 600 {file}" in refused.stderr
    file.chmod(0o600)
    for result in (
        CliRunner().invoke(app, [*words, str(file)]),
        CliRunner().invoke(app, words[:-1], env={"DICOMWEB_CREDENTIALS": "operator:secret"}),
    ):
        assert "Connection refused" in result.stderr
        assert "secret" not in result.output.replace(str(file), "")
    inside = CliRunner().invoke(app, ["viewer", "--archive", "http://operator:secret@pacs/x"])
    assert "--credentials FILE" in inside.stderr
    assert "secret" not in inside.output


@pytest.mark.parametrize(
    ("root", "said"),
    [
        ("localhost:8042/dicom-web", "http:// or https:// is missing"),
        ("dicom://pacs:104", "neither http nor https"),
        ("http://pacs:99999/x", "port"),
        ("http:///x", "names no host"),
        ("http://påcs/x", "letters that no address has"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_with_one_that_is_right(root: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as error:
        Archive(root)
    assert "such as http://127.0.0.1:8042/dicom-web" in str(error.value)


@pytest.mark.parametrize("answers", [answering(b"", status="404 Not Found"), answering(b'["1.2"]')])
def test_a_path_at_which_there_is_something_else_is_told_where_it_usually_is(answers: Any) -> None:
    with archive_that(answers) as (root, _), pytest.raises(Unavailable, match="Orthanc has its services under"):
        Archive(root).studies()


def test_pages_are_looked_for_where_they_are_fetched_to() -> None:
    assert viewer_command._FETCHED == ROOT / ".counterparts" / "ohif"
    fetched = re.search(r"^OHIF_HOME=(.+)$", (ROOT / "scripts" / "counterparts").read_text(), re.MULTILINE)
    assert fetched is not None
    assert ROOT / fetched[1] == viewer_command._FETCHED


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
