"""`viewer`: the images and results of an archive in OHIF, as a radiologist sees them."""

import os
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from config.secret_files import secret_in
from console.cli.options import Json
from console.cli.output import complain, print_json, screen, stacked, styled
from console.demo import archive as demo_archive
from console.demo import folder as demo_folder
from console.demo.servers import Interrupted, Program
from console.demo.stall import START, StallWatch
from console.viewer.archive import Archive
from console.viewer.pages import Viewer
from domain.errors import ConfigurationError
from roles.process import stopped_by_signals

_FETCHED = Path(__file__).resolve().parents[3] / ".counterparts" / "ohif"
_VARIABLE = "DICOMWEB_CREDENTIALS"
_LISTED = 20  # studies with their addresses; the first page lists all

app = typer.Typer()


@app.command()
def viewer(
    archive: Annotated[
        str | None,
        typer.Option("--archive", metavar="URL", help="Root of an archive's DICOMweb; the demonstration's by default."),
    ] = None,
    pages: Annotated[
        Path | None,
        typer.Option("--pages", metavar="DIR", help="OHIF's built pages; those that `make viewer` fetched by default."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Its port; a free one by default.")
    ] = 0,
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Folder of the demonstration whose archive is shown.")
    ] = Path("demo-data"),
    credentials: Annotated[
        Path | None,
        typer.Option(
            "--credentials",
            metavar="FILE",
            help="File of yours alone with the archive's USER:PASSWORD, or Bearer TOKEN; also DICOMWEB_CREDENTIALS, "
            "which holds them itself.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show an archive's studies in the viewer OHIF, until Ctrl-C; without --archive what `make demo` left.

    It answers this machine alone, of its users the one who opens an address that it prints: a key stands in it, that
    lasts as long as the command runs. It passes nothing on to the archive but reading.

    Example:  dicom-node viewer --archive http://127.0.0.1:8042/dicom-web
    """
    stop = stopped_by_signals()
    secret = _secret(credentials)
    if archive:
        _check(Archive(archive, secret))
    found = pages or _fetched()
    with ExitStack() as servers:
        try:
            root = archive or _demonstration(data.absolute(), stop, servers)
        except Interrupted:
            return
        _show(servers.enter_context(Viewer(found, root, port, secret if archive else "")), as_json)
        stop.wait()


def _secret(file: Path | None) -> str:
    """The archive's credentials: never of the command line, which every user of the machine can read."""
    return secret_in(file, "--credentials") if file else os.environ.pop(_VARIABLE, "")


def _check(archive: Archive) -> None:
    """Say what a person should know before a secret goes out."""
    if archive.is_told_who_asks and archive.root.is_overheard:
        complain(f"the credentials go to {archive.root} unencrypted, and can be read on the way; https:// hides them")


def _fetched() -> Path:
    """The pages that were fetched; raises ConfigurationError that says how."""
    for index in sorted(_FETCHED.glob("*/index.html"), reverse=True):
        return index.parent
    raise ConfigurationError(
        "OHIF's pages are not there: run `make viewer` or `scripts/counterparts --ohif`, which fetch them,",
        "or name a folder that has them with --pages (`dist` of the npm package @ohif/app)",
    )


def _demonstration(data: Path, stop: threading.Event, servers: ExitStack) -> str:
    """Start the archive of the demonstration in `data` again; the root of its DICOMweb."""
    servers.enter_context(demo_folder.kept(data))
    archive = demo_archive.choose(data / "archive")
    if not archive.dicomweb():
        raise ConfigurationError(
            "the viewer reads from Orthanc by DICOMweb: install the packages orthanc and orthanc-dicomweb and run",
            "`make demo` again, or name an archive of your own with --archive",
        )
    program = servers.enter_context(Program("the archive", archive.command(), data / "archive.log"))
    program.await_ready(archive.waits_for, StallWatch(START, complain), stop)
    return archive.dicomweb()


def _show(served: Viewer, as_json: bool) -> None:
    studies = served.archive.studies()
    if as_json:
        listed = [{"study_uid": uid, "about": about, "address": served.study(uid)} for uid, about in studies]
        print_json({"address": served.address, "studies": listed})
        return
    out = screen()
    out.print()
    # Not folded, for an address is opened as it stands.
    out.print(styled(f"The viewer is at {served.address}", "bold green"), soft_wrap=True)
    out.print("  The key in an address lets its reader in, and nobody else; Ctrl-C stops the viewer, and ends the key.")
    for uid, described in studies[:_LISTED]:
        out.print(stacked([f"  {described or 'a study'}", f"    {served.study(uid)}"]), soft_wrap=True)
    if not studies:
        out.print("  The archive holds no study.")
    elif len(studies) > _LISTED:
        out.print(f"  and {len(studies) - _LISTED} more, listed there")
    out.print()
